"""Graphs that compute in 16 or 8 bits where that is safe, made by ONNX Runtime's own tools.

All that goes in and out stays float32, the states among it. So does, in 16 bits, what is fragile: the Fourier
transforms, everything between a state and what follows it, normalisation statistics, powers and logarithms,
everything that leads to a number that is rounded (durations, say), and what a model asks for besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime import quantization
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from converters.targets.quiet import quiet, reason_of
from zoo.arrays import Array
from zoo.artifact.engine import TOLERANCES, Precision
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError, ParityError
from zoo.runtime.comparison import compare_calls
from zoo.runtime.graph import Graph
from zoo.runtime.onnx import OnnxGraph, session_options
from zoo.spec import Tolerance
from zoo.tasks import task_of
from zoo.tasks.task import Feeds

CALIBRATION_CALLS = 64
NEXT = ".next"
RECURRENT = frozenset({"GRU", "LSTM", "RNN"})
RECURRENT_LAYERS = "recurrent layers"
STATISTICS = frozenset(
    {"LayerNormalization", "InstanceNormalization", "GroupNormalization", "BatchNormalization"}
    | {"RMSNormalization", "LpNormalization", "CumSum", "Sqrt", "Reciprocal", "Exp", "Log", "Pow"}
    | {f"Reduce{kind}" for kind in ("Mean", "Sum", "SumSquare", "L1", "L2", "LogSum", "LogSumExp", "Prod")}
)
ANALYSIS, SYNTHESIS = ".stft.", ".istft."  # in the names of the transforms' matrices
COMPARISONS = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def reduce_precision(
    source: Path,
    out: Path,
    precision: Precision,
    *,
    keep: Sequence[str] = (),
    recurrent: bool = True,
    feeds: Feeds | None = None,
    tolerance: Tolerance | None = None,
) -> tuple[tuple[str, ...], ParityReport]:
    """Write a graph that computes in fewer bits, and hold it against its source in ONNX Runtime.

    Args:
        source: a float32 graph; it stays.
        out: the file to write, with the same inputs, outputs and manifest.
        precision: ``fp16`` or ``int8``.
        keep: parts of parameters' names; what reads such parameters, and all between, stays in 32 bits.
        recurrent: recurrent layers of graphs without states stay in 32 bits too.
        feeds: inputs of some calls, to calibrate with and to compare on; by default ``own_feeds``.
        tolerance: what may differ; by default that of the precision.

    Returns:
        what stays in 32 bits, for people; and how close the graph comes to its source.

    Raises:
        ArtifactError: the tool fails on this graph, or there are no feeds for a model of another task.
        ParityError: it differs by more than the tolerance; no file is left.
    """
    graph = OnnxGraph(source)
    feeds = own_feeds(graph) if feeds is None else feeds
    kept, reduced = write_reduced(source, out, precision, feeds, keep=keep, recurrent=recurrent)
    try:
        return kept, check_reduced(graph, reduced, feeds, tolerance or TOLERANCES[precision])
    except ParityError:
        out.unlink(missing_ok=True)
        raise


def write_reduced(
    source: Path,
    out: Path,
    precision: Precision,
    feeds: Feeds,
    *,
    keep: Sequence[str] = (),
    recurrent: bool = True,
) -> tuple[tuple[str, ...], OnnxGraph]:
    """Write a graph that computes in fewer bits, and load it; nothing is compared.

    Args: as ``reduce_precision``.

    Returns:
        what stays in 32 bits, for people; and the graph in ONNX Runtime.

    Raises:
        ArtifactError: the tool fails on this graph; no file is left.
    """
    proto = onnx.load(source)
    try:
        with quiet():  # advice on preparation, and on numbers too small for 16 bits, which the gate judges
            if precision == "fp16":
                kept = _to_fp16(proto, fragile(proto.graph, keep, recurrent), out)
            else:
                kept = _to_int8(proto, fragile(proto.graph, keep, recurrent), feeds, out)
        return kept, OnnxGraph(out, options=as_written())
    except ArtifactError:
        out.unlink(missing_ok=True)
        raise
    except Exception as error:  # the tools' own errors share no other base
        out.unlink(missing_ok=True)
        raise ArtifactError(
            f"{source}: it cannot be made {precision} ({reason_of(error)}); take fp32"
        ) from error


def check_reduced(graph: Graph, reduced: Graph, feeds: Feeds, tolerance: Tolerance) -> ParityReport:
    """Hold a reduced graph, or an engine, against its source: as its task does, or on ``feeds``.

    Raises:
        ParityError: it differs by more than the tolerance.
    """
    if graph.manifest is None:
        return compare_calls(graph, reduced, feeds, tolerance)
    return task_of(graph).compare(graph, reduced, feeds, tolerance)


def own_feeds(
    graph: Graph, count: int = CALIBRATION_CALLS, recordings: Sequence[Array] = ()
) -> list[dict[str, NDArray[Any]]]:
    """Inputs of calls of one of our graphs; see ``Task.feeds``.

    Raises:
        ArtifactError: none of ours.
    """
    if graph.manifest is None:
        raise ArtifactError(
            f"{graph.path}: what it is fed with is not known here; pass feeds, inputs of some calls"
        )
    return task_of(graph).feeds(graph, count, recordings)


def as_written() -> onnxruntime.SessionOptions:
    """ONNX Runtime 1.31 without what fails: rewrites of quantised graphs from opset 21 on, and of layouts in
    16 bits, which may end the process."""
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return options


class _Reader(quantization.CalibrationDataReader):
    """Recorded inputs, one call after the other, as the calibration asks for them."""

    def __init__(self, feeds: Feeds) -> None:
        self._left: Iterator[Mapping[str, NDArray[Any]]] = iter(feeds)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        feed = next(self._left, None)
        return None if feed is None else dict(feed)


def _to_fp16(proto: onnx.ModelProto, groups: Mapping[str, list[str]], out: Path) -> tuple[str, ...]:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    kept = sorted({name for names in groups.values() for name in names})
    own = {node.output[0] for node in proto.graph.node if node.op_type == "Cast"}
    reduced = convert_float_to_float16(proto, keep_io_types=True, node_block_list=kept)
    _tidy_casts(reduced.graph, own)
    onnx.save(reduced, out)
    return tuple(f"{what}: {len(names)} nodes" for what, names in groups.items() if names)


def _tidy_casts(graph: onnx.GraphProto, own: Set[str]) -> None:
    """Make right what the tool does with casts around nodes that stay in 32 bits.

    It writes one for every such node, some of them twice, and rounds to 16 bits between two of them.

    Args:
        graph: as the tool left it.
        own: outputs of the casts that were in the graph before, of what need not be a float.
    """
    written: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        written.setdefault(node.output[0], node)
    nodes = list(written.values())
    casts = {node.output[0]: node for node in nodes if node.op_type == "Cast"}
    narrow = {name for name, node in casts.items() if node.attribute[0].i == onnx.TensorProto.FLOAT16}
    wide = {name: node for name, node in casts.items() if name not in narrow and node.input[0] in narrow}
    exact = {  # 32-bit tensor: the one that it is without rounding
        name: casts[node.input[0]].input[0] for name, node in wide.items() if node.input[0] not in own
    }
    for node in wide.values():
        if node.input[0] in own:
            node.input[0] = casts[node.input[0]].input[0]
    made = {name for node in nodes for name in node.output}
    outputs = {value.name for value in graph.output}
    # an output takes the place of the tensor that it is
    moved = {exact[name]: name for name in exact if name in outputs and exact[name] in made - outputs}
    nodes = [node for node in nodes if node.output[0] not in moved.values()]
    for node in nodes:
        node.input[:] = [exact.get(name, name) for name in node.input]
        node.input[:] = [moved.get(name, name) for name in node.input]
        node.output[:] = [moved.get(name, name) for name in node.output]
    for _ in range(2):  # first what widens, then what narrows for nothing else
        used = {name for node in nodes for name in node.input} | {value.name for value in graph.output}
        nodes = [node for node in nodes if node.op_type != "Cast" or node.output[0] in used]
    ordered = _in_order(nodes)
    del graph.node[:]
    graph.node.extend(ordered)


def _in_order(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Nodes, each behind those that it reads from."""
    maker = {name: index for index, node in enumerate(nodes) for name in node.output}
    before = {index: {maker[n] for n in node.input if n in maker} for index, node in enumerate(nodes)}
    return [nodes[index] for index in TopologicalSorter(before).static_order()]


def _to_int8(
    proto: onnx.ModelProto, groups: Mapping[str, list[str]], feeds: Feeds, out: Path
) -> tuple[str, ...]:
    excluded = {name for names in groups.values() for name in names}
    constants = {tensor.name for tensor in proto.graph.initializer}
    chosen = [
        node.name
        for node in proto.graph.node
        if node.op_type in PRODUCTS and constants.intersection(node.input[1:]) and node.name not in excluded
    ]
    if not chosen:
        raise ArtifactError("the graph has no products with constant weights to quantise; build it as fp16")
    add_pre_process_metadata(proto)  # constants are folded and shapes known; without this there is a warning
    quantization.quantize_static(
        proto,
        out,
        _Reader(feeds),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=sorted({n.op_type for n in proto.graph.node if n.name in set(chosen)}),
        nodes_to_quantize=chosen,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        # TensorRT takes symmetric 8-bit values only, and biases in full
        extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
    )
    return (f"all but {len(chosen)} products with constant weights",)


def fragile(graph: onnx.GraphProto, keep: Sequence[str] = (), recurrent: bool = True) -> dict[str, list[str]]:
    """Names of the nodes that stay in 32 bits, by what they are."""
    nodes = list(graph.node)
    outputs = {value.name for value in graph.output}
    states = [value.name for value in graph.input if f"{value.name}{NEXT}" in outputs]
    groups = {
        "Fourier transform": _leading_to(nodes, _readers(nodes, ANALYSIS)),
        "inverse Fourier transform": _following(nodes, _readers(nodes, SYNTHESIS)),
        "states": [name for state in states for name in _between(nodes, {state}, {f"{state}{NEXT}"})],
        # of a graph without states; in others those over time are between states
        RECURRENT_LAYERS: [
            node.name for node in nodes if node.op_type in RECURRENT and recurrent and not states
        ],
        "statistics, powers and logarithms": [node.name for node in nodes if node.op_type in STATISTICS],
        "numbers that are rounded, and compared then": _with_copies(
            nodes, _leading_to(nodes, _rounded(nodes))
        ),
    }
    for part in keep:
        own = [node for node in nodes if any(part in name for name in node.input)]
        if not own:
            raise ArtifactError(f"keep: no parameter of the graph has {part!r} in its name")
        named = {node.name for node in own}
        begin = {name for node in own for name in node.output}
        end = {name for node in own for name in node.input}
        groups[part] = sorted(named | set(_between(nodes, begin, end)))
    return groups


def _rounded(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Nodes that round, and those after them that compare: one half of a bit decides there."""
    rounding = [node for node in nodes if node.op_type == "Round"]
    after = set(_following(nodes, rounding))
    return rounding + [node for node in nodes if node.op_type in COMPARISONS and node.name in after]


def _with_copies(nodes: Sequence[onnx.NodeProto], names: Sequence[str]) -> list[str]:
    """Nodes, and those that only copy what they give."""
    given = {output for node in nodes if node.name in names for output in node.output}
    copies = [node.name for node in nodes if node.op_type == "Identity" and node.input[0] in given]
    return sorted({*names, *copies})


def _readers(nodes: Sequence[onnx.NodeProto], part: str) -> list[onnx.NodeProto]:
    return [node for node in nodes if any(part in f".{name}" for name in node.input)]


def _following(nodes: Sequence[onnx.NodeProto], first: Sequence[onnx.NodeProto]) -> list[str]:
    """Nodes of some kind and all that reads from them."""
    named = {node.name for node in first}
    reached: set[str] = set()
    for node in nodes:
        if node.name in named or reached.intersection(node.input):
            named.add(node.name)
            reached.update(node.output)
    return sorted(named)


def _leading_to(nodes: Sequence[onnx.NodeProto], last: Sequence[onnx.NodeProto]) -> list[str]:
    """Nodes of some kind and all that they read from."""
    named = {node.name for node in last}
    wanted: set[str] = set()
    for node in reversed(nodes):
        if node.name in named or wanted.intersection(node.output):
            named.add(node.name)
            wanted.update(node.input)
    return sorted(named)


def _between(nodes: Sequence[onnx.NodeProto], begin: set[str], end: set[str]) -> list[str]:
    """Nodes on a way from some tensors to others."""
    after, before = set(begin), set(end)
    for node in nodes:
        if after.intersection(node.input):
            after.update(node.output)
    for node in reversed(nodes):
        if before.intersection(node.output):
            before.update(node.input)
    return [n.name for n in nodes if after.intersection(n.input) and before.intersection(n.output)]
