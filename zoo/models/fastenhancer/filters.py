"""Filterbanks over frequency, between the convolutions' frequencies and the few of the blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class FilterBank(nn.Module):
    """Weighted sums over frequency: a weight (out, in), trained or fixed."""

    def __init__(self, filters: Tensor, trained: bool) -> None:
        super().__init__()
        if trained:
            self.weight = nn.Parameter(filters)
        else:
            self.register_buffer("weight", filters)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)"""
        return functional.linear(x, self.weight)


def linear_filters(bins: int, bands: int) -> tuple[Tensor, Tensor]:
    """Triangular filters at equal distances, and their transpose: (bands, bins), (bins, bands).

    The rows of each sum to 1.
    """
    merge = functional.normalize(_triangles(bins, bands), p=1, dim=1)
    return merge, functional.normalize(merge.T, p=1, dim=1).contiguous()


def clipped_filters(bins: int, bands: int) -> tuple[Tensor, Tensor]:
    """The same as the public code of the ablations and the non-causal form has them.

    Their triangles are bands / (bands - 1) high, the first and the last cut off at 1, and the transpose is
    taken before the rows are normalised.
    """
    merge = _triangles(bins, bands) * (bands / (bands - 1))
    merge[[0, -1]] = merge[[0, -1]].clamp(max=1)
    return functional.normalize(merge, p=1, dim=1), functional.normalize(merge.T, p=1, dim=1).contiguous()


def _triangles(bins: int, bands: int) -> Tensor:
    """Triangles of height 1 at equal distances, each ending at its neighbours' centres: (bands, bins)."""
    centres = torch.linspace(0, bins - 1, bands)
    spacing = (bins - 1) / (bands - 1)
    distance = (torch.arange(bins) - centres[:, None]).abs() / spacing
    return (1 - distance).clamp(min=0)
