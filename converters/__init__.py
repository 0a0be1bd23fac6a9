"""Makes deployable artifacts from models: one file a target, one parity gate for all."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from zoo.extras import extra

if TYPE_CHECKING:
    from converters.exported import export_program
    from converters.onnx import export_onnx
    from converters.speaker import export_speaker
    from converters.synthesis import export_buckets, export_synthesis
    from converters.tensorrt import build_engine
    from converters.torch_tensorrt import compile_torch_tensorrt
    from converters.torchscript import export_torchscript
    from converters.triton import write_repository

__all__ = [
    "build_engine",
    "compile_torch_tensorrt",
    "export_buckets",
    "export_onnx",
    "export_program",
    "export_speaker",
    "export_synthesis",
    "export_torchscript",
    "write_repository",
]

_HOME = {  # module, and the extra that it needs
    "build_engine": ("converters.tensorrt", "onnx"),
    "compile_torch_tensorrt": ("converters.torch_tensorrt", "torch"),
    "export_buckets": ("converters.synthesis", "onnx"),
    "export_onnx": ("converters.onnx", "onnx"),
    "export_program": ("converters.exported", "torch"),
    "export_speaker": ("converters.speaker", "onnx"),
    "export_synthesis": ("converters.synthesis", "onnx"),
    "export_torchscript": ("converters.torchscript", "torch"),
    "write_repository": ("converters.triton", "triton"),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'converters' has no attribute {name!r}")
    module, brought_by = _HOME[name]
    with extra(brought_by, f"converters.{name}"):
        return getattr(importlib.import_module(module), name)
