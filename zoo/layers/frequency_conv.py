"""Convolutions over frequency with weights as those of one-dimensional ones, and their streaming twins.

They take (B, C, T, F), every frame by itself: ONNX Runtime computes two-dimensional convolutions in a
blocked layout, a third faster than one-dimensional ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.conv import interleave, interleaved_reach, interleaved_weight

Params = dict[str, Tensor]


class FrequencyConv(nn.Conv1d):
    """Convolution over frequency. Parameters as in ``nn.Conv1d``; its twin is an ``nn.Conv2d``.

    Args:
        in_channels, out_channels: of a frame.
        kernel_size: odd; the number of frequencies stays.
        bias: whether there is one.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, bias: bool = True) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"a kernel of {kernel_size} does not lie symmetrically")
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (B, C', T, F)"""
        return functional.conv2d(
            x, self.weight.unsqueeze(2), self.bias, padding=(0, self.kernel_size[0] // 2)
        )

    def streaming_twin(self) -> nn.Conv2d:
        kernel, bias = self.kernel_size[0], self.bias is not None
        return nn.Conv2d(
            self.in_channels, self.out_channels, (1, kernel), padding=(0, kernel // 2), bias=bias
        )

    def streaming_parameters(self, own: Params) -> Params:
        return {**own, "weight": own["weight"].unsqueeze(2)}


class SkipConv(FrequencyConv):
    """Pointwise convolution over two tensors side by side. Its twin adds a convolution over each.

    Args:
        channels: of each.
        out_channels: of a frame.
        bias: whether there is one.
    """

    def __init__(self, channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(2 * channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:  # type: ignore[override]
        """Twice (B, C, T, F) -> (B, C', T, F)"""
        return super().forward(torch.cat([x, skip], dim=1))

    def streaming_twin(self) -> SumConv:  # type: ignore[override]
        return SumConv(self.in_channels // 2, self.out_channels, bias=self.bias is not None)

    def streaming_parameters(self, own: Params) -> Params:
        weight = own.pop("weight").unsqueeze(2)
        halves = zip(("own.weight", "skip.weight"), weight.chunk(2, dim=1), strict=True)
        return {**dict(halves), **{f"own.{name}": value for name, value in own.items()}}


class SumConv(nn.Module):
    """Twin of ``SkipConv``."""

    def __init__(self, channels: int, out_channels: int, *, bias: bool) -> None:
        super().__init__()
        self.own = nn.Conv2d(channels, out_channels, 1, bias=bias)
        self.skip = nn.Conv2d(channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Twice (B, C, T, F) -> (B, C', T, F)"""
        return self.own(x) + self.skip(skip)


class SkipSequential(nn.Sequential):
    """Layers one after the other, of which the first takes two tensors, like ``SkipConv``."""

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:  # type: ignore[override]
        """Twice (B, C, T, F) -> (B, C', T, F)"""
        first, *others = self
        x = first(x, skip)
        for layer in others:
            x = layer(x)
        return x


class StridedFrequencyConv(nn.Conv1d):
    """Strided convolution over frequency whose weight is stored as (out, stride x in, kernel / stride).

    Index (k % stride) x in + channel, as the public FastEnhancer stores it: the input is cut into
    ``stride`` interleaved signals. Its twin is the plain strided convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        padding: int,
        *,
        bias: bool = False,
    ) -> None:
        if kernel_size % stride:
            raise ValueError(f"a kernel of {kernel_size} is no multiple of the stride {stride}")
        super().__init__(in_channels * stride, out_channels, kernel_size // stride, bias=bias)
        self.cut = stride
        self.edge = padding

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (B, C', T, F / stride)"""
        x = functional.pad(x, (self.edge, self.edge)).unflatten(3, (-1, self.cut))
        x = x.permute(0, 4, 1, 2, 3).flatten(1, 2)  # (B, stride x C, T, F / stride)
        return functional.conv2d(x, self.weight.unsqueeze(2), self.bias)

    def streaming_twin(self) -> nn.Conv2d:
        kernel, bias = self.kernel_size[0] * self.cut, self.bias is not None
        channels = self.in_channels // self.cut
        return nn.Conv2d(channels, self.out_channels, (1, kernel), (1, self.cut), (0, self.edge), bias=bias)

    def streaming_parameters(self, own: Params) -> Params:
        weight = own["weight"].unflatten(1, (self.cut, -1))  # (out, stride, in, kernel / stride)
        return {**own, "weight": weight.permute(0, 2, 3, 1).flatten(2).unsqueeze(2)}


class NormalizedFrequencyConvTranspose(nn.ConvTranspose1d):
    """Transposed convolution over frequency whose weight has norm 1 as a whole, times a trained scale.

    Its twin is a convolution with interleaved channels.
    """

    folds_batch_norm = False  # a scale before the normalisation would be lost

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, bins: int) -> None:
        if (kernel_size - stride) % 2:
            raise ValueError(f"a kernel of {kernel_size} and a stride of {stride} do not lie symmetrically")
        trim = (kernel_size - stride) // 2
        super().__init__(in_channels, out_channels, kernel_size, stride, trim)
        self.scale = nn.Parameter(torch.ones(1))
        self.bins, self.trim = bins, trim

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(B, C, T, F) -> (B, C', T, F x stride)"""
        weight = functional.normalize(self.weight, dim=(0, 1, 2)) * self.scale  # type: ignore[arg-type]
        stride = (1, self.stride[0])
        return functional.conv_transpose2d(x, weight.unsqueeze(2), self.bias, stride, (0, self.trim))

    def streaming_twin(self) -> UpsamplingFrequencyConv:
        return UpsamplingFrequencyConv(self)

    def streaming_parameters(self, own: Params) -> Params:
        weight = own["weight"] / own["weight"].norm() * own["scale"]
        weight = interleaved_weight(weight, self.groups, self.stride[0], self.trim).unsqueeze(2)
        return {"weight": weight, "bias": own["bias"].repeat_interleave(self.stride[0])}


class UpsamplingFrequencyConv(nn.Conv2d):
    """Twin of ``NormalizedFrequencyConvTranspose``: channels that are interleaved along frequency."""

    def __init__(self, layer: NormalizedFrequencyConvTranspose) -> None:
        stride, kernel, trim = layer.stride[0], layer.kernel_size[0], layer.trim
        reach = interleaved_reach(kernel, stride, trim)
        channels = layer.out_channels * stride
        super().__init__(layer.in_channels, channels, (1, 2 * reach + 1), padding=(0, reach))
        self.upsampling = stride
        self.out_bins = (layer.bins - 1) * stride - 2 * trim + kernel

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (B, C', T, F x stride)"""
        return interleave(super().forward(x), self.upsampling, self.out_bins)
