"""FastEnhancer with dual-path recurrence in place of attention, an ablation of the public code."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zoo.layers.norm import ChannelsLastBatchNorm
from zoo.layers.recurrent import SequenceGRU, TimeGRU
from zoo.models.fastenhancer.blocks import normalise_weights
from zoo.models.fastenhancer.unet import MaskUNet
from zoo.networks.streaming import State
from zoo.spec import EnhancementSpec


class DualPathRNN(MaskUNet):
    """GRUs over time and over frequency between the convolutions.

    Args:
        spec, sizes: as in ``MaskUNet``.
        frequency_channels: of the GRUs over frequency, in each direction.
    """

    middle = "dprnn"

    def __init__(self, spec: EnhancementSpec, *, frequency_channels: int, **sizes: Any) -> None:
        super().__init__(spec, **sizes)
        channels, bins = self.sizes.block_channels, self.sizes.block_bins
        self.assemble(lambda first: DualPathRNNBlock(channels, bins, frequency_channels))


class DualPathRNNBlock(nn.Module):
    """GRU over time, then GRUs both ways over frequency, each with projection, batch norm and residual."""

    folded_norms = (("trnn_post_norm", "trnn_fc"), ("frnn_post_norm", "frnn_fc"))

    def __init__(self, channels: int, bins: int, frequency_channels: int) -> None:
        super().__init__()
        self.trnn = TimeGRU(channels, channels, rows=bins)
        self.trnn_fc = nn.Linear(channels, channels, bias=False)
        self.trnn_post_norm = ChannelsLastBatchNorm(channels)
        self.frnn = SequenceGRU(channels, frequency_channels, bidirectional=True)
        self.frnn_fc = nn.Linear(2 * frequency_channels, channels, bias=False)
        self.frnn_post_norm = ChannelsLastBatchNorm(channels)
        normalise_weights(self.trnn)
        normalise_weights(self.frnn)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F, C) -> (T, B, F, C)"""
        y, state = self.trnn(x, state)
        x = x + self.trnn_post_norm(self.trnn_fc(y))
        y = self.frnn(x.flatten(0, 1).transpose(0, 1))  # (F, T x B, 2 x C')
        y = self.frnn_fc(y).transpose(0, 1).reshape(x.shape)
        return x + self.frnn_post_norm(y), state
