"""FastEnhancer with attention over the last frames in place of recurrence, an ablation of the public code."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zoo.layers.attention import AttentionWindow, CausalAttention, SelfAttention
from zoo.layers.norm import ChannelsLastBatchNorm
from zoo.models.fastenhancer.blocks import normalise_weights, positional_embedding
from zoo.models.fastenhancer.unet import MaskUNet
from zoo.networks.streaming import State
from zoo.spec import EnhancementSpec


class DualPathTransformer(MaskUNet):
    """Attention over time and over frequency between the convolutions.

    Args:
        spec, sizes: as in ``MaskUNet``.
        heads: of both attentions.
        look_behind: frames before the present one that the attention over time sees.
    """

    middle = "dpt"

    def __init__(self, spec: EnhancementSpec, *, heads: int, look_behind: int, **sizes: Any) -> None:
        super().__init__(spec, **sizes)
        channels, bins = self.sizes.block_channels, self.sizes.block_bins
        self.window = AttentionWindow(look_behind)
        self.pe = nn.Parameter(positional_embedding(heads, look_behind + 1).T.contiguous())
        self.assemble(lambda first: TransformerBlock(channels, bins, heads, look_behind, positional=first))

    def through_blocks(self, y: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F'', C') -> (T, B, F'', C')"""
        bias, state = self.window(self.pe, y.shape[0], state)
        for block in self.get_submodule("dpt_block").children():
            y, state = block(y, bias, state)
        return y, state


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
