"""Normalisation."""

from __future__ import annotations

from torch import Tensor, nn


class ChannelsLastBatchNorm(nn.BatchNorm1d):
    """Batch norm over the last axis of (..., C); the streaming form folds it into the layer before."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)"""
        return super().forward(x.reshape(-1, x.shape[-1])).view(x.shape)
