"""DPCRN: convolutions over time and frequency around dual-path recurrence.

X. Le, H. Chen, K. Chen, J. Lu: DPCRN: Dual-Path Convolution Recurrent Network for Single Channel Speech
Enhancement, Interspeech 2021. Parameter names are those of the public causal implementation, TRT-SE.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.layers.conv import CausalConv2d, CausalConvTranspose2d
from zoo.layers.dual_path import DualPathBlock
from zoo.layers.recurrent import SequenceLSTM, TimeLSTM
from zoo.layers.spectrum import complex_product
from zoo.networks.streaming import State, StreamingModule
from zoo.spec import EnhancementSpec

CHANNELS = (2, 32, 32, 32, 64, 128)
KERNELS = (5, 3, 3, 3, 3)  # over frequency; 2 over time
STRIDES = (2, 2, 2, 1, 1)  # over frequency
BINS = (257, 129, 65, 33, 33, 33)  # before each layer, and after the last


class DPCRN(StreamingModule):
    """Complex ratio mask from 16 kHz spectra of 257 bins."""

    def __init__(self, spec: EnhancementSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = Encoder()
        self.dprnns = nn.ModuleList([dual_path_block(CHANNELS[-1], BINS[-1]) for _ in range(2)])
        self.decoder = Decoder()
        self.name_states()

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, 257, T, 2) -> (B, 257, T, 2)"""
        y, skips, state = self.encoder(x.permute(0, 3, 2, 1), state)  # (B, 128, T, 33)
        y = y.permute(2, 0, 3, 1)  # (T, B, 33, 128)
        for block in self.dprnns:
            y, state = block(y, state)
        y = y.permute(1, 3, 0, 2)  # (B, 128, T, 33)
        y, state = self.decoder(y, skips, state)  # (B, 2, T, 257)
        enhanced = complex_product(x.permute(0, 2, 3, 1), y.transpose(1, 2))  # (B, T, 2, F)
        return enhanced.permute(0, 3, 1, 2), state


class Encoder(nn.Module):
    """Five causal convolutions that look one frame back."""

    folded_norms = tuple((f"bn_list.{i}", f"conv_list.{i}") for i in range(len(KERNELS)))

    def __init__(self) -> None:
        super().__init__()
        self.conv_list = nn.ModuleList(
            [
                CausalConv2d(
                    CHANNELS[i],
                    CHANNELS[i + 1],
                    (2, KERNELS[i]),
                    bins=BINS[i],
                    stride=STRIDES[i],
                    channels_last=True,
                )
                for i in range(len(KERNELS))
            ]
        )
        self.bn_list = nn.ModuleList([nn.BatchNorm2d(channels) for channels in CHANNELS[1:]])
        self.act_list = nn.ModuleList([nn.PReLU() for _ in KERNELS])

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        """(B, 2, T, 257) -> (B, 128, T, 33), the outputs of all layers, state"""
        skips = []
        for conv, norm, act in zip(self.conv_list, self.bn_list, self.act_list, strict=True):
            x, state = conv(x, state)
            x = act(norm(x))
            skips.append(x)
        return x, skips, state


def dual_path_block(channels: int, bins: int) -> DualPathBlock:
    """LSTM over frequency in both directions, then over time."""
    intra = SequenceLSTM(channels, channels // 2, bidirectional=True)
    inter = TimeLSTM(channels, channels, rows=bins)
    return DualPathBlock(intra, inter, channels, bins)


class Decoder(nn.Module):
    """The encoder backwards, each layer reading the output of its counterpart as well."""

    folded_norms = Encoder.folded_norms

    def __init__(self) -> None:
        super().__init__()
        layers = range(len(KERNELS) - 1, -1, -1)
        self.conv_list = nn.ModuleList(
            [
                CausalConvTranspose2d(
                    2 * CHANNELS[i + 1],
                    CHANNELS[i],
                    (2, KERNELS[i]),
                    bins=BINS[i + 1],
                    stride=STRIDES[i],
                    channels_last=True,
                )
                for i in layers
            ]
        )
        self.bn_list = nn.ModuleList([nn.BatchNorm2d(CHANNELS[i]) for i in layers])
        self.act_list = nn.ModuleList([nn.Identity() if i == 0 else nn.PReLU() for i in layers])

    def forward(self, x: Tensor, skips: list[Tensor], state: State) -> tuple[Tensor, State]:
        """(B, 128, T, 33) -> (B, 2, T, 257)"""
        layers = zip(self.conv_list, self.bn_list, self.act_list, reversed(skips), strict=True)
        for conv, norm, act, skip in layers:
            x, state = conv(torch.cat([x, skip], dim=1), state)
            x = act(norm(x))
        return x, state
