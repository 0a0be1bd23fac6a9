"""Says operators by others, so that fewer are left and more of them meet in one loop.

Sums over a few elements, as of real and imaginary part, become elementwise operators; gates that are computed
at once and then split are split first, so that the cell of a recurrent layer is one loop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from converters.c.ir import Op, Program, Value, constant

SHORT = 4  # elements of a sum that is written out
_SQUARED = ("ReduceSumSquare", "ReduceL2")
_REDUCTIONS = (*_SQUARED, "ReduceSum", "ReduceMean")
_GATES = ("Sigmoid", "Tanh")


def expand(program: Program) -> None:
    """Write out short sums, and take gates apart before they are computed."""
    program.ops = [simple for op in program.ops for simple in _sum(op)]
    _split_gates(program)
    program.live()


def reduced_axes(op: Op) -> tuple[int, ...]:
    """Axes of a reduction that have more than one element."""
    shape, given = op.input(0).shape, op.optional(1)
    axes = op.attributes.get("axes", range(len(shape))) if given is None else given.constant.ravel().tolist()
    return tuple(sorted(axis % len(shape) for axis in axes if shape[axis] > 1))


def _sum(op: Op) -> Iterator[Op]:
    """A reduction over a few elements of one axis as elementwise operators; else the operator itself."""
    axes = reduced_axes(op) if op.kind in _REDUCTIONS else ()
    if len(axes) != 1 or (count := op.input(0).shape[axes[0]]) > SHORT:
        yield op
        return
    whole, out, made = op.input(0), op.output, 0
    part_shape = tuple(1 if axis == axes[0] else size for axis, size in enumerate(whole.shape))

    def step(kind: str, *inputs: Value) -> Op:
        nonlocal made
        made += 1
        return Op(kind, list(inputs), [Value(f"{out.name}.{made}", part_shape)], {}, op.layer)

    total: Value | None = None
    for index in range(count):
        part = replace(step("Slice", whole), attributes={"slices": ((axes[0], index, 1, 1),)})
        yield part
        if op.kind in _SQUARED:
            part = step("Mul", part.output, part.output)
            yield part
        if total is None:
            total = part.output
            continue
        summed = step("Add", total, part.output)
        yield summed
        total = summed.output
    assert total is not None
    if op.kind == "ReduceL2":
        yield (last := step("Sqrt", total))
        total = last.output
    elif op.kind == "ReduceMean":
        yield (last := step("Mul", total, constant(f"{out.name}.share", np.float32(1 / count))))
        total = last.output
    yield Op("Reshape", [total], [out], {}, op.layer)


def _split_gates(program: Program) -> None:
    """Compute gates after they are split, if all of them are: sigmoid(x)[a:b] is sigmoid(x[a:b])."""
    users, makers, outputs = program.users(), program.makers(), set(program.outputs)
    split = {
        op.output
        for op in program.ops
        if op.kind in _GATES
        and op.output not in outputs
        and all(_is_part(op, reader) for reader in users.get(op.output, ()))
    }
    ops = []
    for op in program.ops:
        if op.kind == "Slice" and op.input(0) in split:
            gate, before = makers[op.input(0)], Value(f"{op.output.name}.before", op.output.shape)
            ops.append(Op("Slice", [gate.input(0)], [before], op.attributes, op.layer))
            ops.append(Op(gate.kind, [before], op.outputs, gate.attributes, op.layer))
        elif op.output not in split:
            ops.append(op)
    program.ops = ops


def _is_part(gate: Op, reader: Op) -> bool:
    """Whether a reader takes a part of a gate's result."""
    return reader.kind == "Slice" and math.prod(reader.output.shape) < gate.output.size
