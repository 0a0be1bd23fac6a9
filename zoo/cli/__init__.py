"""The command line: every module of this folder is a command of its own name.

A command's module defines ``add_arguments(parser)``, ``run(args) -> int`` and ``GROUP``, one of ``GROUPS``.
Its docstring is its help; the first line is also shown by ``speechzoo --help``. A module whose name begins
with an underscore is no command. Only commands may import ``converters``, inside their functions.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import io
import os
import pkgutil
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from zoo.cli._arguments import Misuse, network
from zoo.cli._signals import Terminated, raise_when_terminated
from zoo.cli._voice import add_voice, voice
from zoo.errors import SpeechZooError
from zoo.version import __version__

GROUPS = ("run models", "find and share models", "make artifacts", "measure")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``speechzoo``; by default with the process's own arguments.

    Returns:
        the exit status: 0, 1 after an error that was told on stderr, 130 when interrupted, 143 when
        terminated.

    Raises:
        SystemExit: status 2 after words that make no sense, 0 after help.
    """
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    parser, _ = _parser(words[0] if words and words[0] in _names() else "")
    args, unknown = parser.parse_known_args(words)
    if unknown:
        args.parser.error(_unknown(unknown[0], args.parser, _parser()[1]))
    args.words = words
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be UTF-8
    try:
        with voice(args), network(args), raise_when_terminated():
            status: int = args.run(args)
        if sys.stdout is not None:  # it may be closed
            sys.stdout.flush()
    except Misuse as error:
        args.parser.error(str(error))
    except SpeechZooError as error:
        if args.verbose:
            traceback.print_exception(error)
        print(f"speechzoo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
    except BrokenPipeError:  # as `speechzoo ... | head` ends
        _give_up_stdout()
        return 1
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EIO, errno.EBADF):
            raise
        _give_up_stdout()
        print(f"speechzoo: standard output cannot be written ({error.strerror})", file=sys.stderr)
        return 1
    return status


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of every command, by its name."""
    return {**_parser()[1]}


def _give_up_stdout() -> None:
    """Keep Python from flushing once more at exit, which would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, not all the options that there are."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"usage: {self.prog} [--help] ...\n{self.prog}: error: {message}\n")


def _names() -> list[str]:
    """Names of all commands, none of which is imported."""
    found = (module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))
    return [name for name in found if not name.startswith("-")]


def _parser(only: str = "") -> tuple[_Parser, dict[str, _Parser]]:
    """The command line and its commands by name: all, or only one, so that no other is imported."""
    parser = _Parser(
        prog="speechzoo",
        usage="speechzoo [-h] [--version] [-q | -v] COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_voice(parser, default=False)
    parser.add_argument("--version", action="version", version=f"speechzoo {__version__}")
    commands = parser.add_subparsers(
        prog="speechzoo", metavar="COMMAND", required=True, help=argparse.SUPPRESS
    )
    by_group: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for name in [only] if only else _names():
        module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
        summary, _, details = (module.__doc__ or "").partition("\n")
        command = commands.add_parser(
            name,
            help=summary.rstrip("."),
            description=f"{summary}\n{details}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(parser=command, run=module.run)
        module.add_arguments(command)
        add_voice(command)
        by_group[module.GROUP].append((name, summary.rstrip(".")))
    parser.description = "Small speech models, ready to run.\n" + "".join(
        f"\n{group}:\n" + "".join(f"  {name:<16}{summary}\n" for name, summary in listed)
        for group, listed in by_group.items()
    )
    return parser, commands.choices


def _unknown(word: str, parser: _Parser, commands: dict[str, _Parser]) -> str:
    """What to say of a word that a command does not take."""
    option = word.partition("=")[0]
    if not option.startswith("-"):
        return f"{word!r} is one word too many"
    others = [name for name, other in commands.items() if option in other._option_string_actions]
    known = [name for name in parser._option_string_actions if name.startswith("--")]
    near = difflib.get_close_matches(option, known, 1)
    if near:
        return f"there is no option {option}; did you mean {near[0]}?"
    if others:
        return f"{option} is an option of speechzoo {', '.join(others)}, not of this command"
    return f"there is no option {option}"
