"""Makes deployable artifacts from models: one file a target, one parity gate for all."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from zoo.errors import MissingExtraError

if TYPE_CHECKING:
    from converters.onnx import export_onnx
    from converters.speaker import export_speaker

__all__ = ["export_onnx", "export_speaker"]

_HOME = {"export_onnx": "converters.onnx", "export_speaker": "converters.speaker"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'converters' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("converters", "zoo"):
            raise
        raise MissingExtraError(
            f'converters.{name} needs {error.name}: pip install "speechzoo[onnx]"'
        ) from error
