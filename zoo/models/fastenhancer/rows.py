"""Between the maps of convolutions (B, C, T, F) and the rows of blocks at few frequencies (T, B, F, C).

In the streaming form, for one frame of one stream, the change of layout is part of a product of matrices,
where it costs nothing.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.frequency_conv import FrequencyConv
from zoo.models.fastenhancer.filters import FilterBank


class SequentialIntoRows(nn.Sequential):
    """Layers of maps, and the change to rows."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F') -> (T, B, F'', C')"""
        return super().forward(x).permute(2, 0, 3, 1)


class SequentialOutOfRows(nn.Sequential):
    """The change from rows, and layers of maps."""

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, F'', C') -> (B, C, T, F')"""
        return super().forward(x.permute(1, 3, 0, 2))


class Refilter(nn.Sequential):
    """To other frequencies and channels: filterbank, pointwise convolution, batch norm.

    Args:
        filters: (F'', F')
        trained: whether they are parameters.
        in_channels, out_channels: of a frame.
    """

    def __init__(self, filters: Tensor, trained: bool, in_channels: int, out_channels: int) -> None:
        conv = FrequencyConv(in_channels, out_channels, 1, bias=False)
        super().__init__(FilterBank(filters, trained), conv, nn.BatchNorm2d(out_channels))

    def matrices(self, streams: int, frames: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """Filters, weight and bias, if the norm is folded and there is one frame of one stream, for good."""
        filters, conv, norm = self
        fixed = isinstance(streams, int) and isinstance(frames, int)  # a free length is no int
        if not (isinstance(norm, nn.Identity) and fixed and streams == frames == 1):
            return None
        return cast(Tensor, filters.weight), cast(Tensor, conv.weight).flatten(1), cast(Tensor, conv.bias)


class IntoRows(Refilter):
    """``Refilter`` from maps to rows."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, F') -> (T, B, F'', C')"""
        matrices = self.matrices(x.shape[0], x.shape[2])
        if matrices is None:
            return super().forward(x).permute(2, 0, 3, 1)
        filters, weight, bias = matrices
        rows = transposed_linear(functional.linear(x.flatten(0, 2), filters), weight, bias)
        return rows.view(1, 1, *rows.shape)


class OutOfRows(Refilter):
    """``Refilter`` from rows to maps."""

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, F'', C') -> (B, C, T, F')"""
        matrices = self.matrices(x.shape[1], x.shape[0])
        if matrices is None:
            return super().forward(x.permute(1, 3, 0, 2))
        filters, weight, bias = matrices
        maps = torch.addmm(bias.unsqueeze(1), weight, (filters @ x.flatten(0, 2)).T)
        return maps.view(1, maps.shape[0], 1, maps.shape[1])


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
