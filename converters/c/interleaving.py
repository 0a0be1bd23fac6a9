"""Computes several streams at once, side by side: a number becomes one of every stream, the lanes of vectors.

Weights are then read once for all, and nothing is too short for a vector or lies too far apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from converters.c.builder import Builder
from converters.c.statements import Argument, Block, Call, Line, Nest, Ref, Statement, Table, buffers
from converters.c.views import Buffer
from zoo.errors import ArtifactError

MULTIPLE = 16  # of streams: the longest vector
LANE = "lane"  # index of a stream
SUFFIX = "_streams"  # of the kernels for several
_WEIGHTS = {  # arguments of kernels that are the same for all streams
    "depthwise": (6, 7), "gru": (5, 6), "layer_norm": (5, 6), "lstm": (5, 6), "product": (8, 9),
    "product_double": (8, 9),
}  # fmt: skip
_COPIES = ("copy", "copy_double")


def check_streams(streams: int) -> None:
    """Refuse a number of streams that vectors do not divide.

    Raises:
        ValueError: it is neither 1 nor a multiple of 16.
    """
    if not isinstance(streams, int) or streams < 1 or (streams > 1 and streams % MULTIPLE):
        raise ValueError(
            f"{streams} streams: a call of C has 1, or {MULTIPLE}, {2 * MULTIPLE}, ..., side by side"
        )


def interleave(builder: Builder, streams: int) -> None:
    """Make what was lowered for one stream compute so many."""
    if streams == 1:
        return
    found = {b for block in builder.blocks for s in block.statements for b in buffers(s)}
    for buffer in found:
        if not _is_constant(buffer):
            buffer.size *= streams
    for block in builder.blocks:
        _Interleaver(builder, block, streams).run()


@dataclass
class _Interleaver:
    """Of a block."""

    builder: Builder
    block: Block
    streams: int
    spread: dict[Buffer, Buffer] = field(default_factory=dict)  # constants, one of each stream

    def run(self) -> None:
        statements = self._all(self.block.statements)
        copies = [Call(f"spread{SUFFIX}", (a.size, Ref(a), Ref(b))) for a, b in self.spread.items()]
        self.block.statements = [*copies, *statements]

    def _all(self, statements: Sequence[Statement]) -> list[Statement]:
        """Statements, of which lines that follow each other are one loop: they know each other's numbers."""
        found: list[Statement] = []
        for of_lines, group in groupby(statements, key=lambda statement: isinstance(statement, Line)):
            if of_lines:
                lines = tuple(self._line(line) for line in group if isinstance(line, Line))
                found.append(Nest(((LANE, self.streams),), lines))
            else:
                found += map(self._statement, group)
        return found

    def _statement(self, statement: Statement) -> Statement:
        if isinstance(statement, Call):
            return self._call(statement)
        assert isinstance(statement, Nest), "lines are in loops by now"
        lines = tuple(self._line(inner) for inner in statement.body if isinstance(inner, Line))
        if len(lines) == len(statement.body):
            return self._loop(statement.counts, lines)
        return replace(statement, body=tuple(self._all(statement.body)))

    def _loop(self, counts: tuple[tuple[str, int], ...], lines: tuple[Line, ...]) -> Nest:
        """Loops with one over the streams inside, which goes on where the innermost one is next if it can."""
        refs = [part for line in lines for part in line.parts if isinstance(part, Ref)]
        name, count = counts[-1]
        steps = {(_is_constant(ref.buffer), dict(ref.terms).get(name, 0)) for ref in refs}
        if steps <= {(True, 0), (False, self.streams)}:
            joined = tuple(_without(line, name) for line in lines)
            return Nest((*counts[:-1], (LANE, count * self.streams)), joined)
        return Nest((*counts, (LANE, self.streams)), lines)

    def _line(self, line: Line) -> Line:
        """A line for one stream of all."""
        parts = [self._scaled(part, lane=True) if isinstance(part, Ref) else part for part in line.parts]
        return Line(tuple(parts))

    def _call(self, call: Call) -> Call:
        if call.kernel in _COPIES:
            count, *places = call.arguments
            assert isinstance(count, int), "elements"
            return Call(call.kernel, (count * self.streams, *map(self._data, places)))
        weights, own, given = _WEIGHTS.get(call.kernel, ()), [], list(call.arguments)
        for index, argument in enumerate(given):
            if index in weights:
                own.append(isinstance(argument, Ref) and not _is_constant(argument.buffer))
            if index not in weights or own[-1]:
                given[index] = self._data(argument)
        if call.kernel == "product":
            given += map(int, own)
        elif any(own):
            raise ArtifactError(f"{self.block.layer}: C for several streams cannot be made of it yet")
        return Call(f"{call.kernel}{SUFFIX}", tuple(given))

    def _data(self, argument: Argument) -> Argument:
        """A place of what every stream has its own of; a constant is spread."""
        if not isinstance(argument, Ref):
            return argument
        if _is_constant(argument.buffer):
            known = argument.buffer
            if known not in self.spread:
                size = known.size * self.streams
                self.spread[known] = self.builder.buffer(f"{known.name}_spread", size, known.dtype)
            argument = argument._replace(buffer=self.spread[known])
        return self._scaled(argument)

    def _scaled(self, ref: Ref, lane: bool = False) -> Ref:
        """A place where so many streams lie side by side."""
        if _is_constant(ref.buffer):
            return ref
        terms = tuple((name, stride * self.streams) for name, stride in ref.terms)
        return Ref(ref.buffer, ref.offset * self.streams, (*terms, (LANE, 1)) if lane else terms)


def _without(line: Line, name: str) -> Line:
    """A line whose places do not depend on an index."""

    def part(of: str | Ref | Table) -> str | Ref | Table:
        return of._replace(terms=tuple(t for t in of.terms if t[0] != name)) if isinstance(of, Ref) else of

    return Line(tuple(map(part, line.parts)))


def _is_constant(buffer: Buffer) -> bool:
    return buffer.data is not None
