"""How tensors lie in memory: a view of a buffer says where each element is.

A logical dimension may be made of several factors, as after a reshape of a transposed tensor: its index is
taken apart into theirs, the last one fastest. So most reshapes, transposes and slices move nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from converters.c.ir import Shape


@dataclass(eq=False)
class Buffer:
    """Memory.

    Attributes:
        name: in the C.
        size: elements.
        place: ``work``: for one call, shared with others; ``memory``: from call to call; ``in``, ``out``: the
            caller's; ``constant``.
        dtype: ``float32`` or ``float64``.
        data: of a constant.
        offset: where it is in what holds those of its place, once that is planned.
        about: said of it in the C.
    """

    name: str
    size: int
    place: str = "work"
    dtype: str = "float32"
    data: NDArray[Any] | None = field(default=None, repr=False)
    offset: int = 0
    about: str = ""


class Factor(NamedTuple):
    """A part of a dimension: ``size`` steps of ``stride`` elements."""

    size: int
    stride: int


Factors = tuple[Factor, ...]


@dataclass(frozen=True)
class View:
    """Elements of a buffer as a tensor.

    Attributes:
        buffer: that.
        offset: of the first element.
        dims: factors of each logical dimension, none of a dimension of one element.
    """

    buffer: Buffer
    offset: int
    dims: tuple[Factors, ...]

    @property
    def shape(self) -> Shape:
        return tuple(math.prod(factor.size for factor in dim) for dim in self.dims)

    def stride(self, axis: int) -> int | None:
        """Elements from one index to the next; 0 of a single one; None where that differs."""
        dim = self.dims[axis]
        if not dim:
            return 0
        return dim[0].stride if len(dim) == 1 else None

    def reshaped(self, shape: Sequence[int]) -> View | None:
        """The same elements in another shape; None where they do not lie so."""
        dims: list[Factors] = []
        rest = [factor for dim in self.dims for factor in dim]
        for size in reversed(shape):
            parts: list[Factor] = []
            while size > 1:
                last = rest.pop()
                if size % last.size == 0:
                    parts.insert(0, last)
                    size //= last.size
                elif last.size % size == 0:
                    parts.insert(0, Factor(size, last.stride))
                    rest.append(Factor(last.size // size, last.stride * size))
                    size = 1
                else:
                    return None
            dims.insert(0, merged(parts))
        return View(self.buffer, self.offset, tuple(dims))

    def transposed(self, axes: Sequence[int]) -> View:
        return View(self.buffer, self.offset, tuple(self.dims[axis] for axis in axes))

    def sliced(self, axis: int, start: int, count: int, step: int = 1) -> View | None:
        """Every ``step``-th of the elements from ``start`` on; None where they do not lie evenly."""
        dim, size = self.dims[axis], self.shape[axis]
        if (start, count, step) == (0, size, 1):
            return self
        if len(dim) > 1:
            inner = math.prod(factor.size for factor in dim[1:])
            if step != 1 or start % inner or count % inner:
                return None
            part = merged((Factor(count // inner, dim[0].stride), *dim[1:]))
            return self._with(axis, part, start // inner * dim[0].stride)
        stride = dim[0].stride if dim else 0
        return self._with(axis, merged((Factor(count, stride * step),)), start * stride)

    def broadcast(self, shape: Sequence[int]) -> View:
        """The same with ones repeated, and more of them in front, as NumPy does it."""
        dims = ((),) * (len(shape) - len(self.dims)) + self.dims
        repeated = tuple(
            dim if math.prod(f.size for f in dim) == size else (Factor(size, 0),)
            for dim, size in zip(dims, shape, strict=True)
        )
        return View(self.buffer, self.offset, repeated)

    def at(self, offset: int) -> View:
        """The same, so many elements further."""
        return View(self.buffer, self.offset + offset, self.dims)

    def _with(self, axis: int, dim: Factors, offset: int) -> View:
        return View(self.buffer, self.offset + offset, (*self.dims[:axis], dim, *self.dims[axis + 1 :]))


def merged(factors: Sequence[Factor]) -> Factors:
    """Factors without those of one element, and as few as say the same."""
    out: list[Factor] = []
    for factor in factors:
        if factor.size == 1:
            continue
        if out and out[-1].stride == factor.stride * factor.size:
            out[-1] = Factor(out[-1].size * factor.size, factor.stride)
        else:
            out.append(factor)
    return tuple(out)


def dense(buffer: Buffer, shape: Sequence[int], order: Sequence[int] | None = None, offset: int = 0) -> View:
    """A tensor without gaps; ``order`` has the axes from the slowest to the fastest."""
    strides, step = [0] * len(shape), 1
    for axis in reversed(range(len(shape)) if order is None else order):
        strides[axis] = step
        step *= shape[axis]
    return strided(buffer, shape, strides, offset)


def strided(buffer: Buffer, shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> View:
    """A tensor by the stride of each axis."""
    dims = (merged((Factor(size, stride),)) for size, stride in zip(shape, strides, strict=True))
    return View(buffer, offset, tuple(dims))


class Loop(NamedTuple):
    """One of several loops that go over some views at once; ``strides`` has that of each view."""

    size: int
    strides: tuple[int, ...]


def loops(views: Sequence[View]) -> list[Loop]:
    """The loops over views of one shape, from the slowest dimension to the fastest, as few as there can be.

    Raises:
        ValueError: the factors of two views do not fit each other.
    """
    out: list[Loop] = []
    for axis in range(len(views[0].dims)):
        rest = [list(view.dims[axis]) for view in views]
        part: list[Loop] = []
        left = max(math.prod(f.size for f in factors) for factors in rest)
        while left > 1:
            size = left
            for factors in rest:
                if factors and factors[-1].stride:
                    size = math.gcd(size, factors[-1].size)
            if size == 1:
                raise ValueError(f"dimensions made of {[view.dims[axis] for view in views]}")
            strides = []
            for factors in rest:
                last = factors.pop() if factors else Factor(size, 0)
                strides.append(last.stride)
                if last.size > size:
                    factors.append(Factor(last.size // size, last.stride * size))
            part.insert(0, Loop(size, tuple(strides)))
            left //= size
        out += part
    return joined(out)


def joined(found: Sequence[Loop]) -> list[Loop]:
    """Nested loops, of which two are one where the inner one goes on where the outer one is next."""
    out: list[Loop] = []
    for loop in found:
        if out and all(a == b * loop.size for a, b in zip(out[-1].strides, loop.strides, strict=True)):
            out[-1] = Loop(out[-1].size * loop.size, loop.strides)
        elif loop.size > 1:
            out.append(loop)
    return out


def array_of(view: View) -> NDArray[Any]:
    """A constant's elements as the tensor that the view is."""
    data = view.buffer.data
    assert data is not None, f"{view.buffer.name} is no constant"
    sizes = [factor.size for dim in view.dims for factor in dim]
    strides = [factor.stride * data.itemsize for dim in view.dims for factor in dim]
    part = np.lib.stride_tricks.as_strided(data.ravel()[view.offset :], sizes, strides)
    return np.ascontiguousarray(part).reshape(view.shape)
