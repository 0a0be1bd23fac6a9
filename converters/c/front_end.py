"""Reads a streaming ONNX file of ours as a program: static shapes, known operators, and each one's layer."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx import helper, numpy_helper, shape_inference

from converters.c.ir import ELEMENTWISE, VIEWS, Op, Program, Value
from zoo.artifact.manifest import METADATA_KEY, Manifest, StreamManifest
from zoo.artifact.onnx_file import check_file
from zoo.errors import ArtifactError
from zoo.runtime.graph import manifest_for

KNOWN = ELEMENTWISE | VIEWS | {
    "Attention", "Concat", "Conv", "Expand", "Flatten", "GRU", "Gather", "Gemm", "LSTM",
    "LayerNormalization", "MatMul", "Pad", "ReduceL2", "ReduceMean", "ReduceSum", "ReduceSumSquare",
    "Softmax", "Split", "Squeeze", "Unsqueeze",
}  # fmt: skip
_DTYPES = {1: "float32", 7: "int64", 9: "bool", 11: "float64"}
_PARAMETER = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


def read_graph(path: str | os.PathLike[str]) -> Program:
    """Read a file.

    Raises:
        ArtifactError: no streaming enhancer's graph of ours for one stream, with fixed sizes, or an operator
            that cannot be compiled, with its layer.
    """
    path = Path(path)
    try:
        check_file(path)
        model = onnx.load(path)
    except ArtifactError:
        raise
    except Exception as error:  # of protobuf, which has classes of its own
        raise ArtifactError(f"{path}: it is no ONNX graph ({error}); export or download it again") from error
    return read_model(model, str(path))


def read_model(model: onnx.ModelProto, where: str) -> Program:
    """Read a model with our manifest; ``where`` names it in errors. Otherwise as ``read_graph``."""
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if text is None:
        raise ArtifactError(f"{where}: it has no speechzoo manifest; C is made of graphs of our own only")
    return program_of(
        model, manifest_for(Manifest.from_json(text, where), StreamManifest, Path(where)), where
    )


def program_of(model: onnx.ModelProto, manifest: StreamManifest, where: str) -> Program:
    """A model as a program; the manifest is its record. Otherwise as ``read_graph``."""
    if not manifest.streaming:
        raise ArtifactError(f"{where}: it takes whole recordings; C is made of streaming graphs")
    if manifest.streams != 1 or not isinstance(manifest.hops, int):
        raise ArtifactError(
            f"{where}: it is for {manifest.streams} streams and {manifest.hops} hops; C is made of graphs "
            f"for one stream and a fixed number of hops (--streams 1 --hops N)"
        )
    values = _values(model, where)
    graph = model.graph
    ops = [op for node in graph.node for op in _ops(node, values, where)]
    signal, *states = (values[item.name] for item in graph.input)
    result, *following = (values[item.name] for item in graph.output)
    program = Program(manifest, signal, states, result, following, ops)
    program.live()
    _name_layers(program)
    return program


def _values(model: onnx.ModelProto, where: str) -> dict[str, Value]:
    """Every tensor of a model by name.

    Raises:
        ArtifactError: one has no static shape.
    """
    try:
        graph = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    except shape_inference.InferenceError as error:
        raise ArtifactError(
            f"{where}: its shapes contradict each other ({error}); export it again"
        ) from error
    values = {}
    for item in (*graph.input, *graph.output, *graph.value_info):
        tensor = item.type.tensor_type
        shape = tuple(dim.dim_value for dim in tensor.shape.dim)
        dtype = _DTYPES.get(tensor.elem_type, "")
        if not all(shape) or not dtype:
            raise ArtifactError(
                f"{where}: {item.name} has shape {shape} and type {tensor.elem_type}; fix its sizes"
            )
        values[item.name] = Value(item.name, shape, "float32" if dtype == "bool" else dtype)
    for tensor in graph.initializer:
        data = numpy_helper.to_array(tensor)
        values[tensor.name] = Value(tensor.name, data.shape, str(data.dtype), data)
    return values


def _ops(node: onnx.NodeProto, values: dict[str, Value], where: str) -> Iterator[Op]:
    """A node's operators, in fewer kinds than ONNX has.

    Raises:
        ArtifactError: it is of a kind that is not known.
    """
    attributes = {item.name: _attribute(item) for item in node.attribute}
    if node.op_type == "Constant":
        known = values[node.output[0]]
        known.data = numpy_helper.to_array(attributes["value"])
        known.dtype = str(known.data.dtype)
        return
    inputs = [values[name] if name else None for name in node.input]
    if node.op_type not in KNOWN or node.domain not in ("", "ai.onnx"):
        layer = next((found for value in inputs if value and (found := _module(value.name))), node.name)
        raise ArtifactError(
            f"{where}: {layer}: C cannot be made of the operator {node.domain}{node.op_type} yet"
        )
    missing = [name for name in node.output if name and name not in values]
    if missing:
        raise ArtifactError(f"{where}: {missing[0]} has no static shape; export it with fixed sizes")
    outputs = [values[name] if name else None for name in node.output]
    if node.op_type in ("Reshape", "Unsqueeze", "Squeeze", "Flatten"):
        yield Op("Reshape", inputs[:1], outputs)
    elif node.op_type == "Split":
        yield from _slices_of_split(inputs, outputs, attributes)
    elif node.op_type == "Slice":
        yield _slice(inputs, outputs)
    else:
        yield Op(node.op_type, inputs, outputs, attributes)


def _attribute(item: onnx.AttributeProto) -> Any:
    value = helper.get_attribute_value(item)
    return value.decode() if isinstance(value, bytes) else value


def _slices_of_split(
    inputs: list[Value | None], outputs: list[Value | None], attributes: dict[str, Any]
) -> Iterator[Op]:
    whole = inputs[0]
    assert whole is not None
    axis, start = attributes.get("axis", 0) % len(whole.shape), 0
    for part in outputs:
        assert part is not None
        count = part.shape[axis]
        yield Op("Slice", [whole], [part], {"slices": ((axis, start, count, 1),)})
        start += count


def _slice(inputs: list[Value | None], outputs: list[Value | None]) -> Op:
    """A slice as (axis, start, count, step) of each axis that is cut."""
    whole, *numbers = inputs
    assert whole is not None
    starts, ends = (value.constant.tolist() for value in numbers[:2] if value)
    axes = numbers[2].constant.tolist() if len(numbers) > 2 and numbers[2] else range(len(starts))
    steps = numbers[3].constant.tolist() if len(numbers) > 3 and numbers[3] else [1] * len(starts)
    slices = []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        taken = range(*slice(start, end, step).indices(whole.shape[axis]))
        slices.append((axis % len(whole.shape), taken.start, len(taken), step))
    return Op("Slice", [whole], outputs, {"slices": tuple(slices)})


def _module(name: str) -> str:
    """Path of the module whose parameter or state this is; empty if it is neither's name."""
    if not _PARAMETER.fullmatch(name):
        return ""
    path = name.removesuffix(".next").rpartition(".")[0]
    while path.startswith("core."):
        path = path.removeprefix("core.")
    return "" if path == "core" else path


def _name_layers(program: Program) -> None:
    """Give every operator its layer: that of its parameters or states, else that of what it reads."""
    makers = program.makers()
    for op in program.ops:
        tensors = [value for value in (*op.inputs, *op.outputs) if value is not None]
        own = next((path for value in tensors if (path := _module(value.name))), "")
        before = [makers[value].layer for value in op.inputs if value in makers]
        op.layer = own or next((path for path in reversed(before) if path), "")
    for op in reversed(program.ops):  # what comes before every parameter belongs to what reads it
        for value in op.inputs:
            maker = makers.get(value) if value is not None else None
            if maker is not None and not maker.layer:
                maker.layer = op.layer
