# What follows is no part of Triton. The stub of this server was compiled before NumPy 2, whose arrays it
# misreads: it takes the size of an element for 0. By DLPack arrays come through whole.

import ctypes as _ctypes

import c_python_backend_utils as _stub
import numpy as _numpy

_CompiledTensor = _stub.Tensor
_rename = _ctypes.pythonapi.PyCapsule_SetName
_rename.argtypes = [_ctypes.py_object, _ctypes.c_char_p]
_USED = _ctypes.c_char_p(b"used_dltensor")


class _Lent:
    """An array for the stub, which names the capsule it has used in its own way, at which NumPy complains."""

    def __init__(self, array):
        self.array, self.capsule = _numpy.array(array), None

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **options):
        self.capsule = self.array.__dlpack__()
        return self.capsule


class _Tensor:
    def __new__(cls, name, array):
        lent = _Lent(array)
        tensor = _CompiledTensor.from_dlpack(name, lent)
        _rename(lent.capsule, _USED)
        return tensor


_stub.Tensor = _Tensor
_CompiledTensor.as_numpy = lambda tensor: _numpy.array(_numpy.from_dlpack(tensor))
