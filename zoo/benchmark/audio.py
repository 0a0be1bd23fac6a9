"""Times graphs on recordings: every block of a stream, or whole recordings again and again."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from zoo.arrays import Array
from zoo.tasks.enhancement.enhancer import Enhancer
from zoo.tasks.enhancement.session import Session, State
from zoo.tasks.speaker.embedder import Embedder


class TimedSession:
    """Wraps a session; keeps the time of every block, or of whole recordings if it takes only those."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seconds: list[float] = []
        self.name, self.backend = session.name, session.backend
        self.front_end, self.latency = session.front_end, session.latency
        self.block_length, self.streaming = session.block_length, session.streaming
        self.batched = False

    def initial_state(self) -> State:
        return self._session.initial_state()

    def run(self, hops: Array, state: State) -> tuple[Array, State]:
        """(1, K x block_length) -> (1, K x block_length), each block timed."""
        enhanced = []
        for start in range(0, hops.shape[1], self.block_length):
            before = time.perf_counter()
            wave, state = self._session.run(hops[:, start : start + self.block_length], state)
            self._seconds.append(time.perf_counter() - before)
            enhanced.append(wave)
        return np.concatenate(enhanced, axis=1), state

    def whole(self, waveform: Array) -> Array:
        """(1, N) -> (1, N), timed."""
        before = time.perf_counter()
        wave = self._session.whole(waveform)
        self._seconds.append(time.perf_counter() - before)
        return wave

    def repeat(self, waveform: Array, runs: int) -> None:
        """Time the whole recording (1, N) again and again."""
        self._seconds.clear()
        for _ in tqdm(range(runs), disable=not sys.stderr.isatty(), unit="run"):
            self.whole(waveform)

    def figures(self, duration: float) -> dict[str, float]:
        """Say what was measured.

        Args:
            duration: of the recording in seconds.
        """
        if not self.streaming:
            return speed(self._seconds, duration)
        block = self.block_length / self.front_end.sample_rate
        return {
            **speed(self._seconds, block, "block", block),
            "ms of audio in a block": 1e3 * block,
            "latency in ms": Enhancer(self).latency().milliseconds["total"],
        }


def time_embedder(embedder: Embedder, waveform: Array, sample_rate: int, runs: int) -> dict[str, float]:
    """Time the embedding of a recording (N,), features included, after one that does not count."""
    embedder(waveform, sample_rate)
    seconds = []
    for _ in tqdm(range(runs), disable=not sys.stderr.isatty(), unit="run"):
        before = time.perf_counter()
        embedder(waveform, sample_rate)
        seconds.append(time.perf_counter() - before)
    return speed(seconds, len(waveform) / sample_rate)


def speed(
    seconds: Sequence[float], audio: float, unit: str = "second of audio", length: float = 1.0
) -> dict[str, float]:
    """Give real-time factors of some calls, and milliseconds of computing.

    Args:
        seconds: that each call took.
        audio: seconds of audio that a call processes.
        unit: what milliseconds are told for ...
        length: ... and how many seconds of audio that is.
    """
    factors = np.array(seconds) / audio
    figures: dict[str, float] = {}
    for name, value in (
        ("mean", factors.mean()),
        ("median", np.median(factors)),
        ("99th percentile", np.percentile(factors, 99)),
        ("minimum", factors.min()),
        ("maximum", factors.max()),
    ):
        figures[f"real-time factor, {name}"] = float(value)
        figures[f"ms a {unit}, {name}"] = float(1e3 * value * length)
    return figures
