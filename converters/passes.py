"""Rewrites of ONNX graphs into operators that runtimes compute faster; the values stay what they were."""

from __future__ import annotations

from collections import Counter

import onnx
from onnx import helper, numpy_helper


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
    _remove_unused(graph)


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
    _remove_unused(graph)


def _remove_unused(graph: onnx.GraphProto) -> None:
    """Drop squares and constants that nothing reads any more."""
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(value.name for value in graph.output)
    for node in [node for node in graph.node if node.op_type == "Mul" and not uses[node.output[0]]]:
        graph.node.remove(node)
        uses.subtract(node.input)
    for tensor in [tensor for tensor in graph.initializer if not uses[tensor.name]]:
        graph.initializer.remove(tensor)
