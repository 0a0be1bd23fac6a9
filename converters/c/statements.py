"""What lowering makes and the emitter writes: loops, calls of kernels, and lines that compute an element."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from converters.c.views import Buffer


class Ref(NamedTuple):
    """A place in a buffer.

    Attributes:
        buffer: that.
        offset: elements from its begin.
        terms: what else is added: C's name of an index, and the elements that each step of it is.
    """

    buffer: Buffer
    offset: int = 0
    terms: tuple[tuple[str, int], ...] = ()

    def plus(self, offset: int, *terms: tuple[str, int]) -> Ref:
        """The place so much further."""
        more = tuple((name, stride) for name, stride in terms if stride)
        return Ref(self.buffer, self.offset + offset, self.terms + more)


class Table(NamedTuple):
    """Whole numbers that are known while compiling."""

    numbers: tuple[int, ...]


Argument = Ref | Table | int | float | None  # None is a null pointer
Part = str | Ref  # a Ref in a line is the element there


@dataclass(frozen=True)
class Call:
    """A call of a kernel."""

    kernel: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Line:
    """A line of C, in parts."""

    parts: tuple[Part | Table, ...]


@dataclass(frozen=True)
class Nest:
    """Loops, the outermost first: names of their indices and their counts."""

    counts: tuple[tuple[str, int], ...]
    body: tuple[Statement, ...]


Statement = Call | Line | Nest


@dataclass
class Block:
    """The statements of one group of operators.

    Attributes:
        layer: path of the module.
        about: what they compute, for people.
    """

    layer: str
    about: str
    statements: list[Statement] = field(default_factory=list)


def buffers(statement: Statement) -> Iterator[Buffer]:
    """Buffers that a statement reads or writes."""
    for item in _items(statement):
        if isinstance(item, Ref):
            yield item.buffer


def tables(statement: Statement) -> Iterator[Table]:
    """Tables that a statement reads."""
    for item in _items(statement):
        if isinstance(item, Table):
            yield item


def kernels(statement: Statement) -> Iterator[str]:
    """Kernels that a statement calls, and what its lines are made of."""
    if isinstance(statement, Nest):
        for inner in statement.body:
            yield from kernels(inner)
    elif isinstance(statement, Call):
        yield statement.kernel
    else:
        yield from (part for part in statement.parts if isinstance(part, str))


def _items(statement: Statement) -> Iterator[object]:
    if isinstance(statement, Nest):
        for inner in statement.body:
            yield from _items(inner)
    else:
        yield from statement.arguments if isinstance(statement, Call) else statement.parts
