"""Sample rate conversion of a running signal, by any rational ratio, with a short and exact delay.

The method is the polyphase form of a windowed-sinc low-pass filter (Crochiere and Rabiner, Multirate
Digital Signal Processing, 1983) with Kaiser's window. The delay is half the filter: 64 samples at the
lower of the two rates, 4 ms at 16 kHz. Stream resamplers of general libraries hold back several times
that, because they favour throughput.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import AudioError

PASS_BAND = 0.9  # of half the lower rate; the stop band begins at that half
STOP_BAND_DB = 100.0
LOWEST_RATE, HIGHEST_RATE = 1000, 768_000

# Kaiser's formulas for the length and the shape, the length as half-width at the lower rate.
_HALF_WIDTH = math.ceil((STOP_BAND_DB - 7.95) / (2.285 * math.pi * (1 - PASS_BAND)) / 2)
_BETA = 0.1102 * (STOP_BAND_DB - 8.7)
_PHASES = 1024  # of the interpolated kernel at the lower rate; error 0.4 / 1024**2, or -128 dB
_LARGEST_MATRIX = 1 << 20  # elements
_OUTPUTS_AT_ONCE = 512  # of an interpolated kernel


def check_rate(rate: Any, what: str = "sample rate") -> int:
    """``rate`` as an int.

    Raises:
        AudioError: not a whole number of Hz from 1000 to 768000.
    """
    if not isinstance(rate, (int, np.integer)) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{what} {rate!r} is not a whole number of Hz from {LOWEST_RATE} to {HIGHEST_RATE}; "
            f"pass the rate at which the audio was recorded"
        )
    return int(rate)


class _Filter:
    """The low-pass filter of one ratio, shared by all resamplers that need it.

    Output j lies at input time j * down / up. It weighs the inputs from floor(time) - half + 1 to
    floor(time) + half.
    """

    def __init__(self, up: int, down: int) -> None:
        self.up, self.down = up, down
        self._scale = min(1.0, up / down)  # cut-off relative to half the input rate
        self.half = math.ceil(_HALF_WIDTH / self._scale)
        # After a period of `down` inputs and `up` outputs all repeats: a row of the matrix makes one
        # output of the period from the inputs that any of them needs.
        self.matrix: Array | None = None
        self._table = np.empty((0, 0), np.float32)
        width = down + 2 * self.half - 1
        if up * width <= _LARGEST_MATRIX:
            times, phases = np.divmod(np.arange(up) * down, up)
            columns = times[:, None] + np.arange(2 * self.half)
            self.matrix = np.zeros((up, width), np.float32)
            self.matrix[np.arange(up)[:, None], columns] = self._sample(phases / up)
        else:
            # Rates with hardly a common factor: a fixed number of phases, with straight lines between.
            count = math.ceil(_PHASES * self._scale)
            self._table = self._sample(np.arange(count + 1) / count).astype(np.float32)

    def _sample(self, fractions: NDArray[np.float64]) -> NDArray[np.float64]:
        """(phases, 2 half): the kernel for outputs that lie ``fractions`` of a sample after an input."""
        time = np.arange(1 - self.half, self.half + 1) - fractions[:, None]
        cutoff = self._scale * (1 + PASS_BAND) / 2
        position = np.clip(1 - (time * self._scale / _HALF_WIDTH) ** 2, 0, None)
        kernels: NDArray[np.float64] = (
            np.sinc(cutoff * time) * np.i0(_BETA * np.sqrt(position)) * (position > 0)
        )
        kernels /= kernels.sum(1, keepdims=True)  # a constant stays the same constant
        return kernels

    def apply(self, read: Callable[[int, int], Array], start: int, stop: int) -> Array:
        """(channels, stop - start): outputs, at least one; ``read`` gives the input between times."""
        if self.matrix is not None:
            return self._by_matrix(self.matrix, read, start, stop)
        cuts = [*range(start, stop, _OUTPUTS_AT_ONCE), stop]
        return np.concatenate([self._by_kernels(read, a, b) for a, b in pairwise(cuts)], axis=1)

    def _by_matrix(self, matrix: Array, read: Callable[[int, int], Array], start: int, stop: int) -> Array:
        first, last = start // self.up, (stop - 1) // self.up
        begin = first * self.down - self.half + 1
        low, high = start - first * self.up, stop - first * self.up
        if first == last:  # within one period: only the outputs that are needed of it
            matrix, low, high = matrix[low:high], 0, high - low
        width = matrix.shape[1]  # always the same, so that the same sums are rounded to the same
        signal = read(begin, begin + (last - first) * self.down + width)
        windows = sliding_window_view(signal, width, axis=1)[:, :: self.down]
        return _dot("ckw,ow->cko", windows, matrix).reshape(len(signal), -1)[:, low:high]

    def _by_kernels(self, read: Callable[[int, int], Array], start: int, stop: int) -> Array:
        outputs = np.arange(start, stop)
        times, phases = np.divmod(outputs * self.down, self.up)
        row, part = np.divmod(phases * ((len(self._table) - 1) / self.up), 1)
        row, part = row.astype(int), part.astype(np.float32)[:, None]
        kernels = self._table[row] * (1 - part) + self._table[row + 1] * part
        signal = read(int(times[0]) - self.half + 1, int(times[-1]) + self.half + 1)
        windows = sliding_window_view(signal, 2 * self.half, axis=1)[:, times - times[0]]
        return _dot("cmt,mt->cm", windows, kernels)


def _dot(subscripts: str, signal: Array, kernels: Array) -> Array:
    """einsum, which unlike matmul starts no threads: on a busy machine those of BLAS wait for each other."""
    result: Array = np.einsum(subscripts, signal, kernels)
    return result


@lru_cache(maxsize=16)
def _design(up: int, down: int) -> _Filter:
    return _Filter(up, down)


def resample(wave: Array, source_rate: int, target_rate: int) -> Array:
    """A whole signal at another rate: (N,) -> (ceil(N * target / source),) float32

    Raises:
        AudioError: as ``Resampler``.
    """
    resampler = Resampler(source_rate, target_rate)
    joined: Array = np.concatenate([resampler.push(wave[None]), resampler.flush()], axis=1)[0]
    return joined


class Resampler:
    """Converts one or more channels, block by block, as if they came in one piece.

    Output sample j lies exactly at input time j * source_rate / target_rate; before the start and
    after the end the signal is zero. The pass band reaches to 0.9 of half the lower rate, and from
    that half on the filter takes 100 dB off. However the input is cut, the outputs joined are the same,
    to the last bit: what is left of an empty band is rounding, and some networks read its logarithm.

    Attributes:
        source_rate, target_rate: in Hz.
        channels: rows of every block.
        latency: output j comes in the push that brings input sample
            floor(j * source_rate / target_rate) + latency.
    """

    def __init__(self, source_rate: int, target_rate: int, channels: int = 1) -> None:
        """
        Raises:
            AudioError: a rate that is not a whole number from 1000 to 768000.
        """
        self.source_rate = check_rate(source_rate, "source rate")
        self.target_rate = check_rate(target_rate, "target rate")
        self.channels = channels
        common = math.gcd(self.source_rate, self.target_rate)
        self._up, self._down = self.target_rate // common, self.source_rate // common
        self._filter = None if self._up == self._down else _design(self._up, self._down)
        self.latency = 0 if self._filter is None else self._filter.half
        self.reset()

    def reset(self) -> None:
        """Go back to before the first sample."""
        self._ended = False
        self._received = self._sent = 0
        # Samples that are still needed, the first at input time _start; zeros before time 0.
        self._start = 0 if self._filter is None else 1 - self._filter.half
        self._kept = np.zeros((self.channels, -self._start), np.float32)

    def output_length(self, inputs: int) -> int:
        """Samples that ``inputs`` samples become in all: ceil(inputs * target / source)."""
        return -(-inputs * self._up // self._down)

    def push(self, block: Array) -> Array:
        """Take the next input and give all output that it completes.

        Args:
            block: (channels, n) float32, n of 0 or more.

        Returns:
            (channels, m) float32.

        Raises:
            AudioError: another shape, or the signal has ended and ``reset`` was not called.
        """
        if self._ended:
            raise AudioError("this resampler was flushed; call reset() before the next signal")
        if block.ndim != 2 or len(block) != self.channels:
            raise AudioError(f"a block of shape ({self.channels}, n) is expected, got {block.shape}")
        self._received += block.shape[1]
        if self._filter is None:
            self._sent = self._received
            return block.astype(np.float32)
        self._kept = np.concatenate([self._kept, block], axis=1, dtype=np.float32)
        return self._send(self._filter, self.output_length(max(0, self._received - self.latency)))

    def flush(self, total: int | None = None) -> Array:
        """End the signal: give the rest of the output. ``reset`` begins another signal.

        Args:
            total: output samples of the whole signal; default ``output_length`` of all the input.

        Returns:
            (channels, m) float32.
        """
        total = self.output_length(self._received) if total is None else total
        self._ended = True
        if self._filter is None:
            return np.zeros((self.channels, max(0, total - self._sent)), np.float32)
        return self._send(self._filter, total)

    def _send(self, filter_: _Filter, end: int) -> Array:
        """Output from the first unsent sample to ``end``; drops the input that is done with."""
        if end <= self._sent:
            return np.zeros((self.channels, 0), np.float32)
        output = filter_.apply(self._input, self._sent, end)
        self._sent = end
        first = end * self._down // self._up - filter_.half + 1
        if first > self._start:
            self._kept = self._kept[:, first - self._start :].copy()
            self._start = first
        return output

    def _input(self, start: int, stop: int) -> Array:
        """(channels, stop - start): input between two times; zeros where none is there."""
        kept = self._kept[:, max(0, start - self._start) : stop - self._start]
        before = max(0, min(self._start, stop) - start)
        return np.pad(kept, ((0, 0), (before, stop - start - before - kept.shape[1])))
