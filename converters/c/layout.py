"""Finds the order and the zero padding in which each result is wanted, from those who read it.

A convolution over frequency reads frames whose frequencies lie one after the other, the channels of each
together, with the zeros of its padding beside them: so it is a product without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converters.c.ir import Op, Program, Shape, Value, squeezed

ROWS = (0, 2, 3, 1)  # of (N, C, T, F): channels last
ACROSS = (0, 1, 2, 3)  # frequencies last


@dataclass(frozen=True)
class Wish:
    """How a tensor is wanted.

    Attributes:
        order: its axes from the slowest to the fastest.
        axis: the one that has zeros before and after.
        before, after: how many.
    """

    order: tuple[int, ...]
    axis: int = 0
    before: int = 0
    after: int = 0

    def joined(self, other: Wish | None) -> Wish:
        """This, with as many zeros as either wants if both mean the same."""
        if other is None or (self.order, self.axis) != (other.order, other.axis):
            return self
        return Wish(self.order, self.axis, max(self.before, other.before), max(self.after, other.after))


def find_wishes(program: Program, across: bool = False) -> dict[Value, Wish]:
    """The wish for each value that has one; ``across``: convolutions that can do so read frequencies last."""
    wishes: dict[Value, Wish] = {}
    for op in reversed(program.ops):
        for value, wish in _wishes(op, wishes, across):
            old = wishes.get(value)
            wishes[value] = wish.joined(old) if old is None or wish.before or wish.after else old.joined(wish)
    return wishes


def _wishes(op: Op, wishes: dict[Value, Wish], across: bool) -> list[tuple[Value, Wish]]:
    """What an operator wants of what it reads, by itself or for those who read it."""
    first = op.input(0)
    if op.kind == "Conv":
        return [(first, of_convolution(op, across))]
    wish = wishes.get(op.output)
    if wish is None:
        return []
    found = []
    if op.kind == "Transpose":
        perm = op.attributes["perm"]
        found.append((first, _permuted(wish, perm)))
    elif op.kind == "Reshape" and squeezed(first.shape) == squeezed(op.output.shape):
        found.append((first, _refit(wish, op.output.shape, first.shape)))
    elif op.kind in ("Slice", "Gather", "LayerNormalization", "Pad"):
        uncut = all(axis != wish.axis for axis, *_ in op.attributes.get("slices", ()))
        if first.shape[wish.axis] == op.output.shape[wish.axis] and uncut and op.kind == "Slice":
            found.append((first, wish))
        elif len(first.shape) == len(op.output.shape):
            found.append((first, Wish(wish.order)))
    elif op.kind == "Concat" or op.is_elementwise:
        same = (value for value in op.inputs if value and len(value.shape) == len(op.output.shape))
        found += [(value, Wish(wish.order)) for value in same]
    return [(value, wish) for value, wish in found if value.data is None]


def goes_across(op: Op) -> bool:
    """Whether a convolution can have its frequencies last: one group, of one frame."""
    return op.attributes.get("group", 1) == 1 and (len(op.input(1).shape) == 3 or op.input(1).shape[2] == 1)


def of_convolution(op: Op, across: bool = False) -> Wish:
    """What a convolution wants of its input."""
    pads, axes = op.attributes.get("pads"), len(op.input(0).shape)
    before, after = (pads[axes - 3], pads[-1]) if pads else (0, 0)
    if not (across and goes_across(op)):
        return Wish((0, 2, 1) if axes == 3 else ROWS, axes - 1, before, after)
    if op.attributes.get("strides", [1])[-1] > 1:  # it takes its input apart
        before = after = 0
    return Wish(ACROSS[:axes], axes - 1, before, after)


def _permuted(wish: Wish, perm: Sequence[int]) -> Wish:
    """A wish for a transposed tensor as one for what was transposed."""
    return Wish(tuple(perm[axis] for axis in wish.order), perm[wish.axis], wish.before, wish.after)


def _refit(wish: Wish, seen: Shape, shape: Shape) -> Wish:
    """A wish for a shape as one for the same without some ones, or with more."""
    real = dict(
        zip((a for a, n in enumerate(seen) if n > 1), (a for a, n in enumerate(shape) if n > 1), strict=True)
    )
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    order = (*ones, *(real[axis] for axis in wish.order if axis in real))
    if wish.axis not in real:
        return Wish(order)
    return Wish(order, real[wish.axis], wish.before, wish.after)
