"""Dual-path recurrence: over frequency within a frame, then over time."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.networks.streaming import State


class DualPathBlock(nn.Module):
    """Each path is a recurrent layer, a linear layer, a layer norm over the whole frame, and a residual.

    Y. Luo, Z. Chen, T. Yoshioka: Dual-Path RNN, ICASSP 2020; the norms as in DPCRN, Interspeech 2021.

    Args:
        intra_rnn: over frequency, (F, T x B, C) -> the same.
        inter_rnn: over time with state, (T, B, F, C) -> the same.
        channels, bins: of a frame.
    """

    def __init__(self, intra_rnn: nn.Module, inter_rnn: nn.Module, channels: int, bins: int) -> None:
        super().__init__()
        self.intra_rnn = intra_rnn
        self.intra_fc = nn.Linear(channels, channels)
        self.intra_ln = nn.LayerNorm((bins, channels), eps=1e-8)
        self.inter_rnn = inter_rnn
        self.inter_fc = nn.Linear(channels, channels)
        self.inter_ln = nn.LayerNorm((bins, channels), eps=1e-8)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F, C) -> (T, B, F, C)"""
        intra = self.intra_rnn(x.flatten(0, 1).transpose(0, 1))  # (F, T x B, C)
        intra = self.intra_fc(intra).transpose(0, 1).reshape(x.shape)
        x = x + self.intra_ln(intra)
        inter, state = self.inter_rnn(x, state)
        return x + self.inter_ln(self.inter_fc(inter)), state
