"""Graphs in reduced precision, made from 32-bit ones by ONNX Runtime's own tools.

What goes in and out stays float32, the states among it, and so do the products that are Fourier transforms:
they are exact matrices with a large range of values, and a small part of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import quantization
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from converters.quiet import quiet
from zoo.errors import SpeechZooError
from zoo.runtime.graph import Graph
from zoo.runtime.onnx import StreamingSession

Array = NDArray[np.float32]
Feeds = list[dict[str, Array]]

CONVOLUTIONS = ("Conv", "ConvTranspose")
RECURRENT = ("GRU", "LSTM")
STATES = (".hidden", ".cell")  # ends of the names of recurrent layers' states
TRANSFORMS = (".stft.", ".istft.")  # in the names of the Fourier transforms' matrices


@dataclass(frozen=True)
class Kind:
    """A way to reduce a graph's precision.

    Attributes:
        what: in words.
        make: from the graph, which it may change, and calls to calibrate with: the reduced graph's file.
    """

    what: str
    make: Callable[[onnx.ModelProto, Feeds, Path], None]


class VariantError(SpeechZooError):
    """A graph that cannot be reduced in this way, or would stay as it is."""


def make_variant(kind: str, source: Path, feeds: Feeds, out: Path) -> None:
    """Write a graph in reduced precision; it keeps the manifest of its source.

    Args:
        kind: of ``KINDS``.
        source: a 32-bit graph.
        feeds: inputs of some calls, states included, for the ranges of what is computed.
        out: the file to write.

    Raises:
        SpeechZooError: an unknown kind.
        VariantError: the tool fails on this graph, or finds nothing to reduce in it.
    """
    check_kind(kind)
    try:
        with quiet():  # advice on preparing a graph, and on numbers too small for 16 bits
            KINDS[kind].make(onnx.load(source), feeds, out)
        Graph(out)
    except VariantError as nothing:
        raise VariantError(f"{source.name}: {kind} changes nothing: {nothing}") from None
    except Exception as error:  # the tools' own errors share no other base
        out.unlink(missing_ok=True)
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise VariantError(f"{source.name}: {kind} fails: {reason}") from error


def check_kind(kind: str) -> None:
    """Raise SpeechZooError for one that is not in ``KINDS``."""
    if kind not in KINDS:
        raise SpeechZooError(f"there is no kind {kind!r}; expected some of {', '.join(KINDS)}")


def record_calls(session: StreamingSession, waves: Sequence[Array], count: int) -> Feeds:
    """Inputs of ``count`` calls, evenly over waves (N,) that go through a stream of a wav2wav graph."""
    graph, length = session.graph, session.block_length
    wave = np.concatenate(list(waves))
    blocks = wave[: len(wave) // length * length].reshape(-1, 1, length)
    kept = set(np.linspace(0, len(blocks) - 1, min(count, len(blocks))).astype(int).tolist())
    names = [spec.name for spec in graph.inputs]
    states: list[Array] = [np.zeros(spec.shape, np.float32) for spec in graph.inputs[1:]]
    feeds = []
    for turn, block in enumerate(blocks):
        if turn in kept:
            feeds.append(dict(zip(names, [block, *states], strict=True)))
        outputs = graph(block, *states)
        states = [outputs[index] for index in session.next_states]
    return feeds


class _Calls(quantization.CalibrationDataReader):
    """Recorded inputs, one call after the other, as the calibration asks for them."""

    def __init__(self, feeds: Feeds) -> None:
        self._left: Iterator[dict[str, Array]] = iter(feeds)

    def get_next(self) -> dict[str, Array] | None:
        return next(self._left, None)


def _products(proto: onnx.ModelProto, *types: str) -> list[str]:
    """Names of the nodes of some types with constant weights that are not the transforms' matrices."""
    constants = {tensor.name for tensor in proto.graph.initializer}
    return [
        node.name
        for node in proto.graph.node
        if node.op_type in types and constants.intersection(node.input[1:]) and not _is_transform(node)
    ]


def _is_transform(node: onnx.NodeProto) -> bool:
    return any(part in f".{name}" for name in node.input for part in TRANSFORMS)


def _cells(proto: onnx.ModelProto) -> list[str]:
    """Names of the nodes of recurrent layers: whole ones, and all between a hidden state and the next."""
    nodes, found = list(proto.graph.node), _products(proto, *RECURRENT)
    for state in (value.name for value in proto.graph.input if value.name.endswith(STATES)):
        after = {state}
        for node in nodes:
            if after.intersection(node.input):
                after.update(node.output)
        before = {f"{state}.next"}
        for node in reversed(nodes):
            if before.intersection(node.output):
                before.update(node.input)
        found += [node.name for node in nodes if after & set(node.output) & before]
    return list(dict.fromkeys(found))


def _dynamic(proto: onnx.ModelProto, feeds: Feeds, out: Path) -> None:
    types = ["MatMul", "Gemm", "LSTM"]
    _some(_products(proto, *types))
    quantization.quantize_dynamic(
        proto,
        out,
        op_types_to_quantize=types,
        nodes_to_exclude=[node.name for node in proto.graph.node if _is_transform(node)],
        weight_type=quantization.QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


def _static(proto: onnx.ModelProto, feeds: Feeds, out: Path, names: list[str] | None = None) -> None:
    """Have the named nodes compute with 8 bits, or all that the tool knows how to."""
    types = None
    if names is not None:
        types = sorted({node.op_type for node in proto.graph.node if node.name in _some(names)})
    add_pre_process_metadata(proto)  # constants are folded and shapes known; without this there is a warning
    quantization.quantize_static(
        proto,
        out,
        _Calls(feeds),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=types,
        nodes_to_quantize=names,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )


def _static_products(proto: onnx.ModelProto, feeds: Feeds, out: Path) -> None:
    _static(proto, feeds, out, _products(proto, *CONVOLUTIONS, "MatMul", "Gemm"))


def _static_convolutions(proto: onnx.ModelProto, feeds: Feeds, out: Path) -> None:
    _static(proto, feeds, out, _products(proto, *CONVOLUTIONS))


def _static_recurrent(proto: onnx.ModelProto, feeds: Feeds, out: Path) -> None:
    _static(proto, feeds, out, _cells(proto))


def _float16(proto: onnx.ModelProto, feeds: Feeds, out: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    kept = [node.name for node in proto.graph.node if _is_transform(node)]
    onnx.save(convert_float_to_float16(proto, keep_io_types=True, node_block_list=kept), out)


def _some(names: list[str]) -> list[str]:
    if not names:
        raise VariantError("the graph has no such operators")
    return names


KINDS = {
    "int8-dynamic": Kind(
        "`quantize_dynamic` of MatMul, Gemm and LSTM: weights once, what comes in at every call", _dynamic
    ),
    "int8": Kind("`quantize_static` of Conv, MatMul and Gemm, calibrated on noisy speech", _static_products),
    "int8-conv": Kind("`quantize_static` of Conv alone", _static_convolutions),
    "int8-recurrent": Kind(
        "`quantize_static` of the recurrent layers alone, all of them: products, gates and state",
        _static_recurrent,
    ),
    "int8-default": Kind(
        "`quantize_static` of all that it quantises by default, the transforms and states among it", _static
    ),
    "float16": Kind("`convert_float_to_float16` of everything", _float16),
}
