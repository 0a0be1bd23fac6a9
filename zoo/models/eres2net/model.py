"""ERes2Net: Res2Net with attentive fusion inside blocks and across stages.

Y. Chen, S. Zheng, H. Wang, L. Cheng, Q. Chen, J. Qi: An Enhanced Res2Net with Local and Global Feature
Fusion for Speaker Verification, Interspeech 2023. Parameter names are those of the public wespeaker. Inside
the blocks the ReLU is bounded at 20; behind the first convolution it is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.pooling import StatisticsPooling, keep, strided
from zoo.layers.residual import Shortcut
from zoo.networks.speaker import SpeakerNetwork
from zoo.spec import SpeakerSpec

BLOCKS = (3, 4, 6, 3)  # of each stage; those of the last two fuse by attention


def bounded_relu(x: Tensor) -> Tensor:
    """ReLU with an upper bound of 20."""
    return functional.hardtanh(x, 0.0, 20.0)


class ERes2Net(SpeakerNetwork):
    """Four stages, each but the first of half the resolution; each is fused with those before.

    Args:
        spec: the model's record.
        channels: of the first stage.
        embedding: E.
        second_layer: whether a second linear layer makes the embedding from the first's.
        base_width, splits, expansion: of the blocks.
    """

    layer1: nn.ModuleList
    layer2: nn.ModuleList
    layer3: nn.ModuleList
    layer4: nn.ModuleList
    layer1_downsample: nn.Conv2d
    layer2_downsample: nn.Conv2d
    layer3_downsample: nn.Conv2d

    def __init__(
        self,
        spec: SpeakerSpec,
        *,
        channels: int,
        embedding: int,
        second_layer: bool = False,
        base_width: int = 32,
        splits: int = 2,
        expansion: int = 2,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        shape = Shape(base_width, splits, expansion)
        for name, layers in stages(channels, shape, apart=True).items():
            self.add_module(name, layers)
        for stage in (1, 2, 3):
            wide = expansion * (channels << stage)
            down = nn.Conv2d(wide // 2, wide, 3, 2, padding=1, bias=False)
            self.add_module(f"layer{stage}_downsample", down)
        self.fuse_mode12 = Fusion(2 * expansion * channels)
        self.fuse_mode123 = Fusion(4 * expansion * channels)
        self.fuse_mode1234 = Fusion(8 * expansion * channels)
        self.pool = StatisticsPooling()
        self.add_embedding_layers(
            2 * 8 * expansion * channels * -(-spec.front_end.bins // 8), embedding, second_layer=second_layer
        )
        self.folded_norms = (("bn1", "conv1"),)

    def embed(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, F, T) -> (B, E)"""
        mask = None if mask is None else mask.unsqueeze(2)  # (B, 1, 1, T)
        x = self.bn1(self.conv1(x.unsqueeze(1))).relu()  # (B, C, F, T)
        for block in self.layer1:
            x, mask = block(x, mask)
        fused = x
        for stage, downsample, fusion in (
            (self.layer2, self.layer1_downsample, self.fuse_mode12),
            (self.layer3, self.layer2_downsample, self.fuse_mode123),
            (self.layer4, self.layer3_downsample, self.fuse_mode1234),
        ):
            fused = downsample(keep(fused, mask))
            for block in stage:
                x, mask = block(x, mask)
            fused = fusion(x, fused)
        return self.embedding_of(self.pool(fused, mask))


@dataclass(frozen=True)
class Shape:
    """What the blocks of a network have in common.

    Attributes:
        base_width: channels of a convolution inside, for 64 of the stage.
        splits: convolutions that read each other's outputs.
        expansion: channels that come out, for each of the stage.
    """

    base_width: int
    splits: int
    expansion: int


def stages(channels: int, shape: Shape, *, apart: bool) -> dict[str, nn.ModuleList]:
    """The blocks of the four stages, by the stages' names.

    Args:
        channels: of the first convolution and the first stage.
        shape, apart: of the blocks.
    """
    found, width = {}, channels
    for stage, count in enumerate(BLOCKS):
        layers = nn.ModuleList()
        for index in range(count):
            stride = 2 if stage and not index else 1
            layers.append(Block(width, channels << stage, stride, shape, fusion=stage >= 2, apart=apart))
            width = shape.expansion * (channels << stage)
        found[f"layer{stage + 1}"] = layers
    return found


class Fusion(nn.Module):
    """Weighs two inputs against each other by attention.

    Args:
        channels: of each.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 4
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.SiLU(),
            nn.Conv2d(hidden, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two of (B, C, F, T) -> (B, C, F, T)"""
        attention = self.local_att(torch.cat([x, y], dim=1)).tanh()
        return x + y + (x - y) * attention


class Block(nn.Module):
    """Res2 convolutions between pointwise ones, and a shortcut.

    Args:
        in_channels: of the input.
        channels: of the stage.
        stride: of the first pointwise convolution.
        shape: of all blocks.
        fusion: whether a convolution reads the output of the one before by attention, or by addition.
        apart: whether the first convolution of a block with fusion has a name of its own.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int, shape: Shape, *, fusion: bool, apart: bool
    ) -> None:
        super().__init__()
        self.stride, self.fusion, self.apart = stride, fusion, fusion and apart
        self.width = width = channels * shape.base_width // 64
        inner, wide = shape.splits * width, shape.expansion * channels
        self.conv1 = nn.Conv2d(in_channels, inner, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        convs = [nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(shape.splits)]
        norms = [nn.BatchNorm2d(width) for _ in range(shape.splits)]
        if self.apart:
            self.conv2_1, self.bn2_1 = convs.pop(0), norms.pop(0)
        if fusion:
            self.fuse_models = nn.ModuleList([Fusion(width) for _ in range(shape.splits - 1)])
        self.convs, self.bns = nn.ModuleList(convs), nn.ModuleList(norms)
        self.conv3 = nn.Conv2d(inner, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.shortcut = Shortcut(in_channels, wide, stride)
        self.folded_norms = (
            ("bn1", "conv1"),
            ("bn3", "conv3"),
            *((("bn2_1", "conv2_1"),) if self.apart else ()),
            *((f"bns.{index}", f"convs.{index}") for index in range(len(convs))),
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, C, F, T) -> (B, expansion x C', F / stride, T / stride), and its mask"""
        mask = strided(mask, self.stride)
        splits = bounded_relu(self.bn1(self.conv1(x))).split(self.width, dim=1)
        convs, norms = list(self.convs), list(self.bns)
        if self.apart:
            convs, norms = [self.conv2_1, *convs], [self.bn2_1, *norms]
        outputs: list[Tensor] = []
        for index, (split, conv, norm) in enumerate(zip(splits, convs, norms, strict=True)):
            y = split
            if outputs:
                y = self.fuse_models[index - 1](outputs[-1], split) if self.fusion else outputs[-1] + split
            outputs.append(bounded_relu(norm(conv(keep(y, mask)))))
        y = self.bn3(self.conv3(torch.cat(outputs, dim=1)))
        return bounded_relu(y + self.shortcut(x)), mask
