"""FastEnhancer with layer norms in place of batch norms, an ablation of the public code."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.layers.frequency_conv import (
    FrequencyConv,
    NormalizedFrequencyConvTranspose,
    SkipConv,
    SkipSequential,
    StridedFrequencyConv,
)
from zoo.layers.norm import CentredNorm, FrameNorm
from zoo.models.fastenhancer.blocks import Block
from zoo.models.fastenhancer.filters import FilterBank, clipped_filters
from zoo.models.fastenhancer.unet import MaskUNet, through_blocks
from zoo.networks.streaming import State
from zoo.spec import EnhancementSpec


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
        spec: EnhancementSpec,
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

        def norm_act(conv: nn.Module) -> tuple[nn.Module, ...]:
            return conv, FrameNorm(channels, bins), nn.SiLU()

        self.enc_pre = nn.Sequential(
            StridedFrequencyConv(2, channels, first, stride, (first - stride) // 2, bias=True),
            FrameNorm(channels, bins),
            nn.SiLU(),
        )
        self.encoder = nn.ModuleList(
            [nn.Sequential(*norm_act(FrequencyConv(channels, channels, k))) for k in others]
        )
        self.rf_pre = nn.Sequential(
            FilterBank(into, trained_filters),
            FrequencyConv(channels, block_channels, 1),
            FrameNorm(block_channels, block_bins),
        )
        self.rf_block = nn.ModuleList(
            [LayerNormBlock(block_channels, block_bins, heads, positional=i == 0) for i in range(blocks)]
        )
        self.rf_post = nn.Sequential(
            FilterBank(out_of, trained_filters),
            FrequencyConv(block_channels, channels, 1),
            FrameNorm(channels, bins),
        )
        self.decoder = nn.ModuleList(
            [
                SkipSequential(
                    *norm_act(SkipConv(channels, channels)),
                    *norm_act(FrequencyConv(channels, channels, k, bias=False)),
                )
                for k in reversed(others)
            ]
        )
        self.dec_post = SkipSequential(
            *norm_act(SkipConv(channels, channels, bias=False)),
            NormalizedFrequencyConvTranspose(channels, 2, first, stride, bins),
        )
        self.name_states()

    def between(self, y: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, T, F') -> (B, C, T, F')"""
        y = self.rf_pre(y).permute(2, 0, 3, 1)  # (T, B, F'', C')
        y, state = through_blocks(self.rf_block, y, state)
        return self.rf_post(y.permute(1, 3, 0, 2)), state
