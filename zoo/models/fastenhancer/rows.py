"""Pointwise layers between the maps of convolutions (B, C, T, F) and the rows of blocks (T, B, F, C).

Their weights are those of one-dimensional convolutions. The twins change the layout inside the product of
matrices, where it costs nothing, if there is one frame of one stream.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

Params = dict[str, Tensor]


class IntoRows(nn.Conv1d):
    """From maps to rows, without bias.

    Args:
        in_channels, out_channels: of a frame.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (T, B, F, C')"""
        return functional.linear(x.permute(2, 0, 3, 1), self.weight[:, :, 0])

    def streaming_twin(self) -> LinearIntoRows:
        return LinearIntoRows(self.in_channels, self.out_channels)

    def streaming_parameters(self, own: Params) -> Params:
        return {**own, "weight": own["weight"].squeeze(2)}


class LinearIntoRows(nn.Linear):
    """Twin of ``IntoRows``."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F) -> (T, B, F, C')"""
        if _one_frame(x.shape[0], x.shape[2]):
            return transposed_linear(x.flatten(0, 2), self.weight, self.bias).view(1, 1, x.shape[3], -1)
        return super().forward(x.permute(2, 0, 3, 1))


class OutOfRows(nn.Conv1d):
    """From rows to maps, without bias.

    Args:
        in_channels, out_channels: of a frame.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, F, C) -> (B, C', T, F)"""
        return functional.linear(x, self.weight[:, :, 0]).permute(1, 3, 0, 2)

    def streaming_twin(self) -> LinearOutOfRows:
        return LinearOutOfRows(self.in_channels, self.out_channels)

    def streaming_parameters(self, own: Params) -> Params:
        return {**own, "weight": own["weight"].squeeze(2)}


class LinearOutOfRows(nn.Linear):
    """Twin of ``OutOfRows``."""

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, F, C) -> (B, C', T, F)"""
        if _one_frame(x.shape[0], x.shape[1]):
            maps = torch.addmm(self.bias.unsqueeze(1), self.weight, x.flatten(0, 2).T)
            return maps.view(1, -1, 1, x.shape[2])
        return super().forward(x).permute(1, 3, 0, 2)


def transposed_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(C, F), (C', C), (C',) -> (F, C'); while an ONNX file is made, one operator."""
    if torch.onnx.is_in_onnx_export():
        return torch.onnx.ops.symbolic(
            "Gemm",
            (x, weight, bias),
            {"transA": 1, "transB": 1},
            dtype=x.dtype,
            shape=(x.shape[1], weight.shape[0]),
            version=13,
        )
    return functional.linear(x.T, weight, bias)


def _one_frame(streams: int, frames: int) -> bool:
    """Whether there is one frame of one stream, for good: a free length is no ``int``."""
    return isinstance(streams, int) and isinstance(frames, int) and streams == frames == 1
