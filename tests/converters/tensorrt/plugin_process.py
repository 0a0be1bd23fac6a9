"""What TensorRT's own Python package makes of the plugins, with empty libraries behind it.

A process of its own for ``test_plugins``: ``python -m tests.converters.tensorrt.plugin_process LIBRARIES
RESULT``. The real package registers the plugins, creates them as the builder's parser does, and asks them
for types, shapes and kernels; only the registry and the arithmetic of symbolic numbers are stood in for,
since those are the libraries' own.
"""

from __future__ import annotations

import ctypes
import glob
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

SHAPES = {"AddPosEnc": [(3, 7, 70), (7, 70), (3, 7)], "Repeat": [(3, 7, 70), (3, 7)]}
FRAMES = 20
OPERATIONS = {"SUM": int.__add__, "PROD": int.__mul__, "CEIL_DIV": lambda a, b: -(-a // b)}


def load(libraries: str) -> tuple[ModuleType, dict[str, Any]]:
    """TensorRT under its own name, and what is registered with it."""
    for name in glob.glob(f"{libraries}/*.so.*"):
        ctypes.CDLL(name, ctypes.RTLD_GLOBAL)
    import tensorrt_bindings.tensorrt as trt

    sys.modules["tensorrt"], trt.__version__, creators = trt, "11", {}

    class Registry:
        def register_creator(self, creator: Any, namespace: str) -> None:
            creators[f"{namespace}::{creator.name}"] = creator

        def get_creator(self, name: str, version: str, namespace: str) -> Any:
            return creators[f"{namespace}::{name}"]

    trt.get_plugin_registry = Registry
    import tensorrt_bindings.plugin

    sys.modules["tensorrt.plugin"] = trt.plugin = tensorrt_bindings.plugin
    # what hands a number to the libraries, and gives it back to nobody
    tensorrt_bindings.plugin._tensor.SymExprImpl = lambda expression: expression._expr.value
    return trt, creators


def numbers(trt: Any) -> tuple[Any, Any]:
    """Makes a symbolic number of a known one; and what the libraries compute with them."""

    class Number(trt.IDimensionExpr):
        value: int

    def number(value: int) -> Any:
        made = Number.__new__(Number)  # there is no constructor, since only the libraries make them
        made.value = value
        return made

    class Builder:
        def constant(self, value: int) -> Any:
            return number(value)

        def operation(self, kind: Any, a: Any, b: Any) -> Any:
            return number(OPERATIONS[kind.name](a.value, b.value))

    return number, Builder()


def describe(trt: Any, creator: Any, name: str, kind: str) -> dict[str, Any]:
    """All that the builder asks a plugin that is compiled ahead of time."""
    number, builder = numbers(trt)
    own = getattr(trt, kind)
    types = [own, own, trt.bool] if name == "AddPosEnc" else [own, trt.float32]
    plugin = create(trt, creator, name, trt.QuickPluginCreationRequest.STRICT_AOT)
    shapes = SHAPES[name]
    result: dict[str, Any] = {
        "fields": [field.name for field in creator.field_names],
        "types": [t.name for t in plugin.get_output_data_types(types, [len(shape) for shape in shapes])],
    }
    symbols = [[number(size) for size in shape] for shape in shapes]
    plugin.get_output_shapes(symbols, [], builder)
    result["shape"] = [size._expr.value for size in plugin.output_descs[0].shape_expr]
    tensors = []
    for shape, data_type in zip([*shapes, result["shape"]], [*types, own], strict=True):
        tensor = trt.DynamicPluginTensorDesc()
        tensor.desc.dims, tensor.desc.type = trt.Dims(list(shape)), data_type
        tensor.desc.format, tensor.desc.scale = trt.TensorFormat.LINEAR, 1.0
        tensors.append(tensor)
    supported = [desc.type.name for desc in plugin.get_supported_format_combinations(tensors, len(shapes))]
    result["supported"] = [supported[i : i + len(tensors)] for i in range(0, len(supported), len(tensors))]
    plugin.set_tactic(0)
    launch, arguments = SimpleNamespace(), Arguments()
    plugin.get_launch_params(symbols, tensors, len(shapes), launch, arguments, builder)
    result["launch"] = vars(launch)
    result["numbers"] = [arguments[i] for i in range(arguments.nbSymExprs)]
    kernel, ptx = plugin.get_kernel([t.desc for t in tensors[:-1]], [tensors[-1].desc])
    return {**result, "kernel": kernel, "ptx": ptx.decode()}


class Arguments(dict[int, Any]):
    """Symbolic numbers by their place."""

    nbSymExprs = 0


def create(trt: Any, creator: Any, name: str, request: Any) -> Any:
    """A plugin, from the attributes of its node."""
    frames = trt.PluginField("frames", np.array([FRAMES], np.int32), trt.PluginFieldType.INT32)
    fields = trt.PluginFieldCollection([frames] if name == "Repeat" else [])
    return creator.create_plugin(name, "speechzoo", fields, trt.TensorRTPhase.BUILD, request)


def call(trt: Any, creator: Any, name: str, values: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Run a plugin just in time, its buffers in the processor's memory in place of a GPU's."""
    plugin = create(trt, creator, name, trt.QuickPluginCreationRequest.STRICT_JIT)
    plugin = creator.create_plugin(
        name, "speechzoo", plugin.get_fields_to_serialize(), trt.TensorRTPhase.RUNTIME
    )
    out = np.full(shape, np.nan, values[0].dtype)
    kinds = {"f4": trt.float32, "f2": trt.float16, "b1": trt.bool}
    descs = []
    for value in (*values, out):
        desc = trt.PluginTensorDesc()
        desc.dims, desc.type = trt.Dims(list(value.shape)), kinds[value.dtype.str[1:]]
        desc.format, desc.scale = trt.TensorFormat.LINEAR, 1.0
        descs.append(desc)
    arrays = {value.ctypes.data: torch.from_numpy(value) for value in (*values, out)}
    real = torch.as_tensor, torch.cuda.stream, torch.cuda.ExternalStream
    torch.as_tensor = lambda tensor, device: arrays[tensor.data_ptr].view(tuple(tensor.shape))
    torch.cuda.stream, torch.cuda.ExternalStream = nullcontext, int
    try:
        pointers, strides = [value.ctypes.data for value in values], [()] * len(values)
        plugin.enqueue(descs[:-1], descs[-1:], pointers, [out.ctypes.data], strides, [()], 0)
    finally:
        torch.as_tensor, torch.cuda.stream, torch.cuda.ExternalStream = real
    return out


def main() -> None:
    trt, creators = load(sys.argv[1])
    from converters.tensorrt import plugins

    try:
        plugins.compile_kernels(half=True)
    except ImportError:  # their places are told all the same
        plugins.compile_kernels = lambda half: b"none"  # type: ignore[assignment]
    plugins.register_for_building(True)
    result = {
        f"{name} {kind}": describe(trt, creators[f"speechzoo::{name}"], name, kind)
        for name in SHAPES
        for kind in ("float32", "float16")
    }
    random = np.random.default_rng(0)
    for kind in (np.float32, np.float16):
        x, code = random.normal(size=(3, 7, 70)).astype(kind), random.normal(size=(7, 70)).astype(kind)
        mask = np.arange(7) < np.array([[7], [3], [0]])
        sums = call(trt, creators["speechzoo::AddPosEnc"], "AddPosEnc", [x, code, mask], x.shape)
        np.testing.assert_array_equal(sums, np.where(mask[:, :, None], x + code, x))
        counts = random.integers(0, 6, (3, 7))
        values = [x, counts.astype(np.float32)]
        frames = call(trt, creators["speechzoo::Repeat"], "Repeat", values, (3, FRAMES, 70))
        for row, own, count in zip(frames, x, counts, strict=True):
            wanted = np.concatenate([np.repeat(own, count, axis=0), np.zeros((FRAMES, 70), kind)])
            np.testing.assert_array_equal(row, wanted[:FRAMES])
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
