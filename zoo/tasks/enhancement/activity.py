"""Where someone speaks, told from what an enhancer leaves: speech keeps its level, noise loses it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array

_FRAME = 0.01  # seconds
_SMOOTHED = 5  # frames
_SILENCE = -60.0  # dB of full scale, below which there is nothing
_BELOW_LOUD, _BELOW_LOUD_ON = 25.0, 35.0  # dB below the loudest frames where speech begins, and goes on
_LOST = 15.0  # dB by which noise gets quieter at the least, and speech at the most
_SHORTEST, _PAUSE, _MARGIN = 0.1, 0.3, 0.05  # seconds: of a segment, between two, around one


class Activity:
    """Listens to a recording before and after; a channel is enough to speak on.

    Args:
        sample_rate: of both, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate, self._frame = sample_rate, round(_FRAME * sample_rate)
        self._before, self._after = _Levels(self._frame), _Levels(self._frame)

    def add(self, noisy: Array, enhanced: Array) -> None:
        """Take what is next of both: (channels, N) and (channels, M), in the end as long as each other."""
        self._before.add(noisy)
        self._after.add(enhanced)

    def segments(self) -> list[tuple[float, float]]:
        """Begin and end of every stretch of speech, in seconds."""
        before, after = self._before.decibels(), self._after.decibels()
        count = min(len(before), len(after))
        if not count:
            return []
        before, after = before[:count], after[:count]
        loud = np.percentile(after, 95)
        kept = (after > _SILENCE) & (before - after < _LOST)
        spoken = kept & (after > loud - _BELOW_LOUD)
        going_on = kept & (after > loud - _BELOW_LOUD_ON)
        seconds = self._frame / self._rate
        end = self._after.samples / self._rate
        runs = [run for run in _runs(going_on) if spoken[run[0] : run[1]].any()]
        joined: list[tuple[float, float]] = []
        for first, last in runs:
            begin, stop = first * seconds, last * seconds
            if joined and begin - joined[-1][1] < _PAUSE:
                joined[-1] = joined[-1][0], stop
            else:
                joined.append((begin, stop))
        return [
            (round(max(0.0, begin - _MARGIN), 3), round(min(end, stop + _MARGIN), 3))
            for begin, stop in joined
            if stop - begin >= _SHORTEST
        ]


class _Levels:
    """The level of every frame of a signal that comes in blocks.

    Args:
        frame: samples.

    Attributes:
        samples: of a channel so far.
    """

    def __init__(self, frame: int) -> None:
        self._frame, self.samples = frame, 0
        self._rest: Array = np.zeros(0, np.float32)
        self._powers: list[Array] = []

    def add(self, block: Array) -> None:
        """Take (channels, N)."""
        self.samples += block.shape[1]
        power = np.concatenate([self._rest, np.square(block).max(0, initial=0)])
        whole = len(power) // self._frame * self._frame
        self._powers.append(power[:whole].reshape(-1, self._frame).mean(1))
        self._rest = power[whole:]

    def decibels(self) -> Array:
        """(frames,), smoothed."""
        powers = np.concatenate([*self._powers, np.zeros(0, np.float32)])
        if not len(powers):
            return powers
        smoothed = np.convolve(powers, np.ones(_SMOOTHED) / _SMOOTHED, "same")
        levels: Array = 10 * np.log10(np.maximum(smoothed[: len(powers)], 1e-12))
        return levels


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and end of every run of what is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
