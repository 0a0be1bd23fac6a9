"""ResNet over the time-frequency plane, with statistics pooling.

K. He et al.: Deep Residual Learning for Image Recognition, CVPR 2016, as H. Zeinali et al.: BUT System
Description to VoxCeleb Speaker Recognition Challenge 2019 take it to speakers. Parameter names are those
of the public wespeaker.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.layers.pooling import StatisticsPooling, keep, strided
from zoo.layers.residual import Shortcut
from zoo.networks.speaker import SpeakerNetwork
from zoo.spec import SpeakerSpec


class ResNet(SpeakerNetwork):
    """Four stages of residual blocks, each but the first of half the resolution.

    Args:
        spec: the model's record.
        blocks: of each stage.
        bottleneck: whether a block is three convolutions, narrow between wide, or two of one width.
        embedding: E.
        second_layer: whether a second linear layer makes the embedding from the first's.
        channels: of the first stage.
    """

    layer1: nn.ModuleList
    layer2: nn.ModuleList
    layer3: nn.ModuleList
    layer4: nn.ModuleList

    def __init__(
        self,
        spec: SpeakerSpec,
        *,
        blocks: Sequence[int],
        bottleneck: bool,
        embedding: int,
        second_layer: bool = False,
        channels: int = 32,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        block: type[Block | Bottleneck] = Bottleneck if bottleneck else Block
        width = channels
        for stage, count in enumerate(blocks):
            layers = nn.ModuleList()
            for index in range(count):
                stride = 2 if stage and not index else 1
                layers.append(block(width, channels << stage, stride))
                width = block.expansion * (channels << stage)
            self.add_module(f"layer{stage + 1}", layers)
        self.pool = StatisticsPooling()
        bands = -(-spec.front_end.bins // 2 ** (len(blocks) - 1))
        self.add_embedding_layers(2 * width * bands, embedding, second_layer=second_layer)
        self.folded_norms = (("bn1", "conv1"),)

    def embed(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, F, T) -> (B, E)"""
        mask = None if mask is None else mask.unsqueeze(2)  # (B, 1, 1, T)
        x = self.bn1(self.conv1(x.unsqueeze(1))).relu()  # (B, C, F, T)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            for block in stage:
                x, mask = block(x, mask)
        return self.embedding_of(self.pool(x, mask))


class Block(nn.Module):
    """Two convolutions.

    Args:
        in_channels, channels: of input and output.
        stride: of the first.
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = Shortcut(in_channels, channels, stride)
        self.folded_norms = (("bn1", "conv1"), ("bn2", "conv2"))

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, C, F, T) -> (B, C', F / stride, T / stride), and its mask"""
        y = self.bn1(self.conv1(keep(x, mask))).relu()
        mask = strided(mask, self.stride)
        y = self.bn2(self.conv2(keep(y, mask)))
        return (y + self.shortcut(x)).relu(), mask


class Bottleneck(nn.Module):
    """A convolution between two pointwise ones.

    Args:
        in_channels: of the input.
        channels: between; four times as many come out.
        stride: of the convolution.
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        wide = self.expansion * channels
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.shortcut = Shortcut(in_channels, wide, stride)
        self.folded_norms = (("bn1", "conv1"), ("bn2", "conv2"), ("bn3", "conv3"))

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, C, F, T) -> (B, 4 C', F / stride, T / stride), and its mask"""
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(keep(y, mask))).relu()
        return (self.bn3(self.conv3(y)) + self.shortcut(x)).relu(), strided(mask, self.stride)
