"""What an enhancer's graph is fed with, to calibrate it and to hold one graph against another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import ParityReport, compare
from zoo.runtime.artifact import ENGINES
from zoo.runtime.comparison import Recorder
from zoo.runtime.graph import Graph
from zoo.spec import Tolerance
from zoo.tasks.enhancement.graph import StreamingSession, enhancement_manifest, session_over


def make_feeds(graph: Graph, count: int, recordings: Sequence[Array] = ()) -> list[dict[str, NDArray[Any]]]:
    """Record a stream's calls on speech and take ``count`` of them, evenly; see ``Task.feeds``."""
    recorder = Recorder(graph)
    rate = enhancement_manifest(graph).front_end.sample_rate
    speech = np.concatenate(list(recordings) or [parity_speech(rate)])[None]
    session = session_over(recorder)
    if isinstance(session, StreamingSession):
        state = session.initial_state()
        for start in range(0, speech.shape[1] - session.block_length, session.block_length):
            _, state = session.run(speech[:, start : start + session.block_length], state)
    else:
        session.whole(speech)
    calls = recorder.calls
    chosen = np.linspace(0, len(calls) - 1, min(count, len(calls))).astype(int)
    return [calls[index] for index in dict.fromkeys(chosen.tolist())]


def compare_on_speech(graph: Graph, candidate: Graph, tolerance: Tolerance) -> ParityReport:
    """Compare what two graphs make of the package's speech, as a stream; see ``Task.compare``."""
    front_end = enhancement_manifest(graph).front_end
    speech = parity_speech(front_end.sample_rate)[None]
    return compare(
        session_over(graph).whole(speech),
        session_over(candidate).whole(speech),
        tensor=f"waveform of the {'engine' if candidate.path.suffix in ENGINES else 'reduced graph'}",
        tolerance=tolerance,
        frame_length=front_end.hop_length,
    )
