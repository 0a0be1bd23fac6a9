"""Files of weights of generated C that has none inside: how they are made up, and what is wrong with one.

A file is a head of 64 bytes, the constants as the code reads them, and the record of every artifact, all
little-endian. The code checks it when a stream loads it; here is only read what has been checked.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ArtifactError

MAGIC = b"SPCHZOOW"
HEAD = struct.Struct("<8s4Q16xQ")  # magic, key of the code, bytes of constants, of record, version, checksum
VERSION = 1
_ALIGNMENT = 64  # bytes
_PRIME, _MASK = 0x100000001B3, (1 << 64) - 1
_WRONG = {  # what <name>_load gives
    1: "it is no file of weights that speechzoo export --weights-file wrote",
    2: "it is cut, or has more at its end than it should; copy it again",
    3: "its weights are for other code: another model, form or version; export both together",
    4: "it is damaged: its checksum is another; copy it again",
}


def pack_weights(key: int, constants: bytes, record: str) -> bytes:
    """The content of a file.

    Args:
        key: of the code that reads it.
        constants: as the code reads them, in whole words of 8 bytes.
        record: the artifact's manifest.
    """
    text = record.encode()
    text += b" " * (-len(text) % 8)
    head = HEAD.pack(MAGIC, key, len(constants), len(text), VERSION, 0)
    words = head[:-8] + constants + text
    return HEAD.pack(MAGIC, key, len(constants), len(text), VERSION, checksum(words)) + constants + text


def checksum(data: bytes) -> int:
    """FNV-1a (Fowler, Noll and Vo) over words of 64 bits, the high half folded into the low one each time."""
    found = 0xCBF29CE484222325
    for word in np.frombuffer(data, "<u8").tolist():
        found = (found ^ word) * _PRIME & _MASK
        found ^= found >> 32
    return found


def read_weights(path: Path) -> NDArray[np.uint8]:
    """A file's bytes where the code can read them.

    Raises:
        ArtifactError: there is no such file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path}: it cannot be read ({error.strerror}); expected a weights file"
        ) from error
    room = np.zeros(len(data) + _ALIGNMENT, np.uint8)
    begin = -room.ctypes.data % _ALIGNMENT
    aligned = room[begin : begin + len(data)]
    aligned[:] = np.frombuffer(data, np.uint8)
    return aligned


def check_loaded(code: int, path: Path) -> None:
    """Say what is wrong with a file that the code did not load.

    Raises:
        ArtifactError: that.
    """
    if code:
        raise ArtifactError(f"{path}: {_WRONG.get(code, f'the code does not load it ({code})')}")


def record_in(data: NDArray[np.uint8]) -> str:
    """The record in a file that was loaded."""
    _, _, constants, size, _, _ = HEAD.unpack(data[: HEAD.size].tobytes())
    begin = HEAD.size + constants
    return data[begin : begin + size].tobytes().decode(errors="replace")
