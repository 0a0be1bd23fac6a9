"""Lowers operators that move elements: most of them only say where elements lie."""

from __future__ import annotations

from converters.c.builder import Builder, Place, inside_of_pad, pads_of, part_of_concat
from converters.c.maps import descending
from converters.c.statements import Call, Statement, Table
from converters.c.views import Loop, View, joined, loops
from zoo.errors import ArtifactError


def lower_reshape(builder: Builder) -> None:
    op = builder.group.ops[0]
    builder.alias(op.output, builder.seen(op.input(0), op.output.shape))


def lower_transpose(builder: Builder) -> None:
    op = builder.group.ops[0]
    builder.alias(op.output, builder.view(op.input(0)).transposed(op.attributes["perm"]))


def lower_slice(builder: Builder) -> None:
    op = builder.group.ops[0]
    view = builder.view(op.input(0))
    for numbers in op.attributes["slices"]:
        part = view.sliced(*numbers)
        if part is None:
            part = builder.copied(view).sliced(*numbers)
            assert part is not None, "a dense tensor is cut evenly"
        view = part
    builder.alias(op.output, view)


def lower_expand(builder: Builder) -> None:
    op = builder.group.ops[0]
    builder.alias(op.output, builder.view(op.input(0)).broadcast(op.output.shape))


def lower_concat(builder: Builder) -> None:
    """What is not written at its place already is copied there."""
    op = builder.group.ops[0]
    whole = builder.allocate(op.output)
    for index, value in enumerate(op.inputs):
        part = part_of_concat(op, whole, index)
        assert value is not None and part is not None, "an axis of its own is cut evenly"
        source = builder.view(value)
        if source != part:
            builder.copy(source, part)


def lower_pad(builder: Builder) -> None:
    """Zeros beside; the inside is written already, or copied."""
    op = builder.group.ops[0]
    value = op.optional(2)
    known = value is None or (value.data is not None and not value.constant.any())
    before, after = pads_of(op)
    if not known or op.attributes.get("mode", "constant") != "constant" or min(*before, *after) < 0:
        raise ArtifactError(f"{op.layer}: C cannot be made of a Pad other than with zeros yet")
    whole = builder.allocate(op.output)
    for axis, (start, end) in enumerate(zip(before, after, strict=True)):
        size = op.output.shape[axis]
        for begin, count in ((0, start), (size - end, end)):
            edge = whole.sliced(axis, begin, count) if count else None
            if edge is not None:
                builder.fill(edge)
    inside, source = inside_of_pad(op, whole), builder.view(op.input(0))
    assert inside is not None, "an axis of its own is cut evenly"
    if source != inside:
        builder.copy(source, inside)


def lower_gather(builder: Builder) -> None:
    """Elements of an axis by a constant list: a slice if they are evenly spaced, else copied by a table."""
    op = builder.group.ops[0]
    source, index = builder.view(op.input(0)), op.input(1).constant
    axis = op.attributes.get("axis", 0) % len(source.dims)
    size = source.shape[axis]
    flat = [int(number) % size for number in index.ravel()]
    step = flat[1] - flat[0] if len(flat) > 1 else 1
    if step > 0 and flat == list(range(flat[0], flat[0] + step * len(flat), step)):
        part = source.sliced(axis, flat[0], len(flat), step)
        found = part.reshaped(op.output.shape) if part is not None else None
        if found is not None:
            builder.alias(op.output, found)
            return
    if source.stride(axis) is None:
        source = builder.copied(source)
    shape = (*source.shape[:axis], len(flat), *source.shape[axis + 1 :])
    order = descending(source) if index.ndim == 1 else None
    out = builder.allocate(op.output, order).reshaped(shape)
    if out is None or out.stride(axis) is None:
        raise ArtifactError(f"{op.layer}: the result of its Gather lies in an order that C has no loop for")
    table = Table(tuple(number * (source.stride(axis) or 0) for number in flat))
    rest = [View(v.buffer, v.offset, (*v.dims[:axis], *v.dims[axis + 1 :])) for v in (source, out)]
    found_loops = joined(sorted(loops(rest), key=lambda loop: -loop.strides[1]))
    last = found_loops.pop() if found_loops and found_loops[-1].strides == (1, 1) else Loop(1, (0, 0))

    def body(at: Place) -> list[Statement]:
        numbers = (len(flat), last.size, table, at(0, source), at(1, out), out.stride(axis) or 0)
        return [Call("gather", numbers)]

    builder.nest(found_loops, body)
