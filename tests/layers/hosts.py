"""A layer as the root of a stream, so that it is converted and held to the contract as models are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.contract import Signal
from zoo.layers.attention import AttentionWindow, CausalAttention
from zoo.layers.dual_path import DualPathBlock
from zoo.layers.erb import ERBBands
from zoo.layers.recurrent import GroupedTimeGRU, TimeGRU, TimeLSTM
from zoo.networks.streaming import State, Stateful, StreamingModule
from zoo.registry import get_spec

MAPS = Signal(stream=0, time=2)  # (B, C, T, F)
ROWS = Signal(stream=0, time=1)  # (B, T, R, C), which the host turns into the layer's (T, B, R, C)
WITHOUT_TIME = Signal(stream=0, time=0)  # (B, ...): frames are folded into the streams
SEQUENCES = Signal(stream=1, time=1)  # (L, B, C)


class Host(StreamingModule):
    """One layer, and a norm behind it, as the root that is converted."""

    def __init__(self, layer: nn.Module, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.spec = get_spec("gtcrn")
        self.layer = layer
        self.norm = norm or nn.Identity()
        self.folded_norms = [("norm", "layer")] if norm else []
        self.anything = nn.Parameter(torch.zeros(1))  # tells initial_state the type
        self.name_states()

    def check_input(self, x: Tensor) -> None:
        """A layer takes any shape."""

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if isinstance(self.layer, (TimeGRU, TimeLSTM, GroupedTimeGRU, DualPathBlock, OverTime)):
            x, state = self.layer(x.transpose(0, 1), state)
            x = x.transpose(0, 1)
        elif isinstance(self.layer, Stateful):
            x, state = self.layer(x, state)
        else:
            x = self.layer(x)
        return self.norm(x), state


class Halves(nn.Module):
    """A layer that takes two tensors, which are the halves of one."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """(B, 2 x C, T, F) -> (B, C', T, F)"""
        return self.layer(*x.chunk(2, dim=1))


class Bands(nn.Module):
    """Bins merged into bands and spread again."""

    def __init__(self) -> None:
        super().__init__()
        self.erb = ERBBands(512, 16000)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, 257) -> (B, C, T, 257)"""
        return self.erb.split(self.erb.merge(x))


class OverTime(nn.Module):
    """Attention over time with the window that it needs."""

    def __init__(self, channels: int, heads: int, *, rows: int, past: int) -> None:
        super().__init__()
        self.window = AttentionWindow(past)
        self.attention = CausalAttention(channels, heads, rows=rows, past=past)
        self.distances = nn.Parameter(torch.randn(heads, past + 1))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, R, C) -> (T, B, R, C)"""
        bias, state = self.window(self.distances, x.shape[0], state)
        return self.attention(x, bias, state)
