"""Log-mel frames of a waveform, in NumPy: centred frames, Hann window, Slaney's filters.

The field's library for it, librosa, brings numba, LLVM and scikit-learn with it: too much for a base
installation, where these few lines do. They are tested against its numbers.
"""

from __future__ import annotations

from functools import cache
from typing import cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.spec import MelSpectrum

Complex = NDArray[np.complex64]

_LINEAR_BELOW = 1000.0  # Hz: Slaney's scale is linear up to there, 15 mels, and logarithmic above
_HZ_PER_MEL = 200 / 3
_LOG_STEP = np.log(6.4) / 27


def log_mel(waveform: Array, front_end: MelSpectrum) -> Array:
    """The log-mel frames of a recording.

    Args:
        waveform: (N,) float32 at the front end's rate, longer than half a window.
        front_end: the frames' geometry.

    Returns:
        (1 + N // hop, mels) float32.

    Raises:
        AudioError: another shape, or too short.
    """
    if waveform.ndim != 1 or len(waveform) <= front_end.n_fft // 2:
        raise AudioError(
            f"a waveform (N,) longer than {front_end.n_fft // 2} samples is expected, got {waveform.shape}"
        )
    return to_log_mel(np.abs(stft(waveform, front_end)), front_end)


def to_log_mel(magnitude: Array, front_end: MelSpectrum) -> Array:
    """(F, bins) magnitudes -> (F, mels)"""
    bands: Array = np.log(np.maximum(magnitude @ filters(front_end), front_end.floor))
    return bands


def stft(waveform: Array, front_end: MelSpectrum) -> Complex:
    """(N,) -> (1 + N // hop, bins), frames centred on every hop"""
    padded = np.pad(waveform, front_end.n_fft // 2, mode="reflect")
    frames = sliding_window_view(padded, front_end.n_fft)[:: front_end.hop_length]
    return np.fft.rfft(frames * window(front_end.n_fft)).astype(np.complex64)


def istft(spectrum: Complex, front_end: MelSpectrum) -> Array:
    """The waveform whose transform comes nearest: (F, bins) -> (F x hop,)"""
    n_fft, hop, shape = front_end.n_fft, front_end.hop_length, window(front_end.n_fft)
    frames = np.fft.irfft(spectrum, n_fft).astype(np.float32) * shape
    weight = _overlap_add(np.broadcast_to(shape * shape, frames.shape), hop)
    wave = cast(Array, _overlap_add(frames, hop) / np.maximum(weight, 1e-8))
    return np.pad(wave, (0, hop))[n_fft // 2 :][: len(spectrum) * hop]


@cache
def window(length: int) -> Array:
    """A periodic Hann window, (length,)."""
    shape: Array = (np.sin(np.pi * np.arange(length) / length) ** 2).astype(np.float32)
    return shape


@cache
def filters(front_end: MelSpectrum) -> Array:
    """Slaney's triangles, each of unit area over frequency: (bins, mels)."""
    corners = _to_hz(np.linspace(_to_mel(front_end.low), _to_mel(front_end.high), front_end.mels + 2))
    bins = np.linspace(0, front_end.sample_rate / 2, front_end.n_fft // 2 + 1)[:, None]
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    triangles = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    matrix: Array = (np.maximum(triangles, 0) * 2 / (right - left)).astype(np.float32)
    return matrix


def _to_mel(hz: float) -> float:
    if hz < _LINEAR_BELOW:
        return hz / _HZ_PER_MEL
    return float(_LINEAR_BELOW / _HZ_PER_MEL + np.log(hz / _LINEAR_BELOW) / _LOG_STEP)


def spread(front_end: MelSpectrum) -> Array:
    """What brings mel bands back to bins, about: (mels, bins), none negative.

    A band goes to the bins under its filter by their weights, so that a filter's own shape gives one; bins
    that no filter reaches are as the nearest that one does.
    """
    matrix = filters(front_end)
    shares = (matrix / np.maximum((matrix**2).sum(0), 1e-12)).T
    reached = np.flatnonzero(matrix.sum(1))
    nearest = np.clip(np.arange(len(matrix)), reached[0], reached[-1])
    return np.ascontiguousarray(shares[:, nearest])


def _to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _LINEAR_BELOW * np.exp(_LOG_STEP * (mels - _LINEAR_BELOW / _HZ_PER_MEL))
    return np.where(mels < _LINEAR_BELOW / _HZ_PER_MEL, mels * _HZ_PER_MEL, above)


def _overlap_add(frames: Array, hop: int) -> Array:
    """(F, n) -> ((F - 1) x hop + n,), or up to a hop longer"""
    count, length = frames.shape
    parts = -(-length // hop)
    blocks = np.zeros((count + parts - 1, hop), np.float32)
    padded = np.pad(frames, ((0, 0), (0, parts * hop - length)))
    for part in range(parts):
        blocks[part : part + count] += padded[:, part * hop : (part + 1) * hop]
    return blocks.reshape(-1)
