"""Normalisation, with its streaming twins."""

from __future__ import annotations

from torch import Tensor, nn

Params = dict[str, Tensor]


class ChannelsLastBatchNorm(nn.BatchNorm1d):
    """Batch norm over the last axis of (..., C); the streaming form folds it into the layer before."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)"""
        return super().forward(x.reshape(-1, x.shape[-1])).view(x.shape)


class FrameNorm(nn.GroupNorm):
    """Norm over all channels and frequencies of a frame, with a scale and an offset a channel.

    Its twin has a layer norm over both axes, which is one operator of a graph.

    Args:
        channels, bins: of a frame.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__(1, channels)
        self.bins = bins

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (B, C, T, F)"""
        by_frame = x.transpose(1, 2)  # (B, T, C, F)
        return super().forward(by_frame.flatten(0, 1)).view(by_frame.shape).transpose(1, 2)

    def streaming_twin(self) -> FrameLayerNorm:
        return FrameLayerNorm((self.num_channels, self.bins), eps=self.eps)

    def streaming_parameters(self, own: Params) -> Params:
        return {name: value.unsqueeze(1).repeat(1, self.bins) for name, value in own.items()}


class FrameLayerNorm(nn.LayerNorm):
    """Twin of ``FrameNorm``."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (B, C, T, F)"""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class CentredNorm(nn.LayerNorm):
    """What the public FastEnhancer and FSPEN compute in place of a layer norm over frequencies and channels.

    x - mean + weight x bias / deviation: by a slip, scale and deviation act on the bias in place of the
    frame. Weights trained with it need it as it is. Parameters as in ``nn.LayerNorm`` over the channels.
    Its twin is itself.

    Args:
        channels: the last axis.
        eps: added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(..., F, C) -> (..., F, C)"""
        centred = x - x.mean((-2, -1), keepdim=True)
        variance = (centred * centred).mean((-2, -1), keepdim=True)
        return centred + self.weight * self.bias / (variance + self.eps).sqrt()
