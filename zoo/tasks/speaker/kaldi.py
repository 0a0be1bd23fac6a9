"""Kaldi's archives of vectors and their indices, as far as they are data.

Kaldi lets an index name commands, and other readers take pickles, audio and more from an archive. Here a
value of an index is a file and a place in it, and a record holds numbers; all else is refused and nothing is
run.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from zoo.arrays import Array

_BINARY = b"\0B"
_KINDS = {b"FV ": ("<f4", 1), b"DV ": ("<f8", 1), b"FM ": ("<f4", 2), b"DM ": ("<f8", 2)}  # type, dimensions
_INTEGER = b"\4"  # an integer of so many bytes follows
_LONGEST = 1 << 20  # bytes of a name or of a record in text


def read_ark(path: Path) -> Iterator[tuple[str, Array]]:
    """Names and values of an archive, in its order: float32 vectors (E,), or matrices.

    Raises:
        ValueError: something else is in it, or it is cut short; says at which byte.
        OSError: it cannot be read.
    """
    with _open(path) as file:
        while name := _name(file):
            yield name, _value(file)


def read_scp(path: Path) -> Iterator[tuple[str, Array]]:
    """Names and values that an index lists, in its order, wherever they are; relative paths begin here.

    Raises:
        ValueError: a line is not "name path:offset", or a record as of ``read_ark``; says in which line.
        OSError: the index cannot be read.
    """
    with ExitStack() as stack:
        opened = ""
        for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
            if not line.strip():
                continue
            try:
                name, archive, offset = _entry(line)
                if archive != opened:
                    stack.close()
                    file, opened = stack.enter_context(_open(Path(archive))), archive
                file.seek(offset)
                yield name, _value(file)
            except (OSError, ValueError) as error:
                raise ValueError(f"line {number}: {error}") from error


def write_ark(ark: Path, scp: Path, vectors: Mapping[str, Array], archive: Path) -> None:
    """Write an archive and its index.

    Args:
        ark, scp: the files.
        vectors: (E,) by name, which holds no white space; stored as float32.
        archive: what the index calls the archive.
    """
    with ark.open("wb") as file, scp.open("w", encoding="utf-8") as index:
        for name, vector in vectors.items():
            file.write(name.encode() + b" ")
            index.write(f"{name} {archive}:{file.tell()}\n")
            file.write(_BINARY + b"FV " + _INTEGER + len(vector).to_bytes(4, "little"))
            file.write(np.ascontiguousarray(vector, "<f4").tobytes())


def _entry(line: str) -> tuple[str, str, int]:
    """Name, archive and offset of an index's line."""
    name, *rest = line.split(None, 1)
    value = rest[0].strip() if rest else ""
    archive, _, offset = value.rpartition(":")
    if value.startswith("|") or value.endswith("|") or archive.rstrip().endswith("|"):
        raise ValueError("it is a command, which is not run")
    if not archive or not (offset.isascii() and offset.isdigit() and len(offset) < 19):
        raise ValueError(f'expected "name path:offset", got {line[:80]!r}')
    return name, archive, int(offset)


def _open(path: Path) -> BinaryIO:
    if not path.is_file():  # a pipe or a device would be waited for
        raise ValueError(f"{path}: there is no such file")
    return open(os.fspath(path), "rb")


def _name(file: BinaryIO) -> str:
    """The next record's name; empty at the end."""
    name = bytearray()
    while (byte := file.read(1)) not in (b" ", b""):
        name += byte
        if len(name) > _LONGEST:
            raise ValueError("it is no archive of vectors: no name begins it")
    text = name.strip().decode()
    if text and not byte:
        raise ValueError(f"it ends behind the name {text[:80]!r}")
    return text


def _value(file: BinaryIO) -> Array:
    """The record that begins here."""
    place, head = file.tell(), file.read(2)
    try:
        return _numbers(file) if head == _BINARY else _text(head + file.readline(_LONGEST))
    except ValueError as error:
        raise ValueError(f"the record at byte {place}: {error}") from error


def _numbers(file: BinaryIO) -> Array:
    kind = file.read(3)
    if kind not in _KINDS:
        raise ValueError(f"its kind is {kind!r}; expected FV, DV, FM or DM, plain vectors and matrices")
    dtype, dimensions = _KINDS[kind]
    shape = tuple(_integer(file) for _ in range(dimensions))
    size = math.prod(shape) * np.dtype(dtype).itemsize
    left = os.fstat(file.fileno()).st_size - file.tell()
    if size > left:
        raise ValueError(f"{shape} values take {size} bytes, and {left} follow; it is cut short")
    values = np.frombuffer(file.read(size), dtype).reshape(shape)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        return values.astype(np.float32)


def _integer(file: BinaryIO) -> int:
    content = file.read(5)
    value = int.from_bytes(content[1:], "little", signed=True)
    if len(content) != 5 or content[:1] != _INTEGER or value < 0:
        raise ValueError("its dimensions are damaged")
    return value


def _text(line: bytes) -> Array:
    """Numbers of a line, with or without brackets around them."""
    words = line.strip()
    if words.startswith(b"["):
        words = words[1:-1] if words.endswith(b"]") else b"?"
    try:
        values = [float(word) for word in words.split()]
    except ValueError:
        values = []
    if not values:
        raise ValueError("it is neither a binary vector nor one in text")
    return np.array(values, np.float32)
