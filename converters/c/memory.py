"""Gives every buffer its place: those of one call share memory where one is dead before the other is born."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converters.c.statements import Block, buffers
from converters.c.views import Buffer

ALIGNMENT = 16  # elements


@dataclass(frozen=True)
class Sizes:
    """Elements of each kind of memory.

    Attributes:
        memory: from call to call.
        work, wide: for one call, of 32 and of 64 bits.
    """

    memory: int
    work: int
    wide: int


def plan(blocks: Sequence[Block]) -> Sizes:
    """Set the offset of every buffer that the blocks use."""
    lives: dict[Buffer, list[int]] = {}
    statements = [statement for block in blocks for statement in block.statements]
    for moment, statement in enumerate(statements):
        for buffer in buffers(statement):
            lives.setdefault(buffer, [moment, moment])[1] = moment
    memory = 0
    for buffer in lives:
        if buffer.place == "memory":
            buffer.offset = memory
            memory += _rounded(buffer.size)
    sizes = {
        dtype: _share({b: life for b, life in lives.items() if b.place == "work" and b.dtype == dtype})
        for dtype in ("float32", "float64")
    }
    return Sizes(max(1, memory), sizes["float32"], sizes["float64"])


def _share(lives: dict[Buffer, list[int]]) -> int:
    """Place buffers, the largest first, each as low as those that live with it allow; what all need."""
    placed: list[Buffer] = []
    most = 0
    for buffer in sorted(lives, key=lambda b: -b.size):
        born, dead = lives[buffer]
        beside = sorted(
            (other.offset, other.offset + _rounded(other.size))
            for other in placed
            if lives[other][0] <= dead and born <= lives[other][1]
        )
        offset = 0
        for begin, end in beside:
            if begin - offset >= _rounded(buffer.size):
                break
            offset = max(offset, end)
        buffer.offset = offset
        placed.append(buffer)
        most = max(most, offset + _rounded(buffer.size))
    return most


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
