"""Griffin-Lim: a waveform whose spectrum has given magnitudes, without any training."""

from __future__ import annotations

from typing import cast

import numpy as np

from zoo.arrays import Array
from zoo.signal.mel import filters, istft, stft
from zoo.spec import MelSpectrum

MOMENTUM = 0.99  # of N. Perraudin et al.: A Fast Griffin-Lim Algorithm, WASPAA 2013
_MAGNITUDE_STEPS = 60


class GriffinLim:
    """Finds magnitudes that give the mel bands, then phases that agree with them. The same every time.

    Its speech is intelligible, but hollow; a trained vocoder sounds better.

    Args:
        front_end: the frames' geometry.
        iterations: transforms there and back.
    """

    name = "griffin-lim"

    def __init__(self, front_end: MelSpectrum, *, iterations: int = 60) -> None:
        self.front_end, self.iterations = front_end, iterations

    def __call__(self, mel: Array) -> Array:
        """(F, mels) natural logarithm of magnitudes -> (F x hop,) float32"""
        if len(mel) == 0:
            return np.zeros(0, np.float32)
        magnitude = magnitudes(mel, self.front_end)
        random = np.random.default_rng(0)
        phase = np.exp(2j * np.pi * random.random(magnitude.shape)).astype(np.complex64)
        before = np.zeros_like(phase)
        for _ in range(self.iterations):
            wave = istft(magnitude * phase, self.front_end)
            rebuilt = stft(wave, self.front_end)[: len(magnitude)]
            phase = rebuilt + MOMENTUM * (rebuilt - before)
            phase /= np.maximum(np.abs(phase), 1e-12)
            before = rebuilt
        return istft(magnitude * phase, self.front_end)


def magnitudes(mel: Array, front_end: MelSpectrum) -> Array:
    """Magnitudes, none negative, whose mel bands are near the given ones: (F, mels) -> (F, bins).

    Multiplicative updates towards the least squares.
    """
    bands = np.exp(mel.astype(np.float32))
    matrix = filters(front_end)
    guess = bands @ (matrix / np.maximum((matrix**2).sum(0), 1e-12)).T
    target = bands @ matrix.T
    for _ in range(_MAGNITUDE_STEPS):
        guess = guess * (target / np.maximum((guess @ matrix) @ matrix.T, 1e-12))
    return cast(Array, guess)
