"""What can make a waveform of log-mel frames: the interface between a backend and its callers, and a stream
of it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from zoo.arrays import Array
from zoo.spec import MelSpectrum

State = dict[str, Array]
HOPS_AT_ONCE = 256  # frames of one call, where their number is free: three seconds


class VocoderSession(Protocol):
    """A loaded vocoder; what ``zoo.vocoder.Vocoder`` tells, and more.

    Attributes:
        name: the model or file, for messages.
        backend: what computes: ``onnxruntime``, ``torch``, ...
        front_end: the frames' geometry.
    """

    name: str
    backend: str
    front_end: MelSpectrum

    def waveform(self, mel: Array) -> Array:
        """(F, mels) natural logarithm of magnitudes -> (F x hop,) float32"""
        ...

    def __call__(self, mel: Array) -> Array:
        """The same."""
        ...


class StreamingVocoder:
    """A vocoder that goes on where it was: what graphs and networks of ours have in common.

    Subclasses define ``initial_state`` and ``run``.

    Attributes:
        latency: samples by which what ``run`` gives is late.
        hops: frames of a call; None for any number.
    """

    name: str
    backend: str
    front_end: MelSpectrum
    latency: int
    hops: int | None

    def initial_state(self) -> State:
        """What every stream begins with."""
        raise TypeError(f"{type(self).__name__} must define initial_state")

    def run(self, mel: Array, state: State) -> tuple[Array, State]:
        """The next frames (K, mels), ``hops`` of them -> (K x hop,) and the state behind them"""
        raise TypeError(f"{type(self).__name__} must define run(mel, state)")

    def waveform(self, mel: Array) -> Array:
        """See ``VocoderSession``."""
        stream = self.stream()
        return np.concatenate([stream.push(mel), stream.flush()])

    def __call__(self, mel: Array) -> Array:
        """See ``VocoderSession``."""
        return self.waveform(mel)

    def stream(self) -> VocoderStream:
        """A stream, to which frames are given as they come."""
        return VocoderStream(self)


class VocoderStream:
    """Log-mel frames in pieces of any length, and the waveform as soon as it can be had.

    All that is pushed and flushed, one piece after the other, is what the vocoder makes of all frames at
    once.

    Args:
        session: what computes.
    """

    def __init__(self, session: StreamingVocoder) -> None:
        self._session, self._silence = session, np.log(session.front_end.floor)
        self._begin()

    def _begin(self) -> None:
        self._state = self._session.initial_state()
        self._waiting = np.zeros((0, self._session.front_end.mels), np.float32)
        self._early, self._owed = self._session.latency, 0

    def push(self, mel: Array) -> Array:
        """The next frames (F, mels) -> the samples that are ready, (N,)"""
        self._owed += len(mel) * self._session.front_end.hop_length
        return self._ready(np.asarray(mel, np.float32))

    def flush(self) -> Array:
        """Silence follows: the rest of the waveform, (N,). Then everything begins anew."""
        hop, hops = self._session.front_end.hop_length, self._session.hops or 1
        wanted = -(-(self._owed + self._early) // hop) if self._owed else 0
        wanted = -(-wanted // hops) * hops - len(self._waiting)
        padding = np.full((wanted, self._waiting.shape[1]), self._silence, np.float32)
        owed = self._owed
        rest = self._ready(padding)[:owed]
        self._begin()
        return rest

    def _ready(self, mel: Array) -> Array:
        """What comes out for more frames; those that make no whole call wait."""
        mel = np.concatenate([self._waiting, mel])
        hops = self._session.hops
        step = hops or HOPS_AT_ONCE
        whole = len(mel) // hops * hops if hops else len(mel)
        waves = [np.zeros(0, np.float32)]
        for start in range(0, whole, step):
            wave, self._state = self._session.run(mel[start : min(start + step, whole)], self._state)
            waves.append(wave)
        self._waiting = mel[whole:]
        wave = np.concatenate(waves)
        skipped = min(self._early, len(wave))
        self._early -= skipped
        self._owed = max(0, self._owed - len(wave) + skipped)
        return wave[skipped:]
