"""Makes deployable artifacts from models: one file a target, one parity gate for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converters.onnx import export_onnx

__all__ = ["export_onnx"]


def __getattr__(name: str) -> object:
    if name == "export_onnx":
        from converters.onnx import export_onnx

        return export_onnx
    raise AttributeError(f"module 'converters' has no attribute {name!r}")
