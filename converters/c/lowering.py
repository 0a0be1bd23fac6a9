"""Lowers a program: each group of operators becomes the statements of a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from converters.c import convolutions, maps, norms, products, recurrence, shapes
from converters.c.builder import Builder
from converters.c.fusion import Group
from converters.c.ir import Program
from converters.c.layout import find_wishes

_LOWER: Mapping[str, Callable[[Builder], None]] = {
    "Attention": products.lower_attention,
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
    "Transpose": shapes.lower_transpose,
}


def lower(program: Program, groups: Sequence[Group], share: bool = True) -> Builder:
    """Lower a program; what comes of it is in the builder. ``share``: see that.

    Raises:
        ArtifactError: an operator of a kind that is known, but not so.
    """
    builder = Builder(program, find_wishes(program), share)
    builder.input(program.signal)
    builder.place_states()
    for group in groups:
        builder.begin(group, ", ".join(dict.fromkeys(op.kind for op in group.ops)))
        (maps.lower_elementwise if group.is_elementwise else _LOWER[group.ops[0].kind])(builder)
    builder.keep_states()
    return builder
