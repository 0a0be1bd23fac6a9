"""Makes `python -m scripts.<name>` of a command, for those who know the scripts of a clone or of others."""

from __future__ import annotations

import sys
from collections.abc import Callable

from zoo.cli import main as speechzoo


def shim(*words: str) -> Callable[[list[str] | None], int]:
    """Make a script's ``main``: the words of a command line, and what is given to the script behind them."""

    def main(argv: list[str] | None = None) -> int:
        return speechzoo([*words, *(sys.argv[1:] if argv is None else argv)])

    return main
