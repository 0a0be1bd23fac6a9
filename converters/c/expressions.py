"""Elementwise operators as expressions of C."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from converters.c.ir import Op
from zoo.errors import ArtifactError

_INFIX = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}
_FUNCTIONS = {  # of functions.c
    "Abs": "magnitude",
    "Atan": "arctangent",
    "Cos": "cosine",
    "Erf": "error_function",
    "Exp": "exponential",
    "Log": "logarithm",
    "Max": "larger",
    "Min": "smaller",
    "Round": "nearest",
    "Sigmoid": "sigmoid",
    "Sin": "sine",
    "Sqrt": "root",
    "Tanh": "hyperbolic_tangent",
}
_OTHERS: Mapping[str, Callable[[Op, Sequence[str]], str]] = {
    "Cast": lambda op, a: f"({'double' if op.output.dtype == 'float64' else 'float'}){a[0]}",
    "Clip": lambda op, a: _clip(op, a),
    "Elu": lambda op, a: f"elu({a[0]}, {literal(op.attributes.get('alpha', 1.0))})",
    "Identity": lambda op, a: a[0],
    "LeakyRelu": lambda op, a: f"leaky({a[0]}, {literal(op.attributes.get('alpha', 0.01))})",
    "Less": lambda op, a: f"{a[0]} < {a[1]} ? 1.0f : 0.0f",
    "Neg": lambda op, a: f"-{a[0]}",
    "PRelu": lambda op, a: f"leaky({a[0]}, {a[1]})",
    "Pow": lambda op, a: _power(op, a),
    "Reciprocal": lambda op, a: f"1.0f / {a[0]}",
    "Relu": lambda op, a: f"larger({a[0]}, 0.0f)",
}
_DOUBLE = frozenset((*_INFIX, "Cast", "Neg", "Identity"))


def expression(op: Op, arguments: Sequence[str]) -> str:
    """What an operator computes from arguments that are names or numbers.

    Raises:
        ArtifactError: it cannot be said, as of 64-bit numbers.
    """
    if op.output.dtype == "float64" and op.kind not in _DOUBLE:
        raise ArtifactError(f"{op.layer}: C cannot be made of the operator {op.kind} on 64-bit numbers yet")
    if op.kind in _INFIX:
        return f"{arguments[0]} {_INFIX[op.kind]} {arguments[1]}"
    if op.kind in _FUNCTIONS:
        return f"{_FUNCTIONS[op.kind]}({', '.join(arguments)})"
    return _OTHERS[op.kind](op, arguments)


def literal(number: float, dtype: str = "float32") -> str:
    """A number in C, exactly."""
    suffix = "" if dtype == "float64" else "f"
    if math.isinf(number):
        return f"{'-' if number < 0 else ''}INFINITY"
    return f"{number!r}{suffix}" if "e" in repr(number) or "." in repr(number) else f"{number!r}.0{suffix}"


def _clip(op: Op, arguments: Sequence[str]) -> str:
    """Between its bounds, of which each may lack."""
    given = iter(arguments)
    bounded = next(given)
    for function, bound in zip(("larger", "smaller"), op.inputs[1:], strict=False):
        if bound is not None:
            bounded = f"{function}({bounded}, {next(given)})"
    return bounded


def _power(op: Op, arguments: Sequence[str]) -> str:
    exponent = op.input(1)
    if exponent.data is not None and exponent.size == 1:
        if float(exponent.constant.ravel()[0]) == 2.0:
            return f"{arguments[0]} * {arguments[0]}"
        if float(exponent.constant.ravel()[0]) == 0.5:
            return f"root({arguments[0]})"
    return f"exponential({arguments[1]} * logarithm({arguments[0]}))"
