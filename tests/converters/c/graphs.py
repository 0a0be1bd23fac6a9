"""Small ONNX graphs with a manifest, to compile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from converters.c.front_end import program_of
from converters.c.ir import Program
from zoo.artifact.manifest import METADATA_KEY, EnhancementManifest
from zoo.spec import FrontEnd, TensorSpec

Shapes = dict[str, Sequence[int]]


def make_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Shapes,
    outputs: Shapes,
    constants: dict[str, NDArray[Any]] | None = None,
) -> onnx.ModelProto:
    """A graph; the first input and output are the signal, the others states."""

    def tensors(shapes: Shapes) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in shapes.items()]

    data = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "graph", tensors(inputs), tensors(outputs), data)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)])


def manifest_of(model: onnx.ModelProto, **changes: Any) -> EnhancementManifest:
    """A record of such a graph."""

    def specs(items: Sequence[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(i.name, tuple(d.dim_value for d in i.type.tensor_type.shape.dim)) for i in items
        )

    fields: dict[str, Any] = {
        "model": "small", "front_end": FrontEnd(sample_rate=16000, n_fft=512, hop_length=256, window="hann"),
        "form": "wav2wav", "streaming": True, "latency": 256, "hops": 1, "streams": 1,
        "inputs": specs(model.graph.input[:1]), "outputs": specs(model.graph.output[:1]),
        "states": specs(model.graph.input[1:]),
    }  # fmt: skip
    return EnhancementManifest(**{**fields, **changes})


def make_program(
    nodes: Sequence[onnx.NodeProto],
    inputs: Shapes,
    outputs: Shapes,
    constants: dict[str, NDArray[Any]] | None = None,
) -> Program:
    """The same as a program."""
    model = make_model(nodes, inputs, outputs, constants)
    return program_of(model, manifest_of(model), "small.onnx")


def stored_model() -> bytes:
    """A file of a small graph with most of what lowering has to decide about."""
    node, random = helper.make_node, np.random.default_rng(0)
    model = make_model(
        [
            node("Reshape", ["x", "as_frames"], ["frames"]),
            node("Conv", ["frames", "core.conv.weight", "core.conv.bias"], ["conv"], pads=[0, 1, 0, 1]),
            node("Concat", ["core.past", "conv"], ["joined"], axis=2),
            node("Slice", ["joined", "one", "two", "two"], ["core.past.next"]),
            node("PRelu", ["conv", "core.act.weight"], ["act"]),
            node("Transpose", ["act"], ["turned"], perm=[0, 2, 3, 1]),
            node("MatMul", ["turned", "core.fc.weight"], ["product"]),
            node("Softmax", ["product"], ["shares"]),
            node("ReduceSum", ["shares", "two"], ["sum"], keepdims=1),
            node("Mul", ["shares", "sum"], ["weighed"]),
            node("Reshape", ["weighed", "as_signal"], ["y"]),
        ],
        {"x": (1, 8), "core.past": (1, 2, 1, 8)},
        {"y": (1, 16), "core.past.next": (1, 2, 1, 8)},
        {
            "core.conv.weight": random.standard_normal((2, 1, 1, 3), np.float32),
            "core.conv.bias": np.ones(2, np.float32),
            "core.act.weight": np.full((2, 1, 1), 0.3, np.float32),
            "core.fc.weight": np.eye(2, dtype=np.float32),
            "as_frames": np.array([1, 1, 1, 8]),
            "as_signal": np.array([1, 16]),
            "one": np.array([1]),
            "two": np.array([2]),
        },
    )
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, manifest_of(model).to_json()
    return bytes(model.SerializeToString())
