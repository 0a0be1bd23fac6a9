"""Makes deployable artifacts from models: one flow, a subject a task, a target a format."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from zoo.extras import extra

if TYPE_CHECKING:
    from converters.exporters import export
    from converters.layers import compare_layers
    from converters.targets.c import export_c
    from converters.targets.ladspa import export_ladspa
    from converters.targets.onnx import export_buckets, export_onnx, export_speaker, export_synthesis
    from converters.targets.program import export_program
    from converters.targets.torch_tensorrt import compile_torch_tensorrt
    from converters.targets.torchscript import export_torchscript
    from converters.tensorrt.engine import build_engine, cached_engine
    from converters.triton.repository import write_repository

__all__ = [
    "build_engine",
    "cached_engine",
    "compare_layers",
    "compile_torch_tensorrt",
    "export",
    "export_buckets",
    "export_c",
    "export_ladspa",
    "export_onnx",
    "export_program",
    "export_speaker",
    "export_synthesis",
    "export_torchscript",
    "write_repository",
]

_HOME = {  # module, and the extra that it needs
    "build_engine": ("converters.tensorrt.engine", "onnx"),
    "cached_engine": ("converters.tensorrt.engine", "onnx"),
    "compare_layers": ("converters.layers", "torch"),
    "compile_torch_tensorrt": ("converters.targets.torch_tensorrt", "torch"),
    "export": ("converters.exporters", "torch"),
    "export_buckets": ("converters.targets.onnx", "onnx"),
    "export_c": ("converters.targets.c", "native"),
    "export_ladspa": ("converters.targets.ladspa", "native"),
    "export_onnx": ("converters.targets.onnx", "onnx"),
    "export_program": ("converters.targets.program", "torch"),
    "export_speaker": ("converters.targets.onnx", "onnx"),
    "export_synthesis": ("converters.targets.onnx", "onnx"),
    "export_torchscript": ("converters.targets.torchscript", "torch"),
    "write_repository": ("converters.triton.repository", "triton"),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'converters' has no attribute {name!r}")
    module, brought_by = _HOME[name]
    with extra(brought_by, f"converters.{name}"):
        return getattr(importlib.import_module(module), name)
