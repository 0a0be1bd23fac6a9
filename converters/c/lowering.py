"""Lowers a program: each group of operators becomes the statements of a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from converters.c import attention, convolutions, maps, norms, products, recurrence, shapes, transforms
from converters.c.builder import Builder
from converters.c.cost import cost
from converters.c.fusion import Group
from converters.c.ir import Program, Shape, Value
from converters.c.layout import find_wishes

_LOWER: Mapping[str, Callable[[Builder], None]] = {
    "Attention": attention.lower_attention,
    "Concat": shapes.lower_concat,
    "Conv": convolutions.lower_convolution,
    "Expand": shapes.lower_expand,
    "GRU": recurrence.lower_recurrent,
    "Gather": shapes.lower_gather,
    "Gemm": products.lower_gemm,
    "LSTM": recurrence.lower_recurrent,
    "LayerNormalization": norms.lower_layer_norm,
    "MatMul": products.lower_matmul,
    "Pad": shapes.lower_pad,
    "ReduceL2": norms.lower_reduction,
    "ReduceMean": norms.lower_reduction,
    "ReduceSum": norms.lower_reduction,
    "ReduceSumSquare": norms.lower_reduction,
    "Reshape": shapes.lower_reshape,
    "Slice": shapes.lower_slice,
    "Softmax": norms.lower_softmax,
    "Spectrum": transforms.lower_transform,
    "Transpose": shapes.lower_transpose,
    "Waveform": transforms.lower_transform,
}


def lower(
    program: Program,
    groups: Sequence[Group],
    share: bool = True,
    alone: bool = True,
    across: bool = False,
    orders: Mapping[Value, Sequence[int]] | None = None,
) -> Builder:
    """Lower a program in one way; what comes of it is in the builder, which says what the others mean.

    Raises:
        ArtifactError: an operator of a kind that is known, but not so.
    """
    builder = Builder(program, find_wishes(program, across), share, alone, across, orders)
    builder.input(program.signal)
    builder.place_states()
    for group in groups:
        builder.begin(group, ", ".join(dict.fromkeys(op.kind for op in group.ops)))
        (maps.lower_elementwise if group.is_elementwise else _LOWER[group.ops[0].kind])(builder)
    builder.keep_states()
    return builder


def lower_best(program: Program, groups: Sequence[Group], share: bool = True) -> Builder:
    """The cheapest of several ways to lower a program.

    Convolutions may have their channels or their frequencies last, states the last two of their axes in
    either order, or lie in the order in which they are written, which is known once all is lowered.

    Raises:
        ArtifactError: as of ``lower``.
    """
    turned = {state: order for state in program.states if (order := _turned(state.shape)) is not None}
    found = [
        lower(program, groups, share, across=across, orders=orders)
        for across in (False, True)
        for orders in ({}, turned)
    ]
    best = min(found, key=cost)
    orders = {**best.orders, **best.wanted}
    return min(best, lower(program, groups, share, across=best.across, orders=orders), key=cost)


def _turned(shape: Shape) -> tuple[int, ...] | None:
    """A shape's axes with the last two of more than one element in the other order; None where none are."""
    real = [axis for axis, size in enumerate(shape) if size > 1]
    if len(real) < 2:
        return None
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    return (*ones, *real[:-2], real[-1], real[-2])
