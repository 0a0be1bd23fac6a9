"""FastEnhancer with dual-path recurrence in place of attention, an ablation of the public code."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.layers.norm import ChannelsLastBatchNorm
from zoo.layers.recurrent import SequenceGRU, TimeGRU
from zoo.models.fastenhancer.blocks import normalise_weights
from zoo.models.fastenhancer.filters import clipped_filters
from zoo.models.fastenhancer.rows import IntoRows, OutOfRows
from zoo.models.fastenhancer.unet import (
    MaskUNet,
    decoder_convs,
    encoder_convs,
    mask_conv,
    strided_conv,
    through_blocks,
)
from zoo.networks.streaming import State
from zoo.spec import EnhancementSpec


class DualPathRNN(MaskUNet):
    """GRUs over time and over frequency between the convolutions.

    Args:
        frequency_channels: of the GRUs over frequency, in each direction.
        spec, channels, kernel_sizes, stride, block_channels, block_bins, blocks, trained_filters,
            compression: as in ``FastEnhancer``.
    """

    def __init__(
        self,
        spec: EnhancementSpec,
        *,
        channels: int,
        kernel_sizes: tuple[int, ...],
        stride: int,
        block_channels: int,
        block_bins: int,
        blocks: int,
        frequency_channels: int,
        trained_filters: bool,
        compression: float,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.compression = compression
        first, *others = kernel_sizes
        bins = spec.front_end.n_fft // 2 // stride
        into, out_of = clipped_filters(bins, block_bins)
        self.enc_pre = strided_conv(channels, first, stride)
        self.encoder = encoder_convs(channels, others)
        self.dprnn_pre = IntoRows(into, trained_filters, channels, block_channels)
        self.dprnn_block = nn.ModuleList(
            [DualPathRNNBlock(block_channels, block_bins, frequency_channels) for _ in range(blocks)]
        )
        self.dprnn_post = OutOfRows(out_of, trained_filters, block_channels, channels)
        self.decoder = decoder_convs(channels, others[::-1])
        self.dec_post = mask_conv(channels, first, stride, bins)
        self.name_states()

    def between(self, y: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, T, F') -> (B, C, T, F')"""
        y = self.dprnn_pre(y)
        y, state = through_blocks(self.dprnn_block, y, state)
        return self.dprnn_post(y), state


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
