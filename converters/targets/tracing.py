"""ONNX files: from a module to a graph in standard operators, and to a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import onnxslim
import torch
from torch import Tensor, nn

from converters.targets.onnx_passes import simplify
from converters.targets.quiet import quiet
from zoo.artifact.manifest import METADATA_KEY, Manifest
from zoo.spec import TensorSpec

OPSETS = range(18, 24)
FORBIDDEN = frozenset(
    {"STFT", "DFT", "ScatterND", "ScatterElements", "Scatter", "Loop", "If", "Scan", "NonZero"}
)


def trace(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: tuple[Any, ...],
    opset: int,
) -> onnx.ModelProto:
    """The graph of a module in standard operators, its constants folded.

    Args:
        module: what takes the arguments by position.
        arguments: an example; a free dimension is traced with more than one.
        inputs, outputs: their names.
        shapes: the free dimensions of each argument, as ``torch.export`` takes them.
        opset: of ONNX.

    Raises:
        ValueError: the graph holds operators that other compilers cannot read.
    """
    with quiet("torch.onnx"), torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            arguments,
            dynamo=True,
            opset_version=opset,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    proto = onnxslim.slim(program.model_proto)
    simplify(proto)
    del proto.graph.value_info[:]  # shapes in between, which every reader infers
    _check_operators(proto)
    # The exporter stamps its own version of the format, which older runtimes refuse without need.
    proto.ir_version = onnx.helper.find_min_ir_version_for(list(proto.opset_import))
    return proto


def save(proto: onnx.ModelProto, manifest: Manifest, path: Path, **metadata: str) -> None:
    """Write one file with a manifest, and with other metadata for other readers."""
    onnx.helper.set_model_props(proto, {METADATA_KEY: manifest.to_json(), **metadata})
    onnx.save(proto, path)


def tensor_specs(values: Iterable[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    """Inputs or outputs as a graph declares them."""
    return tuple(
        TensorSpec(
            value.name,
            tuple(size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim),
            onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name,
        )
        for value in values
    )


def name_dimensions(values: Iterable[onnx.ValueInfoProto], specs: Sequence[TensorSpec]) -> None:
    """Give free dimensions the names that they are declared with: the exporter has its own where data decides
    them."""
    for value, spec in zip(values, specs, strict=True):
        for size, wanted in zip(value.type.tensor_type.shape.dim, spec.shape, strict=True):
            if size.dim_param and isinstance(wanted, str):
                size.dim_param = wanted


def toolchain(proto: onnx.ModelProto) -> Mapping[str, str]:
    """Versions of what made a graph, besides PyTorch and this package."""
    return {
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "opset": str(max(entry.version for entry in proto.opset_import if not entry.domain)),
    }


def _check_operators(proto: onnx.ModelProto) -> None:
    foreign = sorted({node.domain for node in proto.graph.node} - {"", "ai.onnx"})
    forbidden = sorted({node.op_type for node in proto.graph.node} & FORBIDDEN)
    if foreign or forbidden:
        raise ValueError(
            f"the graph holds operators that other compilers cannot read: {', '.join(foreign + forbidden)}"
        )
