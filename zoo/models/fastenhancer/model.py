"""FastEnhancer: convolutions over frequency around blocks of recurrence over time and attention.

S. Ahn, J. Han, B. J. Woo, N. S. Kim: FastEnhancer: Speed-Optimized Streaming Neural Speech Enhancement,
2025. Parameter names are those of the public implementation's training form.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from zoo.layers.attention import SelfAttention
from zoo.layers.conv import NormalizedConvTranspose1d, StridedConv1d
from zoo.layers.norm import ChannelsLastBatchNorm
from zoo.layers.recurrent import TimeGRU
from zoo.layers.spectrum import complex_product, compress, decompress
from zoo.spec import ModelSpec
from zoo.streaming.state import State, StreamingModule


class FastEnhancer(StreamingModule):
    """Complex ratio mask on the compressed spectrum without its last bin.

    Args:
        spec: the model's record.
        channels: of the convolutions.
        kernel_sizes: over frequency; the first convolution has the stride.
        stride: of the first convolution, by which frequencies are merged.
        block_channels, block_bins: channels and frequencies of the blocks.
        blocks: their number.
        heads: of the attention.
        trained_filters: whether the maps between ``block_bins`` and the convolutions' frequencies are
            trained (parameters) or fixed (buffers).
        compression: exponent of the magnitude.
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        channels: int,
        kernel_sizes: tuple[int, ...],
        stride: int,
        block_channels: int,
        block_bins: int,
        blocks: int,
        heads: int,
        trained_filters: bool,
        compression: float,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.compression = compression
        first, *others = kernel_sizes
        bins = spec.front_end.n_fft // 2 // stride
        into, out_of = (FilterBank(filters, trained_filters) for filters in linear_filters(bins, block_bins))
        self.enc_pre = nn.Sequential(
            StridedConv1d(2, channels, first, stride, (first - stride) // 2),
            nn.BatchNorm1d(channels),
            nn.SiLU(),
        )
        self.encoder = nn.ModuleList([nn.Sequential(*conv_norm_act(channels, channels, k)) for k in others])
        self.rf_pre = nn.Sequential(
            into, nn.Conv1d(channels, block_channels, 1, bias=False), nn.BatchNorm1d(block_channels)
        )
        self.rf_block = nn.ModuleList(
            [Block(block_channels, block_bins, heads, positional=i == 0) for i in range(blocks)]
        )
        self.rf_post = nn.Sequential(
            out_of, nn.Conv1d(block_channels, channels, 1, bias=False), nn.BatchNorm1d(channels)
        )
        self.decoder = nn.ModuleList(
            [
                nn.Sequential(
                    *conv_norm_act(2 * channels, channels, 1), *conv_norm_act(channels, channels, k)
                )
                for k in reversed(others)
            ]
        )
        self.dec_post = nn.Sequential(
            *conv_norm_act(2 * channels, channels, 1),
            NormalizedConvTranspose1d(channels, 2, first, stride, bins),
        )
        self.name_states()

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F, T, 2) -> (B, F, T, 2)"""
        batch, _, frames, _ = x.shape
        x = x.permute(0, 2, 3, 1)[..., :-1]  # (B, T, 2, F - 1)
        x = compress(x, self.compression)
        y = self.enc_pre(x.flatten(0, 1))  # (B x T, C, F')
        skips = [y]
        for layer in self.encoder:
            y = layer(y)
            skips.append(y)
        y = self.rf_pre(y).unflatten(0, (batch, frames)).permute(1, 0, 3, 2)  # (T, B, F'', C')
        for block in self.rf_block:
            y, state = block(y, state)
        y = self.rf_post(y.permute(1, 0, 3, 2).flatten(0, 1))  # (B x T, C, F')
        for layer in (*self.decoder, self.dec_post):
            y = layer(torch.cat([y, skips.pop()], dim=1))
        enhanced = decompress(complex_product(x, y.view(x.shape)), self.compression)
        return functional.pad(enhanced, (0, 1)).permute(0, 3, 1, 2), state


class Block(nn.Module):
    """GRU over time, then attention over frequency, each with projection, batch norm and residual."""

    folded_norms = (("rnn_post_norm", "rnn_fc"), ("attn_post_norm", "attn_fc"))

    def __init__(self, channels: int, bins: int, heads: int, *, positional: bool) -> None:
        super().__init__()
        self.rnn = TimeGRU(channels, channels, rows=bins)
        self.rnn_fc = nn.Linear(channels, channels, bias=False)
        self.rnn_post_norm = ChannelsLastBatchNorm(channels)
        self.attn = SelfAttention(channels, heads)
        self.attn_fc = nn.Linear(channels, channels, bias=False)
        self.attn_post_norm = ChannelsLastBatchNorm(channels)
        self.pe = nn.Parameter(positional_embedding(channels, bins)) if positional else None
        weight_norm(self.rnn, "weight_ih_l0")
        weight_norm(self.rnn, "weight_hh_l0")
        weight_norm(self.attn.qkv)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F, C) -> (T, B, F, C)"""
        y, state = self.rnn(x, state)
        x = x + self.rnn_post_norm(self.rnn_fc(y))
        if self.pe is not None:
            x = x + self.pe
        y = self.attn(x.flatten(0, 1)).view(x.shape)
        return x + self.attn_post_norm(self.attn_fc(y)), state


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


def conv_norm_act(in_channels: int, out_channels: int, kernel_size: int) -> tuple[nn.Module, ...]:
    """Convolution that keeps the number of frequencies, batch norm, SiLU."""
    return (
        nn.Conv1d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm1d(out_channels),
        nn.SiLU(),
    )


def linear_filters(bins: int, bands: int) -> tuple[Tensor, Tensor]:
    """Triangular filters at equal distances, and their transpose: (bands, bins), (bins, bands).

    The rows of each sum to 1.
    """
    centres = torch.linspace(0, bins - 1, bands)
    spacing = (bins - 1) / (bands - 1)
    distance = (torch.arange(bins) - centres[:, None]).abs() / spacing
    merge = functional.normalize((1 - distance).clamp(min=0), p=1, dim=1)
    return merge, functional.normalize(merge.T, p=1, dim=1).contiguous()


def positional_embedding(channels: int, bins: int) -> Tensor:
    """Sines and cosines over frequency with log-spaced periods: (bins, channels)."""
    position = torch.arange(1, bins + 1) * (math.pi / bins)
    rate = torch.linspace(0, math.log(bins - 1), channels // 2).exp()
    angle = position[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)
