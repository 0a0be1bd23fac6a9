"""Samples on their way from one thread to another, in memory that is taken once."""

from __future__ import annotations

import numpy as np

from zoo.arrays import Array


class Ring:
    """A queue of samples with room for so many: one thread writes, one reads, neither waits.

    Args:
        room: samples.
    """

    def __init__(self, room: int) -> None:
        self._samples: Array = np.zeros(room, np.float32)
        self._written = self._read = 0  # since the start; each changed by one thread only

    def __len__(self) -> int:
        """How many wait."""
        return self._written - self._read

    def write(self, samples: Array) -> int:
        """Append (N,), as far as there is room, and say how many those were."""
        room = len(self._samples)
        count = min(len(samples), room - len(self))
        begin = self._written % room
        first = min(count, room - begin)
        self._samples[begin : begin + first] = samples[:first]
        self._samples[: count - first] = samples[first:count]
        self._written += count
        return count

    def read(self, into: Array) -> int:
        """Fill (N,) from its begin with what waits, and say how many samples those were."""
        room = len(self._samples)
        count = min(len(into), len(self))
        begin = self._read % room
        first = min(count, room - begin)
        into[:first] = self._samples[begin : begin + first]
        into[first:count] = self._samples[: count - first]
        self._read += count
        return count

    def skip(self, count: int) -> int:
        """Take samples out, ``count`` or all that wait, and say how many those were."""
        count = min(count, len(self))
        self._read += count
        return count
