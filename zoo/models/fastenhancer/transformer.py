"""FastEnhancer with attention over the last frames in place of recurrence, an ablation of the public code."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.layers.attention import AttentionWindow, CausalAttention, SelfAttention
from zoo.layers.norm import ChannelsLastBatchNorm
from zoo.models.fastenhancer.blocks import normalise_weights, positional_embedding
from zoo.models.fastenhancer.filters import clipped_filters
from zoo.models.fastenhancer.rows import IntoRows, OutOfRows
from zoo.models.fastenhancer.unet import (
    MaskUNet,
    decoder_convs,
    encoder_convs,
    mask_conv,
    strided_conv,
)
from zoo.networks.streaming import State
from zoo.spec import EnhancementSpec


class DualPathTransformer(MaskUNet):
    """Attention over time and over frequency between the convolutions.

    Args:
        heads: of both attentions.
        look_behind: frames before the present one that the attention over time sees.
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
        heads: int,
        look_behind: int,
        trained_filters: bool,
        compression: float,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.compression = compression
        first, *others = kernel_sizes
        bins = spec.front_end.n_fft // 2 // stride
        into, out_of = clipped_filters(bins, block_bins)
        self.window = AttentionWindow(look_behind)
        self.pe = nn.Parameter(positional_embedding(heads, look_behind + 1).T.contiguous())
        self.enc_pre = strided_conv(channels, first, stride)
        self.encoder = encoder_convs(channels, others)
        self.dpt_pre = IntoRows(into, trained_filters, channels, block_channels)
        self.dpt_block = nn.ModuleList(
            [
                TransformerBlock(block_channels, block_bins, heads, look_behind, positional=i == 0)
                for i in range(blocks)
            ]
        )
        self.dpt_post = OutOfRows(out_of, trained_filters, block_channels, channels)
        self.decoder = decoder_convs(channels, others[::-1])
        self.dec_post = mask_conv(channels, first, stride, bins)
        self.name_states()

    def between(self, y: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, C, T, F') -> (B, C, T, F')"""
        y = self.dpt_pre(y)
        bias, state = self.window(self.pe, y.shape[0], state)
        for block in self.dpt_block:
            y, state = block(y, bias, state)
        return self.dpt_post(y), state


class TransformerBlock(nn.Module):
    """Attention over time, then over frequency, each with projection, batch norm and residual."""

    folded_norms = (("time_post_norm", "time_fc"), ("freq_post_norm", "freq_fc"))

    def __init__(self, channels: int, bins: int, heads: int, look_behind: int, *, positional: bool) -> None:
        super().__init__()
        self.time_attn = CausalAttention(channels, heads, rows=bins, past=look_behind)
        self.time_fc = nn.Linear(channels, channels, bias=False)
        self.time_post_norm = ChannelsLastBatchNorm(channels)
        self.freq_attn = SelfAttention(channels, heads)
        self.freq_fc = nn.Linear(channels, channels, bias=False)
        self.freq_post_norm = ChannelsLastBatchNorm(channels)
        self.pe = nn.Parameter(positional_embedding(channels, bins)) if positional else None
        normalise_weights(self.time_attn.qkv)
        normalise_weights(self.freq_attn.qkv)

    def forward(self, x: Tensor, bias: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F, C) -> (T, B, F, C), with the bias of an ``AttentionWindow``."""
        y, state = self.time_attn(x, bias, state)
        x = x + self.time_post_norm(self.time_fc(y))
        if self.pe is not None:
            x = x + self.pe
        y = self.freq_attn(x.flatten(0, 1)).view(x.shape)
        return x + self.freq_post_norm(self.freq_fc(y)), state
