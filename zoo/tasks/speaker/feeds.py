"""What a speaker graph is fed with, to calibrate it and to hold one graph against another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.runtime.comparison import Recorder
from zoo.runtime.graph import Graph
from zoo.tasks.speaker.graph import GraphSpeakerSession, speaker_manifest


def make_feeds(graph: Graph, count: int, recordings: Sequence[Array] = ()) -> list[dict[str, NDArray[Any]]]:
    """Record calls on pieces of two seconds of speech, one a call; see ``Task.feeds``."""
    recorder, manifest = Recorder(graph), speaker_manifest(graph)
    step = 2 * manifest.front_end.sample_rate
    speech = np.concatenate(list(recordings) or [parity_speech(manifest.front_end.sample_rate)])
    session = GraphSpeakerSession(recorder, manifest)
    for start in range(0, min(len(speech) - step + 1, count * step), step):
        session.run([speech[start : start + step]])
    return recorder.calls
