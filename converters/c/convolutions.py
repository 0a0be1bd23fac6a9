"""Lowers convolutions over frequency and time: products over windows that lie in memory as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c.builder import Builder, Padding
from converters.c.ir import Op
from converters.c.layout import ACROSS, ROWS, goes_across
from converters.c.products import packed, padded
from converters.c.statements import Call, Ref, Table
from converters.c.views import Factor, View, dense
from zoo.errors import ArtifactError


@dataclass(frozen=True)
class Geometry:
    """A convolution over (C, T, F).

    Attributes:
        weight: (outputs, inputs of a group, times, frequencies).
        groups: of channels.
        times, columns: (stride, dilation) of both axes.
        above, below, left, right: zeros beside the input.
    """

    weight: NDArray[Any]
    groups: int
    times: tuple[int, int]
    columns: tuple[int, int]
    above: int
    below: int
    left: int
    right: int


def geometry(op: Op) -> Geometry:
    """What an operator's attributes say; one axis is a convolution over frequency alone."""
    weight, attributes = op.input(1).constant, op.attributes
    if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise ArtifactError(
            f"{op.layer}: C cannot be made of a Conv with auto_pad {attributes['auto_pad']} yet"
        )
    axes = weight.ndim - 2
    strides = (1, 1, *attributes.get("strides", [1] * axes))[-2:]
    dilations = (1, 1, *attributes.get("dilations", [1] * axes))[-2:]
    pads = list(attributes.get("pads", [0] * 2 * axes))
    above, left, below, right = pads if axes == 2 else (0, pads[0], 0, pads[1])
    if axes == 1:
        weight = weight[:, :, None]
    return Geometry(
        weight, attributes.get("group", 1), (strides[0], dilations[0]), (strides[1], dilations[1]),
        above, below, left, right,
    )  # fmt: skip


def lower_convolution(builder: Builder) -> None:
    """Conv."""
    op = builder.group.ops[0]
    if op.input(1).data is None or op.input(0).shape[0] != 1:
        raise ArtifactError(f"{op.layer}: C cannot be made of a Conv with weights that are computed yet")
    shape = geometry(op)
    out_shape, in_shape = _four(op.output.shape), _four(op.input(0).shape)
    axes = len(op.output.shape)
    across = builder.across and goes_across(op)
    order = ACROSS[:axes] if across else ROWS if axes == 4 else (0, 2, 1)
    target = builder.allocate(op.output, order).reshaped(out_shape)
    assert target is not None, "only a one was added"
    if across and target.stride(3) == 1 and target.stride(1) is not None:
        _across(builder, op, shape, builder.seen(op.input(0), in_shape), target)
        return
    source = _padded_input(builder, op, builder.seen(op.input(0), in_shape), shape)
    straight = all(len(dim) <= 1 for dim in target.dims) and target.stride(1) in (0, 1)
    direct = target
    if not straight:
        direct = dense(builder.buffer(f"{op.output.name}_rows", op.output.size), out_shape, (0, 2, 3, 1))
    for time in range(out_shape[2]):
        _row(builder, op, shape, source.at(time * shape.times[0] * (source.stride(2) or 0)),
             direct.at(time * (direct.stride(2) or 0)))  # fmt: skip
    if not straight:
        builder.copy(direct, target)


def _across(builder: Builder, op: Op, shape: Geometry, source: View, target: View) -> None:
    """All frequencies of an output's channel side by side: sums of runs of the inputs' channels."""
    outputs, inputs, _, columns = shape.weight.shape
    stride, dilation = shape.columns
    if stride > 1:
        source = _phases(builder, op, source, shape)
        run = source.stride(3) or 0
        taps = [c * dilation % stride * run + c * dilation // stride for c in range(columns)]
    else:
        source = _padded_input(builder, op, source, shape, ACROSS)
        taps = [c * dilation for c in range(columns)]
    weight = builder.constant(op.input(1).name, shape.weight)
    start = None if op.optional(2) is None else Ref(_bias(builder, op))
    for time in range(target.shape[2]):
        row = source.offset + time * shape.times[0] * (source.stride(2) or 0)
        numbers = (
            outputs, target.shape[3], inputs, columns, Table(tuple(taps)), Ref(weight), inputs * columns, 1,
            Ref(source.buffer, row), source.stride(1) or 0, start, int(start is not None), 0,
            Ref(target.buffer, target.offset + time * (target.stride(2) or 0)), target.stride(1) or 0,
        )  # fmt: skip
        builder.emit(Call("combine", numbers))


def _phases(builder: Builder, op: Op, source: View, shape: Geometry) -> View:
    """The input with its zeros, every n-th frequency by itself for a stride of n.

    Returns:
        (1, C, T, n) of the first one of each run of frequencies in memory.
    """
    _, channels, times, width = source.shape
    stride = shape.columns[0]
    run = -(-(shape.left + width + shape.right) // stride)
    buffer = builder.buffer(f"{op.output.name}_phases", channels * times * stride * run)
    whole = dense(buffer, (1, channels, times, stride, run))
    if run * stride > width:
        builder.fill(whole)
    for phase in range(stride):
        begin = (phase - shape.left) % stride  # of the source, at this place of the run:
        place, count = (begin + shape.left) // stride, len(range(begin, width, stride))
        part = source.sliced(3, begin, count, stride)
        if part is None:
            part = builder.copied(source).sliced(3, begin, count, stride)
        into = whole.sliced(3, phase, 1)
        into = into.sliced(4, place, count) if into is not None else None
        assert part is not None and into is not None, "an axis of its own is cut evenly"
        builder.copy(part, View(buffer, into.offset, (*into.dims[:3], into.dims[4])))
    return View(buffer, 0, whole.dims[:4])


def _four(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) == 4 else (*shape[:2], 1, shape[2])


def _padded_input(
    builder: Builder, op: Op, source: View, shape: Geometry, order: tuple[int, ...] = ROWS
) -> View:
    """The input, or a copy in an order, so that zeros lie beside it; its offset is where these begin."""
    _, channels, times, width = source.shape
    strides = [source.stride(axis) for axis in range(4)]
    padding = builder.padding.get(source.buffer)
    lies_so = None not in strides and not (shape.above or shape.below)
    if order == ACROSS and strides[3] != 1:
        lies_so = False
    if lies_so and (shape.left or shape.right):
        lies_so = padding is not None and _fits(padding, source, shape)
    if lies_so:
        column = strides[3] or 0
        return source.at(-shape.left * column)
    columns, rows = shape.left + width + shape.right, shape.above + times + shape.below
    buffer = builder.buffer(f"{op.output.name}_padded", rows * columns * channels)
    whole = dense(buffer, (1, channels, rows, columns), order)
    if columns > width or rows > times:
        builder.fill(whole)
    part = whole.sliced(2, shape.above, times)
    part = part.sliced(3, shape.left, width) if part is not None else None
    assert part is not None, "an axis of its own is cut evenly"
    builder.copy(source, part)
    return View(buffer, 0, part.dims)


def _fits(padding: Padding, source: View, shape: Geometry) -> bool:
    """Whether a view begins beside enough of its buffer's zeros."""
    first = (source.offset - padding.before * padding.column) % padding.row
    return (
        padding.width == source.shape[3]
        and source.stride(3) == padding.column
        and padding.before >= shape.left
        and padding.after >= shape.right
        and first < padding.column
    )


def _row(builder: Builder, op: Op, shape: Geometry, source: View, target: View) -> None:
    """All frequencies of one time."""
    weight, bias = shape.weight, op.optional(2)
    outputs, inputs, times, columns = weight.shape
    channel, frame, column = (source.stride(axis) or 0 for axis in (1, 2, 3))
    width, out_column = target.shape[3], target.stride(3) or 0
    name = op.input(1).name
    begin = Ref(source.buffer, source.offset)
    if shape.groups == outputs and inputs == 1 and channel in (0, 1):
        taps = tuple(t * shape.times[1] * frame + c * shape.columns[1] * column
                     for t in range(times) for c in range(columns))  # fmt: skip
        matrix = builder.constant(name, weight.reshape(outputs, -1).T)
        zeros = np.zeros(outputs, np.float32)
        start = builder.constant(f"{name}.zeros", zeros) if bias is None else _bias(builder, op)
        numbers = (
            width, outputs, len(taps), Table(taps), begin, column * shape.columns[0], Ref(matrix), Ref(start),
            Ref(target.buffer, target.offset), out_column,
        )  # fmt: skip
        builder.emit(Call("depthwise", numbers))
        return
    size = outputs // shape.groups
    start_at = None if bias is None else Ref(_bias(builder, op))
    for group in range(shape.groups):
        part = weight[group * size : (group + 1) * size]  # (outputs, inputs, times, columns)
        segments, inner, matrix_ = _windows(part, shape, channel, frame, column)
        data = builder.constant(f"{name}.{group}" if shape.groups > 1 else name, packed(matrix_))
        numbers_ = (
            width, size, inner.size, len(segments), Table(segments), begin.plus(group * inputs * channel),
            column * shape.columns[0], inner.stride, Ref(data),
            start_at.plus(group * size) if start_at else None, 0,
            Ref(target.buffer, target.offset + group * size), out_column,
        )  # fmt: skip
        builder.emit(Call("product", numbers_))


def _bias(builder: Builder, op: Op) -> Any:
    return builder.constant(op.input(2).name, padded(op.input(2).constant))


def _windows(
    part: NDArray[Any], shape: Geometry, channel: int, frame: int, column: int
) -> tuple[tuple[int, ...], Factor, NDArray[Any]]:
    """Where the runs of a window begin, what a run is, and the weights in the order of the runs."""
    outputs, inputs, times, columns = part.shape
    frames = [t * shape.times[1] * frame for t in range(times)]
    step = shape.columns[1] * column
    if channel in (0, 1) and step == inputs:  # frequencies and channels lie in one piece
        return tuple(frames), Factor(columns * inputs, 1), part.transpose(2, 3, 1, 0).reshape(-1, outputs)
    if inputs >= columns:
        begins = tuple(f + c * step for f in frames for c in range(columns))
        return begins, Factor(inputs, channel), part.transpose(2, 3, 1, 0).reshape(-1, outputs)
    begins = tuple(f + i * channel for f in frames for i in range(inputs))
    return begins, Factor(columns, step), part.transpose(2, 1, 3, 0).reshape(-1, outputs)
