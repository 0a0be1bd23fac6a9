"""What a graph makes of speech: on mixtures, on their noise, and in the first and last minute of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.training.metrics import level_db, measure, si_sdr
from scripts.training.pairs import Pair
from zoo.runtime.onnx import StreamingSession

Array = NDArray[np.float32]

METRICS = ("si_sdr", "pesq", "stoi")
FIGURES = (*METRICS, "noise")
SKIPPED = 1.0  # seconds of a minute that are not counted: the stream begins with silence


@dataclass(frozen=True)
class Minute:
    """A stretch of a stream that is repeated again and again: (N,) each, of whole blocks."""

    noisy: Array
    clean: Array


@dataclass(frozen=True)
class Heard:
    """What came out of a graph.

    Attributes:
        outputs: of the mixtures, (N,) each.
        figures: of each mixture: ``si_sdr``, ``pesq``, ``stoi``, and ``noise``: by how many dB its noise by
            itself gets weaker. Empty if some output is not finite.
        ends: the first minute of the stream and the last, (N,) each, without the part not counted.
        ends_si_sdr: of those, in dB.
    """

    outputs: list[Array]
    figures: list[dict[str, float]]
    ends: tuple[Array, Array]
    ends_si_sdr: tuple[float, float]

    def mean(self, name: str) -> float:
        """Of a figure, over the mixtures that have it; NaN if none has."""
        values = [figures[name] for figures in self.figures]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def make_minute(pairs: Sequence[Pair], session: StreamingSession, seconds: float = 60) -> Minute:
    """Mixtures one after the other, over and over, for so long."""
    length = round(seconds * session.front_end.sample_rate / session.block_length) * session.block_length
    noisy, clean = ([getattr(pair, side) for pair in pairs] for side in ("noisy", "clean"))
    return Minute(np.resize(np.concatenate(noisy), length), np.resize(np.concatenate(clean), length))


def hear(session: StreamingSession, pairs: Sequence[Pair], minute: Minute, minutes: int) -> Heard:
    """Let a graph enhance mixtures, their noise, and a stream of so many minutes.

    Every minute of the stream is the same, so that what differs between the first and the last has come with
    time.
    """
    rate = session.front_end.sample_rate
    outputs = [session.whole(pair.noisy[None])[0] for pair in pairs]
    skipped = min(round(SKIPPED * rate), len(minute.clean) // 2)
    first, last = (wave[skipped:] for wave in _stream(session, minute.noisy, minutes))
    if not all(np.isfinite(wave).all() for wave in (*outputs, first, last)):
        return Heard(outputs, [], (first, last), (float("nan"), float("nan")))
    figures = []
    for pair, output in zip(pairs, outputs, strict=True):
        noise = pair.noisy - pair.clean
        weaker = level_db(noise) - level_db(session.whole(noise[None])[0])
        figures.append({**measure(output, pair.clean, rate, METRICS), "noise": weaker})
    clean = np.roll(minute.clean, session.latency)[skipped:]
    return Heard(outputs, figures, (first, last), (si_sdr(first, clean), si_sdr(last, clean)))


def mean_change(reference: Heard, candidate: Heard, name: str) -> float:
    """Of a figure, over the mixtures for which the reference has it; NaN if the candidate lacks one."""
    pairs = zip(reference.figures, candidate.figures, strict=True)
    changes = [after[name] - before[name] for before, after in pairs if np.isfinite(before[name])]
    return float(np.mean(changes)) if changes else float("nan")


def snr_db(reference: Sequence[Array], candidate: Sequence[Array]) -> float:
    """Energy of some waves over that of what others differ from them by, in dB, at most 200."""
    wanted = sum(float(np.sum(wave.astype(np.float64) ** 2)) for wave in reference)
    apart = sum(
        float(np.sum((a.astype(np.float64) - b) ** 2)) for a, b in zip(reference, candidate, strict=True)
    )
    return 10 * float(np.log10(max(wanted, 1e-20) / max(apart, 1e-20 * wanted, 1e-40)))


def _stream(session: StreamingSession, wave: Array, times: int) -> tuple[Array, Array]:
    """What comes of a wave (N,) that is repeated: the first time, and the last."""
    state = session.initial_state()
    first, state = session.run(wave[None], state)
    last = first
    for _ in range(times - 1):
        last, state = session.run(wave[None], state)
    return first[0], last[0]
