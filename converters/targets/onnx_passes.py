"""Rewrites of ONNX graphs into operators that runtimes compute faster; the values stay what they were."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

_LARGE = 1024  # values of a constant that is worth storing in half as many bits


def simplify(proto: onnx.ModelProto) -> None:
    """Apply every rewrite of this file to a graph, in place."""
    constant_slopes(proto.graph)
    sums_of_squares(proto.graph)


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
