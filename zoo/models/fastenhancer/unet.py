"""What all forms of FastEnhancer share: convolutions over frequency around something at few frequencies."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.conv import NormalizedConvTranspose1d, StridedConv1d
from zoo.layers.spectrum import complex_product, compress, decompress
from zoo.models.fastenhancer.filters import FilterBank
from zoo.streaming.state import State, StreamingModule


class MaskUNet(StreamingModule):
    """Complex ratio mask on the compressed spectrum without its last bin.

    Subclasses have encoder and decoder, and define ``between``: what happens at few frequencies.
    """

    compression: float  # exponent of the magnitude
    enc_pre: nn.Sequential
    encoder: nn.ModuleList
    decoder: nn.ModuleList
    dec_post: nn.Sequential

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F, T, 2) -> (B, F, T, 2)"""
        x = x.permute(0, 2, 3, 1)[..., :-1]  # (B, T, 2, F - 1)
        x = compress(x, self.compression)
        mask, state = self.mask(x, state)
        enhanced = decompress(complex_product(x, mask), self.compression)
        return functional.pad(enhanced, (0, 1)).permute(0, 3, 1, 2), state

    def mask(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, 2, F) -> (B, T, 2, F)"""
        batch, frames, _, _ = x.shape
        y = self.enc_pre(x.flatten(0, 1))  # (B x T, C, F')
        skips = [y]
        for layer in self.encoder:
            y = layer(y)
            skips.append(y)
        y, state = self.between(y, batch, frames, state)
        for layer in (*self.decoder, self.dec_post):
            y = layer(torch.cat([y, skips.pop()], dim=1))
        return y.view(x.shape), state

    def between(self, y: Tensor, batch: int, frames: int, state: State) -> tuple[Tensor, State]:
        """(B x T, C, F') -> (B x T, C, F')"""
        raise TypeError(f"{type(self).__name__} must define between(y, batch, frames, state)")


def to_blocks(pre: nn.Module, y: Tensor, batch: int, frames: int) -> Tensor:
    """Into the blocks: (B x T, C, F') -> (T, B, F'', C')"""
    return pre(y).unflatten(0, (batch, frames)).permute(1, 0, 3, 2)


def from_blocks(post: nn.Module, y: Tensor) -> Tensor:
    """Out of the blocks: (T, B, F'', C') -> (B x T, C, F')"""
    return post(y.permute(1, 0, 3, 2).flatten(0, 1))


def through_blocks(blocks: Iterable[nn.Module], y: Tensor, state: State) -> tuple[Tensor, State]:
    """(T, B, F'', C') -> (T, B, F'', C')"""
    for block in blocks:
        y, state = block(y, state)
    return y, state


def strided_conv(channels: int, kernel_size: int, stride: int) -> nn.Sequential:
    """The first convolution, which merges ``stride`` frequencies: (B, 2, F) -> (B, C, F / stride)"""
    return nn.Sequential(
        StridedConv1d(2, channels, kernel_size, stride, (kernel_size - stride) // 2),
        nn.BatchNorm1d(channels),
        nn.SiLU(),
    )


def conv_norm_act(in_channels: int, out_channels: int, kernel_size: int) -> tuple[nn.Module, ...]:
    """Convolution that keeps the number of frequencies, batch norm, SiLU."""
    return (
        nn.Conv1d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm1d(out_channels),
        nn.SiLU(),
    )


def encoder_convs(channels: int, kernel_sizes: Iterable[int]) -> nn.ModuleList:
    """Convolutions whose outputs the decoder gets as well."""
    return nn.ModuleList([nn.Sequential(*conv_norm_act(channels, channels, k)) for k in kernel_sizes])


def decoder_convs(channels: int, kernel_sizes: Iterable[int]) -> nn.ModuleList:
    """Convolutions over what came before and the encoder's output of the same depth."""
    return nn.ModuleList(
        [
            nn.Sequential(*conv_norm_act(2 * channels, channels, 1), *conv_norm_act(channels, channels, k))
            for k in kernel_sizes
        ]
    )


def refilter(filters: Tensor, trained: bool, in_channels: int, out_channels: int) -> nn.Sequential:
    """To other frequencies and channels: filterbank, pointwise convolution, batch norm."""
    return nn.Sequential(
        FilterBank(filters, trained),
        nn.Conv1d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm1d(out_channels),
    )


def mask_conv(channels: int, kernel_size: int, stride: int, bins: int) -> nn.Sequential:
    """The last convolutions, back to all frequencies: (B, 2 x C, bins) -> (B, 2, bins x stride)"""
    return nn.Sequential(
        *conv_norm_act(2 * channels, channels, 1),
        NormalizedConvTranspose1d(channels, 2, kernel_size, stride, bins),
    )
