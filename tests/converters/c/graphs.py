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
from zoo.artifact.manifest import EnhancementManifest
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
