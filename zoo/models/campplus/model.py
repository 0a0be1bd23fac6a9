"""CAM++: densely connected time-delay layers with context-aware masks.

H. Wang, S. Zheng, Y. Chen, L. Cheng, Q. Chen: CAM++: A Fast and Efficient Network for Speaker Verification
Using Context-Aware Masking, Interspeech 2023. Parameter names are those of the public wespeaker. A mask is
the same for all frames of a segment, so it is computed a segment, by matrix products with the segments'
membership: no pooling layer has to deal with a partial window, and the padding of a batch falls out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from zoo.layers.pooling import StatisticsPooling, keep, strided
from zoo.layers.residual import Shortcut
from zoo.networks.speaker import SpeakerNetwork
from zoo.spec import SpeakerSpec

SEGMENT = 100  # frames
LAYERS = (12, 24, 16)  # of each block
DILATIONS = (1, 2, 2)


class Segments(NamedTuple):
    """Which frames belong to which segment, for the masks.

    Attributes:
        context: (B, T, S) or (T, S): ``x @ context`` is the recording's mean plus the segment's.
        spread: (S, T): ``y @ spread`` gives every frame its segment's value.
    """

    context: Tensor
    spread: Tensor


def segments(frames: int, mask: Tensor | None, like: Tensor) -> Segments:
    """The segments of a batch.

    Args:
        frames: T.
        mask: (B, 1, T) or None.
        like: a tensor of the type and device that is wanted.
    """
    time = torch.arange(frames, device=like.device)
    # the last one is empty, so that there are always several: an exporter takes a single one for granted
    start = torch.arange(0, frames + SEGMENT, SEGMENT, device=like.device).unsqueeze(1)  # (S, 1)
    spread = ((time >= start) & (time < start + SEGMENT)).to(like.dtype)  # (S, T)
    member = spread if mask is None else spread * mask  # (S, T) or (B, S, T)
    size = member.sum(-1, keepdim=True).clamp(min=1)  # a segment may be padding alone
    context = member / size
    if mask is None:
        context = context + 1 / frames
    else:
        context = context + mask / mask.sum(-1, keepdim=True)
    return Segments(context.transpose(-1, -2), spread)


class CAMPlus(SpeakerNetwork):
    """A convolutional front end over frequency, then dense blocks over time at half the frame rate.

    Args:
        spec: the model's record.
        embedding: E.
        growth: channels that a dense layer adds.
        hidden: channels inside a dense layer.
        channels: before the first block.
    """

    def __init__(
        self, spec: SpeakerSpec, *, embedding: int, growth: int = 32, hidden: int = 128, channels: int = 128
    ) -> None:
        super().__init__()
        self.spec = spec
        self.head = Head(spec.front_end.bins)
        parts: dict[str, nn.Module] = {"tdnn": ConvNormRelu(self.head.out_channels, channels, 5, stride=2)}
        for number, (layers, dilation) in enumerate(zip(LAYERS, DILATIONS, strict=True), 1):
            parts[f"block{number}"] = DenseBlock(layers, channels, growth, hidden, dilation)
            channels += layers * growth
            parts[f"transit{number}"] = Transition(channels, channels // 2)
            channels //= 2
        parts["out_nonlinear"] = NormRelu(channels)
        parts["dense"] = Dense(2 * channels, embedding)
        self.xvector = nn.ModuleDict(parts)
        self.pool = StatisticsPooling()
        last = f"xvector.transit{len(LAYERS)}.linear"  # which nothing else reads
        self.folded_norms = (("xvector.out_nonlinear.batchnorm", last),)

    def embed(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, F, T) -> (B, E)"""
        layers = dict(self.xvector.items())
        x = layers["tdnn"](keep(self.head(x, mask), mask))
        mask = strided(mask, 2)
        shared = segments(x.shape[-1], mask, x)
        for number in range(1, len(LAYERS) + 1):
            x = layers[f"transit{number}"](layers[f"block{number}"](x, mask, shared))
        return layers["dense"](self.pool(layers["out_nonlinear"](x), mask))


class NormRelu(nn.Module):
    """Batch norm and ReLU.

    Args:
        channels: of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.batchnorm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)"""
        return self.batchnorm(x).relu()


class ConvNormRelu(nn.Module):
    """Convolution over time, batch norm, ReLU.

    Args:
        in_channels, out_channels, kernel_size, stride: of the convolution.
    """

    folded_norms = (("nonlinear.batchnorm", "linear"),)

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False
        )
        self.nonlinear = NormRelu(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T / stride)"""
        return self.nonlinear(self.linear(x))


class Head(nn.Module):
    """Residual convolutions that reduce the frequencies by eight.

    Args:
        bins: of the features.
        channels: of the convolutions.
    """

    folded_norms = (("bn1", "conv1"), ("bn2", "conv2"))

    def __init__(self, bins: int, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.ModuleList([HeadBlock(channels, 2), HeadBlock(channels, 1)])
        self.layer2 = nn.ModuleList([HeadBlock(channels, 2), HeadBlock(channels, 1)])
        self.conv2 = nn.Conv2d(channels, channels, 3, (2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.out_channels = channels * -(-bins // 8)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, F, T) -> (B, C x F / 8, T)"""
        mask = None if mask is None else mask.unsqueeze(2)  # (B, 1, 1, T)
        x = self.bn1(self.conv1(x.unsqueeze(1))).relu()  # (B, C, F, T)
        for block in (*self.layer1, *self.layer2):
            x = block(x, mask)
        return self.bn2(self.conv2(keep(x, mask))).relu().flatten(1, 2)


class HeadBlock(nn.Module):
    """Two convolutions and a shortcut.

    Args:
        channels: of input and output.
        stride: over frequency, of the first.
    """

    folded_norms = (("bn1", "conv1"), ("bn2", "conv2"))

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, (stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = Shortcut(channels, channels, 1 if stride == 1 else (stride, 1))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, F, T) -> (B, C, F / stride, T)"""
        y = self.bn1(self.conv1(keep(x, mask))).relu()
        y = self.bn2(self.conv2(keep(y, mask)))
        return (y + self.shortcut(x)).relu()


class MaskedConv(nn.Module):
    """A convolution over time whose outputs are scaled by what recording and segment are like.

    Args:
        in_channels, out_channels, dilation: of the convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(
            in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.linear1 = nn.Conv1d(in_channels, in_channels // 2, 1)
        self.linear2 = nn.Conv1d(in_channels // 2, out_channels, 1)

    def forward(self, x: Tensor, mask: Tensor | None, shared: Segments) -> Tensor:
        """(B, C, T) -> (B, C', T)"""
        scale = self.linear2(self.linear1(x @ shared.context).relu()).sigmoid()  # (B, C', S)
        return self.linear_local(keep(x, mask)) * (scale @ shared.spread)


class DenseLayer(nn.Module):
    """Reduces all channels so far to a few, and makes new ones from them.

    Args:
        in_channels: so far.
        hidden: to which they are reduced.
        growth: new ones.
        dilation: of the convolution.
    """

    folded_norms = (("nonlinear2.batchnorm", "linear1"),)
    kept_norms = ("nonlinear1.batchnorm",)

    def __init__(self, in_channels: int, hidden: int, growth: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = NormRelu(in_channels)
        self.linear1 = nn.Conv1d(in_channels, hidden, 1, bias=False)
        self.nonlinear2 = NormRelu(hidden)
        self.cam_layer = MaskedConv(hidden, growth, dilation)

    def forward(self, x: Tensor, mask: Tensor | None, shared: Segments) -> Tensor:
        """(B, C, T) -> (B, growth, T)"""
        return self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))), mask, shared)


class DenseBlock(nn.Module):
    """Layers that each read all that those before made.

    Args:
        layers: their number.
        in_channels: of the first.
        growth, hidden, dilation: of each.
    """

    def __init__(self, layers: int, in_channels: int, growth: int, hidden: int, dilation: int) -> None:
        super().__init__()
        for index in range(layers):
            layer = DenseLayer(in_channels + index * growth, hidden, growth, dilation)
            self.add_module(f"tdnnd{index + 1}", layer)

    def forward(self, x: Tensor, mask: Tensor | None, shared: Segments) -> Tensor:
        """(B, C, T) -> (B, C + layers x growth, T)"""
        for layer in self.children():
            x = torch.cat([x, layer(x, mask, shared)], dim=1)
        return x


class Transition(nn.Module):
    """Batch norm, ReLU and a pointwise convolution to fewer channels.

    Args:
        in_channels, out_channels: of the convolution.
    """

    kept_norms = ("nonlinear.batchnorm",)

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.nonlinear = NormRelu(in_channels)
        self.linear = nn.Conv1d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T)"""
        return self.linear(self.nonlinear(x))


class Dense(nn.Module):
    """The embedding: a linear layer and a batch norm without parameters.

    Args:
        in_channels, out_channels: of the linear layer.
    """

    folded_norms = (("nonlinear.batchnorm", "linear"),)

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(in_channels, out_channels, 1, bias=False)
        self.nonlinear = nn.ModuleDict({"batchnorm": nn.BatchNorm1d(out_channels, affine=False)})

    def forward(self, x: Tensor) -> Tensor:
        """(B, C) -> (B, C')"""
        return self.nonlinear["batchnorm"](self.linear(x.unsqueeze(-1)).squeeze(-1))
