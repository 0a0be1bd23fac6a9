"""UL-UNAS: a U-Net of searched convolution blocks with attention, and grouped dual-path recurrence.

X. Rong, L. Yang, D. Wang, Y. Hu, C. Zhu, K. Chen, J. Lu: UL-UNAS: Ultra-Lightweight U-Nets for Real-Time
Speech Enhancement via Network Architecture Search, IEEE TASLP 34, 2026. Parameter names are those of the
public checkpoints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.layers.conv import CausalConv2d, CausalConvTranspose2d
from zoo.layers.dual_path import DualPathBlock
from zoo.layers.erb import BANDS, LOW_BINS, ERBBands
from zoo.layers.recurrent import FrequencyGRU, GroupedTimeGRU
from zoo.models.ulunas.layers import AffinePReLU, ShuffledStage, Stage, TimeFrequencyAttention
from zoo.networks.streaming import State, StreamingModule
from zoo.spec import EnhancementSpec

FLOOR = 1e-12  # of a magnitude
CHANNELS = (1, 12, 24, 24, 32, 16)  # before the encoder's first block, and after each
BINS = (LOW_BINS + BANDS, 65, 33, 33, 33, 33)
KERNELS = ((3, 3), (2, 3), (2, 3), (1, 5), (1, 5))  # of the blocks, over (time, frequency)


class ULUNAS(StreamingModule):
    """Real mask from 16 kHz spectra of 257 bins."""

    reads_phase = True

    def __init__(self, spec: EnhancementSpec) -> None:
        super().__init__()
        self.spec = spec
        self.erb = ERBBands(spec.front_end.n_fft, spec.front_end.sample_rate)
        self.encoder = Encoder()
        self.dpgrnn = nn.ModuleList([dual_path_block(CHANNELS[-1], BINS[-1]) for _ in range(2)])
        self.decoder = Decoder()
        self.name_states()

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, 257, T, 2) -> (B, 257, T, 2)"""
        power = (x * x).sum(3).transpose(1, 2)  # (B, T, F)
        feature = power.clamp(min=FLOOR**2).log() * (0.5 / math.log(10))  # of the magnitude, to base 10
        y = self.erb.merge(feature).unsqueeze(3)  # (B, T, 129, 1)
        y, skips, state = self.encoder(y, state)  # (B, T, 33, 16)
        y = y.transpose(0, 1)
        for block in self.dpgrnn:
            y, state = block(y, state)
        y, state = self.decoder(y.transpose(0, 1), skips, state)  # (B, T, 129, 1)
        mask = self.erb.split(y.squeeze(3).sigmoid())  # (B, T, F)
        return x * mask.transpose(1, 2).unsqueeze(3), state


def dual_path_block(channels: int, bins: int) -> DualPathBlock:
    """Grouped recurrence over frequency in both directions, then over time."""
    intra = FrequencyGRU(channels, bins)
    inter = GroupedTimeGRU(channels, channels, rows=bins)
    return DualPathBlock(intra, inter, channels, bins)


@dataclass(frozen=True)
class Shape:
    """What goes into a block, and what comes out."""

    in_channels: int
    out_channels: int
    in_bins: int
    out_bins: int
    kernel: tuple[int, int]
    transposed: bool = False

    def conv(self, *, depthwise: bool = False) -> nn.Module:
        """The block's convolution over time and frequency, of all channels or of each of those that come out.

        It halves or doubles the bins, or leaves them.
        """
        kind = CausalConvTranspose2d if self.transposed else CausalConv2d
        return kind(
            self.out_channels if depthwise else self.in_channels,
            self.out_channels,
            self.kernel,
            bins=self.in_bins,
            stride=1 if self.in_bins == self.out_bins else 2,
            groups=self.out_channels if depthwise else 1,
            channels_last=True,
        )

    def norm(self) -> nn.Module:
        return nn.BatchNorm2d(self.out_channels)

    def attention(self) -> nn.Module:
        return TimeFrequencyAttention(self.out_channels, self.out_bins)

    def mixing(self) -> ShuffledStage:
        """A pointwise convolution at the bins of the input."""
        conv = nn.Conv2d(self.in_channels, self.out_channels, 1, groups=2)
        return ShuffledStage({"0": conv, "1": self.norm(), "2": AffinePReLU(self.out_channels, self.in_bins)})


class Block(nn.Module):
    """Stages one after the other, in the order in which they are set."""

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, F, C) -> (B, T, F', C')"""
        for stage in self.children():
            x, state = stage(x, state)
        return x, state


class ConvBlock(Block):
    """A convolution with attention. The decoder's last has no activation."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        act = {} if shape.out_channels == 1 else {"3": AffinePReLU(shape.out_channels, shape.out_bins)}
        self.ops = Stage({"1": shape.conv(), "2": shape.norm(), **act, "4": shape.attention()})


class SeparableBlock(Block):
    """A pointwise convolution, then one of each channel, with attention."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.pconv = shape.mixing()
        self.dconv = Stage(
            {
                "1": shape.conv(depthwise=True),
                "2": shape.norm(),
                "3": AffinePReLU(shape.out_channels, shape.out_bins),
                "4": shape.attention(),
            }
        )


class BottleneckBlock(Block):
    """A convolution of each channel between two pointwise ones, with attention.

    The published block adds its input where the shapes agree; in this network they nowhere do.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels = shape.out_channels
        self.pconv1 = shape.mixing()
        self.dconv = Stage(
            {
                "1": shape.conv(depthwise=True),
                "2": shape.norm(),
                "3": AffinePReLU(channels, shape.out_bins),
            }
        )
        conv = nn.Conv2d(channels, channels, 1, groups=2)
        self.pconv2 = ShuffledStage({"0": conv, "1": shape.norm(), "2": shape.attention()})


KINDS = (ConvBlock, BottleneckBlock, SeparableBlock, BottleneckBlock, SeparableBlock)


class Encoder(nn.Module):
    """Blocks in the order that the search found."""

    def __init__(self) -> None:
        super().__init__()
        blocks = []
        for i, kind in enumerate(KINDS):
            blocks.append(kind(Shape(CHANNELS[i], CHANNELS[i + 1], BINS[i], BINS[i + 1], KERNELS[i])))
        self.en_convs = nn.ModuleList(blocks)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        """(B, T, 129, 1) -> (B, T, 33, 16), the outputs of all blocks, state"""
        skips = []
        for block in self.en_convs:
            x, state = block(x, state)
            skips.append(x)
        return x, skips, state


class Decoder(nn.Module):
    """The encoder backwards, each block reading the sum with its counterpart's output."""

    def __init__(self) -> None:
        super().__init__()
        blocks = []
        for i, kind in reversed(tuple(enumerate(KINDS))):
            shape = Shape(CHANNELS[i + 1], CHANNELS[i], BINS[i + 1], BINS[i], KERNELS[i], transposed=True)
            blocks.append(kind(shape))
        self.de_convs = nn.ModuleList(blocks)

    def forward(self, x: Tensor, skips: list[Tensor], state: State) -> tuple[Tensor, State]:
        """(B, T, 33, 16) -> (B, T, 129, 1)"""
        for block, skip in zip(self.de_convs, reversed(skips), strict=True):
            x, state = block(x + skip, state)
        return x, state
