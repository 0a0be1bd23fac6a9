"""Reads the parameters of DTLN from its two public graphs, by what their operators compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.arrays import Array
from zoo.errors import CheckpointError
from zoo.runtime.published_graph import Node, PublishedGraph
from zoo.spec import EnhancementSpec

Params = dict[str, Array]

_SHAPES = {"Transpose", "Squeeze", "Unsqueeze", "Reshape", "Pad", "Identity"}  # operators that keep values


def read(paths: Sequence[Path], spec: EnhancementSpec) -> Params:
    """Parameters of the training form.

    Args:
        paths: the first stage's graph, which takes magnitudes, and the second's, which takes frames.
        spec: the model's record.

    Returns:
        float32 arrays by the training form's names. Of a recurrent layer's two biases the second is zeros
        where the graph has only their sum.

    Raises:
        CheckpointError: other than two graphs, swapped, or not those of a DTLN.
        MissingExtraError: without the package onnx.
    """
    if len(paths) != 2:
        raise CheckpointError(
            f"{', '.join(map(str, paths))}: {spec.name} is made of two graphs, and {len(paths)} came; take a "
            f"tag, or the first graph as its authors published it with the second beside it"
        )
    first, second = (PublicGraph(path) for path in paths)
    for graph, expected in ((first, spec.front_end.bins), (second, spec.front_end.n_fft)):
        length = (0, *graph.inputs.get(graph.signal, ()))[-1]
        if length != expected:
            raise CheckpointError(
                f"{graph.path}: it takes {length} values a frame, not {expected}; "
                f"pass the graph that takes magnitudes first, the one that takes frames second"
            )
    params: Params = {}
    for graph, stage in ((first, _first_stage), (second, _second_stage)):
        try:
            params |= {name: np.array(value) for name, value in stage(graph, spec).items()}
        except (ValueError, LookupError) as error:  # of arrays or gates that are none of a layer
            raise graph.surprise(f"its parameters fit no layer ({error})") from error
    return params


class PublicGraph(PublishedGraph):
    """One of the two graphs, read from its output to its input.

    Args:
        path: the file.

    Attributes:
        signal: name of the first input, empty where there is none.
        output: name of the first output.

    Raises:
        CheckpointError: as ``PublishedGraph``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.signal, self.output = next(iter(self.inputs), ""), self.outputs[0]

    def source(self, tensor: str) -> str:
        """The tensor whose values one has, perhaps in another shape."""
        while (node := self._makers.get(tensor)) is not None and (
            node.kind in _SHAPES
            or (node.kind == "Concat" and len(node.inputs) == 1)
            or (node.kind == "Split" and len(node.outputs) == 1)
        ):
            tensor = node.inputs[0]
        return tensor

    def kind(self, tensor: str) -> str:
        """What makes a tensor: an operator, or "nothing", as of inputs and constants."""
        node = self._makers.get(self.source(tensor))
        return node.kind if node else "nothing"

    def maker(self, tensor: str, kind: str) -> Node:
        """The operator that makes a tensor, which must be of a kind."""
        if self.kind(tensor) != kind:
            raise self.surprise(f"{tensor} comes from {self.kind(tensor)}, not from {kind}")
        return self._makers[self.source(tensor)]

    def with_constant(self, tensor: str, kind: str) -> tuple[Array, str]:
        """The constant that an operator of a kind brings to a tensor, and what it is brought to."""
        operands = self.maker(tensor, kind).inputs
        constants = [name for name in operands if name in self._constants]
        if len(operands) != 2 or len(constants) != 1:
            raise self.surprise(f"the {kind} of {tensor} has {len(constants)} constants, not one")
        return self.constant(constants[0]), next(name for name in operands if name != constants[0])

    def by_kind(self, tensor: str, kind: str, *wanted: str) -> list[str]:
        """The operands of an operator of a kind, in the order of what makes them."""
        left, found = list(self.maker(tensor, kind).inputs), []
        for other in wanted:
            found.append(next((name for name in left if self.kind(name) == other), ""))
            if not found[-1]:
                raise self.surprise(f"the {kind} of {tensor} has no operand from {other}")
            left.remove(found[-1])
        return found

    def surprise(self, what: str) -> CheckpointError:
        """The error where a graph is another than expected."""
        return CheckpointError(f"{self.path}: {what}; it is no graph of DTLN as its authors published it")


def _first_stage(graph: PublicGraph, spec: EnhancementSpec) -> Params:
    """Parameters of the mask on magnitudes."""
    params, x = _mask(graph, graph.output, "spectral_mask")
    _ends_at_signal(graph, x)
    return params


def _second_stage(graph: PublicGraph, spec: EnhancementSpec) -> Params:
    """Parameters of the learned basis and the mask on it."""
    decoder = graph.maker(graph.output, "Conv")
    mask, encoded = graph.by_kind(decoder.inputs[0], "Mul", "Sigmoid", "Conv")
    params, x = _mask(graph, mask, "basis_mask")
    bias, scaled = graph.with_constant(x, "Add")
    weight, normalised = graph.with_constant(scaled, "Mul")
    centred, deviation = graph.by_kind(normalised, "Div", "Sub", "Sqrt")
    eps, _ = graph.with_constant(graph.maker(deviation, "Sqrt").inputs[0], "Add")
    expected = spec.options["norm_eps"]
    if not np.allclose(eps, expected, rtol=1e-5, atol=0):
        raise graph.surprise(f"its norm adds {np.max(eps):.2g} to the variance, not {expected:.2g}")
    if graph.source(graph.maker(centred, "Sub").inputs[0]) != graph.source(encoded):
        raise graph.surprise("its norm is not of what the mask is for")
    encoder = graph.maker(encoded, "Conv")
    _ends_at_signal(graph, encoder.inputs[0])
    return {
        **params,
        "encoder.basis.weight": graph.constant(encoder.inputs[1])[..., 0],
        "norm.weight": weight,
        "norm.bias": bias,
        "decoder.basis.weight": graph.constant(decoder.inputs[1])[..., 0],
    }


def _mask(graph: PublicGraph, mask: str, name: str) -> tuple[Params, str]:
    """Parameters of the layers that make a mask, and what they read."""
    bias, product = graph.with_constant(graph.maker(mask, "Sigmoid").inputs[0], "Add")
    kernel, y = graph.with_constant(product, "MatMul")
    second, y = _lstm(graph, y)
    first, x = _lstm(graph, y)
    params = {f"{name}.dense.weight": kernel.T, f"{name}.dense.bias": bias}
    for layer, own in (("rnn1", first), ("rnn2", second)):
        params |= {f"{name}.{layer}.{key}_l0": value for key, value in own.items()}
    return params, x


def _lstm(graph: PublicGraph, y: str) -> tuple[Params, str]:
    """Parameters of the recurrent layer that makes y, an operator or written out, and what it reads."""
    return _lstm_operator(graph, y) if graph.kind(y) == "LSTM" else _lstm_cell(graph, y)


def _lstm_operator(graph: PublicGraph, y: str) -> tuple[Params, str]:
    """As ``_lstm``; ONNX has the gates in the order input, output, forget, cell."""
    node = graph.maker(y, "LSTM")
    kernel, recurrent, bias = (graph.constant(name)[0] for name in node.inputs[1:4])
    biases = np.split(bias, 2)
    named = zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), (kernel, recurrent, *biases), strict=True)
    return {name: _gates(value, (0, 2, 3, 1)) for name, value in named}, node.inputs[0]


def _lstm_cell(graph: PublicGraph, y: str) -> tuple[Params, str]:
    """As ``_lstm``; each gate is known by what it is multiplied with."""
    output, cell = (
        graph.maker(t, k).inputs[0]
        for t, k in zip(graph.by_kind(y, "Mul", "Sigmoid", "Tanh"), ("Sigmoid", "Tanh"), strict=True)
    )
    gates = {"output": output}
    for term in graph.by_kind(cell, "Add", "Mul", "Mul"):
        kept = "Slice" in {graph.kind(name) for name in graph.maker(term, "Mul").inputs}
        sigmoid, other = graph.by_kind(term, "Mul", "Sigmoid", "Slice" if kept else "Tanh")
        gates["forget" if kept else "input"] = graph.maker(sigmoid, "Sigmoid").inputs[0]
        if not kept:
            gates["cell"] = graph.maker(other, "Tanh").inputs[0]
    split = graph.maker(output, "Split")
    order = [list(split.outputs).index(gates[gate]) for gate in ("input", "forget", "cell", "output")]
    bias, products = graph.with_constant(split.inputs[0], "Add")
    own = {"bias_ih": bias, "bias_hh": np.zeros_like(bias)}
    x = ""
    for product in graph.by_kind(products, "Add", "MatMul", "MatMul"):
        kernel, read_from = graph.with_constant(product, "MatMul")
        remembered = graph.kind(read_from) == "Slice"
        own["weight_hh" if remembered else "weight_ih"] = kernel.T
        x = x if remembered else read_from
    return {name: _gates(value, order) for name, value in own.items()}, x


def _gates(value: Array, order: Sequence[int]) -> Array:
    """(4 x H, ...) with its quarters in another order."""
    return np.concatenate([np.split(value, 4)[i] for i in order])


def _ends_at_signal(graph: PublicGraph, tensor: str) -> None:
    if graph.source(tensor) != graph.signal:
        raise graph.surprise(f"{tensor} is not made from {graph.signal}")
