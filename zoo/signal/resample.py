"""Sample rate conversion of a running signal, by any rational ratio, with a short and exact delay.

The method is the polyphase form of a windowed-sinc low-pass filter (Crochiere and Rabiner, Multirate
Digital Signal Processing, 1983) with Kaiser's window. The delay is half the filter: 64 samples at the
lower of the two rates, 4 ms at 16 kHz. Stream resamplers of general libraries hold back several times
that, because they favour throughput.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol

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
_TILE = 32  # outputs of one product of a matrix and a vector, about
_LARGEST_TILE = 8192  # elements of its matrix: with more, BLAS would start threads, which wait for each other
_LONGEST_SUM = 8192  # that einsum always rounds in the same way, however many it makes at once
_LARGEST_TABLE = 1 << 20  # elements of all matrices of a ratio
_PHASES = 1024  # of the interpolated kernel at the lower rate; error 0.4 / 1024**2, or -128 dB
_INTERPOLATED_AT_ONCE = 1 << 18  # elements of kernels
_INPUTS_AT_ONCE = 2048  # or a window: many blocks, so that what is still needed seldom has to move


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


class _Filter(Protocol):
    """The low-pass filter of one ratio, shared by all resamplers that need it.

    Output j lies at input time j * down / up. It weighs the inputs from floor(time) - half + 1 to
    floor(time) + half.

    Attributes:
        half: that.
        width: inputs from ``begin`` on that ``apply`` reads for an output; those that it need not weigh
            nothing.
    """

    half: int
    width: int

    def begin(self, output: int) -> int:
        """The first input time that is read for an output."""
        ...

    def apply(self, signal: Array, time: int, start: int, stop: int) -> Array:
        """(channels, stop - start): outputs, at least one.

        Args:
            signal: (channels, N) contiguous input, with ``width`` samples behind those that weigh.
            time: of its first sample, ``begin(start)`` or before.
        """
        ...


class _Tiles:
    """Filters by products of a matrix and a window of the input: a tile makes the next 32 outputs or so.

    After a period of inputs and outputs all repeats, so a period is cut into tiles, each with its matrix. A
    tile reads from ``step`` inputs after the one before on, so that all windows are views.
    """

    def __init__(self, up: int, down: int) -> None:
        """
        Raises:
            OverflowError: the matrices would be too large.
        """
        scale = min(1.0, up / down)
        self.half = math.ceil(_HALF_WIDTH / scale)
        size, rows = _TILE, 0
        while size and not rows:
            periods = max(1, size // up)  # that are taken as one
            self._outputs, self._inputs = periods * up, periods * down
            self._count = -(-self._outputs // size)
            rows = -(-self._outputs // self._count)
            self._step = rows * down // up
            starts = (np.arange(self._count)[:, None] * rows + np.arange(rows)) * down // up
            offsets = starts - np.arange(self._count)[:, None] * self._step  # in the tile's window
            width = int(offsets.max()) + 2 * self.half
            if rows * width > _LARGEST_TILE:
                size, rows = size // 2, 0
        if not rows or self._count * rows * width > _LARGEST_TABLE:
            raise OverflowError(f"no tiles for {up} / {down}")
        self._rows, self.width = rows, width
        phases = np.arange(self._count * rows) * down % up / up
        kernels = _sample(phases, self.half, scale).reshape(self._count, rows, -1)
        self._matrices = np.zeros((self._count, rows, width), np.float32)
        columns = offsets[:, :, None] + np.arange(2 * self.half)
        np.put_along_axis(self._matrices, columns, kernels.astype(np.float32), axis=2)

    def begin(self, output: int) -> int:
        period, place = divmod(output, self._outputs)
        return period * self._inputs + place // self._rows * self._step - self.half + 1

    def apply(self, signal: Array, time: int, start: int, stop: int) -> Array:
        first, low = divmod(start, self._outputs)
        last, high = divmod(stop - 1, self._outputs)
        low, high = low // self._rows, high // self._rows + 1
        skipped = start - first * self._outputs - low * self._rows
        if self._count == 1 or first == last:
            parts = [self._tiles(signal, time, first, last + 1, low, high)]
        else:  # tiles of the first period, whole ones, tiles of the last
            parts = [self._tiles(signal, time, first, first + 1, low, self._count)]
            if last > first + 1:
                parts.append(self._tiles(signal, time, first + 1, last, 0, self._count))
            parts.append(self._tiles(signal, time, last, last + 1, 0, high))
        output = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return output[:, skipped : skipped + stop - start]

    def _tiles(self, signal: Array, time: int, first: int, last: int, low: int, high: int) -> Array:
        """Tiles ``low`` to ``high`` of the periods ``first`` to ``last``.

        A product always has the same shape, so that the same sums are rounded to the same.
        """
        begin = first * self._inputs + low * self._step - self.half + 1 - time
        windows: Array = np.ndarray(
            (len(signal), last - first, high - low, self.width, 1),
            np.float32,
            signal,
            4 * begin,
            (signal.strides[0], 4 * self._inputs, 4 * self._step, 4, 4),
        )
        output: Array = np.matmul(self._matrices[low:high], windows)
        output = output.reshape(len(signal), last - first, -1)
        surplus = self._count * self._rows - self._outputs
        if surplus and high == self._count:
            output = output[:, :, :-surplus]
        return output.reshape(len(signal), -1)


class _Interpolation:
    """Filters at rates with hardly a common factor: by a fixed number of phases, with straight lines between.

    einsum, unlike matmul, starts no threads, however long the kernels.
    """

    def __init__(self, up: int, down: int) -> None:
        scale = min(1.0, up / down)
        self._up, self._down = up, down
        self.half = math.ceil(_HALF_WIDTH / scale)
        self.width = 2 * self.half
        count = math.ceil(_PHASES * scale)
        self._table = _sample(np.arange(count + 1) / count, self.half, scale).astype(np.float32)

    def begin(self, output: int) -> int:
        return output * self._down // self._up - self.half + 1

    def apply(self, signal: Array, time: int, start: int, stop: int) -> Array:
        step = 1 if self.width > _LONGEST_SUM else _INTERPOLATED_AT_ONCE // self.width
        cuts = [*range(start, stop, step), stop]
        return np.concatenate([self._some(signal, time, a, b) for a, b in pairwise(cuts)], axis=1)

    def _some(self, signal: Array, time: int, start: int, stop: int) -> Array:
        outputs = np.arange(start, stop)
        times, phases = np.divmod(outputs * self._down, self._up)
        row, part = np.divmod(phases * ((len(self._table) - 1) / self._up), 1)
        row, part = row.astype(int), part.astype(np.float32)[:, None]
        kernels = self._table[row] * (1 - part) + self._table[row + 1] * part
        windows = sliding_window_view(signal, self.width, axis=1)[:, times - self.half + 1 - time]
        result: Array = np.einsum("cmt,mt->cm", windows, kernels)
        return result


def _sample(fractions: NDArray[np.float64], half: int, scale: float) -> NDArray[np.float64]:
    """(phases, 2 half): the kernel for outputs that lie ``fractions`` of a sample after an input.

    Args:
        scale: the cut-off relative to half the input rate.
    """
    time = np.arange(1 - half, half + 1) - fractions[:, None]
    position = np.clip(1 - (time * scale / _HALF_WIDTH) ** 2, 0, None)
    kernels: NDArray[np.float64] = (
        np.sinc(scale * (1 + PASS_BAND) / 2 * time) * np.i0(_BETA * np.sqrt(position)) * (position > 0)
    )
    kernels /= kernels.sum(1, keepdims=True)  # a constant stays the same constant
    return kernels


@lru_cache(maxsize=16)
def _design(up: int, down: int) -> _Filter:
    try:
        return _Tiles(up, down)
    except OverflowError:
        return _Interpolation(up, down)


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
        if self._filter is not None:
            # What the next output needs of the past, what comes, and zeros behind it.
            width = self._filter.width
            self._at_once = max(_INPUTS_AT_ONCE, width)
            self._buffer = np.zeros((channels, width + self._at_once + width), np.float32)
        self.reset()

    def reset(self) -> None:
        """Go back to before the first sample."""
        self._ended = False
        self._received = self._sent = 0
        if self._filter is not None:
            self._buffer.fill(0)  # and so it stays behind what came
            self._time = 1 - self._filter.half  # of the buffer's first sample
            self._end = self._filter.half - 1  # where the buffer goes on

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
        return self._send(self._filter, block, self.output_length(max(0, self._received - self.latency)))

    def flush(self, total: int | None = None) -> Array:
        """End the signal: give the rest of the output. ``reset`` begins another signal.

        Args:
            total: output samples of the whole signal; default ``output_length`` of all the input.

        Returns:
            (channels, m) float32.
        """
        total = self.output_length(self._received) if total is None else total
        self._ended = True
        if self._filter is None or total <= self._sent:
            return np.zeros((self.channels, max(0, total - self._sent)), np.float32)
        needed = (total - 1) * self._down // self._up + self.latency + 1
        zeros = np.zeros((self.channels, needed - self._time - self._end), np.float32)
        return self._send(self._filter, zeros, total)

    def _send(self, filter_: _Filter, block: Array, end: int) -> Array:
        """Take input in, a little at a time; give output from the first unsent sample to ``end``."""
        if block.shape[1] <= self._at_once:
            self._append(filter_, block)
            return self._output(filter_, end)
        output = np.empty((self.channels, end - self._sent), np.float32)
        begin = self._sent
        for start in range(0, block.shape[1], self._at_once):
            self._append(filter_, block[:, start : start + self._at_once])
            complete = self.output_length(max(0, self._time + self._end - self.latency))
            done = self._sent - begin
            part = self._output(filter_, min(end, complete))
            output[:, done : done + part.shape[1]] = part
        return output

    def _append(self, filter_: _Filter, block: Array) -> None:
        """Put input into the buffer; if there is no room, what is still needed moves to its front before."""
        stop = self._end + block.shape[1]
        if stop + filter_.width > self._buffer.shape[1]:
            first = filter_.begin(self._sent) - self._time
            kept = self._buffer[:, first : self._end].copy()
            self._buffer[:, : kept.shape[1]] = kept
            self._buffer[:, kept.shape[1] : self._end] = 0
            self._time += first
            self._end = kept.shape[1]
            stop = self._end + block.shape[1]
        self._buffer[:, self._end : stop] = block
        self._end = stop

    def _output(self, filter_: _Filter, end: int) -> Array:
        """Output from the first unsent sample to ``end``."""
        if end <= self._sent:
            return np.zeros((self.channels, 0), np.float32)
        output = filter_.apply(self._buffer, self._time, self._sent, end)
        self._sent = end
        return output
