"""Rewrites of ONNX graphs into operators that runtimes compute faster; the values stay what they were."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

_LARGE = 1024  # values of a constant that is worth storing in half as many bits


def simplify(proto: onnx.ModelProto) -> None:
    """Apply the rewrites that suit a graph, in place.

    Changes of shape cost time where a graph runs once per frame. A graph of whole recordings or texts keeps
    them: the places of TensorRT plugins are found by them.
    """
    constant_slopes(proto.graph)
    sums_of_squares(proto.graph)
    if any(value.name.endswith(".next") for value in proto.graph.output):
        changes_of_shape(proto)


def constant_slopes(graph: onnx.GraphProto) -> None:
    """``PRelu`` with one constant slope becomes ``LeakyRelu``, which runtimes fuse into a convolution."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "PRelu" or node.input[1] not in constants:
            continue
        slope = numpy_helper.to_array(constants[node.input[1]])
        if slope.size == 1:
            leaky = helper.make_node(
                "LeakyRelu", node.input[:1], node.output, node.name, alpha=float(slope.item())
            )
            node.CopyFrom(leaky)
    remove_unused(graph)


def sums_of_squares(graph: onnx.GraphProto) -> None:
    """The sum over products of a tensor with itself becomes ``ReduceSumSquare``."""
    squares = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Mul" and node.input[0] == node.input[1]
    }
    for node in graph.node:
        if node.op_type == "ReduceSum" and node.input[0] in squares:
            node.op_type = "ReduceSumSquare"
            node.input[0] = squares[node.input[0]]
    remove_unused(graph)


def changes_of_shape(proto: onnx.ModelProto) -> None:
    """Operators in a row that change nothing but a shape become one ``Reshape``, or nothing.

    Where a size is free they stay.
    """
    graph = proto.graph
    shapes = _static_shapes(proto)
    makers = {name: node for node in graph.node for name in node.output}
    outputs = {value.name for value in graph.output}
    same: dict[str, str] = {}  # a tensor, and the one that it is
    nodes = []
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        if _changes_shape(node, shapes):
            source, out = node.input[0], node.output[0]
            while source in makers and _changes_shape(makers[source], shapes):
                source = makers[source].input[0]
            if shapes[source] == shapes[out] and out not in outputs:
                same[out] = source
                continue
            size = numpy_helper.from_array(np.array(shapes[out], np.int64), f"{out}.shape")
            graph.initializer.append(size)
            node.CopyFrom(helper.make_node("Reshape", [source, size.name], [out], node.name))
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    remove_unused(graph)


def _changes_shape(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a node between known shapes leaves the order of the elements."""
    if not node.input or node.input[0] not in shapes or node.output[0] not in shapes:
        return False
    if node.op_type == "Transpose":
        order = next((list(a.ints) for a in node.attribute if a.name == "perm"), [])
        moved = [axis for axis in order if shapes[node.input[0]][axis] > 1]
        return bool(order) and moved == sorted(moved)
    return node.op_type in ("Reshape", "Squeeze", "Unsqueeze", "Flatten")


def _static_shapes(proto: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors between the nodes, and of the graph's inputs, of which every size is known."""
    graph = onnx.shape_inference.infer_shapes(proto).graph
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        sizes = [size.dim_value for size in kind.shape.dim]
        if kind.HasField("shape") and all(sizes):
            found[value.name] = tuple(sizes)
    return found


def elus_in_parts(graph: onnx.GraphProto) -> int:
    """``Elu`` becomes Relu(x) + alpha Exp(-Relu(-x)) - alpha, for some compilers; how many there were."""
    nodes = []
    elus = [node for node in graph.node if node.op_type == "Elu"]
    for node in graph.node:
        if node.op_type != "Elu":
            nodes.append(node)
            continue
        alpha = next((a.f for a in node.attribute if a.name == "alpha"), 1.0)
        x, y, name = node.input[0], node.output[0], node.name
        parts = [f"{y}.{part}" for part in ("positive", "turned", "cut", "negative", "exp", "scaled")]
        positive, turned, cut, negative, grown, scaled = parts
        factor = f"{y}.alpha"
        graph.initializer.append(numpy_helper.from_array(np.array([alpha], np.float32), factor))
        nodes += [
            helper.make_node("Relu", [x], [positive], f"{name}.positive"),
            helper.make_node("Neg", [x], [turned], f"{name}.turned"),
            helper.make_node("Relu", [turned], [cut], f"{name}.cut"),
            helper.make_node("Neg", [cut], [negative], f"{name}.negative"),
            helper.make_node("Exp", [negative], [grown], f"{name}.exp"),
            helper.make_node("Mul", [grown, factor], [scaled], f"{name}.scaled"),
            helper.make_node("Add", [scaled, positive], [f"{y}.sum"], f"{name}.sum"),
            helper.make_node("Sub", [f"{y}.sum", factor], [y], f"{name}.elu"),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    return len(elus)


def store_in_half(graph: onnx.GraphProto) -> None:
    """Keep large constants in 16 bits where that loses nothing; runtimes widen them as they load."""
    casts = []
    for constant in graph.initializer:
        if constant.data_type != onnx.TensorProto.FLOAT:
            continue
        value = numpy_helper.to_array(constant)
        with np.errstate(over="ignore"):
            half = value.astype(np.float16)
        if value.size < _LARGE or not np.array_equal(half.astype(np.float32), value):
            continue
        name = constant.name
        constant.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def remove_unused(graph: onnx.GraphProto) -> None:
    """Drop nodes and constants that lead to no output; the nodes stand in order."""
    used = {value.name for value in graph.output}
    for node in reversed(list(graph.node)):
        if used.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            used.update(node.input)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
