"""Lowers groups of elementwise operators: one loop over all elements, each computed by a line an operator."""

from __future__ import annotations

from collections.abc import Sequence

from converters.c.builder import Builder, Place
from converters.c.expressions import expression, literal
from converters.c.ir import Op, Shape, Value, squeezed
from converters.c.statements import Line, Ref
from converters.c.views import Factor, Loop, View, dense, joined, loops

FEW = 4  # steps of a loop that is not worth a vector


def lower_elementwise(builder: Builder) -> None:
    """Lower the builder's group."""
    ops, shape = builder.group.ops, builder.group.shape
    made = {op.output for op in ops}
    order = _order(builder, ops, made)
    views: dict[tuple[Value, bool], View] = {}  # of what is read, and of what is written (True)
    for op in ops:
        for value in op.inputs:
            if value is not None and value not in made and not value.is_number:
                views[value, False] = _seen(builder, value, op.output.shape, order)
    inside = set(ops)
    for value in (op.output for op in ops):
        outside = any(user not in inside for user in builder.users.get(value, ()))
        if outside or value in builder.program.outputs:
            view = builder.allocate(value, _full_order(value.shape, order))
            seen = view.reshaped(shape)
            assert seen is not None, "only ones were added"
            views[value, True] = seen
    keys = list(views)
    found = _ordered(loops(list(views.values())), [n for n, key in enumerate(keys) if key[1]])

    def body(at: Place) -> list[Line]:
        places = {key: at(number, views[key]) for number, key in enumerate(keys)}
        return _lines(ops, places)

    builder.nest(found, body)


def _lines(ops: Sequence[Op], places: dict[tuple[Value, bool], Ref]) -> list[Line]:
    """The lines that compute one element of every operator."""
    names: dict[Value, str] = {}
    lines = []
    for op in ops:
        arguments: list[str] = []
        for value in op.inputs:
            if value is None:
                continue
            if value.is_number:
                arguments.append(literal(float(value.constant.ravel()[0]), value.dtype))
                continue
            if value not in names:
                names[value] = f"x{len(names)}"
                type_ = "double" if value.dtype == "float64" else "float"
                lines.append(Line((f"const {type_} {names[value]} = ", places[value, False], ";")))
            arguments.append(names[value])
        out = op.output
        names[out] = f"x{len(names)}"
        type_ = "double" if out.dtype == "float64" else "float"
        lines.append(Line((f"const {type_} {names[out]} = {expression(op, arguments)};",)))
        if (out, True) in places:
            lines.append(Line((places[out, True], f" = {names[out]};")))
    return lines


def _seen(builder: Builder, value: Value, out: Shape, order: Sequence[int] | None) -> View:
    """A value as an operator's inputs are seen beside a result of shape ``out``, without ones."""
    shape = (1,) * (len(out) - len(value.shape)) + value.shape
    kept = [axis for axis, size in enumerate(out) if size > 1]
    if value.data is not None:
        data = value.constant.reshape([shape[axis] for axis in kept])
        axes = order if order is not None else range(len(kept))
        lying = dense(builder.constant(value.name, data.transpose(axes)), data.shape, axes)
        dims = lying.dims
        offset, buffer = 0, lying.buffer
    else:
        view = builder.seen(value, shape)
        dims = tuple(view.dims[axis] for axis in kept)
        offset, buffer = view.offset, view.buffer
    wide = (dim if shape[axis] > 1 else (Factor(out[axis], 0),) for dim, axis in zip(dims, kept, strict=True))
    return View(buffer, offset, tuple(wide))


def _order(builder: Builder, ops: Sequence[Op], made: set[Value]) -> list[int] | None:
    """The axes, without ones, from the slowest to the fastest, of the first whole input; None without one."""
    for op in ops:
        for value in op.inputs:
            if value is None or value in made or value.data is not None:
                continue
            if squeezed(value.shape) != squeezed(op.output.shape):
                continue
            view = builder.view(value).reshaped(squeezed(value.shape))
            strides = [view.stride(axis) for axis in range(len(view.dims))] if view is not None else [None]
            if all(stride is not None for stride in strides):
                return sorted(range(len(strides)), key=lambda axis: -(strides[axis] or 0))
    return None


def _full_order(shape: Shape, order: Sequence[int] | None) -> list[int] | None:
    """An order of axes without ones as one of all axes."""
    if order is None:
        return None
    real = [axis for axis, size in enumerate(shape) if size > 1]
    return [axis for axis, size in enumerate(shape) if size == 1] + [real[axis] for axis in order]


def _ordered(found: list[Loop], written: Sequence[int]) -> list[Loop]:
    """Loops so that results are written in the order of memory, and the innermost one is good for vectors."""
    found = joined(sorted(found, key=lambda loop: [-loop.strides[number] for number in written]))

    def good(loop: Loop) -> float:
        even = sum(stride in (0, 1) for stride in loop.strides) / len(loop.strides)
        return even**2 * min(loop.size, 64) if loop.size >= FEW else 0

    if len(found) > 1:
        best = max(range(len(found)), key=lambda index: (good(found[index]), index))
        found.append(found.pop(best))
    return found


def view_strides(view: View) -> list[int] | None:
    """The stride of each axis, or None where one has several."""
    strides = [view.stride(axis) for axis in range(len(view.dims))]
    return None if any(stride is None for stride in strides) else [int(stride or 0) for stride in strides]


def descending(view: View) -> list[int] | None:
    """A view's axes from the slowest to the fastest, or None where one has several strides."""
    strides = view_strides(view)
    return None if strides is None else sorted(range(len(strides)), key=lambda axis: -strides[axis])
