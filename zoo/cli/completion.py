"""Print what completes this command's words in a shell.

examples:
  speechzoo completion bash    # into ~/.local/share/bash-completion/completions/speechzoo
  speechzoo completion zsh     # into ~/.zfunc/_speechzoo, a folder of fpath, before compinit
  speechzoo completion tcsh    # behind the lines of ~/.cshrc
"""

from __future__ import annotations

import argparse

from zoo.extras import extra

GROUP = "find and share models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(args: argparse.Namespace) -> int:
    from zoo.cli import _parser

    with extra("completion", "completion in a shell"):
        import shtab
    parser, _ = _parser()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            action.help = None  # our own help tells of commands in groups, and hides this list
    print(shtab.complete(parser, args.shell))
    return 0
