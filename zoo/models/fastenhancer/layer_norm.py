"""FastEnhancer with layer norms in place of batch norms, an ablation of the public code."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.layers.frequency_conv import FrequencyConv
from zoo.layers.norm import CentredNorm, FrameNorm
from zoo.models.fastenhancer.blocks import Block
from zoo.models.fastenhancer.filters import FilterBank, clipped_filters
from zoo.models.fastenhancer.model import FastEnhancer
from zoo.models.fastenhancer.rows import SequentialIntoRows, SequentialOutOfRows


class LayerNormBlock(Block):
    """A block with norms over all frequencies and channels of a frame."""

    folded_norms = ()
    norm = CentredNorm


class LayerNormFastEnhancer(FastEnhancer):
    """``FastEnhancer`` in which every frame is normalised by itself, so that no norm can be folded."""

    block = LayerNormBlock
    filters = staticmethod(clipped_filters)
    biases = True

    def norm(self) -> nn.Module:
        """Behind a convolution: (B, C, T, F') -> (B, C, T, F')"""
        return FrameNorm(self.sizes.channels, self.bins)

    def into_blocks(self, filters: Tensor) -> nn.Module:
        """(B, C, T, F') -> (T, B, F'', C')"""
        sizes = self.sizes
        return SequentialIntoRows(
            FilterBank(filters, sizes.trained_filters),
            FrequencyConv(sizes.channels, sizes.block_channels, 1),
            FrameNorm(sizes.block_channels, sizes.block_bins),
        )

    def out_of_blocks(self, filters: Tensor) -> nn.Module:
        """(T, B, F'', C') -> (B, C, T, F')"""
        sizes = self.sizes
        return SequentialOutOfRows(
            FilterBank(filters, sizes.trained_filters),
            FrequencyConv(sizes.block_channels, sizes.channels, 1),
            self.norm(),
        )
