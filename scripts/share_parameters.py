"""Keep what a packaged model's parameters and graph share once: python -m scripts.share_parameters MODEL

The graph stays as it is, and the parameters become a recipe from which ``zoo.parts`` puts the same file
together, byte for byte, when somebody asks for the network in PyTorch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo.builtin import folder
from zoo.errors import ArtifactError, SpeechZooError
from zoo.files import atomic
from zoo.parts import ENDING, join
from zoo.registry import get_spec

SMALLEST = 4096  # bytes of a tensor that is looked for; smaller ones may be found where they are not meant
WIDTHS = {"F16": 2, "BF16": 2, "F32": 4}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.share_parameters",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="+", help="whose parameters and graph are in the package")
    try:
        for name in parser.parse_args(argv).model:
            place = folder(get_spec(name))
            recipe = share(place / f"{name}.safetensors", place / f"{name}.onnx")
            print(f"{recipe}: {recipe.stat().st_size / 1e3:.0f} kB")
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def share(parameters: Path, graph: Path) -> Path:
    """Replace parameters by a recipe that takes from the graph what this holds too.

    Raises:
        ArtifactError: what the recipe gives is another file; the parameters stay then.
    """
    content, other = parameters.read_bytes(), graph.read_bytes()
    pieces: list[Any] = []
    own = bytearray()
    for start, end, shape, width in _regions(content):
        part = content[start:end]
        found = _found(part, shape, width, other) if shape else None
        if found is not None:
            pieces.append(found)
            continue
        own += part
        if pieces and isinstance(pieces[-1], int):
            pieces[-1] += len(part)
        else:
            pieces.append(len(part))
    recipe = parameters.with_name(parameters.name + ENDING)
    with atomic(recipe) as temporary:
        line = json.dumps({"from": graph.name, "pieces": pieces}, separators=(",", ":"))
        temporary.write_bytes(line.encode() + b"\n" + own)
        if join(temporary) != content:
            raise ArtifactError(f"{recipe}: it does not give {parameters.name} again; nothing was changed")
    parameters.unlink()
    return recipe


def _regions(content: bytes) -> Iterator[tuple[int, int, list[int], int]]:
    """Begin and end of the header and of each tensor of a safetensors file, with its shape and width."""
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    yield 0, begin, [], 0
    tensors = [about for name, about in header.items() if name != "__metadata__"]
    for about in sorted(tensors, key=lambda about: about["data_offsets"]):
        start, end = about["data_offsets"]
        yield begin + start, begin + end, about["shape"], WIDTHS[about["dtype"]]


def _found(part: bytes, shape: list[int], width: int, other: bytes) -> list[Any] | None:
    """Where the other file holds a tensor, in whatever order of its axes."""
    if len(part) < SMALLEST:
        return None
    array = np.frombuffer(part, f"V{width}").reshape(shape)
    for order in itertools.permutations(range(array.ndim)):
        turned = array.transpose(order)
        offset = other.find(turned.tobytes())
        if offset >= 0:
            return [offset, list(turned.shape), [order.index(axis) for axis in range(array.ndim)], width]
    return None


if __name__ == "__main__":
    sys.exit(main())
