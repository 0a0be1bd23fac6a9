"""What a speaker graph is fed with, to calibrate it and to hold one graph against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.runtime.comparison import Recorder
from zoo.runtime.graph import Graph
from zoo.tasks.speaker.graph import GraphSpeakerSession, speaker_manifest


def make_feeds(
    graph: Graph,
    count: int,
    recordings: Sequence[Array] = (),
    shapes: Mapping[str, tuple[int, ...]] = {},
) -> list[dict[str, NDArray[Any]]]:
    """Record calls on pieces of speech, by default one of two seconds a call; see ``Task.feeds``."""
    recorder, manifest = Recorder(graph), speaker_manifest(graph)
    front_end = manifest.front_end
    rows, step = 1, 2 * front_end.sample_rate
    if graph.inputs[0].name in shapes:
        rows, time, *_ = shapes[graph.inputs[0].name]
        step = time if manifest.form == "wav" else front_end.samples(time)
    speech = np.concatenate(list(recordings) or [parity_speech(front_end.sample_rate)])
    if len(speech) < step:
        speech = np.tile(speech, -(-step // len(speech)))
    session = GraphSpeakerSession(recorder, manifest)
    for start in range(0, min(len(speech) - step + 1, count * step), step):
        session.run([np.roll(speech, -start - row * step // 2)[:step] for row in range(rows)])
    return recorder.calls
