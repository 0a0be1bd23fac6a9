"""Lowers what sums over an axis: reductions, softmax and layer norms."""

from __future__ import annotations

import math

import numpy as np

from converters.c.builder import Builder, Place
from converters.c.expansion import reduced_axes
from converters.c.ir import Value
from converters.c.maps import descending
from converters.c.statements import Call, Line, Ref, Statement
from converters.c.views import Loop, View, dense, joined, loops
from zoo.errors import ArtifactError

_TERMS = {"ReduceSum": "x", "ReduceMean": "x", "ReduceSumSquare": "x * x", "ReduceL2": "x * x"}


def lower_reduction(builder: Builder) -> None:
    """A sum over some axes, element by element or, side by side, of many elements at once."""
    op = builder.group.ops[0]
    if op.kind not in _TERMS:
        raise ArtifactError(f"{op.layer}: C cannot be made of the operator {op.kind} yet")
    axes, source = reduced_axes(op), builder.view(op.input(0))
    kept = [axis for axis in range(len(source.dims)) if axis not in axes and source.shape[axis] > 1]
    out = builder.allocate(op.output).reshaped([source.shape[axis] for axis in kept])
    assert out is not None, "a result lies in the order of its axes"
    count = math.prod(source.shape[axis] for axis in axes)
    outer = loops([View(source.buffer, 0, tuple(source.dims[axis] for axis in kept)), out]) if kept else []
    inner = [Loop(factor.size, (factor.stride, 0)) for axis in axes for factor in source.dims[axis]]
    inner = joined(sorted(inner, key=lambda loop: -loop.strides[0]))
    if len(inner) == 1 and not (outer and outer[-1].strides == (1, 1) and outer[-1].size >= 4):
        kernel = "sum_of_squares" if "*" in _TERMS[op.kind] else "sum_of"

        def row(at: Place) -> list[Statement]:
            return [Call(kernel, (inner[0].size, at(0, source), inner[0].strides[0], at(1, out)))]

        builder.nest(outer, row)
    else:
        term = _TERMS[op.kind].replace("x", "{x}").split("{x}")
        builder.fill(out)

        def body(at: Place) -> list[Statement]:
            x = at(0, source)
            squared = (" * ", x) if len(term) > 2 else ()
            return [Line((at(1, out), " += ", x, *squared, ";"))]

        *before, last = outer or [Loop(1, (0, 0))]
        builder.nest([*before, *inner, last], body)
    if op.kind in ("ReduceL2", "ReduceMean"):
        function, factor = ("root(", ");") if op.kind == "ReduceL2" else ("", f" * {1 / count!r}f;")
        builder.nest(loops([out]), lambda at: [Line((at(0, out), " = ", function, at(0, out), factor))])


def lower_softmax(builder: Builder) -> None:
    op = builder.group.ops[0]
    shape = op.input(0).shape
    if op.attributes.get("axis", -1) % len(shape) != len(shape) - 1:
        raise ArtifactError(f"{op.layer}: C cannot be made of a Softmax over another axis than the last yet")
    source = builder.view(op.input(0))
    if source.stride(len(shape) - 1) != 1:
        source = builder.copied(source)
    out = builder.allocate(op.output).reshaped(shape)
    assert out is not None, "it has that shape"
    direct = out
    if out.stride(len(shape) - 1) != 1:
        direct = dense(builder.buffer(f"{op.output.name}_rows", op.output.size), shape)
    rows = [View(view.buffer, view.offset, view.dims[:-1]) for view in (source, direct)]
    *outer, last = loops(rows) or [Loop(1, (0, 0))]

    def body(at: Place) -> list[Call]:
        return [
            Call(
                "softmax",
                (last.size, shape[-1], 1.0, at(0, source), last.strides[0], at(1, direct), last.strides[1]),
            )
        ]

    builder.nest(outer, body)
    if direct is not out:
        builder.copy(direct, out)


def lower_layer_norm(builder: Builder) -> None:
    """A layer norm over the last axes, whose elements lie without gaps in whichever order."""
    op = builder.group.ops[0]
    shape = op.input(0).shape
    first = op.attributes.get("axis", -1) % len(shape)
    ones = [axis for axis in range(first, len(shape)) if shape[axis] == 1]
    source, order = _without_gaps(builder, op.input(0), first)
    fast = [*ones, *order]
    out = builder.allocate(op.output, [*range(first), *fast]).reshaped(shape)
    assert out is not None, "it has that shape"
    direct = out
    if not _is_dense(out, order):
        direct = dense(
            builder.buffer(f"{op.output.name}_rows", op.output.size), shape, [*range(first), *fast]
        )
    count = math.prod(shape[first:])
    scale = np.broadcast_to(op.input(1).constant, shape[first:])
    shift_of = op.optional(2)
    shift = np.broadcast_to(0 if shift_of is None else shift_of.constant, shape[first:]).astype(np.float32)
    turn = [axis - first for axis in fast]
    gain = builder.constant(op.input(1).name, scale.transpose(turn))
    bias = builder.constant(shift_of.name if shift_of else f"{op.layer}.zeros", shift.transpose(turn))
    rows = [View(view.buffer, view.offset, view.dims[:first]) for view in (source, direct)]
    *outer, last = loops(rows) or [Loop(1, (0, 0))]
    epsilon = float(op.attributes.get("epsilon", 1e-5))

    def body(at: Place) -> list[Call]:
        numbers = (
            last.size, count, epsilon, at(0, source), last.strides[0], Ref(gain), Ref(bias), at(1, direct),
            last.strides[1],
        )  # fmt: skip
        return [Call("layer_norm", numbers)]

    builder.nest(outer, body)
    if direct is not out:
        builder.copy(direct, out)


def _without_gaps(builder: Builder, value: Value, first: int) -> tuple[View, list[int]]:
    """A value whose axes from ``first`` on lie without gaps, and their order, ones left out."""
    view = builder.view(value)
    order = descending(view)
    if order is not None:
        fast = [axis for axis in order if axis >= first and value.shape[axis] > 1]
        if _is_dense(view, fast):
            return view, fast
    return builder.copied(view), [axis for axis in range(first, len(value.shape)) if value.shape[axis] > 1]


def _is_dense(view: View, order: list[int]) -> bool:
    """Whether axes in this order, the fastest last, lie without gaps."""
    step = 1
    for axis in reversed(order):
        if view.stride(axis) != step:
            return False
        step *= view.shape[axis]
    return True
