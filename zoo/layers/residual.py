"""What residual networks add to a block's output."""

from __future__ import annotations

from torch import nn


class Shortcut(nn.Sequential):
    """What is added to a block's output: its input, or a projection of it to the output's shape.

    Args:
        in_channels, out_channels: of the block.
        stride: over frequency and time.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int | tuple[int, int]) -> None:
        projection = (
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        super().__init__(*projection if stride != 1 or in_channels != out_channels else ())
