"""Writes C of an ONNX file, unchecked, as an export does not: python -m converters.c GRAPH.onnx OUT.c."""

from __future__ import annotations

import sys
from pathlib import Path

from converters.c.compiler import compile_graph
from zoo.errors import SpeechZooError


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    graph, out = arguments
    try:
        Path(out).write_text(compile_graph(graph))
    except SpeechZooError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
