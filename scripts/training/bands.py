"""Bands of frequencies: gains that let one through."""

from __future__ import annotations

import torch
from torch import Tensor


def band_gain(low: Tensor, high: Tensor, bins: int, sample_rate: int, *, order: int = 12) -> Tensor:
    """Gains of Butterworth band-pass filters without their phases, 3 dB down at both ends.

    Args:
        low: (B,) float32, lower end in Hz; 0 for none.
        high: (B,) float32, upper end in Hz; infinity for none.
        bins: F, equally spaced from 0 Hz to half the rate.
        sample_rate: in Hz.
        order: of each end; beyond it the gain falls by 6 dB an octave for each.

    Returns:
        (B, F) float32 in [0, 1].
    """
    frequency = torch.arange(bins, device=low.device) / (bins - 1) * sample_rate / 2
    below = (low[:, None] / frequency.clamp(min=1.0)) ** (2 * order)
    above = (frequency / high[:, None]) ** (2 * order)
    return ((1 + below) * (1 + above)).rsqrt()
