"""SimAM-ResNet: residual blocks whose output is weighed by how much each of its points stands out.

X. Qin, N. Li, C. Weng, D. Su, M. Li: Simple Attention Module Based Speaker Verification with Iterative Noisy
Label Detection, ICASSP 2022; the attention is that of L. Yang et al.: SimAM, ICML 2021, and has no
parameters. Parameter names are those of the public wespeaker.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo.layers.pooling import EXCLUDED, keep, strided
from zoo.layers.residual import Shortcut
from zoo.networks.speaker import SpeakerNetwork
from zoo.spec import SpeakerSpec

REGULARISER = 1e-4  # of a channel's variance
VARIANCE_FLOOR = 1e-5  # of the pooling
HIDDEN = 128  # channels of the pooling's attention


class SimAMResNet(SpeakerNetwork):
    """Four stages of residual blocks, each but the first of half the resolution, and attentive pooling.

    Args:
        spec: the model's record.
        blocks: of each stage.
        channels: of the first stage.
        embedding: E.
    """

    def __init__(self, spec: SpeakerSpec, *, blocks: Sequence[int], channels: int, embedding: int) -> None:
        super().__init__()
        self.spec = spec
        self.front = Front(blocks, channels)
        width = (channels << (len(blocks) - 1)) * -(-spec.front_end.bins // 2 ** (len(blocks) - 1))
        self.pooling = Pooling(width)
        self.bottleneck = nn.Linear(2 * width, embedding)

    def embed(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, F, T) -> (B, E)"""
        x, mask = self.front(x.unsqueeze(1), None if mask is None else mask.unsqueeze(2))
        return self.bottleneck(self.pooling(x.flatten(1, 2), None if mask is None else mask.squeeze(2)))


class Front(nn.Module):
    """The residual blocks.

    Args:
        blocks: of each stage.
        channels: of the first stage.
    """

    folded_norms = (("bn1", "conv1"),)

    def __init__(self, blocks: Sequence[int], channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.stages = tuple(f"layer{stage + 1}" for stage in range(len(blocks)))
        width = channels
        for stage, (name, count) in enumerate(zip(self.stages, blocks, strict=True)):
            layers = nn.ModuleList()
            for index in range(count):
                layers.append(Block(width, channels << stage, 2 if stage and not index else 1))
                width = channels << stage
            self.add_module(name, layers)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, 1, F, T) -> (B, C, F / 8, T / 8), and its mask"""
        x = self.bn1(self.conv1(x)).relu()
        for name in self.stages:
            for block in self.get_submodule(name).children():
                x, mask = block(x, mask)
        return x, mask


class Block(nn.Module):
    """Two convolutions, and the attention on what they give.

    Args:
        in_channels, channels: of input and output.
        stride: of the first.
    """

    folded_norms = (("bn1", "conv1"), ("bn2", "conv2"))

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = Shortcut(in_channels, channels, stride)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, C, F, T) -> (B, C', F / stride, T / stride), and its mask"""
        y = self.bn1(self.conv1(keep(x, mask))).relu()
        mask = strided(mask, self.stride)
        y = attended(self.bn2(self.conv2(keep(y, mask))), mask)
        return (y + self.downsample(x)).relu(), mask


def attended(x: Tensor, mask: Tensor | None) -> Tensor:
    """Weigh each point by how far it lies from its channel's mean: (B, C, F, T) -> (B, C, F, T)"""
    frames = x.shape[3] if mask is None else mask.sum((2, 3), keepdim=True)
    points = x.shape[2] * frames
    mean = keep(x, mask).sum((2, 3), keepdim=True) / points
    squares = (x - mean) * (x - mean)
    variance = keep(squares, mask).sum((2, 3), keepdim=True) / (points - 1)
    return x * (squares / (4 * (variance + REGULARISER)) + 0.5).sigmoid()


class Pooling(nn.Module):
    """Mean and standard deviation over time, each channel and band weighing the frames by attention.

    Args:
        channels: of the input, all bands counted.
    """

    folded_pre_norms = (("attention.2", "attention.3"),)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.ModuleDict(
            {
                "0": nn.Conv1d(channels, HIDDEN, 1),
                "2": nn.BatchNorm1d(HIDDEN),
                "3": nn.Conv1d(HIDDEN, channels, 1),
            }
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) -> (B, 2 C)"""
        hidden = self.attention["2"](self.attention["0"](x).relu())
        logits = self.attention["3"](hidden)
        if mask is not None:
            logits = logits + (1 - mask) * EXCLUDED
        weights = logits.softmax(-1)
        mean = (x * weights).sum(-1)
        variance = (x * x * weights).sum(-1) - mean * mean
        return torch.cat([mean, variance.clamp(min=VARIANCE_FLOOR).sqrt()], dim=1)
