"""An enhancer between the two ends of a sound device: rings at the ends, a thread between that computes."""

from __future__ import annotations

import threading

import numpy as np

from zoo.arrays import Array
from zoo.live.ring import Ring
from zoo.tasks.enhancement.stream import Stream

_ROOM = 4.0  # seconds of input that may wait
_PATIENCE = 0.2  # seconds between looks at whether to end


class Line:
    """What a device records goes in by ``feed``; what it plays comes out of ``give``, always as late.

    Both are for the device's own thread: they copy samples and compute nothing. Where the computing is late,
    silence is given in place of what is missing, and that much is left out when it comes: the delay never
    changes.

    Args:
        stream: what enhances.
        block: samples of a call of the device, at the most.
        spare: samples by which the computing may be late beyond a block.
        others: how many besides the device want the output, such as a file; each reads its own of ``rings``.

    Attributes:
        latency: samples from ``feed`` to ``give``.
        heard: samples of input.
        underruns: how often something was missing.
        missing: samples of silence in all of them.
        lost: samples of input for which there was no room.
        unread: samples for which a ring of others had no room.
        energy, counts: of all that was computed so far, input and output: sums of squares, and samples.
        failure: what ended the computing, if something did.
        rings: for others, all the output from the first sample on.
    """

    def __init__(self, stream: Stream, block: int, spare: int, others: int = 0) -> None:
        self.stream = stream
        self.latency = stream.latency.total + block + spare
        most = max(block, stream.sample_rate // 10)  # of one call of the stream
        self._part = np.zeros(most, np.float32)
        room = int(_ROOM * stream.sample_rate)
        self._input = Ring(room)
        room += most + block + self.latency  # for all of the input and what was computed before
        self._output = Ring(room)
        self.rings = [Ring(room) for _ in range(others)]
        self._output.write(np.zeros(self.latency, np.float32))
        self._owed = 0  # samples that were silence, and are left out when they come
        self.heard = self.underruns = self.missing = self.lost = self.unread = 0
        self.energy, self.counts = [0.0, 0.0], [0, 0]
        self.failure: Exception | None = None
        self._come, self._ended = threading.Event(), False
        self._thread = threading.Thread(target=self._work, name="enhancing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def feed(self, samples: Array) -> None:
        """Take (N,) that came, which is copied."""
        self.heard += len(samples)
        lost = len(samples) - self._input.write(samples)
        self.lost += lost
        self._owed -= lost  # their output never comes
        self._come.set()

    def give(self, into: Array) -> None:
        """Fill (N,) with what is next."""
        if self._owed > 0:
            self._owed -= self._output.skip(self._owed)
        count = self._output.read(into) if self._owed <= 0 else 0
        if count < len(into):
            into[count:] = 0
            self.underruns += 1
            self.missing += len(into) - count
            self._owed += len(into) - count

    def stop(self) -> Array:
        """End: all that was fed is computed, and given to ``rings``. Gives the end of the output, (N,)."""
        self._ended = True
        self._come.set()
        self._thread.join()
        return self.stream.flush() if self.failure is None else np.zeros(0, np.float32)

    def _work(self) -> None:
        try:
            while True:
                self._come.wait(_PATIENCE)
                self._come.clear()
                while count := self._input.read(self._part):
                    self._compute(self._part[:count])
                if self._ended and not len(self._input):
                    return
        except Exception as error:  # told by the thread that watches
            self.failure = error

    def _compute(self, samples: Array) -> None:
        enhanced = self.stream.push(samples)
        self._output.write(enhanced)
        for ring in self.rings:
            self.unread += len(enhanced) - ring.write(enhanced)
        for place, signal in enumerate((samples, enhanced)):
            self.energy[place] += float(np.dot(signal, signal))
            self.counts[place] += len(signal)
