"""Reads CAM++'s parameters from the graphs that wespeaker and those who follow it publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.merged import EPSILON, TrainingForm
from zoo.runtime.published_graph import Node, PublishedGraph
from zoo.spec import SpeakerSpec

BLOCKS = {"block1": 12, "block2": 24, "block3": 16}  # dense layers
_MASKED = ("linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias", "linear_local.weight")
_STATISTICS = ("running_mean", "running_var")


def read_graph(paths: Sequence[Path], spec: SpeakerSpec) -> dict[str, NDArray[Any]]:
    """Parameters of the training form from a public graph from features to embeddings.

    Where a norm follows a convolution it is merged and the names are lost; those convolutions are told by
    the named constants around them. A mean that the graph subtracts from embeddings becomes part of the last
    norm's.

    Args:
        paths: the file alone.
        spec: of the model.

    Raises:
        CheckpointError: another network, or a constant that is missing, not finite or with two candidates;
            the message names it.
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
        graph = self.graph
        first = ""
        for block, layers in BLOCKS.items():
            for layer in range(1, layers + 1):
                read = self.dense_layer(f"xvector.{block}.tdnnd{layer}")
                first = first or read
        for number in (1, 2, 3):
            norm = self.norm(f"xvector.transit{number}.nonlinear.batchnorm")
            conv = graph.reader(graph.reader(norm.outputs[0], "Relu").outputs[0], "Conv")
            name = f"xvector.transit{number}.linear"
            if number == len(BLOCKS):
                self.conv(conv, name, "xvector.out_nonlinear.batchnorm")
            else:
                self.form.plain(f"{name}.weight", graph.constant(graph.named(f"{name}.weight")))
        self.embedding()
        conv = self.activated(first, "xvector.tdnn.linear")
        self.conv(conv, "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm")
        self.head(conv.inputs[0])
        return self.form.parameters

    def dense_layer(self, name: str) -> str:
        """Take a dense layer, and return what it reads."""
        graph = self.graph
        for part in _MASKED:
            own = f"{name}.cam_layer.{part}"
            self.form.plain(own, graph.constant(graph.named(own)))
        local = graph.reader(graph.named(f"{name}.cam_layer.linear_local.weight"), "Conv")
        conv = self.activated(local.inputs[0], f"{name}.linear1")
        self.conv(conv, f"{name}.linear1", f"{name}.nonlinear2.batchnorm")
        norm = self.norm(f"{name}.nonlinear1.batchnorm")
        relu = graph.operator(conv.inputs[0], f"{name}.linear1", "Relu")
        if graph.behind(relu.inputs[0]) is not norm:
            raise graph.error(conv.inputs[0], f"{conv} must read {norm}, and reads another one")
        return norm.inputs[0]

    def embedding(self) -> None:
        """Take the last linear layer and the norm behind it, which has statistics alone."""
        graph, name = self.graph, "xvector.dense.nonlinear.batchnorm"
        weight = graph.constant(graph.named("xvector.dense.linear.weight"))
        mean, variance = (graph.constant(graph.named(f"{name}.{kind}")) for kind in _STATISTICS)
        node = graph.reader(graph.named(f"{name}.running_mean"), "BatchNormalization")
        shift = graph.subtracted(node.outputs[0], len(mean))
        self.form.plain("xvector.dense.linear.weight", weight)
        self.form.statistics(name, mean + shift * np.sqrt(variance + np.float32(EPSILON)), variance)

    def head(self, tensor: str) -> None:
        """Take the residual convolutions over frequency, from their end to their beginning."""
        graph = self.graph
        conv = self.activated(tensor, "head.conv2")
        self.conv(conv, "head.conv2", "head.bn2")
        for block in ("layer2.1", "layer2.0", "layer1.1", "layer1.0"):
            name = f"head.{block}"
            convs, past = graph.residual(conv.inputs[0], name, 2, projected=block.endswith("0"))
            for i, node in enumerate(convs, 1):
                self.conv(node, f"{name}.conv{i}", f"{name}.bn{i}")
            if past is not None:
                self.conv(past, f"{name}.shortcut.0", f"{name}.shortcut.1")
            conv = convs[0]
        conv = self.activated(conv.inputs[0], "head.conv1")
        self.conv(conv, "head.conv1", "head.bn1")

    def conv(self, node: Node, name: str, norm: str) -> None:
        """Take a convolution with its norm."""
        weight = self.graph.constant(node.inputs[1])
        self.form.layer(name, norm, weight, self.graph.bias(node, len(weight)))

    def activated(self, tensor: str, name: str) -> Node:
        """The convolution behind the ReLU that gave a tensor."""
        relu = self.graph.operator(tensor, name, "Relu")
        return self.graph.operator(relu.inputs[0], name, "Conv")

    def norm(self, name: str) -> Node:
        """Take a norm by its name; the operator is returned."""
        graph = self.graph
        for kind in ("weight", "bias"):
            self.form.plain(f"{name}.{kind}", graph.constant(graph.named(f"{name}.{kind}")))
        statistics = (graph.constant(graph.named(f"{name}.{kind}")) for kind in _STATISTICS)
        self.form.statistics(name, *statistics)
        return graph.reader(graph.named(f"{name}.running_mean"), "BatchNormalization")
