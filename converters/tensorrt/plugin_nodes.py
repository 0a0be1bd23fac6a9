"""Puts plugins of TensorRT into graphs of standard operators, in the place of layers."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper, parser

from converters.targets.onnx_passes import remove_unused
from converters.tensorrt.precision import as_written, check_reduced, own_feeds
from zoo.artifact.engine import Plugins
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance
from zoo.tasks.synthesis.plugins import ADD_POSITIONS, NAMESPACE, REPEAT
from zoo.tasks.task import Feeds

# What the plugins compute, for runtimes that have only standard operators.
FUNCTIONS = (
    """
    AddPosEnc (x, code, mask) => (y) {
        last = Constant <value_ints = [2]> ()
        own = Unsqueeze (mask, last)
        factor = CastLike (own, code)
        added = Mul (code, factor)
        y = Add (x, added)
    }""",
    """
    Repeat <frames> (x, counts) => (y) {
        zero = Constant <value_int = 0> ()
        one = Constant <value_int = 1> ()
        width = Constant <value_int: int = @frames> ()
        second = Constant <value_ints = [1]> ()
        third = Constant <value_ints = [2]> ()
        behind = Constant <value_ints = [0, 0, 0, 0, 1, 0]> ()
        ends = CumSum (counts, one)
        end = Unsqueeze (ends, second)
        whole = Range (zero, width, one)
        frame = Unsqueeze (whole, second)
        time = CastLike (frame, counts)
        passed = LessOrEqual (end, time)
        ones = Cast <to = 7> (passed)
        index = ReduceSum <keepdims = 0> (ones, third)
        indices = Unsqueeze (index, third)
        padded = Pad (x, behind)
        y = GatherND <batch_dims = 1> (padded, indices)
    }""",
)


def insert_plugins(
    source: Path, out: Path, how: Plugins, *, tolerance: Tolerance, feeds: Feeds | None = None
) -> ParityReport:
    """Write a graph for TensorRT's parser in which plugins are in the place of layers.

    First it is held against its source in ONNX Runtime, with functions of standard operators as the plugins.

    Args:
        source: a graph of text to speech, in 32 or in 16 bits; it stays.
        out: the file to write.
        how: compiled ahead of time, or as Python calls.
        tolerance: what may differ. In 32 bits all are seen to be the same; in 16 ONNX Runtime rounds
            elsewhere.
        feeds: inputs of some calls to compare on; by default ``own_feeds``.

    Raises:
        ArtifactError: it has no length regulator.
        ParityError: it is another with the functions.
    """
    proto = onnx.load(source)
    nodes = _replace(proto.graph)
    if REPEAT not in {node.op_type for node in nodes}:
        raise ArtifactError(
            f"{source.name}: it has no length regulator that a plugin could be in the place of; plugins are "
            f"for graphs of export_synthesis, others are built without them"
        )
    opset = max(entry.version for entry in proto.opset_import if not entry.domain)
    proto.opset_import.append(helper.make_opsetid(NAMESPACE, 1))
    header = f'<domain: "{NAMESPACE}", opset_import: ["": {opset}]>'
    proto.functions.extend(parser.parse_function(header + body) for body in FUNCTIONS)
    onnx.save(proto, out)
    graph, other = (OnnxGraph(path, options=as_written()) for path in (source, out))
    report = check_reduced(graph, other, own_feeds(graph) if feeds is None else feeds, tolerance)
    del proto.functions[:]
    for node in nodes:  # how NVIDIA's parser finds a plugin, and the kind of it that it takes
        told = {"plugin_namespace": NAMESPACE, "aot": int(how == "aot")}
        node.attribute.extend(helper.make_attribute(name, value) for name, value in told.items())
    onnx.save(proto, out)
    return report


def _replace(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Put nodes of plugins in the place of layers; those nodes."""
    made = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        found = _add_positions(node, made, constants) or _repeat(node, made, constants)
        if found is not None:
            found.output.extend(node.output)
            found.name, found.domain = node.name, NAMESPACE
            node.CopyFrom(found)
            nodes.append(node)
    remove_unused(graph)
    return nodes


def _add_positions(
    node: onnx.NodeProto, made: dict[str, onnx.NodeProto], constants: dict[str, tuple[int, ...]]
) -> onnx.NodeProto | None:
    """x + Where(mask, code, 0)"""
    if node.op_type != "Add":
        return None
    chosen = _behind(made, node.input[1], "Where")
    mask = chosen and _behind(made, chosen.input[0], "Unsqueeze")
    if not chosen or not mask or len(constants.get(chosen.input[1], ())) != 2:
        return None
    return helper.make_node(ADD_POSITIONS, [node.input[0], chosen.input[1], mask.input[0]], [])


def _repeat(
    node: onnx.NodeProto, made: dict[str, onnx.NodeProto], constants: dict[str, tuple[int, ...]]
) -> onnx.NodeProto | None:
    """Gather(x and zeros, number of running sums up to each frame)"""
    if node.op_type != "Gather":
        return None
    rows = _behind(made, node.input[0], "Reshape", "Concat")
    counted = ("ReduceSum", "Cast", "LessOrEqual")
    passed = _behind(made, node.input[1], *counted) or _behind(made, node.input[1], "Add", *counted)
    ends = passed and _behind(made, passed.input[0], "Unsqueeze", "MatMul")
    if not rows or not passed or not ends or passed.input[1] not in constants:
        return None
    frames = constants[passed.input[1]][0]
    return helper.make_node(REPEAT, [rows.input[0], ends.input[0]], [], frames=frames)


def _behind(made: dict[str, onnx.NodeProto], name: str, *kinds: str) -> onnx.NodeProto | None:
    """The node that a tensor comes from along a chain of nodes of these kinds, by the first input of each."""
    node = None
    for kind in kinds:
        node = made.get(name)
        if node is None or node.op_type != kind:
            return None
        name = node.input[0]
    return node
