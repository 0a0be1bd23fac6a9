"""TensorRT and TensorRT for RTX as modules, and what they say."""

from __future__ import annotations

import importlib
from typing import Any

from zoo.artifact.engine import TITLES
from zoo.errors import MissingExtraError

MODULES: dict[str, tuple[str, ...]] = {
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}
INSTALL = {
    "tensorrt": "docs/nvidia.md says how to install it",
    "tensorrt_rtx": "pip install tensorrt-rtx",
}


def load_library(flavour: str) -> Any:
    """The module of a flavour.

    Raises:
        MissingExtraError: it is not installed, or its libraries are not there.
    """
    reason = "no such module"
    for name in MODULES[flavour]:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            reason = reason if error.name == name else str(error)
        except Exception as error:  # bindings without their libraries raise what they like
            reason = str(error).strip().splitlines()[0][:200]
    raise MissingExtraError(f"{TITLES[flavour]} is not installed ({reason}); {INSTALL[flavour]}")


def make_logger(trt: Any) -> Any:
    """A logger that keeps warnings and errors instead of printing them."""

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.warnings: list[str] = []
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(message.strip())
            elif severity == trt.ILogger.WARNING:
                self.warnings.append(message.strip())

        def told(self) -> str:
            """The first errors in a line: they name the cause."""
            return " ".join("; ".join(dict.fromkeys(self.errors[:3])).split())[:600]

    return Log()
