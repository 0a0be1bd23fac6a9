"""GTCRN: grouped temporal convolutions and grouped dual-path recurrence on ERB bands.

X. Rong, T. Sun, X. Zhang, Y. Hu, C. Zhu, J. Lu: GTCRN: A Speech Enhancement Model Requiring Ultralow
Computational Resources, ICASSP 2024. Parameter names are those of the public checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.layers.conv import (
    CausalConv2d,
    CausalConvTranspose2d,
    PointwiseConv2d,
    PointwiseConvTranspose2d,
    SubbandConv2d,
    SubbandConvTranspose2d,
    Unfold,
)
from zoo.layers.dual_path import DualPathBlock
from zoo.layers.erb import BANDS, LOW_BINS, ERBBands
from zoo.layers.recurrent import FrequencyGRU, GroupedTimeGRU
from zoo.models.gtcrn.layers import MaskConv, MaskProduct, TemporalAttention
from zoo.networks.streaming import State, StreamingModule
from zoo.spec import EnhancementSpec

CHANNELS = 16
WIDTH = 33  # frequencies after two halvings of LOW_BINS + BANDS


class GTCRN(StreamingModule):
    """Complex ratio mask from 16 kHz spectra of 257 bins."""

    def __init__(self, spec: EnhancementSpec) -> None:
        super().__init__()
        self.spec = spec
        self.erb = ERBBands(spec.front_end.n_fft, spec.front_end.sample_rate)
        self.unfold = Unfold(3)
        self.encoder = Encoder()
        self.dpgrnn1 = dual_path_block()
        self.dpgrnn2 = dual_path_block()
        self.decoder = Decoder()
        self.product = MaskProduct()
        self.name_states()

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, 257, T, 2) -> (B, 257, T, 2)"""
        frames = x.shape[2]
        parts = x.permute(0, 2, 3, 1).flatten(0, 1)  # (B x T, 2, F)
        magnitude = ((parts * parts).sum(1, keepdim=True) + 1e-12).sqrt()
        y = self.erb.merge(torch.cat([magnitude, parts], dim=1))  # (B x T, 3, 129)
        y = y.unflatten(0, (-1, frames)).transpose(1, 2)  # (B, 3, T, 129)
        y, skips, state = self.encoder(self.unfold(y), state)  # (B, 16, T, 33)
        y = y.permute(2, 0, 3, 1)  # (T, B, 33, 16)
        y, state = self.dpgrnn1(y, state)
        y, state = self.dpgrnn2(y, state)
        y = y.permute(1, 3, 0, 2)  # (B, 16, T, 33)
        y, state = self.decoder(y, skips, state)  # (B, 2, T, 129)
        mask = self.erb.split(y.transpose(1, 2).flatten(0, 1))  # (B x T, 2, F)
        enhanced = self.product(parts, mask).unflatten(0, (-1, frames))  # (B, T, 2, F)
        return enhanced.permute(0, 3, 1, 2), state


class ConvBlock(nn.Module):
    """Convolution over frequency with stride 2, batch norm, activation."""

    folded_norms = (("bn", "conv"),)

    def __init__(self, conv: nn.Module, out_channels: int, act: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.bn = nn.BatchNorm2d(out_channels)
        self.act = act

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, T, F) -> (B, C', T, F')"""
        x, state = self.conv(x, state)
        return self.act(self.bn(x)), state


class TemporalBlock(nn.Module):
    """Half of the channels through a dilated depthwise convolution, then both halves shuffled."""

    folded_norms = (
        ("point_bn1", "point_conv1"),
        ("depth_bn", "depth_conv"),
        ("point_bn2", "point_conv2"),
    )
    shuffle: Tensor

    def __init__(self, dilation: int, *, transposed: bool) -> None:
        super().__init__()
        half = CHANNELS // 2
        subband = SubbandConvTranspose2d if transposed else SubbandConv2d
        causal = CausalConvTranspose2d if transposed else CausalConv2d
        pointwise = PointwiseConvTranspose2d if transposed else PointwiseConv2d
        self.point_conv1 = subband(half, CHANNELS)
        self.point_bn1 = nn.BatchNorm2d(CHANNELS)
        self.point_act = nn.PReLU()
        self.depth_conv = causal(
            CHANNELS, CHANNELS, (3, 3), bins=WIDTH, dilation=dilation, groups=CHANNELS, channels_last=True
        )
        self.depth_bn = nn.BatchNorm2d(CHANNELS)
        self.depth_act = nn.PReLU()
        self.point_conv2 = pointwise(CHANNELS, half)
        self.point_bn2 = nn.BatchNorm2d(half)
        self.tra = TemporalAttention(half, WIDTH)
        changed, kept = torch.arange(half), half + torch.arange(half, CHANNELS)
        shuffle = torch.stack([changed, kept], dim=1).flatten()  # among the changed half and the whole input
        self.register_buffer("shuffle", shuffle, persistent=False)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, T, F) -> (B, C, T, F)"""
        changed = x[:, : CHANNELS // 2]
        changed = self.point_act(self.point_bn1(self.point_conv1(changed)))
        changed, state = self.depth_conv(changed, state)
        changed = self.depth_act(self.depth_bn(changed))
        changed = self.point_bn2(self.point_conv2(changed))
        changed, state = self.tra(changed, state)
        return torch.cat([changed, x], dim=1).index_select(1, self.shuffle), state


def dual_path_block() -> DualPathBlock:
    """Grouped recurrence over frequency in both directions, then over time."""
    intra = FrequencyGRU(CHANNELS, WIDTH)
    inter = GroupedTimeGRU(CHANNELS, CHANNELS, rows=WIDTH)
    return DualPathBlock(intra, inter, CHANNELS, WIDTH)


class Encoder(nn.Module):
    """Halves the frequencies twice, then three temporal blocks of growing dilation."""

    def __init__(self) -> None:
        super().__init__()
        bands = LOW_BINS + BANDS
        first = CausalConv2d(9, CHANNELS, (1, 5), bins=bands, stride=2)
        second = CausalConv2d(CHANNELS, CHANNELS, (1, 5), bins=(bands + 1) // 2, stride=2, groups=2)
        self.en_convs = nn.ModuleList(
            [
                ConvBlock(first, CHANNELS, nn.PReLU()),
                ConvBlock(second, CHANNELS, nn.PReLU()),
                *(TemporalBlock(dilation, transposed=False) for dilation in (1, 2, 5)),
            ]
        )

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        """(B, 9, T, 129) -> (B, 16, T, 33), the outputs of all blocks, state"""
        skips = []
        for block in self.en_convs:
            x, state = block(x, state)
            skips.append(x)
        return x, skips, state


class Decoder(nn.Module):
    """The encoder backwards, each block adding the output of its counterpart."""

    def __init__(self) -> None:
        super().__init__()
        first = CausalConvTranspose2d(CHANNELS, CHANNELS, (1, 5), bins=WIDTH, stride=2, groups=2)
        second = MaskConv(CHANNELS, 2, (1, 5), bins=2 * WIDTH - 1, stride=2)
        self.de_convs = nn.ModuleList(
            [
                *(TemporalBlock(dilation, transposed=True) for dilation in (5, 2, 1)),
                ConvBlock(first, CHANNELS, nn.PReLU()),
                ConvBlock(second, 2, nn.Tanh()),
            ]
        )

    def forward(self, x: Tensor, skips: list[Tensor], state: State) -> tuple[Tensor, State]:
        """(B, 16, T, 33) -> (B, 2, T, 129)"""
        for block, skip in zip(self.de_convs, reversed(skips), strict=True):
            x, state = block(x + skip, state)
        return x, state
