"""Reading parameters from graphs by walking: linear layers in every spelling, and what names a tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.artifact.published_graph import PublishedGraph
from zoo.errors import CheckpointError

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)  # (out, in)
BIAS = np.array([1, -1], np.float32)


def save(
    path: Path, nodes: list[tuple[str, list[str], list[str], dict[str, object]]], **constants: np.ndarray
) -> Path:
    """A graph of x (1, 3) and y, of such operators and constants; a dot in a name is spelt ``__``."""
    graph = helper.make_graph(
        [helper.make_node(kind, a, b, **settings) for kind, a, b, settings in nodes],
        "graph",
        [helper.make_tensor_value_info("x", 1, [1, 3])],
        [helper.make_tensor_value_info("y", 1, [1, 2])],
        [numpy_helper.from_array(value, name.replace("__", ".")) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


def test_a_linear_layer_in_every_spelling(tmp_path: Path) -> None:
    shape = np.array([1, 3])
    for nodes in (
        [("MatMul", ["x", "right"], ["y"], {})],
        [("Reshape", ["x", "shape"], ["z"], {}), ("MatMul", ["z", "right"], ["y"], {})],
        [("MatMul", ["x", "right"], ["z"], {}), ("Add", ["bias", "z"], ["y"], {})],
        [
            ("MatMul", ["x", "right"], ["z"], {}),
            ("Identity", ["z"], ["w"], {}),
            ("Add", ["w", "bias"], ["y"], {}),
        ],
        [("Gemm", ["x", "left", "bias"], ["y"], {"transB": 1})],
        [("Gemm", ["x", "right", "bias"], ["y"], {})],
    ):
        path = save(tmp_path / "x.onnx", nodes, shape=shape, right=WEIGHT.T.copy(), left=WEIGHT, bias=BIAS)
        product = PublishedGraph(path).product("y")
        assert product is not None
        np.testing.assert_array_equal(product.weight, WEIGHT)
        biased = any("bias" in inputs for _, inputs, _, _ in nodes)
        np.testing.assert_array_equal(product.bias, BIAS if biased else 0 * BIAS)
        assert product.data == ("z" if nodes[0][0] == "Reshape" else "x")
        assert PublishedGraph(path).product("x") is None


def test_what_is_no_linear_layer(tmp_path: Path) -> None:
    right = WEIGHT.T.copy()
    sums = [("MatMul", ["x", "right"], ["z"], {}), ("Add", ["z", "z"], ["y"], {})]
    assert PublishedGraph(save(tmp_path / "a.onnx", sums, right=right)).product("y") is None
    relu = [("MatMul", ["x", "right"], ["z"], {}), ("Relu", ["z"], ["y"], {})]
    assert PublishedGraph(save(tmp_path / "b.onnx", relu, right=right)).product("y") is None
    scaled = [("Gemm", ["x", "right", "bias"], ["y"], {"alpha": 2.0})]
    graph = PublishedGraph(save(tmp_path / "c.onnx", scaled, right=right, bias=BIAS))
    with pytest.raises(CheckpointError, match=r"c\.onnx: right: Gemm y is no linear layer as PyTorch has"):
        graph.product("y")


def test_constants_by_name(tmp_path: Path) -> None:
    nodes = [("MatMul", ["x", "model.a.weight"], ["z"], {}), ("MatMul", ["x", "b.a.weight"], ["y"], {})]
    right = WEIGHT.T.copy()
    path = save(tmp_path / "x.onnx", nodes, model__a__weight=right, b__a__weight=right, half=np.float16([1]))
    graph = PublishedGraph(path)
    assert graph.named("model.a.weight") == "model.a.weight"
    np.testing.assert_array_equal(graph.constant("model.a.weight", (3, 2)), right)
    assert str(graph.reader("b.a.weight", "Conv", "MatMul")) == "MatMul y"
    assert set(graph.weights()) == {"model.a.weight", "b.a.weight"}
    for call, message in (
        (
            lambda: graph.named("a.weight"),
            r"a\.weight: there are 2 candidates, b\.a\.weight, model\.a\.weight",
        ),
        (
            lambda: graph.named("c.weight"),
            r"c\.weight: the graph has no constant of this name; is it a graph",
        ),
        (lambda: graph.constant("y"), "y: a constant is expected here, and this is computed"),
        (lambda: graph.constant("half"), "half: expected float32, got float16"),
        (lambda: graph.constant("b.a.weight", (2, 3)), r"expected shape \(2, 3\), got \(3, 2\)"),
        (lambda: graph.reader("b.a.weight", "Conv"), "one operator Conv must read it, and MatMul y does"),
        (lambda: graph.reader("half", "Conv"), "one operator Conv must read it, and nothing does"),
    ):
        with pytest.raises(CheckpointError, match=message):
            call()


def test_files_that_are_no_whole_graphs(tmp_path: Path) -> None:
    right = WEIGHT.T.copy()
    nodes = [("MatMul", ["x", "right"], ["y"], {})]
    path = save(tmp_path / "x.onnx", nodes, right=right)
    whole = path.read_bytes()
    for content in (whole[:-9], whole[: len(whole) // 2], b"", b"no graph at all", bytes(1000)):
        (tmp_path / "cut.onnx").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"cut\.onnx: it cannot be read as an ONNX graph .*again"):
            PublishedGraph(tmp_path / "cut.onnx")
    with pytest.raises(CheckpointError, match=r"none\.onnx: it cannot be read"):
        PublishedGraph(tmp_path / "none.onnx")
    proto = onnx.load(path)
    proto.graph.initializer.append(numpy_helper.from_array(2 * right, "right"))
    onnx.save(proto, tmp_path / "two.onnx")
    with pytest.raises(CheckpointError, match=r"two\.onnx: .*right"):
        PublishedGraph(tmp_path / "two.onnx")
    del proto.graph.initializer[1]
    onnx.save(proto, tmp_path / "ext.onnx", save_as_external_data=True, size_threshold=0, location="data")
    with pytest.raises(CheckpointError, match=r"ext\.onnx: the data of a tensor is outside the file"):
        PublishedGraph(tmp_path / "ext.onnx")
    broken = save(tmp_path / "odd.onnx", [("MatMul", ["x"], ["y"], {})])
    with pytest.raises(CheckpointError, match=r"odd\.onnx: it cannot be read as an ONNX graph"):
        PublishedGraph(broken)
    nan = save(tmp_path / "nan.onnx", nodes, right=np.full((3, 2), np.nan, np.float32))
    with pytest.raises(
        CheckpointError, match=r"nan\.onnx: right: it is not finite; download the graph again"
    ):
        PublishedGraph(nan).constant("right")
