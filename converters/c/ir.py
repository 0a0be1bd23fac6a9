"""What goes from pass to pass: values of static shape, the operators that make them, a program of both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.artifact.manifest import StreamManifest

Shape = tuple[int, ...]

# Operators that compute each element from the elements at its place.
ELEMENTWISE = {
    "Abs", "Add", "Atan", "Cast", "Clip", "Cos", "Div", "Elu", "Erf", "Exp", "Identity", "LeakyRelu",
    "Less", "Log", "Max", "Min", "Mul", "Neg", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Sigmoid",
    "Sin", "Sqrt", "Sub", "Tanh",
}  # fmt: skip
# Operators whose result is their input seen otherwise.
VIEWS = {"Reshape", "Transpose", "Slice"}


@dataclass(eq=False)
class Value:
    """A tensor.

    Attributes:
        name: as in the graph.
        shape: static.
        dtype: ``float32``, ``float64``, or of constants also ``int64``.
        data: of a constant; None of what is computed.
        kept: of a constant: it is an array even if it is a single number, else written where it is read.
    """

    name: str
    shape: Shape
    dtype: str = "float32"
    data: NDArray[Any] | None = None
    kept: bool = False

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_number(self) -> bool:
        """Whether it is a single number that is known while compiling."""
        return self.data is not None and self.size == 1 and not self.kept

    @property
    def constant(self) -> NDArray[Any]:
        """The data of what is known to be a constant."""
        assert self.data is not None, f"{self.name} is computed"
        return self.data


@dataclass(eq=False)
class Op:
    """An operator.

    Attributes:
        kind: as ONNX names it.
        inputs: None where an optional one is left out.
        outputs: the same.
        attributes: as ONNX names them; more that passes know of.
        layer: path of the module that it belongs to.
    """

    kind: str
    inputs: list[Value | None]
    outputs: list[Value | None]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    layer: str = ""

    def input(self, index: int) -> Value:
        """An input that must be there."""
        value = self.inputs[index]
        assert value is not None, f"{self.kind} without input {index}"
        return value

    def optional(self, index: int) -> Value | None:
        """An input, or None where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    @property
    def output(self) -> Value:
        """The first output."""
        value = self.outputs[0]
        assert value is not None, f"{self.kind} without its output"
        return value

    @property
    def is_elementwise(self) -> bool:
        return self.kind in ELEMENTWISE

    @property
    def is_view(self) -> bool:
        return self.kind in VIEWS


@dataclass(eq=False)
class Program:
    """A graph of one call.

    Attributes:
        manifest: of the graph.
        signal: what goes in.
        states: what goes in from the call before.
        result: what comes out.
        following: of every state what goes into the next call.
        ops: in an order in which they can be computed.
    """

    manifest: StreamManifest
    signal: Value
    states: list[Value]
    result: Value
    following: list[Value]
    ops: list[Op]

    @property
    def outputs(self) -> list[Value]:
        return [self.result, *self.following]

    def makers(self) -> dict[Value, Op]:
        """The operator that makes each value."""
        return {value: op for op in self.ops for value in op.outputs if value is not None}

    def users(self) -> dict[Value, list[Op]]:
        """The operators that read each value, one that reads it twice once."""
        users: dict[Value, list[Op]] = {}
        for op in self.ops:
            for value in dict.fromkeys(op.inputs):
                if value is not None:
                    users.setdefault(value, []).append(op)
        return users

    def live(self) -> None:
        """Leave out operators that nothing needs."""
        needed, kept = set(self.outputs), []
        for op in reversed(self.ops):
            if needed.intersection(value for value in op.outputs if value):
                kept.append(op)
                needed.update(value for value in op.inputs if value)
        self.ops = kept[::-1]


def squeezed(shape: Sequence[int]) -> Shape:
    """A shape without its ones."""
    return tuple(size for size in shape if size > 1)


def constant(name: str, data: Any, dtype: str = "float32") -> Value:
    """A value that is known."""
    array = np.asarray(data)
    return Value(name, array.shape, dtype, array)
