"""Causal convolutions over (B, C, T, F) and convolutions over frequency, with their streaming twins."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.streaming import State, Stateful

Params = dict[str, Tensor]


class CausalConv2d(nn.Conv2d, Stateful):
    """Convolution over time and frequency that sees the past and the present frame.

    Parameters as in ``nn.Conv2d``. Its twin is itself, but without groups unless it is depthwise: zeros
    between a few groups cost less than the groups.

    Args:
        in_channels, out_channels, groups, bias: as in ``nn.Conv2d``.
        kernel_size: (time, frequency).
        bins: frequencies of the input, which the size of the memory depends on.
        stride: over frequency.
        dilation: over time.
        channels_last: remember frames as (F, C) and not as (C, F): in the graphs of networks made of such
            convolutions that is the layout between them.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        *,
        bins: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        channels_last: bool = False,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=(1, stride),
            padding=(0, kernel_size[1] // 2),
            dilation=(dilation, 1),
            groups=groups,
            bias=bias,
        )
        self.bins, self.channels_last = bins, channels_last
        self.context = (kernel_size[0] - 1) * dilation

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return past_shapes(self)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # type: ignore[override]
        """(B, C, T, F) -> (B, C', T, F'); keeps the last (kernel - 1) x dilation frames."""
        x, state = with_past(self, x, state)
        return super().forward(x), state

    def streaming_twin(self) -> CausalConv2d:
        return CausalConv2d(
            self.in_channels,
            self.out_channels,
            (self.kernel_size[0], self.kernel_size[1]),
            bins=self.bins,
            stride=self.stride[1],
            dilation=self.dilation[0],
            groups=self.groups if self.groups == self.in_channels else 1,
            bias=self.bias is not None,
            channels_last=self.channels_last,
        )

    def streaming_parameters(self, own: Params) -> Params:
        if self.groups == self.in_channels:
            return own
        return {**own, "weight": dense_weight(own["weight"], self.groups)}


class CausalConvTranspose2d(nn.ConvTranspose2d, Stateful):
    """Transposed convolution: causal over time, upsampling over frequency.

    y[t] is the sum of W[k] x[t - k dilation]: over time the kernel runs backwards compared with
    ``CausalConv2d``. Parameters as in ``nn.ConvTranspose2d``; the twin is a convolution.

    Args:
        in_channels, out_channels, groups, bias: as in ``nn.ConvTranspose2d``.
        kernel_size: (time, frequency).
        bins: frequencies of the input.
        stride: over frequency.
        dilation: over time.
        channels_last: remember frames as (F, C) and not as (C, F): in the graphs of networks made of such
            convolutions that is the layout between them.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        *,
        bins: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        channels_last: bool = False,
    ) -> None:
        context, trim = (kernel_size[0] - 1) * dilation, kernel_size[1] // 2
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=(1, stride),
            padding=(context, trim),
            dilation=(dilation, 1),
            groups=groups,
            bias=bias,
        )
        self.bins, self.context, self.trim = bins, context, trim
        self.channels_last = channels_last

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return past_shapes(self)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # type: ignore[override]
        """(B, C, T, F) -> (B, C', T, F'); keeps the last (kernel - 1) x dilation frames."""
        x, state = with_past(self, x, state)
        return super().forward(x), state

    def streaming_twin(self) -> UpsamplingConv2d:
        return UpsamplingConv2d(self)

    def streaming_parameters(self, own: Params) -> Params:
        weight = interleaved_weight(own["weight"], self.groups, self.stride[1], self.trim).flip(2)
        if self.stride[1] == 1:
            return {**own, "weight": weight}
        converted = _with_bias(dense_weight(weight, self.groups), own, self.stride[1])
        return {  # channel phase x C + o
            name: value.unflatten(0, (-1, self.stride[1])).transpose(0, 1).flatten(0, 1)
            for name, value in converted.items()
        }


class UpsamplingConv2d(CausalConv2d):
    """Twin of ``CausalConvTranspose2d``: a convolution whose channels are interleaved along frequency.

    Its channels are phase x C + o: with channels last they lie where they belong. Where it interleaves it has
    no groups.
    """

    def __init__(self, layer: CausalConvTranspose2d) -> None:
        stride, kernel, trim = layer.stride[1], layer.kernel_size[1], layer.trim
        super().__init__(
            layer.in_channels,
            layer.out_channels * stride,
            (layer.kernel_size[0], 2 * interleaved_reach(kernel, stride, trim) + 1),
            bins=layer.bins,
            dilation=layer.dilation[0],
            groups=layer.groups if stride == 1 else 1,
            bias=layer.bias is not None,
            channels_last=layer.channels_last,
        )
        self.upsampling = stride
        self.out_bins = (layer.bins - 1) * stride - 2 * trim + kernel

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # type: ignore[override]
        """(B, C, T, F) -> (B, C', T, F')"""
        y, state = super().forward(x, state)
        if self.upsampling > 1:
            y = y.permute(0, 2, 3, 1).unflatten(3, (self.upsampling, -1)).flatten(2, 3)  # (B, T, F', C')
            y = y[:, :, : self.out_bins].permute(0, 3, 1, 2)
        return y[..., : self.out_bins], state


class SubbandConv2d(nn.Conv2d):
    """Pointwise convolution over each frequency together with its two neighbours.

    The neighbours are unfolded into channels (input channel outermost), as the public GTCRN does; the
    parameters are those of the pointwise convolution. Its twin is a convolution of width 3.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels * 3, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (B, C', T, F)"""
        return super().forward(unfold_neighbours(x))

    def streaming_twin(self) -> nn.Conv2d:
        return nn.Conv2d(self.in_channels // 3, self.out_channels, (1, 3), padding=(0, 1))

    def streaming_parameters(self, own: Params) -> Params:
        return {**own, "weight": own["weight"].reshape(self.out_channels, -1, 1, 3)}


class SubbandConvTranspose2d(nn.ConvTranspose2d):
    """``SubbandConv2d`` with the parameters of a pointwise transposed convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels * 3, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(B, C, T, F) -> (B, C', T, F)"""
        return super().forward(unfold_neighbours(x))

    def streaming_twin(self) -> nn.Conv2d:
        return nn.Conv2d(self.in_channels // 3, self.out_channels, (1, 3), padding=(0, 1))

    def streaming_parameters(self, own: Params) -> Params:
        return {**own, "weight": own["weight"].transpose(0, 1).reshape(self.out_channels, -1, 1, 3)}


class Unfold(nn.Module):
    """Each frequency with its neighbours as channels, input channel outermost. No parameters.

    Its twin is a convolution that picks them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (B, C x 3, T, F)"""
        return unfold_neighbours(x)

    def streaming_twin(self) -> nn.Conv2d:
        return nn.Conv2d(self.channels, self.channels * 3, (1, 3), padding=(0, 1), bias=False)

    def streaming_parameters(self, own: Params) -> Params:
        return {"weight": torch.eye(self.channels * 3).view(-1, self.channels, 1, 3)}


class PointwiseConv2d(nn.Conv2d):
    """Convolution of width 1. Its twin is itself."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)


class PointwiseConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution of width 1; its twin is the convolution with transposed weights."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def streaming_twin(self) -> nn.Conv2d:
        return nn.Conv2d(self.in_channels, self.out_channels, 1)

    def streaming_parameters(self, own: Params) -> Params:
        return {**own, "weight": own["weight"].transpose(0, 1)}


def past_shapes(layer: CausalConv2d | CausalConvTranspose2d) -> dict[str, tuple[int, ...]]:
    """Shape of the frames that a causal convolution remembers, if it looks back."""
    if not layer.context:
        return {}
    if layer.channels_last:
        return {"past": (layer.context, layer.bins, layer.in_channels)}
    return {"past": (layer.in_channels, layer.context, layer.bins)}


def with_past(layer: CausalConv2d | CausalConvTranspose2d, x: Tensor, state: State) -> tuple[Tensor, State]:
    """Put the remembered frames before x (B, C, T, F), and remember its last ones."""
    if not layer.context:
        return x, state
    name = layer.state_name("past")
    time = 1 if layer.channels_last else 2
    new = x.permute(0, 2, 3, 1) if layer.channels_last else x
    joined = torch.cat([state[name], new], dim=time)  # (B, context + T, F, C) or (B, C, context + T, F)
    frames = new.shape[time]
    enough = isinstance(frames, int) and frames == layer.context  # a slice would be an operator of a graph
    after = new if enough else joined.narrow(time, -layer.context, layer.context)
    return joined.permute(0, 3, 1, 2) if layer.channels_last else joined, {**state, name: after}


def unfold_neighbours(x: Tensor) -> Tensor:
    """Each frequency with its neighbours as channels: (B, C, T, F) -> (B, C x 3, T, F)."""
    padded = functional.pad(x, (1, 1))
    bins = x.shape[3]
    return torch.stack([padded[..., k : k + bins] for k in range(3)], dim=2).flatten(1, 2)


def dense_weight(weight: Tensor, groups: int) -> Tensor:
    """A grouped weight with zeros between the groups: (out, in / groups, ...) -> (out, in, ...)."""
    blocks = weight.unflatten(0, (groups, -1))  # (groups, out / groups, in / groups, ...)
    dense = blocks.new_zeros(groups, blocks.shape[1], *blocks.shape[:1], *blocks.shape[2:])
    each = torch.arange(groups)
    dense[each, :, each] = blocks
    return dense.flatten(2, 3).flatten(0, 1)


def interleaved_reach(kernel: int, stride: int, padding: int) -> int:
    """Neighbours on either side that a transposed convolution's output depends on.

    Output stride x j + p takes tap k = stride x m + p + padding of input j - m, for the m that keep k
    inside the kernel.
    """
    return max((kernel - 1 - padding) // stride, (padding + stride - 1) // stride)


def interleaved_weight(weight: Tensor, groups: int, stride: int, padding: int) -> Tensor:
    """Weight of the convolution whose interleaved channels equal a transposed convolution.

    Args:
        weight: (in, out / groups, ..., kernel), the last axis being upsampled.
        groups: of the transposed convolution.
        stride, padding: over the last axis.

    Returns:
        (out x stride, in / groups, ..., 2 x reach + 1), with output channel o x stride + phase.
    """
    kernel = weight.shape[-1]
    reach = interleaved_reach(kernel, stride, padding)
    grouped = weight.unflatten(0, (groups, -1)).transpose(1, 2)  # (groups, out / groups, in / groups, ...)
    taps = grouped.new_zeros(*grouped.shape[:2], stride, *grouped.shape[2:-1], 2 * reach + 1)
    for phase in range(stride):
        for m in range(-reach, reach + 1):
            k = stride * m + phase + padding
            if 0 <= k < kernel:
                taps[:, :, phase, ..., reach - m] = grouped[..., k]
    return taps.flatten(0, 2)


def interleave(x: Tensor, stride: int, bins: int) -> Tensor:
    """Channels o x stride + phase become frequencies j x stride + phase.

    (B, C x stride, ..., F) -> (B, C, ..., bins), what lies beyond ``bins`` cut off.
    """
    if stride > 1:
        x = x.unflatten(1, (-1, stride)).movedim(2, -1).flatten(-2)
    return x[..., :bins] if x.shape[-1] != bins else x


def _with_bias(weight: Tensor, own: Params, stride: int) -> Params:
    converted = {"weight": weight}
    if "bias" in own:
        converted["bias"] = own["bias"].repeat_interleave(stride)
    return converted
