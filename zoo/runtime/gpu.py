"""The NVIDIA card at hand, as its driver tells; nothing but the driver is needed."""

from __future__ import annotations

import ctypes
import sys

from zoo.artifact.engine import Gpu

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


def find_gpu(index: int = 0) -> Gpu | None:
    """The card of a number; None where there is none, or no driver."""
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
