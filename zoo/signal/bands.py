"""Bands of frequencies: gains that let one through."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.arrays import Array


def band_gain(low: ArrayLike, high: ArrayLike, bins: int, sample_rate: int, *, order: int = 12) -> Array:
    """Compute gains of Butterworth band-pass filters without their phases, 3 dB down at both ends.

    Args:
        low: (...) lower end in Hz; 0 for none.
        high: (...) upper end in Hz; infinity for none.
        bins: F, equally spaced from 0 Hz to half the rate.
        sample_rate: in Hz.
        order: of each end; beyond it the gain falls by 6 dB an octave for each.

    Returns:
        (..., F) float32 in [0, 1].
    """
    frequency = np.linspace(0, sample_rate / 2, bins)
    below = (_column(low) / np.maximum(frequency, 1)) ** (2 * order)
    above = (frequency / _column(high)) ** (2 * order)
    gain: Array = (((1 + below) * (1 + above)) ** -0.5).astype(np.float32)
    return gain


def _column(hertz: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(hertz, np.float64)[..., None]
