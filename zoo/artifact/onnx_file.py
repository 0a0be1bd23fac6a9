"""What an ONNX file may not hold, read from its bytes before ONNX Runtime sees it, without the package onnx.

Data outside the file may be any file of the machine, and of two records with one key each reader takes the
one that it likes. Only the messages in which such things can be are walked through; all else is stepped over.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from zoo.artifact.manifest import METADATA_KEY
from zoo.errors import ArtifactError

# Of each kind of message, the fields that hold other messages: number -> kind (onnx.proto).
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 14: "entry", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_KEY = 1  # of an entry
_DOMAIN = 7  # of a node
_GRAPH, _GRAPHS = 6, 11  # of an attribute
_DOMAINS = (b"", b"ai.onnx", b"speechzoo")  # the last is of functions that TensorRT has plugins for
_SUBGRAPHS = "subgraphs, as loops and branches have them"
_TOLD = {  # what is held against the rules, besides where a tensor's data is
    ("tensor", _EXTERNAL_DATA), ("entry", _KEY), ("node", _DOMAIN), ("attribute", _GRAPH),
    ("attribute", _GRAPHS),
}  # fmt: skip
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_FIELDS = 5_000_000  # some seconds; a graph of ours has some ten thousand


def check_file(path: Path) -> bool:
    """Refuse a file that refers to others or says one thing twice, or is not what it says.

    Returns:
        whether it has subgraphs, as loops have, so that it may never end; none of ours has.

    Raises:
        ArtifactError: a tensor's data is outside the file, two entries of its metadata have one key, or it
            has our manifest and operators that no export of ours has.
        ValueError: it is no ONNX file, or cut short.
        OSError: it cannot be read.
    """
    keys: set[bytes] = set()
    others: set[str] = set()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for kind, number, value in _fields(content):
            if kind == "tensor" and number in (_EXTERNAL_DATA, _DATA_LOCATION):
                raise ArtifactError(
                    f"{path}: the data of a tensor is outside the file, which is not read; save it as one "
                    f"file, with its weights inside"
                )
            if kind == "node" and number == _DOMAIN and value not in _DOMAINS:
                others.add(f"operators of {value.decode(errors='replace')[:60]!r}")
            if kind == "attribute":
                others.add(_SUBGRAPHS)
            if kind == "entry" and number == _KEY:
                if value in keys:
                    raise ArtifactError(
                        f"{path}: its metadata has the key {value.decode(errors='replace')!r} twice; "
                        f"export or download it again"
                    )
                keys.add(value)
    if METADATA_KEY.encode() in keys and others:
        raise ArtifactError(
            f"{path}: it holds {' and '.join(sorted(others))}, which nothing that speechzoo exports does; "
            f"export or download it again"
        )
    return _SUBGRAPHS in others


def _fields(content: mmap.mmap) -> Iterator[tuple[str, int, bytes]]:
    """Fields of interest, wherever they are, with the kind of message that they are in."""
    waiting = [("model", 0, len(content))]
    count = 0
    while waiting:
        kind, place, end = waiting.pop()
        inside = _INSIDE.get(kind, {})
        while place < end:
            count += 1
            if count > _MOST_FIELDS:
                raise ValueError(f"it has more than {_MOST_FIELDS} fields")
            tag, place = _varint(content, place, end, 5)
            number, wire = tag >> 3, tag & 7
            begin = place
            if wire == _VARINT:
                value, place = _varint(content, place, end, 10)
                if kind == "tensor" and number == _DATA_LOCATION and value:
                    yield kind, number, b""
                continue
            if wire == _BYTES:
                length, begin = _varint(content, place, end, 5)
                place = begin + length
            elif wire in (_FIXED64, _FIXED32):
                place += 8 if wire == _FIXED64 else 4
            else:
                raise ValueError(f"a field of type {wire} at byte {begin}")
            if place > end:
                raise ValueError(f"a field at byte {begin} is longer than what holds it")
            if wire == _BYTES and (kind, number) in _TOLD:
                yield kind, number, b"" if kind == "attribute" else content[begin:place]
            if wire == _BYTES and number in inside:
                waiting.append((inside[number], begin, place))


def _varint(content: mmap.mmap, place: int, end: int, most: int) -> tuple[int, int]:
    """An integer of at most so many bytes, and where it ends; of five bytes, 32 bits count."""
    value = shift = 0
    for at in range(place, min(place + most, end)):
        byte = content[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (0xFFFFFFFF if most == 5 else 0xFFFFFFFFFFFFFFFF), at + 1
        shift += 7
    raise ValueError(f"no integer at byte {place}")
