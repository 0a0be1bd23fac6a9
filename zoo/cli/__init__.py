"""The command line: every module of this folder is a command of its own name.

A command's module defines ``add_arguments(parser)`` and ``run(args) -> int``; the first line of its
docstring is its help.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence

from zoo.errors import SpeechZooError
from zoo.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``speechzoo``; by default with the process's own arguments.

    Returns:
        the exit status: 0, 1 after an error that was told on stderr, 130 when interrupted.
    """
    args = _parser().parse_args(arguments)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except SpeechZooError as error:
        print(f"speechzoo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as `speechzoo ... | head` ends; Python must not flush once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speechzoo", description="Small speech models, ready to run.")
    parser.add_argument("--version", action="version", version=f"speechzoo {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for found in pkgutil.iter_modules(__path__):
        if found.name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{found.name}")
        summary, _, details = (module.__doc__ or "").partition("\n")
        command = commands.add_parser(
            found.name.replace("_", "-"),
            help=summary.rstrip("."),
            description=f"{summary}\n{details}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
