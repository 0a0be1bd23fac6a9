"""Reads one channel of a recording at a model's rate: part by part, and pieces of it that share the whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.signal.audio import AudioReader
from zoo.signal.resample import Resampler

_SECONDS = 10  # of a part


def one_channel(channels: NDArray[Any], mix_down: bool) -> NDArray[Any]:
    """The first channel, or the mean of all: (channels, n) -> (n,)"""
    return channels.mean(0, dtype=channels.dtype) if mix_down and len(channels) > 1 else channels[0]


class Recording:
    """A file, from its beginning to its end, each time that it is asked for.

    Attributes:
        variation: between the largest and the smallest sample that were read so far.
    """

    def __init__(self, path: str, sample_rate: int, mix_down: bool) -> None:
        """
        Args:
            path: of the file.
            sample_rate: that is wanted, in Hz.
            mix_down: take the mean of the channels in place of the first.
        """
        self.path, self._rate, self._mix_down = path, sample_rate, mix_down
        self.variation = 0.0

    def parts(self) -> Iterator[Array]:
        """All samples in order, (n,) each.

        Raises:
            AudioError: it cannot be read.
        """
        low, high = np.inf, -np.inf
        with AudioReader(self.path) as reader:
            rate = reader.format.sample_rate
            resampler = Resampler(rate, self._rate)
            for block in reader.blocks(_SECONDS * rate):
                channel = one_channel(block, self._mix_down)
                low, high = min(low, channel.min()), max(high, channel.max())
                self.variation = float(high - low)
                yield resampler.push(channel[None])[0]
            yield resampler.flush()[0]

    def pieces(self, longest: int) -> Iterator[Array]:
        """The samples in pieces of one length, but for a sample, that are no longer than ``longest``.

        The file is read twice, to count the samples first.
        """
        samples = sum(len(part) for part in self.parts())
        ends = [end for _, end in pairwise(cuts(samples, longest))]
        held, begin = np.empty(0, np.float32), 0
        for part in self.parts():
            held = np.concatenate([held, part])
            while ends and len(held) >= ends[0] - begin:
                size, begin = ends[0] - begin, ends.pop(0)
                yield held[:size]
                held = held[size:]


def cuts(samples: int, longest: int) -> list[int]:
    """Where a recording is cut into pieces of one length, both ends included."""
    count = -(-samples // longest)
    return [samples * index // count for index in range(count + 1)]
