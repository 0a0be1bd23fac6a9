"""Reads parameters from ONNX graphs that others made, by walking from named constants and operators.

Exporters merge norms, rename and transpose matrices and write recurrent layers in several ways; what stays
is which operator reads which constant. A walk begins at a constant whose name survived, goes back along the
operators that made a tensor, and stops with an error that names tensor and operator where it does not find
what must be there. No torch; the package onnx reads the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import METADATA_KEY
from zoo.errors import ArtifactError, CheckpointError
from zoo.extras import extra
from zoo.runtime.onnx_file import check_file

LAYOUT = {  # operators that move values and compute nothing
    "Cast", "Flatten", "Gather", "Identity", "Reshape", "SequenceAt", "Slice", "Split", "SplitToSequence",
    "Squeeze", "Transpose", "Unsqueeze",
}  # fmt: skip

_PLACES = {  # constants of an operator behind its data, by the last part of their names
    "Conv": ("weight", "bias"),
    "Gemm": ("weight", "bias"),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
}


@dataclass(frozen=True)
class Node:
    """An operator of a graph.

    Attributes:
        kind: of operator, "Conv".
        name: its own; unnamed ones have that of their first output.
        inputs, outputs: names of tensors; an input that is left out is empty.
        attributes: by name.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Product:
    """A linear layer, as MatMul, MatMul and Add, or Gemm: ``y = x W^T + b``.

    Attributes:
        data: the tensor x.
        constant: name of the matrix in the graph.
        weight: W (out, in).
        bias: b (out,), zeros where there is none.
    """

    data: str
    constant: str
    weight: Array
    bias: Array


class PublishedGraph:
    """An ONNX graph's constants, and the operators around them.

    Args:
        path: the file.

    Attributes:
        inputs: shapes of the tensors that it is given, by name; 0 where a dimension is free.
        outputs: names of the tensors that it gives.

    Raises:
        CheckpointError: no ONNX graph, damaged, data outside the file, an artifact of ours, or two constants
            or operators that give one tensor.
        MissingExtraError: the package onnx is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with extra("onnx", f"reading parameters from {path}"):
            import onnx
            from onnx import numpy_helper
        self._to_array = numpy_helper.to_array
        try:
            check_file(path)
            model = onnx.load(path, load_external_data=False)
            onnx.checker.check_model(model)
        except ArtifactError as error:
            raise CheckpointError(str(error)) from error
        except Exception as error:  # those of protobuf, of onnx, and of what is no ONNX file
            raise CheckpointError(
                f"{path}: it cannot be read as an ONNX graph ({(str(error).splitlines() or [''])[0]}); it is "
                f"damaged or cut short: download it again"
            ) from error
        if any(entry.key == METADATA_KEY for entry in model.metadata_props):
            raise CheckpointError(
                f"{path}: it is an artifact of speechzoo, which runs as it is (--artifact); for a network in "
                f"PyTorch pass the checkpoint that it was made from"
            )
        graph = model.graph
        self._constants: dict[str, Any] = {}
        self._makers: dict[str, Node] = {}
        for tensor in graph.initializer:
            self._keep(self._constants, tensor.name, tensor)
        given = {i.name: i.type.tensor_type.shape.dim for i in graph.input if i.name not in self._constants}
        self.inputs = {name: tuple(int(d.dim_value) for d in dims) for name, dims in given.items()}
        self.outputs = tuple(output.name for output in graph.output)
        for proto in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
            node = Node(
                proto.op_type,
                proto.name or " ".join(proto.output),
                tuple(proto.input),
                tuple(proto.output),
                attributes,
            )
            for name in filter(None, node.outputs):
                if node.kind == "Constant" and "value" in attributes:
                    self._keep(self._constants, name, attributes["value"])
                elif (
                    node.kind == "Identity" and node.inputs[0] in self._constants
                ):  # of equal ones, all but one
                    self._keep(self._constants, name, self._constants[node.inputs[0]])
                else:
                    self._keep(self._makers, name, node)

    def _keep(self, where: dict[str, Any], name: str, value: Any) -> None:
        if name in self._constants or name in self._makers:
            raise self.error(name, "there are two candidates, constants or operators that give this tensor")
        where[name] = value

    def error(self, tensor: str, problem: str) -> CheckpointError:
        """The error about a tensor."""
        return CheckpointError(f"{self.path}: {tensor}: {problem}; is it a graph of another model or size?")

    @cached_property
    def _readers(self) -> dict[str, list[Node]]:
        """The operators that read a tensor, by its name."""
        readers: dict[str, list[Node]] = {}
        for node in {id(node): node for node in self._makers.values()}.values():
            for name in dict.fromkeys(node.inputs):
                readers.setdefault(name, []).append(node)
        return readers

    def weights(self) -> dict[str, Array]:
        """All constants of 32-bit reals, by name."""
        arrays = {name: self._array(name) for name in self._constants}
        return {name: array for name, array in arrays.items() if array.dtype == np.float32}

    def named(self, name: str) -> str:
        """The full name of a constant that may have its module's before its own, as ``model.`` has it.

        Raises:
            CheckpointError: there is none, or more than one.
        """
        found = [full for full in self._constants if full == name or full.endswith(f".{name}")]
        if not found:
            raise self.error(name, "the graph has no constant of this name")
        if len(found) > 1:
            raise self.error(name, f"there are {len(found)} candidates, {', '.join(sorted(found))}")
        return found[0]

    def constant(self, name: str, shape: tuple[int, ...] | None = None) -> Array:
        """A constant by its full name.

        Args:
            name: of the constant.
            shape: that it must have.

        Raises:
            CheckpointError: it is none, has another shape, is not of 32-bit reals, or not finite.
        """
        if name not in self._constants:
            raise self.error(name, "a constant is expected here, and this is computed")
        array = self._array(name)
        if array.dtype != np.float32:
            raise self.error(name, f"expected float32, got {array.dtype}")
        if shape is not None and array.shape != shape:
            raise self.error(name, f"expected shape {shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise CheckpointError(f"{self.path}: {name}: it is not finite; download the graph again")
        return array

    def readers(self, tensor: str) -> list[Node]:
        """The operators that read a tensor."""
        return self._readers.get(tensor, [])

    def reader(self, name: str, *kinds: str) -> Node:
        """The one operator that reads a constant.

        Args:
            name: of the constant.
            kinds: of operator, one of which it must be.

        Raises:
            CheckpointError: none reads it, several do, or another one.
        """
        readers = self.readers(name)
        if len(readers) != 1 or readers[0].kind not in kinds:
            found = ", ".join(map(str, readers)) or "nothing"
            raise self.error(name, f"one operator {' or '.join(kinds)} must read it, and {found} does")
        return readers[0]

    def behind(self, tensor: str) -> Node | None:
        """The operator that computed a tensor, behind those that only moved it; None for inputs and
        constants."""
        while (node := self._makers.get(tensor)) is not None and node.kind in LAYOUT:
            tensor = node.inputs[0]
        return node

    def operator(self, tensor: str, what: str, *kinds: str) -> Node:
        """The operator behind a tensor, which must be of some kind.

        Args:
            tensor: that it gave.
            what: it is wanted for, in the error.
            kinds: one of which it must be.

        Raises:
            CheckpointError: it is another one, or there is none.
        """
        node = self.behind(tensor)
        if node is None or node.kind not in kinds:
            raise self.error(
                tensor, f"for {what} an operator {' or '.join(kinds)} is expected, and it comes from {node}"
            )
        return node

    def residual(
        self, tensor: str, what: str, depth: int, *, projected: bool
    ) -> tuple[list[Node], Node | None]:
        """A residual block that gave a tensor: convolutions with ReLUs between them beside a way past them.

        Args:
            tensor: the block's output, behind the last ReLU.
            what: the block, for errors.
            depth: number of the convolutions.
            projected: whether there is another convolution on the way past.

        Returns:
            the convolutions, the first one first, and that other one.

        Raises:
            CheckpointError: there is no such block, or it could be understood in two ways.
        """
        node = self.operator(self.operator(tensor, what, "Relu").inputs[0], what, "Add")
        found = []
        for end, other in zip(node.inputs, node.inputs[::-1], strict=True):
            convs, past = self._chain(end, depth), self.behind(other)
            if not convs or past is None or (projected and past.kind != "Conv"):
                continue
            source = past.inputs[0] if projected else other
            if self.behind(source) is self.behind(convs[0].inputs[0]):
                found.append((convs, past if projected else None))
        if len(found) != 1:
            raise self.error(
                node.outputs[0],
                f"for {what} {node} must add {depth} convolutions to what they read, and {len(found)} of its "
                f"inputs are such",
            )
        return found[0]

    def _chain(self, tensor: str, depth: int) -> list[Node]:
        """So many convolutions that gave a tensor, the first one first; none if they are not there."""
        convs: list[Node] = []
        while len(convs) < depth:
            node = self.behind(tensor)
            if convs and node is not None and node.kind == "Relu":
                node = self.behind(node.inputs[0])
            if node is None or node.kind != "Conv":
                return []
            convs.insert(0, node)
            tensor = node.inputs[0]
        return convs

    def product(self, tensor: str) -> Product | None:
        """The linear layer that gave a tensor, its bias with it; None if something else did.

        Raises:
            CheckpointError: it is one with a scale, or of two constants.
        """
        node = self.behind(tensor)
        if node is None:
            return None
        if node.kind == "Add":
            rest, bias = self.split(node)
            found = self.product(rest[0]) if len(rest) == 1 else None
            if found is None or self.constant(bias).ndim != 1 or found.bias.any():
                return None
            return Product(found.data, found.constant, found.weight, self._bias(bias, found.weight))
        if node.kind not in ("MatMul", "Gemm") or node.inputs[1] not in self._constants:
            return None
        matrix = self.constant(node.inputs[1])
        settings = node.attributes
        if (
            matrix.ndim != 2
            or settings.get("transA")
            or {settings.get(k, 1.0) for k in ("alpha", "beta")} != {1.0}
        ):
            raise self.error(node.inputs[1], f"{node} is no linear layer as PyTorch has them")
        weight = matrix if settings.get("transB") else np.ascontiguousarray(matrix.T)
        return Product(node.inputs[0], node.inputs[1], weight, self._bias("".join(node.inputs[2:3]), weight))

    def split(self, node: Node) -> tuple[list[str], str]:
        """Inputs of an operator that are computed, and the constant among them, empty if there is none."""
        computed = [name for name in node.inputs if name not in self._constants]
        return computed, next((name for name in node.inputs if name in self._constants), "")

    def added(self, tensor: str, what: str, shape: tuple[int, ...]) -> tuple[str, Array]:
        """The tensor and the constant whose sum a tensor is.

        Raises:
            CheckpointError: it is none, or the constant has another shape.
        """
        node = self.operator(tensor, what, "Add")
        computed, constant = self.split(node)
        if len(computed) != 1:
            raise self.error(tensor, f"for {what} a constant must be added here, and {node} adds none")
        return computed[0], self.constant(constant, shape)

    def bias(self, node: Node, channels: int) -> Array:
        """Bias of a convolution, (channels,); zeros where it has none."""
        if len(node.inputs) < 3 or not node.inputs[2]:
            return np.zeros(channels, np.float32)
        return self.constant(node.inputs[2], (channels,))

    def subtracted(self, tensor: str, size: int) -> Array:
        """What the graph subtracts from a tensor that it gives as its embedding, (size,): perhaps zeros.

        Raises:
            CheckpointError: it does something else with it.
        """
        total = np.zeros(size, np.float32)
        for reader in self.readers(tensor):
            if reader.kind != "Sub":
                raise self.error(tensor, f"it must be the embedding, and {reader} reads it")
            total = total + self.constant(reader.inputs[1], (size,))
        return total

    def named_layers(self, prefix: str) -> dict[str, Array]:
        """Parameters of all convolutions, linear layers and batch norms, where all names survived.

        Args:
            prefix: that constants have before the names of parameters.

        Raises:
            CheckpointError: a constant has no such name, or is read at another place than its name says.
        """
        found: dict[str, Array] = {}
        for node in {id(node): node for node in self._makers.values()}.values():
            for place, name in zip(_PLACES.get(node.kind, ()), node.inputs[1:], strict=False):
                own = name.removeprefix(prefix)
                if (prefix and own == name) or own.rpartition(".")[2] != place:
                    raise self.error(name, f"as {place} of {node} a name {prefix}...{place} is expected")
                if node.kind == "Gemm" and not node.attributes.get("transB"):
                    raise self.error(name, f"{node} is no linear layer as PyTorch has them")
                found[own] = self.constant(name)
        return found

    def _bias(self, name: str, weight: Array) -> Array:
        return self.constant(name, weight.shape[:1]) if name else np.zeros(len(weight), np.float32)

    def _array(self, name: str) -> NDArray[Any]:
        try:
            return np.asarray(self._to_array(self._constants[name]))
        except (ValueError, TypeError) as error:
            raise CheckpointError(
                f"{self.path}: {name}: it cannot be read ({error}); download it again"
            ) from error
