"""Keeps where every value lies while operators are lowered, and decides where results go.

A result goes, if it can, to where it is needed in the end: into the memory of the next call's state, among
what it is joined with, between the zeros of a convolution's padding. Else it gets memory of its own, in the
order in which it is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converters.c.fusion import Group
from converters.c.ir import Op, Program, Shape, Value, squeezed
from converters.c.kernels import kernel_names
from converters.c.layout import Wish
from converters.c.statements import Block, Call, Line, Nest, Ref, Statement
from converters.c.views import Buffer, Loop, View, array_of, dense, loops

INDICES = "ijklmn"
RESERVED = {
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum",
    "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return",
    "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void",
    "volatile", "while", "NULL", "memcpy", "memmove", "memset", "offsetof", "size_t", "in", "out", "s",
    "work", "wide", "memory", "info",
    "lane", *INDICES, *kernel_names(),
}  # fmt: skip
_LOCAL = re.compile(r"x\d+|u?int\d+_t")  # of the lines in a loop, and types
Place = Callable[[int, View], Ref]  # of the n-th view of some loops, this one


@dataclass(frozen=True)
class Padding:
    """Zeros beside the columns of a buffer's rows.

    Attributes:
        column: elements of a column.
        before, width, after: columns of zeros, of values, of zeros.
    """

    column: int
    before: int
    width: int
    after: int

    @property
    def row(self) -> int:
        return (self.before + self.width + self.after) * self.column


class Builder:
    """What has been lowered so far.

    Args:
        program: whole.
        wishes: of its values.
        share: put the same numbers of different constants into the file once.
        alone: for one stream, whose positions may be the lanes of vectors.
        across: whether convolutions have their frequencies last where they can.
        orders: of states, from the slowest axis to the fastest, where it is not that of the axes.

    Attributes:
        wanted: orders in which states would have been written at once.
        blocks: statements of each group of operators.
        constants: all constants, by name.
    """

    def __init__(
        self,
        program: Program,
        wishes: dict[Value, Wish],
        share: bool = True,
        alone: bool = True,
        across: bool = False,
        orders: Mapping[Value, Sequence[int]] | None = None,
    ) -> None:
        self.program, self.wishes, self._share = program, wishes, share
        self.alone, self.across, self.orders = alone, across, orders or {}
        self.wanted: dict[Value, tuple[int, ...]] = {}
        self.users, self.makers = program.users(), program.makers()
        self.blocks: list[Block] = []
        self.constants: dict[str, Buffer] = {}
        self.padding: dict[Buffer, Padding] = {}
        self.group = Group()
        self._views: dict[Value, View] = {}
        self._known: dict[tuple[str, str, bytes], Buffer] = {}
        self._names: set[str] = set()
        self._lowered: set[Op] = set()
        self._in_place: dict[Value, Value] = {}  # result -> the state whose memory it may take
        self._shifts: dict[Value, tuple[View, View]] = {}  # state -> where it comes from, where it goes

    # What there is

    def begin(self, group: Group, about: str) -> None:
        """Go on with a group of operators."""
        self._lowered.update(self.group.ops)
        self.group = group
        self.blocks.append(Block(group.layer, about))

    def emit(self, statement: Statement) -> None:
        self.blocks[-1].statements.append(statement)

    def name(self, wanted: str) -> str:
        """A name for C that nothing else has."""
        base = re.sub(r"\W", "_", wanted.removeprefix("core.core.").removeprefix("core.")) or "_"
        if base[0].isdigit() or base in RESERVED or _LOCAL.fullmatch(base):
            base = f"_{base}"
        found, count = base, 1
        while found in self._names:
            count += 1
            found = f"{base}_{count}"
        self._names.add(found)
        return found

    def buffer(self, wanted: str, size: int, dtype: str = "float32", about: str = "") -> Buffer:
        """Memory for one call."""
        return Buffer(self.name(wanted), size, "work", dtype, about=about)

    def constant(self, wanted: str, data: NDArray[np.generic]) -> Buffer:
        """An array of the C file; the same numbers are there once, or once a name."""
        dtype = "float64" if data.dtype == np.float64 else "float32"
        data = np.ascontiguousarray(data, dtype)
        key = ("" if self._share else wanted, dtype, data.tobytes())
        if key not in self._known:
            name = self.name(wanted)
            self._known[key] = Buffer(name, data.size, "constant", dtype, data)
            self.constants[name] = self._known[key]
        return self._known[key]

    def view(self, value: Value) -> View:
        """Where a value lies; a constant is put into the file as it is."""
        if value not in self._views:
            self._views[value] = dense(self.constant(value.name, value.constant), value.shape)
        return self._views[value]

    def alias(self, value: Value, view: View) -> None:
        """A value lies where others do."""
        self._views[value] = view

    def seen(self, value: Value, shape: Sequence[int]) -> View:
        """A value in another shape, copied if it does not lie so."""
        return self.reshaped(self.view(value), shape)

    def reshaped(self, view: View, shape: Sequence[int]) -> View:
        """A view in another shape, copied if it does not lie so."""
        found = view.reshaped(shape)
        if found is None:
            found = self.copied(view).reshaped(shape)
        assert found is not None, "a dense tensor has every shape"
        return found

    def copied(self, view: View, order: Sequence[int] | None = None) -> View:
        """A copy without gaps."""
        if view.buffer.place == "constant":
            data = array_of(view)
            axes = range(data.ndim) if order is None else order
            made = self.constant(view.buffer.name, data.transpose(axes))
            return dense(made, data.shape, order)
        copy = dense(
            self.buffer(f"{view.buffer.name}_copy", view_size(view), view.buffer.dtype), view.shape, order
        )
        self.copy(view, copy)
        return copy

    # Loops

    def copy(self, source: View, target: View) -> None:
        """Emit a copy."""
        found = sorted(loops([source, target]), key=lambda loop: -loop.strides[1])
        if found and found[-1].strides == (1, 1):
            *outer, last = found
            kernel = "copy" if target.buffer.dtype == "float32" else "copy_double"
            self.nest(outer, lambda at: [Call(kernel, (last.size, at(0, source), at(1, target)))])
            return
        self.nest(found, lambda at: [Line((at(1, target), " = ", at(0, source), ";"))])

    def nest(self, found: Sequence[Loop], body: Callable[[Place], Sequence[Statement]]) -> None:
        """Emit loops over views.

        Args:
            found: the loops.
            body: called with a function that gives the place in the n-th view, makes the statements inside.
        """
        indices = INDICES[: len(found)]

        def at(number: int, view: View) -> Ref:
            terms = ((name, loop.strides[number]) for name, loop in zip(indices, found, strict=True))
            return Ref(view.buffer, view.offset).plus(0, *terms)

        statements = tuple(body(at))
        counts = tuple((name, loop.size) for name, loop in zip(indices, found, strict=True))
        for statement in (Nest(counts, statements),) if counts else statements:
            self.emit(statement)

    # Where results go

    def allocate(self, value: Value, order: Sequence[int] | None = None) -> View:
        """Decide where a result goes; ``order`` is how it would like to lie where nobody minds."""
        if value not in self._views:
            self._views[value] = self._place(value, order)
        return self._views[value]

    def _place(self, value: Value, order: Sequence[int] | None) -> View:
        found = self._needed_at(value, order)
        return found if found is not None else self._own(value, order)

    def _want(self, state: Value, value: Value, order: Sequence[int] | None) -> None:
        """Note in which order of its axes a state would be written, if nothing but ones differs."""
        if order is None or squeezed(state.shape) != squeezed(value.shape):
            return
        ones = [axis for axis, size in enumerate(state.shape) if size == 1]
        real = [axis for axis, size in enumerate(state.shape) if size > 1]
        rank = {
            axis: number for number, axis in enumerate(a for a, size in enumerate(value.shape) if size > 1)
        }
        self.wanted[state] = (*ones, *(real[rank[axis]] for axis in order if axis in rank))

    def _needed_at(self, value: Value, order: Sequence[int] | None = None) -> View | None:
        """Where a value, perhaps seen otherwise, is needed in the end; None where that is nowhere."""
        state = self._in_place.get(value)
        if state is not None:
            found = self._views[state].reshaped(value.shape)
            self._want(state, value, order)
            if found is not None and self._may_overwrite(state):
                return found
        if value is self.program.result:
            return dense(Buffer("out", value.size, "out"), value.shape)
        users = self.users.get(value, [])
        if any(op.kind == "Conv" for op in users):  # it may want zeros beside it
            return None
        for op in users:
            found = None
            if op.kind in ("Concat", "Pad"):
                found = self._joined(op, value)
            elif op.kind == "Reshape":
                inner = self._needed_at(op.output)
                found = inner.reshaped(value.shape) if inner is not None else None
            elif op.kind == "Transpose":
                inner, perm = self._needed_at(op.output), op.attributes["perm"]
                found = inner.transposed(np.argsort(perm).tolist()) if inner is not None else None
            if found is not None:
                return found
        return None

    def _own(self, value: Value, order: Sequence[int] | None) -> View:
        wish = self.wishes.get(value)
        if wish is None:
            return dense(self.buffer(value.name, value.size, value.dtype, _about(value)), value.shape, order)
        return self._padded(value, wish, "work")

    def _padded(self, value: Value, wish: Wish, place: str) -> View:
        """Memory in the wanted order, its zeros written."""
        columns = value.shape[wish.axis] + wish.before + wish.after
        sizes = [columns if axis == wish.axis else size for axis, size in enumerate(value.shape)]
        buffer = Buffer(
            self.name(value.name), int(np.prod(sizes)), place, value.dtype, about=_about(value, wish)
        )
        view = dense(buffer, sizes, wish.order)
        if not (wish.before or wish.after):
            return view
        column = int(np.prod([sizes[axis] for axis in wish.order[wish.order.index(wish.axis) + 1 :]]))
        self.padding[buffer] = Padding(column, wish.before, value.shape[wish.axis], wish.after)
        if place == "work":
            for start, count in ((0, wish.before), (columns - wish.after, wish.after)):
                part = view.sliced(wish.axis, start, count) if count else None
                if part is not None:
                    self.fill(part)
        inside = view.sliced(wish.axis, wish.before, value.shape[wish.axis])
        assert inside is not None, "an axis of its own is cut evenly"
        return inside

    def fill(self, view: View) -> None:
        """Emit zeros."""
        found = sorted(loops([view]), key=lambda loop: -loop.strides[0])
        self.nest(found, lambda at: [Line((at(0, view), " = 0;"))])

    def _joined(self, op: Op, value: Value) -> View | None:
        """The part of an operator's result that a value fills, if it can be written there."""
        if op.inputs.count(value) != 1 or (op.output is self.program.result and op.kind == "Pad"):
            return None
        whole = self.allocate(op.output)
        if op.kind == "Pad":
            return inside_of_pad(op, whole)
        return part_of_concat(op, whole, op.inputs.index(value))

    # States

    def input(self, signal: Value) -> None:
        """Say where the caller's signal lies."""
        self._views[signal] = dense(Buffer("in", signal.size, "in"), signal.shape)

    def place_states(self) -> None:
        """Give every state memory, and find what may be written there before the call's end.

        What a convolution remembers lies before the new frame, so that the two need not be joined; at the
        end both move.
        """
        for state, following in zip(self.program.states, self.program.following, strict=True):
            joined = self._history(state, following)
            if joined is not None:
                self._place_history(state, joined)
                continue
            self._views[state] = dense(
                Buffer(self.name(state.name), state.size, "memory"), state.shape, self.orders.get(state)
            )
            value = following
            while True:
                self._in_place[value] = state
                maker = self.makers.get(value)
                if maker is None or maker.kind != "Reshape":
                    break
                value = maker.input(0)

    def _history(self, state: Value, following: Value) -> Op | None:
        """The operator that joins a state with what is new, if the next state is the end of the result."""
        users, cut = self.users.get(state, []), self.makers.get(following)
        if len(users) != 1 or users[0].kind != "Concat" or cut is None or cut.kind != "Slice":
            return None
        join = users[0]
        axis = join.attributes["axis"] % len(state.shape)
        total, kept = join.output.shape[axis], state.shape[axis]
        end = ((axis, total - kept, kept, 1),)
        starts = join.inputs[0] is state and join.inputs.count(state) == 1
        return join if starts and cut.input(0) is join.output and cut.attributes["slices"] == end else None

    def _place_history(self, state: Value, join: Op) -> None:
        whole, axis = join.output, join.attributes["axis"] % len(state.shape)
        wish = self.wishes.get(whole)
        if wish is None:
            view = dense(Buffer(self.name(state.name), whole.size, "memory"), whole.shape)
        else:
            view = self._padded(whole, wish, "memory")
        self._views[whole] = view
        kept = state.shape[axis]
        past, after = view.sliced(axis, 0, kept), view.sliced(axis, whole.shape[axis] - kept, kept)
        assert past is not None and after is not None, "an axis of its own is cut evenly"
        self._views[state] = past
        self._shifts[state] = (after, past)

    def keep_states(self) -> None:
        """Emit what of the next state is not where it should be yet, and what of the result."""
        self.begin(Group([Op("Identity", [], [None])]), "what the next call needs")
        pending = []
        for state, following in zip(self.program.states, self.program.following, strict=True):
            if state in self._shifts:
                continue
            source, target = self.view(following), self._views[state]
            if source == target:
                continue
            if source.buffer.place == "memory":
                source = self.copied(source)
            pending.append((source, target))
        for source, target in (*pending, *self._shifts.values()):
            self.copy(source, target)
        result = self.view(self.program.result)
        if result.buffer.place != "out":
            statements, self.blocks[-1].statements = self.blocks[-1].statements, []
            self.copy(
                result, dense(Buffer("out", self.program.result.size, "out"), self.program.result.shape)
            )
            self.blocks[-1].statements += statements

    def _may_overwrite(self, state: Value) -> bool:
        """Whether nobody will read a state any more, besides at the place that is written."""
        waiting: list[tuple[Value, bool]] = [(state, True)]
        while waiting:
            value, straight = waiting.pop()
            if value is not state and value in self.program.outputs:
                return False
            for op in self.users.get(value, []):
                if op.is_view:
                    waiting.append((op.output, straight and op.kind == "Reshape"))
                elif op in self.group.ops:
                    if not (straight and (op.is_elementwise or op.kind in ("GRU", "LSTM"))):
                        return False
                elif op not in self._lowered:
                    return False
        return True


def view_size(view: View) -> int:
    """Elements of a view."""
    return int(np.prod(view.shape))


def _about(value: Value, wish: Wish | None = None) -> str:
    """A tensor's shape as it lies, for people."""
    order = range(len(value.shape)) if wish is None else wish.order
    return " x ".join(str(value.shape[axis]) for axis in order if value.shape[axis] > 1)


def inside_of_pad(op: Op, whole: View) -> View | None:
    """Where the input of a Pad lies in its output."""
    before, after = pads_of(op)
    part: View | None = whole
    for axis, (start, size) in enumerate(zip(before, op.input(0).shape, strict=True)):
        part = part.sliced(axis, start, size) if part is not None else None
    return part


def pads_of(op: Op) -> tuple[Shape, Shape]:
    """Elements that a Pad adds before and after each axis."""
    pads = op.input(1).constant.tolist()
    return tuple(pads[: len(pads) // 2]), tuple(pads[len(pads) // 2 :])


def part_of_concat(op: Op, whole: View, index: int) -> View | None:
    """Where an input of a Concat lies in its output."""
    axis = op.attributes["axis"] % len(op.output.shape)
    sizes = [value.shape[axis] for value in op.inputs if value is not None]
    return whole.sliced(axis, sum(sizes[:index]), sizes[index])
