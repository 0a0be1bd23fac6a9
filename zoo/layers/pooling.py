"""Statistics over the frames of a recording, for batches of recordings of one length or of several.

Where lengths differ, rows are padded at their end, and a mask (B, 1, T) or (B, 1, 1, T) holds ones for a
row's own frames and zeros for the padding. No mask means that all frames are the row's own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

VARIANCE_FLOOR = 1e-7
_DROPPED = 1e-8  # an exporter's optimiser takes what is no larger for zero, and leaves its addition out
_SCALE = 2.0**13
EXCLUDED = -1e4  # added to the logit of a padded frame, whose weight is then zero


def keep(x: Tensor, mask: Tensor | None) -> Tensor:
    """Zeros in place of the padding, as a convolution sees beyond a recording's end: (B, ..., T)."""
    return x if mask is None else x * mask


def strided(mask: Tensor | None, stride: int) -> Tensor | None:
    """The mask behind a convolution that takes every ``stride``-th frame, the first among them."""
    return mask if mask is None or stride == 1 else mask[..., ::stride]


def frame_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over a row's own frames: (B, ..., T) -> (B, ..., 1)"""
    if mask is None:
        return x.mean(-1, keepdim=True)
    return (x * mask).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True)


def frame_deviation(x: Tensor, mean: Tensor, mask: Tensor | None, floor: float = VARIANCE_FLOOR) -> Tensor:
    """Standard deviation over a row's own frames, of the unbiased variance: (B, ..., T) -> (B, ..., 1)

    NaN for a single frame. ``floor`` is added to the variance.
    """
    centred = keep(x - mean, mask)
    count = x.shape[-1] if mask is None else mask.sum(-1, keepdim=True)
    variance = (centred * centred).sum(-1, keepdim=True) / (count - 1)
    if floor > _DROPPED:
        return (variance + floor).sqrt()
    return (variance * _SCALE**2 + floor * _SCALE**2).sqrt() / _SCALE


class StatisticsPooling(nn.Module):
    """Mean and standard deviation over time, all means first. No parameters.

    Args:
        floor: added to the variance.
    """

    def __init__(self, floor: float = VARIANCE_FLOOR) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, C, T) or (B, C, F, T) -> (B, 2 x C x F)"""
        mean = frame_mean(x, mask)
        deviation = frame_deviation(x, mean, mask, self.floor)
        return torch.cat([mean.flatten(1), deviation.flatten(1)], dim=1)


class AttentivePooling(nn.Module):
    """Mean and standard deviation over time, each channel weighing the frames by attention.

    Args:
        channels: of the input.
        hidden: of the attention.
        context: whether the attention reads mean and standard deviation of the recording as well.
    """

    def __init__(self, channels: int, hidden: int = 128, *, context: bool) -> None:
        super().__init__()
        self.channels, self.context = channels, context
        self.linear1 = nn.Conv1d(3 * channels if context else channels, hidden, 1)
        self.linear2 = nn.Conv1d(hidden, channels, 1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, C, T) -> (B, 2 C)"""
        weight, bias = self.linear1.weight, self.linear1.bias
        hidden = functional.conv1d(x, weight[:, : self.channels], bias)
        if self.context:  # the same for every frame, so it meets its part of the weight only once
            mean = frame_mean(x, mask)
            statistics = torch.cat([mean, frame_deviation(x, mean, mask)], dim=1)  # (B, 2 C, 1)
            hidden = hidden + functional.conv1d(statistics, weight[:, self.channels :])
        logits = self.linear2(hidden.tanh())
        if mask is not None:
            logits = logits + (1 - mask) * EXCLUDED
        weights = logits.softmax(-1)
        mean = (weights * x).sum(-1)
        variance = (weights * x * x).sum(-1) - mean * mean
        return torch.cat([mean, variance.clamp(min=VARIANCE_FLOOR).sqrt()], dim=1)
