"""FastEnhancer with layer norms in place of batch norms, an ablation of the public code."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.layers.conv import NormalizedConvTranspose1d, StridedConv1d
from zoo.layers.norm import CentredNorm, FrameNorm
from zoo.models.fastenhancer.blocks import Block
from zoo.models.fastenhancer.filters import FilterBank, clipped_filters
from zoo.models.fastenhancer.unet import MaskUNet, from_blocks, through_blocks, to_blocks
from zoo.spec import ModelSpec
from zoo.streaming.state import State


class LayerNormBlock(Block):
    """A block with norms over all frequencies and channels of a frame."""

    folded_norms = ()
    norm = CentredNorm


class LayerNormFastEnhancer(MaskUNet):
    """Every frame is normalised by itself, so no norm can be folded.

    Args:
        spec, channels, kernel_sizes, stride, block_channels, block_bins, blocks, heads, trained_filters,
            compression: as in ``FastEnhancer``.
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        channels: int,
        kernel_sizes: tuple[int, ...],
        stride: int,
        block_channels: int,
        block_bins: int,
        blocks: int,
        heads: int,
        trained_filters: bool,
        compression: float,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.compression = compression
        first, *others = kernel_sizes
        bins = spec.front_end.n_fft // 2 // stride
        into, out_of = clipped_filters(bins, block_bins)

        def conv_norm_act(in_channels: int, kernel_size: int, *, bias: bool) -> tuple[nn.Module, ...]:
            conv = nn.Conv1d(in_channels, channels, kernel_size, padding=kernel_size // 2, bias=bias)
            return conv, FrameNorm(channels, bins), nn.SiLU()

        self.enc_pre = nn.Sequential(
            StridedConv1d(2, channels, first, stride, (first - stride) // 2, bias=True),
            FrameNorm(channels, bins),
            nn.SiLU(),
        )
        self.encoder = nn.ModuleList([nn.Sequential(*conv_norm_act(channels, k, bias=True)) for k in others])
        self.rf_pre = nn.Sequential(
            FilterBank(into, trained_filters),
            nn.Conv1d(channels, block_channels, 1),
            FrameNorm(block_channels, block_bins),
        )
        self.rf_block = nn.ModuleList(
            [LayerNormBlock(block_channels, block_bins, heads, positional=i == 0) for i in range(blocks)]
        )
        self.rf_post = nn.Sequential(
            FilterBank(out_of, trained_filters),
            nn.Conv1d(block_channels, channels, 1),
            FrameNorm(channels, bins),
        )
        self.decoder = nn.ModuleList(
            [
                nn.Sequential(
                    *conv_norm_act(2 * channels, 1, bias=True), *conv_norm_act(channels, k, bias=False)
                )
                for k in reversed(others)
            ]
        )
        self.dec_post = nn.Sequential(
            *conv_norm_act(2 * channels, 1, bias=False),
            NormalizedConvTranspose1d(channels, 2, first, stride, bins),
        )
        self.name_states()

    def between(self, y: Tensor, batch: int, frames: int, state: State) -> tuple[Tensor, State]:
        """(B x T, C, F') -> (B x T, C, F')"""
        y = to_blocks(self.rf_pre, y, batch, frames)
        y, state = through_blocks(self.rf_block, y, state)
        return from_blocks(self.rf_post, y), state
