"""Sessions that embed recordings: their interface, and one over an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.artifact.golden import unpack_embedding
from zoo.artifact.manifest import SpeakerManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError, AudioError
from zoo.runtime.filterbank import filterbank
from zoo.runtime.graph import Graph
from zoo.runtime.loaded import Loaded, manifest_of
from zoo.spec import Filterbank

Array = NDArray[np.float32]


class SpeakerSession(Protocol):
    """A loaded model that embeds recordings.

    Attributes:
        name: the model or file, for messages.
        backend: what computes, for reports: ``onnxruntime``, ``torch``, ...
        front_end: the features' geometry, and the sample rate.
        embedding: elements of an embedding.
        least_frames: of the shortest recording with a finite embedding.
        mean_subtracted: whether the mean of a cohort is subtracted already.
        mixed: whether the recordings of a call may have different lengths.
    """

    name: str
    backend: str
    front_end: Filterbank
    embedding: int
    least_frames: int
    mean_subtracted: bool
    mixed: bool

    def run(self, waveforms: Sequence[Array]) -> Array:
        """Embed recordings.

        Args:
            waveforms: each (N,) float32 in [-1, 1] at the front end's rate; at least one, and of one number
                of frames unless the session is mixed.

        Returns:
            (recordings, E) float32.

        Raises:
            AudioError: one of them has fewer frames than the model needs.
        """
        ...


class GraphSpeakerSession:
    """Recordings through an ONNX graph of either form.

    Args:
        graph: of ``feats``, or of ``wav`` and ``lengths``.
        manifest: its record.
    """

    backend = "onnxruntime"

    def __init__(self, graph: Loaded, manifest: SpeakerManifest) -> None:
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
    graph = Graph(path, threads=threads)
    return GraphSpeakerSession(graph, speaker_manifest(graph))


def speaker_manifest(graph: Loaded) -> SpeakerManifest:
    """The record of a graph of ours for speakers.

    Raises:
        ArtifactError: it has none, or one of another task.
    """
    return manifest_of(
        graph,
        SpeakerManifest,
        "its features and mean are unknown; export it from its training folder with scripts.export_speaker",
    )


def check_lengths(session: SpeakerSession, waveforms: Sequence[Array]) -> None:
    """Refuse recordings that are too short for a session's model.

    Raises:
        AudioError: names the first such by its place, unless it is alone.
    """
    for index, waveform in enumerate(waveforms):
        shortage = session.front_end.shortage(session.front_end.frames(len(waveform)), session.least_frames)
        if shortage:
            which = f"recording {index}: " if len(waveforms) > 1 else ""
            raise AudioError(f"{which}too short for {session.name}: {shortage}")


def padded(waveforms: Sequence[Array]) -> tuple[Array, NDArray[np.int64]]:
    """Recordings as one array (B, N) with zeros behind the shorter ones, and their samples (B,)."""
    lengths = np.array([len(waveform) for waveform in waveforms], np.int64)
    batch = np.zeros((len(waveforms), lengths.max()), np.float32)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return batch, lengths


def verify_speaker(graph: Loaded, manifest: SpeakerManifest) -> ParityReport:
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
