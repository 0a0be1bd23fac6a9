"""FastEnhancer with recurrence in both directions of time, for whole recordings only."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.layers.recurrent import SequenceGRU
from zoo.models.fastenhancer.blocks import Block
from zoo.models.fastenhancer.filters import clipped_filters
from zoo.models.fastenhancer.model import FastEnhancer
from zoo.networks.streaming import State


class BidirectionalBlock(Block):
    """A block whose GRU runs over the whole recording, forwards and backwards."""

    directions = 2

    def recurrence(self, channels: int, bins: int) -> nn.GRU:
        """The GRU over time."""
        return SequenceGRU(channels, channels, bidirectional=True)

    def over_time(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F, C) -> (T, B, F, 2 x C)"""
        return self.rnn(x.flatten(1, 2)).unflatten(1, x.shape[1:3]), state


class BidirectionalFastEnhancer(FastEnhancer):
    """``FastEnhancer`` that reads the future too: it has no state, and no stream."""

    block = BidirectionalBlock
    filters = staticmethod(clipped_filters)
