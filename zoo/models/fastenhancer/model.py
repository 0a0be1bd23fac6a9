"""FastEnhancer: convolutions over frequency around blocks of recurrence over time and attention.

S. Ahn, J. Han, B. J. Woo, N. S. Kim: FastEnhancer: Speed-Optimized Streaming Neural Speech Enhancement,
2025. Parameter names are those of the public implementation's training form.
"""

from __future__ import annotations

from torch import Tensor, nn

from zoo.models.fastenhancer.blocks import Block
from zoo.models.fastenhancer.filters import linear_filters
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


class FastEnhancer(MaskUNet):
    """The network of the paper.

    Args:
        spec: the model's record.
        channels: of the convolutions.
        kernel_sizes: over frequency; the first convolution has the stride.
        stride: of the first convolution, by which frequencies are merged.
        block_channels, block_bins: channels and frequencies of the blocks.
        blocks: their number.
        heads: of the attention.
        trained_filters: whether the maps between ``block_bins`` and the convolutions' frequencies are
            trained (parameters) or fixed (buffers).
        compression: exponent of the magnitude.
    """

    block = Block
    filters = staticmethod(linear_filters)

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
        into, out_of = self.filters(bins, block_bins)
        self.enc_pre = strided_conv(channels, first, stride)
        self.encoder = encoder_convs(channels, others)
        self.rf_pre = IntoRows(into, trained_filters, channels, block_channels)
        self.rf_block = nn.ModuleList(
            [self.block(block_channels, block_bins, heads, positional=i == 0) for i in range(blocks)]
        )
        self.rf_post = OutOfRows(out_of, trained_filters, block_channels, channels)
        self.decoder = decoder_convs(channels, others[::-1])
        self.dec_post = mask_conv(channels, first, stride, bins)
        self.name_states()

    def between(self, y: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, T, F') -> (B, C, T, F')"""
        y = self.rf_pre(y)
        y, state = through_blocks(self.rf_block, y, state)
        return self.rf_post(y), state
