"""FastEnhancer with convolutions over time and frequency, an ablation of the public code."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.layers.conv import CausalConv2d
from zoo.models.fastenhancer.blocks import Block
from zoo.models.fastenhancer.filters import FilterBank, clipped_filters
from zoo.models.fastenhancer.unet import (
    MaskUNet,
    mask_conv,
    strided_conv,
    through_blocks,
)
from zoo.networks.streaming import State
from zoo.spec import EnhancementSpec


class TimeKernelFastEnhancer(MaskUNet):
    """All but the first and the last convolution see past frames too.

    Args:
        time_kernel: frames that those convolutions see.
        spec, channels, kernel_sizes, stride, block_channels, block_bins, blocks, heads, trained_filters,
            compression: as in ``FastEnhancer``.
    """

    def __init__(
        self,
        spec: EnhancementSpec,
        *,
        channels: int,
        kernel_sizes: tuple[int, ...],
        time_kernel: int,
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
        into, out_of = clipped_filters(bins, block_bins)

        def pointwise(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
            return nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)

        def causal(kernel_size: int) -> tuple[nn.Module, ...]:
            conv = CausalConv2d(channels, channels, (time_kernel, kernel_size), bins=bins, bias=False)
            return conv, nn.BatchNorm2d(channels), nn.SiLU()

        self.enc_pre = strided_conv(channels, first, stride)
        self.encoder = nn.ModuleList([CausalSequential(*causal(k)) for k in others])
        self.rf_pre = nn.Sequential(FilterBank(into, trained_filters), *pointwise(channels, block_channels))
        self.rf_block = nn.ModuleList(
            [Block(block_channels, block_bins, heads, positional=i == 0) for i in range(blocks)]
        )
        self.rf_post = nn.Sequential(
            FilterBank(out_of, trained_filters), *pointwise(block_channels, channels)
        )
        self.decoder = nn.ModuleList(
            [
                CausalSequential(*pointwise(2 * channels, channels), nn.SiLU(), *causal(k))
                for k in reversed(others)
            ]
        )
        self.dec_post = mask_conv(channels, first, stride, bins)
        self.name_states()

    def mask(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, 2, T, F) -> (B, 2, T, F)"""
        y = self.enc_pre(x)  # (B, C, T, F')
        skips = [y]
        for layer in self.encoder:
            y, state = layer(y, state)
            skips.append(y)
        y = self.rf_pre(y).permute(2, 0, 3, 1)  # (T, B, F'', C')
        y, state = through_blocks(self.rf_block, y, state)
        y = self.rf_post(y.permute(1, 3, 0, 2))
        for layer in self.decoder:
            y, state = layer(torch.cat([y, skips.pop()], dim=1), state)
        return self.dec_post(y, skips.pop()), state


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
