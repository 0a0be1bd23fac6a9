"""FSPEN: a full-band and a sub-band branch, merged for dual-path recurrence with path extension.

L. Yang, W. Liu, R. Meng, G. Lee, S. Baek, H.-G. Moon: FSPEN: An Ultra-Lightweight Network for Real Time
Speech Enhancement, ICASSP 2024. Parameter names are those of the public implementation that stands beside
FastEnhancer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.layers.norm import CentredNorm
from zoo.layers.recurrent import SequenceGRU
from zoo.layers.spectrum import compress, decompress
from zoo.models.fspen.layers import (
    BINS,
    SUBBANDS,
    FullbandDecoder,
    FullbandEncoder,
    PathExtension,
    SubbandDecoder,
    SubbandEncoder,
)
from zoo.networks.streaming import State, StreamingModule
from zoo.spec import EnhancementSpec


class FSPEN(StreamingModule):
    """Complex and magnitude mask on the compressed spectrum of 257 bins.

    Args:
        spec: the model's record.
        channels: of the full-band branch after each of its three layers; the last is the sub-band branch's.
        kernel_sizes: of the full-band branch, over frequency.
        block_channels, block_bins: channels and frequencies of the blocks.
        blocks: their number.
        groups: of frequencies in a block, each with a GRU over time of its own.
        norm: of the blocks: ``frame`` (layer norm over a frame), ``channels`` (layer norm over channels),
            or ``centred`` (``CentredNorm``).
        compression: exponent of the magnitude.
    """

    def __init__(
        self,
        spec: EnhancementSpec,
        *,
        channels: tuple[int, ...],
        kernel_sizes: tuple[int, ...],
        block_channels: int,
        block_bins: int,
        blocks: int,
        groups: int,
        norm: str,
        compression: float,
    ) -> None:
        super().__init__()
        if spec.front_end.bins != BINS:
            raise ValueError(f"FSPEN's bands are those of {BINS} bins, not {spec.front_end.bins}")
        self.spec = spec
        self.compression = compression
        wide = channels[-1]
        self.subband_encoder = SubbandEncoder(wide)
        self.fullband_encoder = FullbandEncoder((2, *channels), kernel_sizes)
        self.fullband_encoder_post = nn.Conv1d(wide, wide, 1, bias=False)
        self.feature_merge = nn.Sequential(
            nn.Linear(2 * SUBBANDS, block_bins, bias=False), nn.ELU(), nn.Conv1d(wide, block_channels, 1)
        )
        self.dpe_blocks = nn.ModuleList(
            [Block(block_channels, block_bins, groups, norm) for _ in range(blocks)]
        )
        self.feature_split = nn.Sequential(
            nn.Conv1d(block_channels, wide, 1), nn.Linear(block_bins, 2 * SUBBANDS, bias=False), nn.ELU()
        )
        self.subband_decoder = SubbandDecoder(2 * wide)
        self.fullband_decoder = FullbandDecoder((2, *channels), kernel_sizes)
        self.name_states()

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F, T, 2) -> (B, F, T, 2)"""
        x = x.permute(2, 0, 3, 1)  # (T, B, 2, F)
        grid = x.shape[:2]
        x = compress(x.flatten(0, 1), self.compression)  # (T x B, 2, F)
        subbands = self.subband_encoder(torch.linalg.vector_norm(x, dim=1, keepdim=True))
        skips = self.fullband_encoder(x)
        y = torch.cat([self.fullband_encoder_post(skips[-1]), subbands], dim=2)  # (T x B, C, 64)
        y = self.feature_merge(y).transpose(1, 2).unflatten(0, grid)  # (T, B, F', C')
        for block in self.dpe_blocks:
            y, state = block(y, state)
        y = self.feature_split(y.flatten(0, 1).transpose(1, 2))  # (T x B, C, 64)
        fullbands, more = y.chunk(2, dim=2)
        magnitudes = self.subband_decoder(torch.cat([subbands, more], dim=1))  # (T x B, 1, F)
        y = self.fullband_decoder(fullbands, skips, x, magnitudes)
        return decompress(y, self.compression).unflatten(0, grid).permute(1, 3, 0, 2), state


class Block(nn.Module):
    """Recurrence over frequency in both directions, then over time in groups of frequencies.

    The input of the second path is added to its output twice, as in the public code.
    """

    def __init__(self, channels: int, bins: int, groups: int, norm: str) -> None:
        super().__init__()
        self.intra_rnn = SequenceGRU(channels, channels, bidirectional=True)
        self.intra_fc = nn.Linear(2 * channels, channels)
        self.intra_ln = block_norm(norm, channels, bins)
        self.inter_rnn = PathExtension(channels, bins, groups)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F, C) -> (T, B, F, C)"""
        intra = self.intra_rnn(x.flatten(0, 1).transpose(0, 1))  # (F, T x B, 2 C)
        intra = self.intra_fc(intra).transpose(0, 1).reshape(x.shape)
        x = x + self.intra_ln(intra)
        inter, state = self.inter_rnn(x, state)
        return x + x + inter, state


def block_norm(kind: str, channels: int, bins: int) -> nn.Module:
    """The norm of a block, on (..., F, C)."""
    if kind == "frame":
        return nn.LayerNorm((bins, channels))
    if kind == "channels":
        return nn.LayerNorm(channels)
    if kind == "centred":
        return CentredNorm(channels)
    raise ValueError(f"norm {kind!r} is none of frame, channels, centred")
