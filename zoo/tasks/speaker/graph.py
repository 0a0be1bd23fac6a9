"""Sessions that embed recordings: their interface, and one over an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from zoo.arrays import Array
from zoo.artifact.golden import unpack_embedding
from zoo.artifact.manifest import SpeakerManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.runtime.graph import Graph, manifest_of
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.speaker.features import filterbank
from zoo.tasks.speaker.session import check_lengths, padded


class GraphSpeakerSession:
    """Recordings through an ONNX graph of either form.

    Args:
        graph: of ``feats``, or of ``wav`` and ``lengths``.
        manifest: its record.
    """

    backend = "onnxruntime"

    def __init__(self, graph: Graph, manifest: SpeakerManifest) -> None:
        self.name, self.front_end = graph.path.name, manifest.front_end
        self.embedding, self.least_frames = manifest.embedding, manifest.least_frames
        self.mean_subtracted = manifest.mean_subtracted
        self.mixed = manifest.form == "wav"
        self._graph = graph

    def run(self, waveforms: Sequence[Array]) -> Array:
        """See ``SpeakerSession``."""
        check_lengths(self, waveforms)
        if self.mixed:
            return self._graph(*padded(waveforms))[0]
        return self._graph(np.stack([filterbank(waveform, self.front_end) for waveform in waveforms]))[0]


def open_speaker_session(path: str | os.PathLike[str], *, threads: int = 1) -> GraphSpeakerSession:
    """Load one of our artifacts for speakers.

    Args:
        path: ONNX file with our manifest.
        threads: of one call.

    Raises:
        ArtifactError: damaged, without our manifest, or of another task.
    """
    graph = OnnxGraph(path, threads=threads)
    return GraphSpeakerSession(graph, speaker_manifest(graph))


def speaker_manifest(graph: Graph) -> SpeakerManifest:
    """The record of a graph of ours for speakers.

    Raises:
        ArtifactError: it has none, or one of another task.
    """
    return manifest_of(
        graph,
        SpeakerManifest,
        "its features and mean are unknown; export it from its training folder with scripts.export_speaker",
    )


def verify_speaker(graph: Graph, manifest: SpeakerManifest) -> ParityReport:
    """Run a graph on its golden recording.

    Raises:
        ArtifactError: it carries none, or a damaged one.
        ParityError: it computes something else than it should.
    """
    if manifest.golden is None:
        raise ArtifactError(
            f"{graph.path}: it carries no golden recording, so it cannot be verified; export it again"
        )
    bins, where = manifest.front_end.bins, str(graph.path)
    signal, expected = unpack_embedding(manifest.golden, manifest.form, bins, where)
    values = padded([signal]) if manifest.form == "wav" else (signal[None],)
    found = graph(*values)[0][0]
    return compare(expected, found, tensor=manifest.outputs[0].name, tolerance=manifest.tolerance)
