"""What lies above a model's band, kept: the recording's own, with the gain that the band's top was given.

A model at 16 kHz knows nothing above 8 kHz. Where it takes noise out of the top of its band (5.6 to 7.2 kHz),
the same share is taken out above; where it lets a fricative through, what that has above is let through too.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.signal.resample import PASS_BAND, Resampler

_HOP = 0.01  # seconds from frame to frame; a frame has two
_LOWEST = 0.7  # of half the model's rate, from where on the gain is measured
_SMOOTHED = 3  # frames that a gain is measured over
_FLOOR = 1e-10  # power of a frame with nothing in it, which is let through
_NEEDED = _SMOOTHED + 2  # hops around one of output, for the gains at both of its ends
_BEFORE = 2  # of those


class HighBand:
    """Adds to the enhanced signal of a channel what the recording has above the model's band.

    The output is as long as the input and aligned with it to the sample.

    Args:
        sample_rate: of both signals, above the model's.
        model_rate: in Hz.
        kept: the share of the recording that is in the enhanced signal already, from 0 to 1.
    """

    def __init__(self, sample_rate: int, model_rate: int, kept: float = 0.0) -> None:
        self._down, self._up = Resampler(sample_rate, model_rate), Resampler(model_rate, sample_rate)
        self._hop, self._kept = round(_HOP * sample_rate), kept
        frequencies = np.fft.rfftfreq(2 * self._hop, 1 / sample_rate)
        low, high = _LOWEST * model_rate / 2, PASS_BAND * model_rate / 2
        self._bins = (frequencies >= low) & (frequencies <= high)
        self._window = np.hanning(2 * self._hop + 1)[:-1].astype(np.float32)
        self._received = self._given = 0
        # Noisy, noisy in the model's band, enhanced; from so many hops before the next output on.
        self._signals = [np.zeros(_BEFORE * self._hop, np.float32) for _ in range(3)]

    def push(self, noisy: Array, enhanced: Array) -> Array:
        """Take what is next of both, (N,) and (M,), and give what that completes, (K,)."""
        self._received += len(noisy)
        self._append(noisy, self._up.push(self._down.push(noisy[None]))[0], enhanced)
        return self._complete()

    def flush(self) -> Array:
        """Give the rest."""
        rest = self._up.push(self._down.flush()), self._up.flush(self._received)
        zeros = np.zeros(_NEEDED * self._hop, np.float32)
        self._append(zeros, np.concatenate([rest[0][0], rest[1][0], zeros]), zeros)
        missing = self._received - self._given
        return self._complete()[:missing]

    def _append(self, *parts: Array) -> None:
        self._signals = [
            np.concatenate([signal, part]) for signal, part in zip(self._signals, parts, strict=True)
        ]

    def _complete(self) -> Array:
        """The output of every hop for which all is there."""
        hop = self._hop
        count = min(map(len, self._signals)) // hop - _NEEDED + 1
        if count < 1:
            return np.zeros(0, np.float32)
        noisy, below, enhanced = (signal[: (count + _NEEDED - 1) * hop] for signal in self._signals)
        power = self._top(enhanced) / self._top(below)
        gains = np.minimum(1, np.sqrt(power))  # at the begin of every hop of output, and at the last end
        shares = np.maximum(0, gains - self._kept)
        part = slice(_BEFORE * hop, (_BEFORE + count) * hop)
        share = np.interp(np.arange(count * hop), np.arange(count + 1) * hop, shares)
        output: Array = enhanced[part] + share.astype(np.float32) * (noisy[part] - below[part])
        self._signals = [signal[count * hop :] for signal in self._signals]
        self._given += len(output)
        return output

    def _top(self, signal: Array) -> NDArray[np.float64]:
        """Power at the top of the model's band, over three frames around each place."""
        frames = sliding_window_view(signal, 2 * self._hop)[:: self._hop] * self._window
        power = np.square(np.abs(np.fft.rfft(frames)[:, self._bins])).sum(1)
        summed: NDArray[np.float64] = np.convolve(power, np.ones(_SMOOTHED), "valid") + _FLOOR
        return summed
