"""Computes operators of constants while compiling, as graphs of other exporters have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c.ir import Op, Program

Array = NDArray[Any]

_FUNCTIONS: Mapping[str, Callable[..., Array]] = {
    "Add": np.add,
    "Div": np.divide,
    "Exp": np.exp,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
}


def fold(program: Program) -> None:
    """Turn what is made of constants only into constants; what is not known here is computed at run time."""
    kept = []
    for op in program.ops:
        known = all(value is None or value.data is not None for value in op.inputs)
        if not (known and _computed(op)):
            kept.append(op)
    program.ops = kept


def _computed(op: Op) -> bool:
    """Whether an operator's output could be computed."""
    arrays = [value.constant for value in op.inputs if value is not None]
    out = op.output
    if op.kind in _FUNCTIONS:
        out.data = _FUNCTIONS[op.kind](*arrays)
    elif op.kind == "Reshape":
        out.data = arrays[0].reshape(out.shape)
    elif op.kind == "Transpose":
        out.data = arrays[0].transpose(op.attributes["perm"])
    elif op.kind == "Concat":
        out.data = np.concatenate(arrays, op.attributes["axis"])
    elif op.kind == "Expand":
        out.data = np.broadcast_to(arrays[0], out.shape)
    elif op.kind == "Slice":
        index = [slice(None)] * arrays[0].ndim
        for axis, start, count, step in op.attributes["slices"]:
            index[axis] = slice(start, start + step * count, step)
        out.data = arrays[0][tuple(index)]
    elif op.kind in ("Cast", "Identity"):
        out.data = arrays[0].astype(out.dtype)
    else:
        return False
    return True
