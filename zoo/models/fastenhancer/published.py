"""Reads FastEnhancer's parameters from the graphs that its authors publish, and from another port's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.merged import TrainingForm
from zoo.models.fastenhancer.binary import read_values
from zoo.models.fastenhancer.widths import Widths
from zoo.runtime.published_graph import Node, Product, PublishedGraph
from zoo.spec import EnhancementSpec


def read_graph(paths: Sequence[Path], spec: EnhancementSpec) -> dict[str, NDArray[Any]]:
    """Parameters of the training form from a public streaming graph, wav2wav or spec2spec.

    Convolutions have their names, and biases are what the operators read. The matrices have none: they are
    told by walking back from the convolution behind the blocks, along residuals, attention and GRUs.

    Args:
        paths: the file alone.
        spec: of the model.

    Raises:
        CheckpointError: another network or size, a constant that is missing, of another shape, not finite or
            with two candidates; the message names it.
    """
    return _Reading(PublishedGraph(paths[0]), Widths.of(spec)).parameters()


def read_binary(paths: Sequence[Path], spec: EnhancementSpec) -> dict[str, NDArray[Any]]:
    """Parameters of the training form from a file of fastenhancer-web.

    Args:
        paths: the file alone.
        spec: of the model.

    Raises:
        CheckpointError: of another size, version or length, damaged, or not finite.
    """
    return read_values(paths[0], Widths.of(spec))


class _Reading:
    """One graph being read.

    Args:
        graph: of the file.
        widths: that it must have.
    """

    def __init__(self, graph: PublishedGraph, widths: Widths) -> None:
        self.graph, self.widths = graph, widths
        self.form = TrainingForm()

    def parameters(self) -> dict[str, NDArray[Any]]:
        """All of them, by name."""
        widths, graph = self.widths, self.graph
        c, block, (kernel, stride) = widths.channels, widths.block_channels, widths.first
        self.conv("enc_pre.0", "enc_pre.0", "enc_pre.1", (c, 2 * stride, kernel // stride))
        for i, size in enumerate(widths.kernels):
            self.conv(f"encoder.{i}.0", f"encoder.{i}.0", f"encoder.{i}.1", (c, c, size))
        into = self.conv("rf_pre.1", "rf_pre.1", "rf_pre.2", (block, c, 1))
        out_of = self.conv("rf_post.1", "rf_post.1", "rf_post.2", (c, block, 1))
        for i, size in enumerate(reversed(widths.kernels)):
            self.conv(f"decoder.{i}.0", f"decoder.{i}.0", f"decoder.{i}.1", (c, 2 * c, 1))
            self.conv(f"decoder.{i}.2", f"decoder.{i}.3", f"decoder.{i}.4", (c, c, size))
        self.conv("dec_post.0", "dec_post.0", "dec_post.1", (c, 2 * c, 1))
        name = graph.named("dec_post.2.weight")
        weight = graph.constant(name, (c, 2, kernel))
        self.form.scaled("dec_post.3", weight, graph.bias(graph.reader(name, "ConvTranspose"), 2))
        self.filters("rf_pre.0", into.inputs[0], (widths.block_bins, widths.bins))
        tensor = self.filters("rf_post.0", out_of.inputs[0], (widths.bins, widths.block_bins))
        for i in reversed(range(widths.blocks)):
            tensor = self.block(f"rf_block.{i}", tensor, first=i == 0)
        if graph.behind(tensor) is not into:
            raise graph.error(
                tensor, f"before {widths.blocks} blocks {into} is expected, not {graph.behind(tensor)}"
            )
        return self.form.parameters

    def conv(self, theirs: str, ours: str, norm: str, shape: tuple[int, ...]) -> Node:
        """Take a convolution by its name; the operator is returned."""
        name = self.graph.named(f"{theirs}.weight")
        weight = self.graph.constant(name, shape)
        node = self.graph.reader(name, "Conv")
        self.form.layer(ours, norm, weight, self.graph.bias(node, shape[0]))
        return node

    def filters(self, name: str, tensor: str, shape: tuple[int, int]) -> str:
        """Take the filterbank that gave a tensor, and return the one that it read."""
        product = self.linear(tensor, name, shape)
        self.form.plain(f"{name}.weight", product.weight)
        return product.data

    def block(self, name: str, tensor: str, *, first: bool) -> str:
        """Take a block that gave a tensor, from its end to its beginning, and return the one that it read."""
        c, graph = self.widths.block_channels, self.graph
        attended, tensor = self.residual(tensor, f"{name}.attn_fc")
        self.form.layer(f"{name}.attn_fc", f"{name}.attn_post_norm", attended.weight, attended.bias)
        self.form.directed(f"{name}.attn.qkv.weight", self.attention(attended.data, name, tensor).weight)
        if first:
            tensor, embedding = graph.added(tensor, f"{name}.pe", (self.widths.block_bins, c))
            self.form.plain(f"{name}.pe", embedding)
        projected, tensor = self.residual(tensor, f"{name}.rnn_fc")
        self.form.layer(f"{name}.rnn_fc", f"{name}.rnn_post_norm", projected.weight, projected.bias)
        self.recurrence(f"{name}.rnn", projected.data, tensor)
        return tensor

    def residual(self, tensor: str, name: str) -> tuple[Product, str]:
        """The projection that was added to something, and that.

        Raises:
            CheckpointError: neither or both of what is added are one.
        """
        c, graph = self.widths.block_channels, self.graph
        node = graph.operator(tensor, f"the sum behind {name}", "Add")
        found = [(a, b) for a, b in zip(node.inputs, node.inputs[::-1], strict=True) if graph.product(a)]
        if len(found) != 1:
            raise graph.error(name, f"{node} must add one linear layer to something, and adds {len(found)}")
        return self.linear(found[0][0], name, (c, c)), found[0][1]

    def attention(self, tensor: str, name: str, source: str) -> Product:
        """The projection to query, key and value, whose rows are grouped by head here and there.

        Args:
            tensor: what the attention gave.
            name: of the block.
            source: what the projection must read.
        """
        c, graph = self.widths.block_channels, self.graph
        mixed = graph.operator(tensor, f"the attention of {name}", "MatMul")
        scores = graph.operator(mixed.inputs[0], f"the attention of {name}", "Softmax")
        scores = graph.operator(scores.inputs[0], f"the attention of {name}", "MatMul")
        value = self.linear(mixed.inputs[1], f"{name}.attn.qkv", (3 * c, c), source)
        for scaled in scores.inputs:
            node = graph.behind(scaled)
            while node is not None and node.kind in ("Mul", "Div") and len(graph.split(node)[0]) == 1:
                (scaled,), _ = graph.split(node)
                node = graph.behind(scaled)
            other = graph.product(scaled)
            if other is None or other.constant != value.constant:
                raise graph.error(
                    value.constant, f"query, key and value of {name} must come from it, and {node} gives one"
                )
        return value

    def recurrence(self, name: str, tensor: str, source: str) -> None:
        """Take the GRU that gave a tensor: an operator, or what it computes written out."""
        c, graph = self.widths.block_channels, self.graph
        node = graph.operator(tensor, name, "GRU", "Add")
        if node.kind == "GRU":
            if not node.attributes.get("linear_before_reset"):
                raise graph.error(name, f"{node} resets before its matrix, which PyTorch does not")
            own, recurrent = (_gates(graph.constant(value, (1, 3 * c, c))[0]) for value in node.inputs[1:3])
            both = np.zeros(6 * c, np.float32)
            if len(node.inputs) > 3 and node.inputs[3]:
                both = graph.constant(node.inputs[3], (1, 6 * c))[0]
            self.form.gru(name, own, recurrent, *map(_gates, np.split(both, 2)))
            self.reads(graph.behind(source), node.inputs[0], name)
            return
        # new + update (state - new), new = tanh(own + reset x recurrent)
        new = self.one_of(node, name, "Tanh")
        total = graph.operator(new.inputs[0], name, "Add")
        gated = self.one_of(total, name, "Mul")
        reset = self.one_of(gated, name, "Sigmoid")
        (hidden,) = [x for x in gated.inputs if graph.behind(x) is not reset]
        (direct,) = [x for x in total.inputs if graph.behind(x) is not gated]
        past = self.linear(hidden, f"{name}.weight_hh_l0", (3 * c, c))
        present = self.linear(direct, f"{name}.weight_ih_l0", (3 * c, c), source)
        self.form.gru(name, present.weight, past.weight, present.bias, past.bias)

    def one_of(self, node: Node, name: str, kind: str) -> Node:
        """The one operator of a kind among those that an operator of two inputs reads."""
        found = [made for x in node.inputs if (made := self.graph.behind(x)) and made.kind == kind]
        if len(found) != 1 or len(node.inputs) != 2:
            raise self.graph.error(name, f"{node} must read one {kind}, and reads {len(found)}")
        return found[0]

    def linear(self, tensor: str, name: str, shape: tuple[int, int], source: str | None = None) -> Product:
        """The linear layer that gave a tensor, which must have a shape, and perhaps read another tensor."""
        product = self.graph.product(tensor)
        if product is None:
            raise self.graph.error(
                tensor, f"for {name} a product with a matrix is expected, not {self.graph.behind(tensor)}"
            )
        if product.weight.shape != shape:
            raise self.graph.error(
                product.constant, f"as {name} expected shape {shape}, got {product.weight.shape}"
            )
        if source is not None:
            self.reads(self.graph.behind(source), product.data, product.constant)
        return product

    def reads(self, source: Node | None, tensor: str, name: str) -> None:
        """Refuse what does not read the operator that it must."""
        if self.graph.behind(tensor) is not source:
            raise self.graph.error(
                name, f"what reads it must read {source} as well, and reads {self.graph.behind(tensor)}"
            )


def _gates(rows: Array) -> Array:
    """ONNX's order, update, reset, new, in PyTorch's: reset, update, new."""
    update, reset, new = np.split(rows, 3)
    return np.concatenate([reset, update, new])
