"""Bands that are equally wide on the ERB scale."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

LOW_BINS = 65  # kept as they are; those above are merged into bands
BANDS = 64


class ERBBands(nn.Module):
    """Merges high frequencies into bands equally wide on the ERB scale, and spreads them again.

    The filters are fixed, yet saved with the weights, as the public checkpoints do.
    """

    def __init__(self, n_fft: int, sample_rate: int) -> None:
        super().__init__()
        filters = torch.from_numpy(erb_filters(n_fft, sample_rate))  # (BANDS, bins - LOW_BINS)
        self.erb_fc = nn.Linear(filters.shape[1], BANDS, bias=False)
        self.ierb_fc = nn.Linear(BANDS, filters.shape[1], bias=False)
        self.erb_fc.weight = nn.Parameter(filters, requires_grad=False)
        self.ierb_fc.weight = nn.Parameter(filters.T.contiguous(), requires_grad=False)

    def merge(self, x: Tensor) -> Tensor:
        """(..., 257) -> (..., 129)"""
        return torch.cat([x[..., :LOW_BINS], self.erb_fc(x[..., LOW_BINS:])], dim=-1)

    def split(self, x: Tensor) -> Tensor:
        """(..., 129) -> (..., 257)"""
        return torch.cat([x[..., :LOW_BINS], self.ierb_fc(x[..., LOW_BINS:])], dim=-1)


def erb_filters(n_fft: int, sample_rate: int) -> np.ndarray:
    """Triangular filters between points equally far apart on the ERB scale, float32 (BANDS, bins - LOW_BINS).

    The scale is 21.4 log10(1 + 0.00437 f) (Glasberg and Moore, 1990).
    """

    def erb(hertz: float) -> float:
        return 21.4 * np.log10(0.00437 * hertz + 1)

    points = np.linspace(erb(LOW_BINS / n_fft * sample_rate), erb(sample_rate / 2), BANDS)
    edges = np.round((10 ** (points / 21.4) - 1) / 0.00437 / sample_rate * n_fft).astype(int)
    filters = np.zeros((BANDS, n_fft // 2 + 1))
    for band in range(1, BANDS):
        low, high = edges[band - 1], edges[band]
        rise = (np.arange(low, high) - low) / (high - low)
        filters[band, low:high] = rise
        filters[band - 1, low:high] = 1 - rise
    filters[-1, edges[-1]] = 1
    return filters[:, LOW_BINS:].astype(np.float32)
