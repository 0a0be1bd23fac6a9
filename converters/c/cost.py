"""Estimates what a lowered program takes, to choose between two: in steps of the largest vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from converters.c.builder import Builder
from converters.c.statements import Argument, Call, Line, Nest, Ref, Statement

LANES = 16
CALL = 10  # of a kernel


def cost(builder: Builder) -> float:
    """Steps of a call, less than exactly."""
    return sum(_cost(statement) for block in builder.blocks for statement in block.statements)


def _cost(statement: Statement) -> float:
    if isinstance(statement, Call):
        return CALL + _of_kernel(statement.kernel, statement.arguments)
    if isinstance(statement, Line):
        return 1
    times = math.prod(count for _, count in statement.counts)
    if any(isinstance(inner, Line) for inner in statement.body):
        name, count = statement.counts[-1]
        if count >= LANES // 4 and _even(statement, name):
            times = times // count * -(-count // LANES)
    return times * sum(map(_cost, statement.body))


def _even(nest: Nest, name: str) -> bool:
    """Whether a loop goes over elements that lie side by side, or stays with one."""
    refs = [
        part for line in nest.body if isinstance(line, Line) for part in line.parts if isinstance(part, Ref)
    ]
    return all(stride == 1 for ref in refs for index, stride in ref.terms if index == name)


def _of_kernel(kernel: str, arguments: Sequence[Argument]) -> float:
    first, second, third, fourth = [*(n for n in arguments if isinstance(n, int)), 1, 1, 1, 1][:4]
    if kernel in ("product", "combine"):
        return first * -(-second // LANES) * third * fourth
    if kernel == "product_double":
        return first * -(-second // (LANES // 2)) * third * fourth
    if kernel == "depthwise":
        return first * -(-second // LANES) * third
    if kernel == "attention":
        return -(-first // LANES) * second * (2 * third + 12)
    if kernel in ("gru", "lstm"):
        return first * second * -(-third // LANES) * third * 4
    if kernel in ("copy", "copy_double", "sum_of", "sum_of_squares"):
        return first / LANES
    return first * second / LANES
