"""What a vocoder's graph is fed with, to calibrate it and to hold one graph against another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import ParityReport, compare
from zoo.runtime.comparison import Recorder
from zoo.runtime.graph import Graph
from zoo.signal.mel import log_mel
from zoo.spec import MelSpectrum, Tolerance
from zoo.tasks.vocoder.graph import GraphVocoder, vocoder_manifest

_HOPS = 16  # of a call where their number is free


def make_feeds(graph: Graph, count: int, recordings: Sequence[Array] = ()) -> list[dict[str, NDArray[Any]]]:
    """Record a stream's calls on speech and take ``count`` of them, evenly; see ``Task.feeds``."""
    recorder = Recorder(graph)
    session = GraphVocoder(recorder, vocoder_manifest(graph))
    mel = speech_frames(session.front_end, recordings)
    state, hops = session.initial_state(), session.hops or _HOPS
    for start in range(0, len(mel) - hops + 1, hops):
        _, state = session.run(mel[start : start + hops], state)
    chosen = np.linspace(0, len(recorder.calls) - 1, min(count, len(recorder.calls))).astype(int)
    return [recorder.calls[index] for index in dict.fromkeys(chosen.tolist())]


def compare_on_speech(graph: Graph, candidate: Graph, tolerance: Tolerance) -> ParityReport:
    """Hold a graph against another on the package's speech; see ``Task.compare``."""
    manifest = vocoder_manifest(graph)
    mel = speech_frames(manifest.front_end)
    expected, found = (
        GraphVocoder(one, manifest_of).waveform(mel) for one, manifest_of in _both(graph, candidate)
    )
    return compare(
        expected,
        found,
        tensor=manifest.outputs[0].name,
        tolerance=tolerance,
        frame_length=manifest.front_end.hop_length,
    )


def _both(graph: Graph, candidate: Graph) -> list[tuple[Graph, Any]]:
    return [(one, vocoder_manifest(one)) for one in (graph, candidate)]


def speech_frames(front_end: MelSpectrum, recordings: Sequence[Array] = ()) -> Array:
    """Log-mel frames (F, mels) of recordings, or of the package's speech."""
    return log_mel(np.concatenate(list(recordings) or [parity_speech(front_end.sample_rate)]), front_end)
