"""Graphs that compute in 16 or 8 bits where that is safe, made by ONNX Runtime's own tools.

All that goes in and out stays float32, the states among it. So does, in 16 bits, what is fragile: the Fourier
transforms, everything between a state and what follows it, normalisation statistics, powers and logarithms,
everything that leads to a number that is rounded (durations, say), and what a model asks for besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from converters.targets.quiet import quiet
from zoo.arrays import Array
from zoo.artifact import golden
from zoo.artifact.engine import TOLERANCES, Precision
from zoo.artifact.manifest import EnhancementManifest, SpeakerManifest, SynthesisManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError, ParityError
from zoo.runtime.graph import Graph, as_array
from zoo.runtime.onnx import OnnxGraph, session_options
from zoo.spec import Tolerance
from zoo.tasks.enhancement.graph import StreamingSession, session_over
from zoo.tasks.speaker.graph import GraphSpeakerSession
from zoo.tasks.synthesis.golden import parity_texts
from zoo.tasks.synthesis.session import inputs

Feeds = Sequence[Mapping[str, Array]]  # inputs of some calls

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
        reason = (str(error) or type(error).__name__).splitlines()[0][:300]
        raise ArtifactError(f"{source}: it cannot be made {precision} ({reason}); take fp32") from error


def check_reduced(graph: OnnxGraph, reduced: Graph, feeds: Feeds, tolerance: Tolerance) -> ParityReport:
    """Hold a reduced graph, or an engine, against its source: enhancers on speech, a stream at a time, others
    on ``feeds``.

    Raises:
        ParityError: it differs by more than the tolerance.
    """
    if isinstance(graph.manifest, EnhancementManifest):
        front_end = graph.manifest.front_end
        speech = golden.parity_speech(front_end.sample_rate)[None]
        return compare(
            session_over(graph).whole(speech),
            session_over(reduced).whole(speech),
            tensor="waveform of the reduced graph",
            tolerance=tolerance,
            frame_length=front_end.hop_length,
        )
    reports = []
    for feed in feeds:
        values = [feed[spec.name] for spec in graph.inputs]
        found = map(as_array, reduced(*values))
        for spec, a, b in zip(graph.outputs, graph(*values), found, strict=True):
            if np.issubdtype(np.asarray(a).dtype, np.integer) and not np.array_equal(a, b):
                raise ParityError(f"{spec.name}: expected {np.ravel(a)[:8]}, got {np.ravel(b)[:8]}")
            if np.issubdtype(np.asarray(a).dtype, np.floating) and np.any(a):
                reports.append(compare(a, b, tensor=spec.name, tolerance=tolerance))
    if not reports:
        raise ParityError(f"{graph.path}: there is nothing to compare a reduced graph on; pass feeds")
    return min(reports, key=lambda report: report.snr_db)


def own_feeds(
    graph: OnnxGraph, count: int = CALIBRATION_CALLS, recordings: Sequence[Array] = ()
) -> list[dict[str, Array]]:
    """Inputs of calls of one of our graphs.

    Args:
        graph: an enhancer's, whose calls are taken evenly from a stream; one for speakers, or for text to
            speech, which gets the package's own text.
        count: most calls.
        recordings: speech, each (N,) float32 at the model's rate; by default the package's own.

    Raises:
        ArtifactError: none of ours.
    """
    manifest = graph.manifest
    if isinstance(manifest, SynthesisManifest):
        return _texts(graph, manifest)
    if not isinstance(manifest, EnhancementManifest | SpeakerManifest):
        raise ArtifactError(
            f"{graph.path}: what it is fed with is not known here; pass feeds, inputs of some calls"
        )
    calls: list[dict[str, Array]] = []
    recorder = _Recorder(graph, calls)
    rate = manifest.front_end.sample_rate
    speech = np.concatenate(recordings or [golden.parity_speech(rate)])[None]
    if isinstance(manifest, SpeakerManifest):
        pieces = GraphSpeakerSession(recorder, manifest)
        for start in range(0, speech.shape[1] - 2 * rate + 1, 2 * rate):
            pieces.run([speech[0, start : start + 2 * rate]])
        return calls[:count]
    session = session_over(recorder)
    if isinstance(session, StreamingSession):
        state = session.initial_state()
        for start in range(0, speech.shape[1] - session.block_length, session.block_length):
            _, state = session.run(speech[:, start : start + session.block_length], state)
    else:
        session.whole(speech)
    chosen = np.linspace(0, len(calls) - 1, min(count, len(calls))).astype(int)
    return [calls[index] for index in dict.fromkeys(chosen.tolist())]


def as_written() -> onnxruntime.SessionOptions:
    """ONNX Runtime 1.31 without what fails: rewrites of quantised graphs from opset 21 on, and of layouts in
    16 bits, which may end the process."""
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return options


def _texts(graph: OnnxGraph, manifest: SynthesisManifest) -> list[dict[str, Array]]:
    """Calls on the package's own text: with forced durations, and with predicted ones."""
    rows = 3 if isinstance(manifest.batch, str) else manifest.batch
    texts = parity_texts(manifest.symbols, max(3, rows), manifest.tokens, manifest.frames)
    feeds = []
    for start in range(0, len(texts), rows):
        call = [texts[(start + row) % len(texts)] for row in range(rows)]
        for forced in (call, [replace(text, forced=()) for text in call]):
            names = [spec.name for spec in graph.inputs]
            feeds.append(dict(zip(names, inputs(forced, manifest.tokens), strict=True)))
    return feeds


class _Recorder:
    """A graph that keeps what it is fed with."""

    def __init__(self, graph: OnnxGraph, calls: list[dict[str, Array]]) -> None:
        self.path, self.backend, self.manifest = graph.path, graph.backend, graph.manifest
        self.inputs, self.outputs = graph.inputs, graph.outputs
        self._graph, self._calls = graph, calls

    def __call__(self, *values: Array) -> list[Array]:
        self._calls.append({spec.name: value for spec, value in zip(self.inputs, values, strict=True)})
        return self._graph(*values)


class _Reader(quantization.CalibrationDataReader):
    """Recorded inputs, one call after the other, as the calibration asks for them."""

    def __init__(self, feeds: Feeds) -> None:
        self._left: Iterator[Mapping[str, Array]] = iter(feeds)

    def get_next(self) -> dict[str, Array] | None:
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
