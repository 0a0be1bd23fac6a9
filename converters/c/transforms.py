"""Finds Fourier transforms that a graph says as products of matrices, and lowers them as fast ones.

A graph has no operator for the frames of a stream, only products with constants. What these compute is found
out by computing it for every unit vector: if that is a real Fourier transform times some window, to
rounding, it becomes one operator.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from converters.c.builder import Builder
from converters.c.ir import Op, Program, Value, constant, squeezed
from converters.c.statements import Call, Ref
from converters.c.views import View, dense

COLUMNS = 16  # of a signal as a matrix, as the kernel has it
SIZES = tuple(2 * COLUMNS * rows for rows in (4, 8, 16, 32, 64))
_CLOSE = 1e-5  # of the largest number of a window
_LINEAR = ("Reshape", "Transpose", "Slice", "Pad", "MatMul", "Mul")
Array = NDArray[np.float64]


def find_transforms(program: Program) -> None:
    """Turn the products of a transform into one operator, ``Spectrum`` or ``Waveform``, with its window."""
    users, makers = program.users(), program.makers()
    seen: set[Op] = set()
    for product in [op for op in program.ops if op.kind == "MatMul"]:
        chain = [] if product in seen else _chain(program, product, makers, users)
        seen.update(chain)
        for part in _parts(chain):
            found = _transform(part)
            if found is not None:
                program.ops[program.ops.index(part[-1])] = found
                break
    program.live()


def _chain(program: Program, product: Op, makers: dict[Value, Op], users: dict[Value, list[Op]]) -> list[Op]:
    """The linear operators of one signal around a product, each read by nobody but the next."""

    def alone(value: Value) -> bool:
        return len(users.get(value, ())) == 1 and value not in program.outputs

    chain = [product]
    while (before := makers.get(chain[0].input(0))) is not None and _is_linear(before):
        if not alone(before.output):
            break
        chain.insert(0, before)
    while alone(chain[-1].output) and _is_linear(after := users[chain[-1].output][0]):
        if after.input(0) is not chain[-1].output:
            break
        chain.append(after)
    return chain if _is_linear(product) else []


def _is_linear(op: Op) -> bool:
    others = [value for value in op.inputs[1:] if value is not None]
    return (
        op.kind in _LINEAR
        and op.input(0).data is None
        and op.input(0).dtype == "float32"
        and all(value.data is not None for value in others)
    )


def _parts(chain: Sequence[Op]) -> list[Sequence[Op]]:
    """Runs of a chain from a signal to a spectrum or back, the longest first, of which products are two."""
    parts = [chain[begin:end] for begin in range(len(chain)) for end in range(begin + 2, len(chain) + 1)]
    parts = [part for part in parts if sum(op.kind == "MatMul" for op in part) == 2 and _sizes(part)]
    return sorted(parts, key=len)


def _sizes(part: Sequence[Op]) -> int:
    """The size of the transform that a run of operators may be; 0: of none."""
    first, last = squeezed(part[0].input(0).shape), squeezed(part[-1].output.shape)
    for one, other in ((first, last), (last, first)):
        if len(one) == 1 and one[0] in SIZES and other == (2, one[0] // 2 + 1):
            return one[0]
    return 0


def _transform(part: Sequence[Op]) -> Op | None:
    """The transform that a run of operators is; None if it is none."""
    size, source, out = _sizes(part), part[0].input(0), part[-1].output
    forward = squeezed(source.shape) == (size,)
    matrix = np.stack([_computed(part, unit) for unit in np.eye(source.size)], axis=-1)  # (out, in)
    bins = size // 2 + 1
    angle = 2 * np.pi * np.outer(np.arange(bins), np.arange(size)) / size
    basis = np.concatenate([np.cos(angle), -np.sin(angle)])  # (2 bins, size)
    if forward:
        window = matrix[0]
        expected = basis * window
    else:
        window = matrix[:, 0]
        weight = np.where(np.arange(bins) % (bins - 1) == 0, 1.0, 2.0)
        expected = (basis * np.tile(weight, 2)[:, None] * window).T
    if np.abs(matrix - expected).max() > _CLOSE * np.abs(window).max():
        return None
    kind, scale = ("Spectrum", 1) if forward else ("Waveform", 2)  # (window / size) / (size / 2)
    halves = np.concatenate([window[::2], window[1::2]]) * scale
    known = constant(f"{part[-1].layer}.window", halves.astype(np.float32))
    return Op(kind, [source, known], [out], {"size": size}, part[-1].layer)


def _computed(part: Sequence[Op], unit: Array) -> Array:
    """What a run of operators makes of numbers."""
    x = unit.reshape(part[0].input(0).shape)
    for op in part:
        if op.kind == "Reshape":
            x = x.reshape(op.output.shape)
        elif op.kind == "Transpose":
            x = x.transpose(op.attributes["perm"])
        elif op.kind == "Slice":
            for axis, start, count, step in op.attributes["slices"]:
                x = x.take(range(start, start + count * step, step), axis)
        elif op.kind == "Pad":
            pads = op.input(1).constant.reshape(2, -1).T
            x = np.pad(x, pads)
        elif op.kind == "Mul":
            x = x * op.input(1).constant
        else:
            x = x @ op.input(1).constant
    return x.ravel()


def lower_transform(builder: Builder) -> None:
    """Spectrum or Waveform."""
    op = builder.group.ops[0]
    size = op.attributes["size"]
    bins, layer = size // 2 + 1, op.layer or "fourier"
    turn = Ref(builder.constant("turns", _turns(size)))
    window = Ref(builder.constant(op.input(1).name, op.input(1).constant))
    work = Ref(builder.buffer(f"{layer}.work", 2 * size))
    if op.kind == "Spectrum":
        source, out = builder.seen(op.input(0), (size,)), builder.allocate(op.output).reshaped((2, bins))
        source = source if source.stride(0) == 1 else builder.copied(source)
        direct = _rows(builder, out, f"{op.output.name}_rows", (2, bins))
        numbers = (size, _at(source), window, turn, work, _at(direct), direct.stride(0) or 0)
        builder.emit(Call("spectrum", numbers))
    else:
        source, out = builder.seen(op.input(0), (2, bins)), builder.allocate(op.output).reshaped((size,))
        source = source if source.stride(1) == 1 and source.stride(0) else builder.copied(source)
        direct = _rows(builder, out, f"{op.output.name}_rows", (size,))
        builder.emit(
            Call("waveform", (size, _at(source), source.stride(0) or 0, window, turn, work, _at(direct)))
        )
    if out is None or direct is not out:
        builder.copy(direct, builder.allocate(op.output).reshaped(direct.shape))  # type: ignore[arg-type]


def _rows(builder: Builder, out: View | None, name: str, shape: tuple[int, ...]) -> View:
    """A result if its last axis lies side by side, else memory for it."""
    last = len(shape) - 1
    if out is not None and out.stride(last) == 1 and all(out.stride(axis) for axis in range(last)):
        return out
    return dense(builder.buffer(name, int(np.prod(shape))), shape)


def _at(view: View) -> Ref:
    return Ref(view.buffer, view.offset)


def _turns(size: int) -> NDArray[np.float32]:
    """Cosines and sines as the kernel reads them."""
    half = size // 2
    rows = half // COLUMNS

    def parts(angles: Array) -> list[Array]:
        turns = 2 * np.pi * angles.ravel()
        return [np.cos(turns), np.sin(turns)]

    return np.concatenate(
        [
            *parts(np.arange(half) / size),
            *parts(np.arange(rows) / rows),
            *parts(np.arange(COLUMNS) / COLUMNS),
            *parts(np.outer(np.arange(rows), np.arange(COLUMNS)) / half),
        ]
    ).astype(np.float32)
