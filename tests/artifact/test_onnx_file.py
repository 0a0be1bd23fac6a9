"""Data outside an ONNX file is refused before ONNX Runtime is asked, wherever in the file it is named."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import zoo
from zoo.artifact.manifest import METADATA_KEY
from zoo.artifact.onnx_file import check_file
from zoo.builtin import packaged_artifacts
from zoo.errors import ArtifactError
from zoo.registry import get_spec, list_models
from zoo.runtime.onnx import OnnxGraph


def set_outside(tensor: TensorProto) -> TensorProto:
    """The tensor, its data in the file ``secret``."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "secret"
    return tensor


def model() -> onnx.ModelProto:
    """y = x + w, of four numbers."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [x],
        [y],
        [numpy_helper.from_array(np.ones(4, np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def initialiser(proto: onnx.ModelProto) -> None:
    set_outside(proto.graph.initializer[0])


def location_alone(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].data_location = TensorProto.EXTERNAL


def entries_alone(proto: onnx.ModelProto) -> None:
    entry = proto.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "secret"


def sparse(part: str) -> Callable[[onnx.ModelProto], None]:
    def change(proto: onnx.ModelProto) -> None:
        values = numpy_helper.from_array(np.ones(1, np.float32), "s")
        indices = numpy_helper.from_array(np.zeros(1, np.int64))
        set_outside(values if part == "values" else indices)
        proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))

    return change


def attribute(proto: onnx.ModelProto) -> None:
    value = set_outside(numpy_helper.from_array(np.ones(4, np.float32), "c"))
    proto.graph.node.append(helper.make_node("Constant", [], ["c"], value=value))


def attribute_of_tensors(proto: onnx.ModelProto) -> None:
    value = set_outside(numpy_helper.from_array(np.ones(4, np.float32), "c"))
    node = helper.make_node("Other", [], ["c"], domain="own")
    node.attribute.append(onnx.AttributeProto(name="a", type=onnx.AttributeProto.TENSORS, tensors=[value]))
    proto.graph.node.append(node)


def sparse_attribute(proto: onnx.ModelProto) -> None:
    values = set_outside(numpy_helper.from_array(np.ones(1, np.float32)))
    indices = numpy_helper.from_array(np.zeros(1, np.int64))
    value = helper.make_sparse_tensor(values, indices, [4])
    proto.graph.node.append(helper.make_node("Constant", [], ["c"], sparse_value=value))


def subgraph(proto: onnx.ModelProto) -> None:
    inner = model().graph
    set_outside(inner.initializer[0])
    body = helper.make_graph([helper.make_node("If", ["c"], ["z"], then_branch=inner)], "b", [], [])
    proto.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=body, else_branch=body))


def function(proto: onnx.ModelProto) -> None:
    value = set_outside(numpy_helper.from_array(np.ones(4, np.float32), "c"))
    node = helper.make_node("Constant", [], ["c"], value=value)
    opsets = [helper.make_opsetid("", 18)]
    proto.functions.append(helper.make_function("own", "f", [], ["c"], [node], opsets))


def training(proto: onnx.ModelProto) -> None:
    inner = model().graph
    set_outside(inner.initializer[0])
    proto.training_info.append(onnx.TrainingInfoProto(algorithm=inner))


def last_of_two_graphs(proto: onnx.ModelProto) -> bytes:
    """A message that comes twice is joined by those who read it."""
    more = model()
    more.graph.ClearField("node")
    set_outside(more.graph.initializer[0]).name = "v"
    return proto.SerializeToString() + more.SerializeToString()


@pytest.mark.parametrize(
    "change",
    [
        initialiser, location_alone, entries_alone, sparse("values"), sparse("indices"), attribute,
        attribute_of_tensors, sparse_attribute, subgraph, function, training, last_of_two_graphs,
    ],
    ids=lambda change: change.__qualname__.removesuffix(".<locals>.change"),
)  # fmt: skip
def test_data_outside(tmp_path: Path, change: Callable[[onnx.ModelProto], bytes | None]) -> None:
    proto = model()
    content = change(proto) or proto.SerializeToString()
    (tmp_path / "secret").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"m\.onnx: the data of a tensor is outside the file"):
        OnnxGraph(tmp_path / "m.onnx")


def test_data_inside(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "m.onnx")
    (found,) = OnnxGraph(tmp_path / "m.onnx")(np.arange(4, dtype=np.float32))
    np.testing.assert_array_equal(found, np.arange(4) + 1)


def test_every_packaged_graph_passes() -> None:
    paths = [path for name in list_models() for path in packaged_artifacts(get_spec(name))]
    for path in paths:
        check_file(path)
    assert len(paths) >= 3


@pytest.mark.parametrize("key", [METADATA_KEY, "other"])
def test_a_key_twice(exported: Callable[..., Path], tmp_path: Path, key: str) -> None:
    proto = onnx.load(exported("gtcrn"))
    for value in (proto.metadata_props[0].value, "{}"):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(ArtifactError, match=rf"m\.onnx: its metadata has the key '{key}' twice"):
        zoo.verify(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "content",
    [b"\x3a\xff\xff\xff\xff\x0f", b"\x3a" + b"\x80" * 11, b"\x3b\x00", b"\x3a\x7f" + bytes(9), b"\x0d\x00"],
    ids=["length", "integer", "group", "cut", "number"],
)
def test_what_is_no_message(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"ONNX Runtime {onnxruntime.__version__} cannot load it"):
        OnnxGraph(tmp_path / "m.onnx")


def test_a_hundred_megabytes_take_no_time(tmp_path: Path) -> None:
    proto = model()
    for index in range(25):
        large = numpy_helper.from_array(np.ones(1_000_000, np.float32), f"l{index}")
        proto.graph.initializer.append(large)
    onnx.save(proto, tmp_path / "m.onnx")
    started = time.perf_counter()
    check_file(tmp_path / "m.onnx")
    assert time.perf_counter() - started < 0.5
