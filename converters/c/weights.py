"""Puts constants into a file of their own, which the code loads at run time, instead of into the C."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from converters.c.ir import Program, constant
from converters.c.memory import ALIGNMENT
from converters.c.views import Buffer
from zoo.runtime.weights_file import pack_weights

PLACE = "weights"  # of buffers in the file


@dataclass(frozen=True)
class Apart:
    """The constants of a file of weights.

    Attributes:
        key: of the code that reads them; code of another key reads other constants.
        wide, narrow: those of 64 bits, which come first, and those of 32.
    """

    key: int
    wide: list[Buffer]
    narrow: list[Buffer]

    @property
    def word(self) -> str:
        """The key in C."""
        return f"0x{self.key:016x}u"

    @property
    def wide_size(self) -> int:
        """Elements of 64 bits."""
        return _end(self.wide)

    @property
    def size(self) -> int:
        """Bytes of all constants."""
        return 8 * self.wide_size + 4 * _end(self.narrow)

    def file(self, record: str) -> bytes:
        """The content of the file; ``record`` is its manifest."""
        wide, narrow = np.zeros(self.wide_size, "<f8"), np.zeros(_end(self.narrow), "<f4")
        for found, buffers in ((wide, self.wide), (narrow, self.narrow)):
            for buffer in buffers:
                assert buffer.data is not None, "of a constant"
                found[buffer.offset : buffer.offset + buffer.size] = buffer.data.ravel()
        return pack_weights(self.key, wide.tobytes() + narrow.tobytes(), record)


def keep_slopes(program: Program) -> None:
    """Make slopes constants as all others, which a graph has as attributes where they are single numbers."""
    for op in program.ops:
        if op.kind == "LeakyRelu":
            slope = constant(f"{op.layer}.slope", np.full(1, op.attributes.get("alpha", 0.01), np.float32))
            op.kind, op.inputs = "PRelu", [op.input(0), replace(slope, kept=True)]


def set_apart(constants: Iterable[Buffer]) -> tuple[list[Buffer], list[Buffer]]:
    """Give constants their places in a file: those of 64 bits, and those of 32."""
    parts: tuple[list[Buffer], list[Buffer]] = [], []
    for buffer in constants:
        part = parts[buffer.dtype == "float32"]
        buffer.place, buffer.offset = PLACE, _end(part)
        part.append(buffer)
    return parts


def key_of(code: str) -> int:
    """A key of code, and so of all that decides what it does with constants."""
    return int.from_bytes(hashlib.sha256(code.encode()).digest()[:8], "little")


def _end(buffers: list[Buffer]) -> int:
    """Elements up to the end of the last of some buffers, and so far that another may begin there."""
    if not buffers:
        return 0
    return -(-(buffers[-1].offset + buffers[-1].size) // ALIGNMENT) * ALIGNMENT
