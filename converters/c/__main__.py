"""Writes C of an ONNX file, unchecked: python -m converters.c GRAPH.onnx OUT.c [STREAMS]."""

from __future__ import annotations

import sys
from pathlib import Path

from converters.c.compiler import compile_graph
from zoo.errors import SpeechZooError


def main(arguments: list[str]) -> int:
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    graph, out, *streams = arguments
    try:
        Path(out).write_text(compile_graph(graph, streams=int(streams[0]) if streams else 1))
    except (SpeechZooError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
