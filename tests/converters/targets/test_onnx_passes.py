"""The rewrites of ONNX graphs: what they replace, what they leave, and that the values stay the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from converters.targets.onnx_passes import elus_in_parts, simplify
from converters.targets.tracing import OPSETS
from zoo.arrays import Array

Nodes = list[onnx.NodeProto]

SHAPE = (2, 3, 4)
STATE = "state.next"  # the output of a graph of one frame


def model(nodes: Nodes, outputs: list[str], **constants: NDArray) -> onnx.ModelProto:
    """A graph of two inputs x and y."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in "xy"],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSETS[0])], ir_version=10)


def run(proto: onnx.ModelProto) -> list[Array]:
    random = np.random.default_rng(0)
    feed = {name: random.standard_normal(SHAPE, np.float32) for name in "xy"}
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def simplified(make: Callable[[], onnx.ModelProto]) -> tuple[list[str], onnx.ModelProto]:
    """Operators after the rewrites of a graph, whose outputs stay what they were."""
    expected, proto = run(make()), make()
    simplify(proto)
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(proto), full_check=True)
    for before, after in zip(expected, run(proto), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-6)
    read = {name for node in proto.graph.node for name in node.input}
    assert {tensor.name for tensor in proto.graph.initializer} <= read, "constants that nothing reads"
    return [node.op_type for node in proto.graph.node], proto


@pytest.mark.parametrize(
    ("slope", "expected"),
    [((1, 1, 1), "LeakyRelu"), ((1,), "LeakyRelu"), ((), "LeakyRelu"), ((3, 1), "PRelu")],
)
def test_one_constant_slope_is_an_attribute(slope: tuple[int, ...], expected: str) -> None:
    values = np.full(slope, 0.3, np.float32)
    operators, _ = simplified(
        lambda: model([helper.make_node("PRelu", ["x", "slope"], ["z"])], ["z"], slope=values)
    )
    assert operators == [expected]


def test_a_slope_that_is_computed_stays() -> None:
    operators, _ = simplified(lambda: model([helper.make_node("PRelu", ["x", "y"], ["z"])], ["z"]))
    assert operators == ["PRelu"]


def reshape(source: str, out: str, *shape: int) -> tuple[onnx.NodeProto, dict[str, NDArray]]:
    return helper.make_node("Reshape", [source, f"to_{out}"], [out]), {f"to_{out}": np.array(shape)}


@pytest.mark.parametrize(
    ("out", "expected"), [(STATE, ["Reshape"]), ("z", ["Reshape", "Transpose", "Squeeze"])]
)
def test_changes_of_shape_in_a_row_are_one_in_a_frame(out: str, expected: list[str]) -> None:
    """Also a transposition that moves nothing but axes of one element; a graph of recordings keeps them."""
    first, sizes = reshape("x", "a", 6, 1, 4)
    nodes = [
        first,
        helper.make_node("Transpose", ["a"], ["b"], perm=[1, 0, 2]),
        helper.make_node("Squeeze", ["b", "axis"], ["c"]),
        helper.make_node("Relu", ["c"], [out]),
    ]
    operators, proto = simplified(lambda: model(nodes, [out], axis=np.array([0]), **sizes))
    assert operators == [*expected, "Relu"]
    assert proto.graph.node[0].input[0] == "x"


def test_a_shape_that_comes_back_needs_nothing() -> None:
    (there, sizes), (back, more) = reshape("x", "a", 24), reshape("a", "b", *SHAPE)
    nodes = [there, back, helper.make_node("Relu", ["b"], [STATE]), helper.make_node("Neg", ["a"], ["w"])]
    operators, _ = simplified(lambda: model(nodes, [STATE, "w"], **sizes, **more))
    assert operators == ["Reshape", "Relu", "Neg"]


def test_an_output_keeps_its_name_and_elements_their_order() -> None:
    (there, sizes), (back, more) = reshape("x", "a", 24), reshape("a", STATE, *SHAPE)
    operators, _ = simplified(lambda: model([there, back], [STATE], **sizes, **more))
    assert operators == ["Reshape"]
    nodes = [helper.make_node("Transpose", ["x"], [STATE], perm=[1, 0, 2])]
    assert simplified(lambda: model(nodes, [STATE]))[0] == ["Transpose"]


@pytest.mark.parametrize("keepdims", [0, 1])
def test_squares_are_summed_in_one_operator(keepdims: int) -> None:
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["square"]),
        helper.make_node("ReduceSum", ["square", "axes"], ["z"], keepdims=keepdims),
    ]
    operators, proto = simplified(lambda: model(nodes, ["z"], axes=np.array([1])))
    assert operators == ["ReduceSumSquare"]
    assert list(proto.graph.node[0].input) == ["x", "axes"]


def test_squares_that_are_read_elsewhere_stay() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["square"]),
        helper.make_node("ReduceSum", ["square", "axes"], ["z"]),
        helper.make_node("Add", ["square", "y"], ["sum"]),
    ]
    operators, _ = simplified(lambda: model(nodes, ["z", "sum"], axes=np.array([2])))
    assert operators == ["Mul", "ReduceSumSquare", "Add"]
    operators, _ = simplified(lambda: model(nodes[:2], ["z", "square"], axes=np.array([2])))
    assert operators == ["Mul", "ReduceSumSquare"]


def test_products_of_two_tensors_are_no_squares() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "y"], ["product"]),
        helper.make_node("ReduceSum", ["product", "axes"], ["z"]),
    ]
    operators, _ = simplified(lambda: model(nodes, ["z"], axes=np.array([1])))
    assert operators == ["Mul", "ReduceSum"]


def test_elus_in_parts() -> None:
    """For a compiler that fails on some; any alpha."""
    x = np.linspace(-5, 5, 64, dtype=np.float32).reshape(1, 64)
    nodes = [
        helper.make_node("Elu", ["x"], ["h"], "first"),
        helper.make_node("Elu", ["h"], ["y"], "second", alpha=0.3),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 64)) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "elus", values[:1], values[1:])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    outputs = []
    for rewritten in (False, True):
        if rewritten:
            assert elus_in_parts(proto.graph) == 2 and elus_in_parts(proto.graph) == 0
        onnx.checker.check_model(proto, full_check=True)
        session = onnxruntime.InferenceSession(proto.SerializeToString())
        outputs.append(session.run(None, {"x": x})[0])
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-6)
