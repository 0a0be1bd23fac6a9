"""Lowers products of matrices, and convolutions, which are products over rows that lie in memory already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c.builder import Builder, Place
from converters.c.ir import Op, Value
from converters.c.statements import Call, Ref, Table
from converters.c.views import Buffer, Factor, Loop, View, dense, loops, merged
from zoo.errors import ArtifactError

PANEL, SLIM = 16, 8  # columns that are packed together; of the last ones, if they are no more
MIXED = 1.25  # what a product may waste so that its result lies as what it was made of
Matrix = NDArray[Any]


def packed(matrix: Matrix) -> Matrix:
    """(K, N) -> (packed_size(K, N),) as the kernel reads it: panel after panel, zeros at the end of each."""
    inner, columns = matrix.shape
    parts = []
    for begin in range(0, columns, PANEL):
        wide = SLIM if columns - begin <= SLIM else PANEL
        panel = np.zeros((inner, wide), matrix.dtype)
        part = matrix[:, begin : begin + wide]
        panel[:, : part.shape[1]] = part
        parts.append(panel.ravel())
    return np.concatenate([*parts, np.zeros(SLIM, matrix.dtype)])


def padded(row: Matrix) -> Matrix:
    """Numbers that a product begins with, which are read up to a whole vector."""
    return np.pad(row, (0, -row.size % PANEL))


def packed_size(inner: int, columns: int) -> int:
    """Elements of a packed matrix; a vector may be read that begins in its last row."""
    rest = columns % PANEL
    wide = columns - rest + (0 if not rest else SLIM if rest <= SLIM else PANEL)
    return wide * inner + SLIM


def emit_product(
    builder: Builder,
    left: View,
    right: Matrix | View,
    out: View,
    start: View | None = None,
    name: str = "weight",
) -> None:
    """Emit out = left right + start.

    Args:
        builder: takes the statements.
        left: (M, K).
        right: (K, N) constant, or a view, which is packed at run time.
        out: (M, N), the columns of a row side by side.
        start: (M, N), likewise; rows may be one and the same.
        name: of the constant.
    """
    if builder.alone and isinstance(right, np.ndarray) and lies_across(left, out):
        _combine(builder, left, right, out, start, name)
        return
    if start is not None and start.stride(1) != 1 and out.shape[1] > 1:
        start = builder.copied(start)
    if not isinstance(right, np.ndarray) and len(left.dims[1]) > 1:
        left = builder.copied(left)
    inner, segments, order = _inner(left)
    if isinstance(right, np.ndarray):
        source = Ref(builder.constant(name, packed(right[order])))
    else:
        source = Ref(_pack(builder, right))
    views = [_rows(left), _rows(out)] + ([] if start is None else [_rows(start)])
    outer, last = _split(loops(views), len(views))
    columns = out.shape[1]

    def body(at: Place) -> list[Call]:
        first = at(2, start) if start is not None else None
        first_row = last.strides[2] if start is not None else 0
        kernel = "product_double" if left.buffer.dtype == "float64" else "product"
        numbers = (
            last.size, columns, inner.size, len(segments), Table(segments), at(0, left), last.strides[0],
            inner.stride, source, first, first_row, at(1, out), last.strides[1],
        )  # fmt: skip
        return [Call(kernel, numbers)]

    builder.nest(outer, body)


def lies_across(left: View, out: View) -> bool:
    """Whether the rows of both a product's left factor (M, K) and its result (M, N) lie side by side."""
    return (
        len(left.dims[0]) == len(out.dims[0]) == 1
        and left.stride(0) == out.stride(0) == 1
        and len(left.dims[1]) <= 1
        and len(out.dims[1]) <= 1
        and left.buffer.place in ("work", "memory")
        and left.buffer.dtype == "float32"
    )


def _combine(builder: Builder, left: View, right: Matrix, out: View, start: View | None, name: str) -> None:
    """The same product where all rows of a column lie side by side: sums of runs of them."""
    inner, columns = right.shape
    first, first_row, first_column = None, 0, 0
    if start is not None:
        if start.stride(0) not in (0, 1) or start.stride(1) is None:
            start = builder.copied(start, (1, 0))
        first = Ref(start.buffer, start.offset)
        first_row, first_column = start.stride(1) or 0, start.stride(0) or 0
    weight = builder.constant(name, right.T)
    numbers = (
        columns, out.shape[0], inner, 1, Table((0,)), Ref(weight), inner, 1, Ref(left.buffer, left.offset),
        left.stride(1) or 0, first, first_row, first_column, Ref(out.buffer, out.offset), out.stride(1) or 0,
    )  # fmt: skip
    builder.emit(Call("combine", numbers))


def _rows(view: View) -> View:
    """The first column."""
    return View(view.buffer, view.offset, view.dims[:1])


def _split(found: list[Loop], views: int) -> tuple[list[Loop], Loop]:
    """Loops, and the last of them, which the kernel does itself."""
    if not found:
        return [], Loop(1, (0,) * views)
    best = max(range(len(found)), key=lambda index: found[index].size)
    return found[:best] + found[best + 1 :], found[best]


def _inner(left: View) -> tuple[Factor, tuple[int, ...], Matrix]:
    """How the K elements of a row lie: the longest factor, where each run of it begins, and their order."""
    factors = left.dims[1] or (Factor(1, 0),)
    longest = max(range(len(factors)), key=lambda index: (factors[index].size, index))
    begins = [0]
    for index, factor in enumerate(factors):
        if index != longest:
            begins = [begin + n * factor.stride for begin in begins for n in range(factor.size)]
    numbers = np.arange(math.prod(f.size for f in factors)).reshape([f.size for f in factors])
    return factors[longest], tuple(begins), np.moveaxis(numbers, longest, -1).ravel()


def _pack(builder: Builder, right: View) -> Buffer:
    """Emit what packs a matrix (K, N) that is not known yet; its memory."""
    if any(len(dim) > 1 for dim in right.dims):
        right = builder.copied(right)
    inner, columns = right.shape
    buffer = builder.buffer(f"{right.buffer.name}_packed", packed_size(inner, columns))
    place = Ref(right.buffer, right.offset)
    builder.emit(Call("pack", (inner, columns, place, right.stride(0), right.stride(1), Ref(buffer))))
    return buffer


# Operators


def lower_gemm(builder: Builder) -> None:
    """Gemm, and MatMul by one matrix."""
    op = builder.group.ops[0]
    left, right, start = op.input(0), op.input(1), op.optional(2)
    alpha, beta = op.attributes.get("alpha", 1.0), op.attributes.get("beta", 1.0)
    if (alpha, beta) != (1.0, 1.0):
        raise ArtifactError(f"{op.layer}: C cannot be made of a Gemm with factors {alpha} and {beta} yet")
    matrices: list[Matrix | View] = []
    for value, turned in ((left, op.attributes.get("transA")), (right, op.attributes.get("transB"))):
        rows = (math.prod(value.shape[:-1]), value.shape[-1])
        if value.data is not None:
            data = value.constant.reshape(rows)
            matrices.append(data.T if turned else data)
        else:
            view = builder.seen(value, rows)
            matrices.append(view.transposed((1, 0)) if turned else view)
    _lower_product(builder, op, matrices[0], matrices[1], start)


def _lower_product(
    builder: Builder, op: Op, left: Matrix | View, right: Matrix | View, start: Value | None
) -> None:
    """A product of which the constant factor, if there is one, is the right one of the kernel's."""
    out, rows, columns = op.output, left.shape[0], right.shape[1]
    turned = isinstance(left, np.ndarray) and not isinstance(right, np.ndarray)
    name = (op.input(0) if turned else op.input(1)).name
    if turned:
        left, right = right.transposed((1, 0)), left.T  # type: ignore[union-attr]  # as was checked
    if isinstance(left, np.ndarray):
        left = dense(builder.constant(op.input(0).name, left), left.shape)
    across = builder.alone and not turned and isinstance(right, np.ndarray) and _goes_across(left, columns)
    target = _target(builder, out, (rows, columns), turned, across)
    begin = None if start is None else _start(builder, start, (rows, columns), turned)
    if target.stride(1) not in (0, 1) and not (builder.alone and lies_across(left, target)):
        direct = dense(builder.buffer(f"{out.name}_rows", out.size, out.dtype), target.shape)
        emit_product(builder, left, right, direct, begin, name)
        builder.copy(direct, target)
    else:
        emit_product(builder, left, right, target, begin, name)


def lanes_wasted(count: int) -> float:
    """How many times as many numbers as needed vectors of the largest kind compute."""
    return -(-count // PANEL) * PANEL / count


def _goes_across(left: View, columns: int) -> bool:
    """Whether a product's result should lie as its left factor does: rows side by side, in whole vectors."""
    rows = left.shape[0]
    return rows > 1 and left.stride(0) == 1 and lanes_wasted(rows) <= MIXED * lanes_wasted(columns)


def _target(builder: Builder, out: Value, matrix: tuple[int, int], turned: bool, across: bool) -> View:
    """The result as the kernel writes it, (M, N) or turned (N, M); ``across``: rows side by side."""
    order = None
    if turned or across:  # what was the row is the fast axis now
        axes = list(range(len(out.shape)))
        order = [axes[-1], *axes[:-1]]
    view = builder.allocate(out, order).reshaped(matrix)
    if view is None:
        raise ValueError(f"{out.name} does not lie as a matrix")
    return view.transposed((1, 0)) if turned else view


def _start(builder: Builder, start: Value, matrix: tuple[int, int], turned: bool) -> View:
    """What is added to a product, as it is read; a constant as few numbers as say it."""
    if start.data is None:
        view = builder.seen(start, start.shape).broadcast(matrix)
        view = view.transposed((1, 0)) if turned else view
        return view
    shape = (1,) * (2 - len(start.shape)) + start.shape
    data = start.constant.reshape(shape)
    data = data.T if turned else data
    rows, columns = matrix[::-1] if turned else matrix
    wide = np.broadcast_to(data, (data.shape[0], columns))
    made = builder.constant(start.name, padded(np.ravel(wide)))
    return dense(made, wide.shape).broadcast((rows, columns))


def lower_matmul(builder: Builder) -> None:
    """MatMul, of one matrix or of many."""
    op = builder.group.ops[0]
    left, right = op.input(0), op.input(1)
    if min(len(left.shape), len(right.shape)) < 2:
        raise ArtifactError(f"{op.layer}: C cannot be made of a MatMul with a vector yet")
    if math.prod(right.shape[:-2]) == 1:
        lower_gemm(builder)
        return
    batch = op.output.shape[:-2]
    count = math.prod(batch)
    out = builder.allocate(op.output)
    rows, columns, inner = left.shape[-2], right.shape[-1], left.shape[-1]
    many = _batched(builder, left, batch)
    whole = out.reshaped((count, rows, columns))
    if whole is None or whole.stride(2) not in (0, 1) or (rows > 1 and whole.stride(1) is None):
        whole = dense(
            builder.buffer(f"{op.output.name}_rows", op.output.size, op.output.dtype), (count, rows, columns)
        )
    if right.data is not None:
        weights = np.broadcast_to(right.constant, (*batch, inner, columns)).reshape(count, inner, columns)
        _constant_batch(builder, op, many, weights, whole)
    else:
        _computed_batch(builder, many, _batched(builder, right, batch), whole)
    if whole.buffer is not out.buffer:
        builder.copy(whole, out.reshaped(whole.shape) or out)


def _batched(builder: Builder, value: Value, batch: Sequence[int]) -> View:
    """(..., R, C) as (batch, R, C); a single stride each, else copied."""
    view = builder.view(value).broadcast((*batch, *value.shape[-2:]))
    flat = merged([factor for dim in view.dims[:-2] for factor in dim])
    found = View(view.buffer, view.offset, (flat, *view.dims[-2:]))
    return found if all(len(dim) <= 1 for dim in found.dims) else builder.copied(found)


def _constant_batch(builder: Builder, op: Op, left: View, weights: Matrix, out: View) -> None:
    """A product for each matrix of a constant."""
    count, inner, columns = weights.shape
    data = np.stack([packed(matrix) for matrix in weights])
    source = View(builder.constant(op.input(1).name, data), 0, ((Factor(count, data[0].size),),))
    _products(builder, left, source, out, inner, columns)


def _computed_batch(builder: Builder, left: View, right: View, out: View) -> None:
    """A product for each matrix of two tensors, the right one packed as it comes."""
    count, inner, columns = right.shape
    packs = builder.buffer(f"{right.buffer.name}_packed", packed_size(inner, columns))
    _products(builder, left, View(packs, 0, ((Factor(count, 0),),)), out, inner, columns, right)


def _products(
    builder: Builder, left: View, packs: View, out: View, inner: int, columns: int, right: View | None = None
) -> None:
    views = [View(v.buffer, v.offset, v.dims[:1]) for v in (left, packs, out, *([right] if right else []))]
    kernel = "product_double" if left.buffer.dtype == "float64" else "product"

    def body(at: Place) -> list[Call]:
        calls = []
        if right is not None:
            step = (right.stride(1), right.stride(2))
            calls.append(Call("pack", (inner, columns, at(3, right), *step, at(1, packs))))
        product = (left.shape[1], columns, inner, 1, Table((0,)), at(0, left), left.stride(1), left.stride(2),
                   at(1, packs), None, 0, at(2, out), out.stride(1))  # fmt: skip
        return [*calls, Call(kernel, product)]

    builder.nest(loops(views), body)
