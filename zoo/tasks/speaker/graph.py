"""Sessions that embed recordings: their interface, and one over an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.arrays import Array
from zoo.artifact.manifest import SpeakerManifest
from zoo.runtime.graph import Graph
from zoo.tasks.limits import record_of
from zoo.tasks.speaker.features import filterbank
from zoo.tasks.speaker.session import check_lengths, padded


class GraphSpeakerSession:
    """Recordings through a graph of either form.

    Args:
        graph: of ``feats``, or of ``wav`` and ``lengths``.
        manifest: its record.
    """

    def __init__(self, graph: Graph, manifest: SpeakerManifest) -> None:
        self.name, self.backend, self.front_end = graph.path.name, graph.backend, manifest.front_end
        self.embedding, self.least_frames = manifest.embedding, manifest.least_frames
        self.mean_subtracted = manifest.mean_subtracted
        self.weights = manifest.weights.get("sha256", "")
        self.mixed = manifest.form == "wav"
        self._graph = graph

    def run(self, waveforms: Sequence[Array]) -> Array:
        """See ``SpeakerSession``."""
        check_lengths(self, waveforms)
        if self.mixed:
            return self._graph(*padded(waveforms))[0]
        return self._graph(np.stack([filterbank(waveform, self.front_end) for waveform in waveforms]))[0]


def speaker_manifest(graph: Graph) -> SpeakerManifest:
    """The record of a graph of ours for speakers.

    Raises:
        ArtifactError: it has none, or one of another task.
    """
    return record_of(
        graph,
        SpeakerManifest,
        "its features and mean are unknown; export it with speechzoo export --folder FOLDER",
    )
