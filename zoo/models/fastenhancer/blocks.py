"""FastEnhancer's block: recurrence over time, then attention over frequency."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from zoo.layers.attention import SelfAttention
from zoo.layers.norm import ChannelsLastBatchNorm
from zoo.layers.recurrent import TimeGRU
from zoo.networks.streaming import State


class Block(nn.Module):
    """GRU over time, then attention over frequency, each with projection, norm and residual.

    Args:
        channels, bins: of a frame.
        heads: of the attention.
        positional: whether a trained embedding of the frequency is added before the attention.
    """

    folded_norms: tuple[tuple[str, str], ...] = (("rnn_post_norm", "rnn_fc"), ("attn_post_norm", "attn_fc"))
    norm: Callable[[int], nn.Module] = ChannelsLastBatchNorm
    directions = 1

    def __init__(self, channels: int, bins: int, heads: int, *, positional: bool) -> None:
        super().__init__()
        self.rnn = self.recurrence(channels, bins)
        self.rnn_fc = nn.Linear(self.directions * channels, channels, bias=False)
        self.rnn_post_norm = self.norm(channels)
        self.attn = SelfAttention(channels, heads)
        self.attn_fc = nn.Linear(channels, channels, bias=False)
        self.attn_post_norm = self.norm(channels)
        self.pe = nn.Parameter(positional_embedding(channels, bins)) if positional else None
        normalise_weights(self.rnn)
        normalise_weights(self.attn.qkv)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F, C) -> (T, B, F, C)"""
        y, state = self.over_time(x, state)
        y = linear_rows(self.rnn_fc, y.flatten(0, 1))  # (T x B, F, C)
        y = add_rows(x.flatten(0, 1), self.rnn_post_norm(y))
        if self.pe is not None:
            y = y + self.pe
        projected = linear_rows(self.attn_fc, self.attn(y))
        return add_rows(y, self.attn_post_norm(projected)).view(x.shape), state

    def recurrence(self, channels: int, bins: int) -> nn.GRU:
        """The GRU over time."""
        return TimeGRU(channels, channels, rows=bins)

    def over_time(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F, C) -> (T, B, F, directions x C)"""
        y, state = self.rnn(x, state)
        return y, state


def linear_rows(layer: nn.Linear, x: Tensor) -> Tensor:
    """(N, F, C) -> (N, F, C'), as one product of matrices, which takes the bias along."""
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def add_rows(x: Tensor, y: Tensor) -> Tensor:
    """The sum of two (N, F, C), where ``linear_rows`` left the second one."""
    return (x.flatten(0, 1) + y.flatten(0, 1)).view(x.shape)


def normalise_weights(layer: nn.Module) -> None:
    """Put every weight of a layer under weight norm."""
    for name in [name for name, _ in layer.named_parameters() if name.startswith("weight")]:
        weight_norm(layer, name)


def positional_embedding(channels: int, bins: int) -> Tensor:
    """Sines and cosines over frequency with log-spaced periods: (bins, channels)."""
    position = torch.arange(1, bins + 1) * (math.pi / bins)
    rate = torch.linspace(0, math.log(bins - 1), channels // 2).exp()
    angle = position[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)
