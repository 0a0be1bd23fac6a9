"""The NVIDIA GPU at hand as its driver tells, and TensorRT and TensorRT for RTX as modules."""

from __future__ import annotations

import ctypes
import importlib
import sys
from typing import Any

from zoo.artifact.engine import TITLES, Gpu
from zoo.artifact.target import Machine
from zoo.errors import ArtifactError, MissingExtraError

MODULES = {"tensorrt_rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings")}  # where it is not named as its flavour
INSTALL = {"tensorrt_rtx": "pip install tensorrt-rtx"}


def load_library(flavour: str) -> Any:
    """The module of a flavour.

    Raises:
        MissingExtraError: it is not installed, or its libraries are not there.
    """
    reason = "no such module"
    for name in MODULES.get(flavour, (flavour,)):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            reason = reason if error.name == name else str(error)
        except Exception as error:  # bindings without their libraries raise what they like
            reason = str(error).strip().splitlines()[0][:200]
    raise MissingExtraError(f"{TITLES.get(flavour, flavour)} is not installed ({reason}); {_way_to(flavour)}")


def _way_to(flavour: str) -> str:
    return INSTALL.get(flavour, "docs/nvidia.md says how to install it")


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


def this_machine(flavour: str) -> Machine:
    """What runs engines here, of TensorRT or of TensorRT for RTX.

    Raises:
        MissingExtraError: that is not installed.
        ArtifactError: there is no NVIDIA GPU.
    """
    try:
        library = load_library(flavour)
    except MissingExtraError as error:
        raise MissingExtraError(
            f"{flavour} engines need {flavour}, which is not installed: {_way_to(flavour)}; --format "
            f"onnx runs without it"
        ) from error
    gpu = find_gpu()
    if gpu is None:
        raise ArtifactError(
            f"{flavour} engines need an NVIDIA GPU, and no driver tells of one; --format onnx runs without it"
        )
    return Machine(gpu.name, gpu.capability, str(library.__version__))


_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


def find_gpu(index: int = 0) -> Gpu | None:
    """The GPU of a number; None where there is none, or no driver."""
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    device, count = ctypes.c_int(), ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)) or index >= count.value:
        return None
    name = ctypes.create_string_buffer(256)
    numbers = []
    if cuda.cuDeviceGet(ctypes.byref(device), index) or cuda.cuDeviceGetName(name, len(name), device):
        return None
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        if cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device):
            return None
        numbers.append(value.value)
    return Gpu(name.value.decode(errors="replace"), ".".join(map(str, numbers)))
