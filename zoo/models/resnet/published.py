"""Reads ResNet's parameters from the graphs that wespeaker and those who follow it publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zoo.merged import TrainingForm
from zoo.runtime.published_graph import Node, PublishedGraph
from zoo.spec import SpeakerSpec


def read_graph(paths: Sequence[Path], spec: SpeakerSpec) -> dict[str, NDArray[Any]]:
    """Parameters of the training form from a public graph from features to embeddings.

    The linear layer behind the pooling has its name, the convolutions have none: they are told by walking
    back from there, block by block. A mean that the graph subtracts from embeddings becomes part of the bias.

    Args:
        paths: the file alone.
        spec: of the model.

    Raises:
        CheckpointError: another network or size, a constant that is missing, of another shape, not finite or
            with two candidates; the message names it.
    """
    return _Reading(PublishedGraph(paths[0]), spec).parameters()


class _Reading:
    """One graph being read.

    Args:
        graph: of the file.
        spec: that it must be of.
    """

    def __init__(self, graph: PublishedGraph, spec: SpeakerSpec) -> None:
        self.graph, self.spec = graph, spec
        self.form = TrainingForm()

    def parameters(self) -> dict[str, NDArray[Any]]:
        """All of them, by name."""
        options, graph = self.spec.options, self.graph
        depth, expansion = (3, 4) if options["bottleneck"] else (2, 1)
        channels = width = options.get("channels", 32)
        blocks = []
        for stage, count in enumerate(options["blocks"]):
            for index in range(count):
                inner, stride = channels << stage, 2 if stage and not index else 1
                blocks.append(
                    (f"layer{stage + 1}.{index}", [width, *[inner] * (depth - 1), expansion * inner], stride)
                )
                width = expansion * inner
        tensor = self.last_layer(width)
        for name, widths, stride in reversed(blocks):
            tensor = self.block(name, tensor, widths, stride)
        node = graph.operator(graph.operator(tensor, "conv1", "Relu").inputs[0], "conv1", "Conv")
        self.conv(node, "conv1", "bn1", (channels, 1, 3, 3))
        if graph.behind(node.inputs[0]) is not None:
            raise graph.error(
                node.inputs[0], f"before {node} nothing is expected, and there is another layer"
            )
        return self.form.parameters

    def last_layer(self, channels: int) -> str:
        """Take the linear layer, and return what is pooled for it."""
        graph, spec = self.graph, self.spec
        bands = -(-spec.front_end.bins // 2 ** (len(spec.options["blocks"]) - 1))
        name = graph.named("seg_1.weight")
        weight = graph.constant(name, (spec.embedding, 2 * channels * bands))
        node = graph.reader(name, "Gemm")
        self.form.plain("seg_1.weight", weight)
        mean = graph.subtracted(node.outputs[0], spec.embedding)
        self.form.plain("seg_1.bias", graph.bias(node, spec.embedding) - mean)
        pooled = node.inputs[0]
        while (made := graph.behind(pooled)) is not None and made.kind in ("Concat", "ReduceMean"):
            pooled = made.inputs[0]
        return pooled

    def block(self, name: str, tensor: str, widths: Sequence[int], stride: int) -> str:
        """Take a residual block that gave a tensor, and return the one that it read.

        Args:
            name: of the block.
            tensor: what it gave.
            widths: channels that its convolutions read, one after the other, and that the last one gives.
            stride: of one of them.
        """
        (into, *_, out), depth = widths, len(widths) - 1
        convs, past = self.graph.residual(tensor, name, depth, projected=stride > 1 or into != out)
        kernels = (3, 3) if depth == 2 else (1, 3, 1)
        for i, (conv, kernel) in enumerate(zip(convs, kernels, strict=True), 1):
            shape = (widths[i], widths[i - 1], kernel, kernel)
            self.conv(conv, f"{name}.conv{i}", f"{name}.bn{i}", shape)
        if past is not None:
            self.conv(past, f"{name}.shortcut.0", f"{name}.shortcut.1", (out, into, 1, 1))
        return convs[0].inputs[0]

    def conv(self, node: Node, name: str, norm: str, shape: tuple[int, ...]) -> None:
        """Take a convolution."""
        weight = self.graph.constant(node.inputs[1], shape)
        self.form.layer(name, norm, weight, self.graph.bias(node, shape[0]))
