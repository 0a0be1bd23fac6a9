"""Speech made whisper-like: the vocal tract's resonances, excited by noise instead of the vocal cords."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from zoo.arrays import Array

ORDER_PER_KILOHERTZ = 1  # coefficients, and two more
FRAME_SECONDS = 0.032
TILT = 0.7  # coefficient of the pre-emphasis that takes out the fall of voiced sounds


def whispered(speech: Array, noise: Array, sample_rate: int) -> Array:
    """Replace the linear prediction residual of speech by noise of the same power, frame by frame.

    Args:
        speech: (B, N) float32, of any level.
        noise: (B, N) float32, white, of unit power.
        sample_rate: in Hz.

    Returns:
        (B, N) float32 of the power that ``speech`` has, row by row.
    """
    size = 2 * round(FRAME_SECONDS * sample_rate / 2)
    order, hop, length = 2 + round(ORDER_PER_KILOHERTZ * sample_rate / 1000), size // 2, speech.shape[1]
    window = np.sin(np.pi * np.arange(size) / size)
    emphasised = np.pad(speech[:, 1:] - TILT * speech[:, :-1], ((0, 0), (1, 0)))
    around = (0, 0), (hop, hop + -length % hop)
    frames, sources = (
        sliding_window_view(np.pad(wave, around), size, 1)[:, ::hop] * window for wave in (emphasised, noise)
    )  # (B, T, size)
    power = np.abs(np.fft.rfft(frames, 2 * size)) ** 2
    correlation = np.fft.irfft(power)[..., : order + 1] / size  # (B, T, order + 1)
    coefficients, residual = prediction(correlation)
    inverse = np.fft.rfft(np.concatenate([np.ones_like(residual)[..., None], -coefficients], 2), size)
    shaped = np.fft.rfft(sources) / np.abs(inverse).clip(1e-3) * np.sqrt(residual.clip(0))[..., None]
    made = np.fft.irfft(shaped, size) * window
    begins, ends = (half.reshape(len(speech), -1) for half in (made[..., :hop], made[..., hop:]))
    wave = (begins[:, hop:] + ends[:, :-hop])[:, :length]
    wanted, got = (np.mean(np.square(x, dtype=np.float64), 1, keepdims=True) for x in (speech, wave))
    scaled: Array = (wave * np.sqrt(wanted / got.clip(1e-12))).astype(np.float32)
    return scaled


def prediction(correlation: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the linear predictors of signals (Levinson and Durbin's recursion).

    Args:
        correlation: (..., P + 1) autocorrelations at lags 0 to P; of silence, zeros.

    Returns:
        coefficients (..., P) of the last P samples, the latest first, and the power (...) that they leave
        unexplained. A white floor 50 dB down keeps it positive.
    """
    error = correlation[..., 0] * (1 + 1e-5) + 1e-12
    coefficients = np.zeros((*correlation.shape[:-1], 0))
    for lag in range(1, correlation.shape[-1]):
        known = (coefficients * correlation[..., 1:lag][..., ::-1]).sum(-1)
        reflection = ((correlation[..., lag] - known) / error)[..., None]
        coefficients = np.concatenate(
            [coefficients - reflection * coefficients[..., ::-1], reflection], axis=-1
        )
        error = error * (1 - reflection[..., 0] ** 2).clip(1e-6)
    return coefficients, error
