"""FastEnhancer with convolutions over time and frequency, an ablation of the public code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo.layers.conv import CausalConv2d
from zoo.models.fastenhancer.blocks import Block
from zoo.models.fastenhancer.filters import FilterBank
from zoo.models.fastenhancer.rows import SequentialIntoRows, SequentialOutOfRows
from zoo.models.fastenhancer.unet import MaskUNet
from zoo.networks.streaming import State
from zoo.spec import EnhancementSpec


class TimeKernelFastEnhancer(MaskUNet):
    """All but the first and the last convolution see past frames too.

    Args:
        spec, sizes: as in ``MaskUNet``.
        heads: of the attention.
        time_kernel: frames that those convolutions see.
    """

    def __init__(self, spec: EnhancementSpec, *, heads: int, time_kernel: int, **sizes: Any) -> None:
        super().__init__(spec, **sizes)
        self.time_kernel = time_kernel
        channels, bins = self.sizes.block_channels, self.sizes.block_bins
        self.assemble(lambda first: Block(channels, bins, heads, positional=first))

    def mask(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, 2, T, F) -> (B, 2, T, F)"""
        y = self.enc_pre(x)  # (B, C, T, F')
        skips = [y]
        for layer in self.encoder:
            y, state = layer(y, state)
            skips.append(y)
        y, state = self.between(y, state)
        for layer in self.decoder:
            y, state = layer(torch.cat([y, skips.pop()], dim=1), state)
        return self.dec_post(y, skips.pop()), state

    def encoder_conv(self, kernel_size: int) -> nn.Module:
        """A convolution whose output the decoder gets as well: (B, C, T, F') -> (B, C, T, F')"""
        return CausalSequential(*self.conv_norm_act(kernel_size, False))

    def into_blocks(self, filters: Tensor) -> nn.Module:
        """(B, C, T, F') -> (T, B, F'', C')"""
        bank = FilterBank(filters, self.sizes.trained_filters)
        return SequentialIntoRows(bank, *pointwise(self.sizes.channels, self.sizes.block_channels))

    def out_of_blocks(self, filters: Tensor) -> nn.Module:
        """(T, B, F'', C') -> (B, C, T, F')"""
        bank = FilterBank(filters, self.sizes.trained_filters)
        return SequentialOutOfRows(bank, *pointwise(self.sizes.block_channels, self.sizes.channels))

    def decoder_conv(self, kernel_size: int) -> nn.Module:
        """Over what came before and the encoder's output: (B, 2 x C, T, F') -> (B, C, T, F')"""
        channels = self.sizes.channels
        return CausalSequential(
            *pointwise(2 * channels, channels), nn.SiLU(), *self.conv_norm_act(kernel_size, False)
        )

    def conv_norm_act(self, kernel_size: int, bias: bool) -> tuple[nn.Module, ...]:
        """Convolution over time and frequency, norm, SiLU."""
        channels, kernel = self.sizes.channels, (self.time_kernel, kernel_size)
        conv = CausalConv2d(channels, channels, kernel, bins=self.bins, bias=bias)
        return conv, self.norm(), nn.SiLU()


def pointwise(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    """A convolution over channels, and its norm."""
    return nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)


class CausalSequential(nn.Sequential):
    """Layers one after the other, a causal convolution among them."""

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # type: ignore[override]
        """(B, C, T, F) -> (B, C', T, F)"""
        for layer in self:
            if isinstance(layer, CausalConv2d):
                x, state = layer(x, state)
            else:
                x = layer(x)
        return x, state
