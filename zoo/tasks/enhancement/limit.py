"""How much noise is left in on purpose: the enhanced signal with some of the noisy one, aligned with it.

The sum is ``enhanced + (noisy - enhanced) * gain`` with ``gain = 10 ** (-limit / 20)``: nothing is made
quieter by more than the limit, whatever the network takes away. Both signals lie at the same sample, so there
is no comb filter.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from zoo.arrays import Array

_FADE = 0.01  # seconds that a new limit takes from nothing to all
_NOTHING: Array = np.zeros((1, 0), np.float32)


def check_limit(limit: Any) -> float | None:
    """A limit as a float, or None for none.

    Raises:
        ValueError: it is no number of dB from 0 on.
    """
    if limit is None:
        return None
    number = isinstance(limit, (int, float, np.integer, np.floating)) and not isinstance(limit, bool)
    if not number or not limit >= 0:
        raise ValueError(
            f"attenuation_limit {limit!r}: a number of dB from 0 on is expected, or None to take away all "
            f"that the network can"
        )
    return float(limit)


def gain_of(limit: float | None) -> float:
    """The share of the noisy signal that is left in, from 0 to 1."""
    return 0.0 if limit is None else 10 ** (-limit / 20)


def mixed(enhanced: Array, noisy: Array, gain: float | Array) -> Array:
    """The limited signal: exactly ``noisy`` at a gain of 1, exactly ``enhanced`` at one of 0."""
    share = np.asarray(gain, np.float32)
    result: Array = (1 - share) * enhanced + share * noisy
    return result


class Mix:
    """A stream's noisy signal, kept until its enhanced samples come, and added to them.

    Without a limit nothing is kept; one that is set then holds from the next sample of input on.

    Args:
        sample_rate: of both, in Hz.
        limit: dB, or None.
    """

    def __init__(self, sample_rate: int, limit: float | None) -> None:
        self._step = 1 / (_FADE * sample_rate)
        self.limit = limit
        self.reset()

    @property
    def limit(self) -> float | None:
        """In dB, None for none; a new one is faded to."""
        return self._limit

    @limit.setter
    def limit(self, limit: float | None) -> None:
        self._limit = check_limit(limit)
        self._target = gain_of(self._limit)

    def reset(self) -> None:
        """Go back to before the first sample."""
        self._not_kept = 0  # samples of input whose output is still to come, before those that wait
        self._waiting = _NOTHING
        self._gain = self._target

    def take(self, noisy: Array) -> None:
        """Keep (1, N) of input, if any of it will be left in."""
        if self._gain or self._target:
            self._waiting = np.concatenate([self._waiting, noisy], axis=1)
        else:
            self._not_kept += self._waiting.shape[1] + noisy.shape[1]
            self._waiting = _NOTHING

    def give(self, enhanced: Array) -> Array:
        """(1, M) enhanced -> (1, M) limited."""
        alone = min(enhanced.shape[1], self._not_kept)
        self._not_kept -= alone
        count = enhanced.shape[1] - alone
        noisy, self._waiting = self._waiting[:, :count], self._waiting[:, count:]
        if not (self._gain or self._target):
            return enhanced
        limited = mixed(enhanced[:, alone:], noisy, self._next_gains(count))
        return np.concatenate([enhanced[:, :alone], limited], axis=1)

    def _next_gains(self, count: int) -> float | Array:
        """Of the next samples."""
        way = self._target - self._gain
        if not way:
            return self._gain
        ramp = self._gain + math.copysign(self._step, way) * np.arange(1, count + 1)
        gains: Array = np.clip(ramp, min(self._gain, self._target), max(self._gain, self._target))
        arrived = count * self._step >= abs(way)
        self._gain = self._target if arrived else self._gain + math.copysign(count * self._step, way)
        return gains
