"""Reads ECAPA-TDNN's parameters from the graphs that wespeaker and those who follow it publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.merged import TrainingForm
from zoo.runtime.published_graph import PublishedGraph
from zoo.spec import SpeakerSpec


def read_graph(paths: Sequence[Path], spec: SpeakerSpec) -> dict[str, NDArray[Any]]:
    """Parameters of the training form from a public graph from features to embeddings.

    Its norms come after ReLUs, so that none is merged and every constant keeps its name. A mean that the
    graph subtracts from embeddings becomes part of the last bias.

    Args:
        paths: the file alone.
        spec: of the model.

    Raises:
        CheckpointError: another network, or a constant that is missing, without a name, or not finite; the
            message names it.
    """
    graph, form = PublishedGraph(paths[0]), TrainingForm()
    last = graph.named("linear.weight")
    for name, value in graph.named_layers(last.removesuffix("linear.weight")).items():
        form.plain(name, value)
        module, _, kind = name.rpartition(".")
        if kind == "running_mean":
            form.parameters[f"{module}.num_batches_tracked"] = np.zeros((), np.int64)
    node = graph.reader(last, "Gemm")
    mean = graph.subtracted(node.outputs[0], spec.embedding)
    form.plain("linear.bias", graph.bias(node, spec.embedding) - mean)
    return form.parameters
