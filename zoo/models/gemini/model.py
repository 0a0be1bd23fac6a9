"""Gemini DF-ResNet: a deep network of inverted bottlenecks that keeps the resolution over time.

T. Liu, K. A. Lee, Q. Wang, H. Li: Golden Gemini is All You Need, IEEE/ACM TASLP 32, 2024, on B. Liu et al.:
DF-ResNet, Interspeech 2022. Of four halvings of the frequencies one halves the frames too. Parameter names
are those of the public wespeaker.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.layers.pooling import StatisticsPooling, keep, strided
from zoo.networks.speaker import SpeakerNetwork
from zoo.spec import SpeakerSpec

CHANNELS = (32, 32, 64, 128, 256)  # of the first convolution and the four stages
STRIDES = (1, 2, 1, 1)  # over time, in front of each stage; over frequency it is 2
EXPANSION = 4


class GeminiResNet(SpeakerNetwork):
    """Four stages of inverted bottlenecks, a convolution of stride two in front of each.

    Args:
        spec: the model's record.
        blocks: of each stage.
        embedding: E.
        second_layer: whether a second linear layer makes the embedding from the first's.
    """

    def __init__(
        self, spec: SpeakerSpec, *, blocks: Sequence[int], embedding: int, second_layer: bool = False
    ) -> None:
        super().__init__()
        self.spec = spec
        self.downsample_layers = nn.ModuleList([_conv_norm(1, CHANNELS[0], 1)])
        self.stages = nn.ModuleList()
        for place, (count, stride) in enumerate(zip(blocks, STRIDES, strict=True)):
            wide, width = CHANNELS[place : place + 2]
            self.downsample_layers.append(_conv_norm(wide, width, (2, stride)))
            self.stages.append(nn.ModuleList([Block(width) for _ in range(count)]))
        self.pool = StatisticsPooling()
        bands = -(-spec.front_end.bins // 2 ** len(STRIDES))
        self.add_embedding_layers(2 * CHANNELS[-1] * bands, embedding, second_layer=second_layer)

    def embed(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, F, T) -> (B, E)"""
        mask = None if mask is None else mask.unsqueeze(2)  # (B, 1, 1, T)
        first, *others = self.downsample_layers
        x = first(x.unsqueeze(1)).relu()  # (B, C, F, T)
        for downsample, stage, stride in zip(others, self.stages, STRIDES, strict=True):
            x = downsample(keep(x, mask))
            mask = strided(mask, stride)
            for block in stage.children():
                x = block(x, mask)
        return self.embedding_of(self.pool(x, mask))


class Block(nn.Module):
    """A convolution of each channel by itself between two pointwise ones, wide between narrow.

    Args:
        channels: of input and output.
    """

    folded_norms = (("bn1", "conv1"), ("bn2", "conv2"), ("bn3", "conv3"))

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = EXPANSION * channels
        self.conv1 = nn.Conv2d(channels, wide, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.conv3 = nn.Conv2d(wide, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, F, T) -> (B, C, F, T)"""
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(keep(y, mask))).relu()
        return (self.bn3(self.conv3(y)) + x).relu()


def _conv_norm(in_channels: int, out_channels: int, stride: int | tuple[int, int]) -> nn.Sequential:
    """A convolution over frequency and time, and its norm."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out_channels)
    )
