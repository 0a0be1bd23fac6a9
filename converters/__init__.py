"""Makes deployable artifacts from models: one file a target, one parity gate for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import MissingExtraError

if TYPE_CHECKING:
    from converters.onnx import export_onnx

__all__ = ["export_onnx"]


def __getattr__(name: str) -> object:
    if name != "export_onnx":
        raise AttributeError(f"module 'converters' has no attribute {name!r}")
    try:
        from converters.onnx import export_onnx
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("converters", "zoo"):
            raise
        raise MissingExtraError(
            f'converters.export_onnx needs {error.name}: pip install "speechzoo[onnx]"'
        ) from error
    return export_onnx
