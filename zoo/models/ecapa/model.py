"""ECAPA-TDNN: squeeze-excitation Res2 blocks and attentive statistics pooling.

B. Desplanques, J. Thienpondt, K. Demuynck: ECAPA-TDNN: Emphasized Channel Attention, Propagation and
Aggregation in TDNN Based Speaker Verification, Interspeech 2020. Parameter names are those of the public
wespeaker. Batch norm comes after the ReLU, so most norms have no layer to be folded into: what follows is
read by several layers, or by a convolution that pads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.layers.pooling import AttentivePooling, frame_mean, keep
from zoo.networks.speaker import SpeakerNetwork
from zoo.spec import SpeakerSpec

SPLITS = 8
AGGREGATED = 1536
SQUEEZED = 128


class ECAPA(SpeakerNetwork):
    """Three dilated blocks whose outputs are aggregated.

    Args:
        spec: the model's record.
        channels: of the blocks.
        context: whether the pooling's attention reads statistics of the recording.
        embedding: E.
        final_norm: whether a batch norm follows the embedding.
    """

    def __init__(
        self, spec: SpeakerSpec, *, channels: int, context: bool, embedding: int, final_norm: bool = False
    ) -> None:
        super().__init__()
        self.spec = spec
        self.layer1 = ConvReluNorm(spec.front_end.bins, channels, 5, padding=2)
        self.layer2 = ResidualBlock(channels, dilation=2)
        self.layer3 = ResidualBlock(channels, dilation=3)
        self.layer4 = ResidualBlock(channels, dilation=4)
        self.conv = nn.Conv1d(3 * channels, AGGREGATED, 1)
        self.pool = AttentivePooling(AGGREGATED, context=context)
        self.bn = nn.BatchNorm1d(2 * AGGREGATED)
        self.linear = nn.Linear(2 * AGGREGATED, embedding)
        self.bn2 = nn.BatchNorm1d(embedding) if final_norm else nn.Identity()
        self.folded_pre_norms = (("bn", "linear"),)
        self.folded_norms = (("bn2", "linear"),) if final_norm else ()

    def embed(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, F, T) -> (B, E)"""
        x = self.layer1(x)
        outputs = []
        for block in (self.layer2, self.layer3, self.layer4):
            x = block(x, mask)
            outputs.append(x)
        x = self.conv(torch.cat(outputs, dim=1)).relu()
        return self.bn2(self.linear(self.bn(self.pool(x, mask))))


class ConvReluNorm(nn.Module):
    """Convolution over time, ReLU, batch norm.

    Args:
        in_channels, out_channels, kernel_size, padding: of the convolution.
    """

    kept_norms = ("bn",)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 1, *, padding: int = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel_size, padding=padding)
        self.bn = nn.BatchNorm1d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T)"""
        return self.bn(self.conv(x).relu())


class Res2Conv(nn.Module):
    """Dilated convolutions of an eighth of the channels each, every one reading the output of the one before.

    Args:
        channels: of input and output.
        dilation: of the convolutions.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.width = channels // SPLITS
        conv = (self.width, self.width, 3)
        self.convs = nn.ModuleList(
            [nn.Conv1d(*conv, padding=dilation, dilation=dilation) for _ in range(SPLITS - 1)]
        )
        self.bns = nn.ModuleList([nn.BatchNorm1d(self.width) for _ in range(SPLITS - 1)])
        self.kept_norms = tuple(f"bns.{index}" for index in range(SPLITS - 1))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) -> (B, C, T)"""
        *splits, last = keep(x, mask).split(self.width, dim=1)
        outputs: list[Tensor] = []
        for split, conv, norm in zip(splits, self.convs, self.bns, strict=True):
            y = split + keep(outputs[-1], mask) if outputs else split
            outputs.append(norm(conv(y).relu()))
        return torch.cat([*outputs, last], dim=1)


class SqueezeExcitation(nn.Module):
    """Scales each channel by what the recording's mean tells.

    Args:
        channels: of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, SQUEEZED)
        self.linear2 = nn.Linear(SQUEEZED, channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) -> (B, C, T)"""
        scale = self.linear2(self.linear1(frame_mean(x, mask).squeeze(-1)).relu()).sigmoid()
        return x * scale.unsqueeze(-1)


class ResidualBlock(nn.Module):
    """Res2 convolutions between pointwise ones, squeeze-excitation, and the input added.

    Args:
        channels: of input and output.
        dilation: of the Res2 convolutions.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.se_res2block = nn.ModuleList(
            [
                ConvReluNorm(channels, channels),
                Res2Conv(channels, dilation),
                ConvReluNorm(channels, channels),
                SqueezeExcitation(channels),
            ]
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) -> (B, C, T)"""
        first, res2, last, excitation = self.se_res2block
        return x + excitation(last(res2(first(x), mask)), mask)
