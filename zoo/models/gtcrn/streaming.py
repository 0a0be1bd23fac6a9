"""Layers of GTCRN's streaming form: the same arithmetic in fewer and larger steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.layers.recurrent import block_diagonal_gru, run_recurrent

Params = dict[str, Tensor]
QUARTERS = ("rnn1.{}_l0", "rnn1.{}_l0_reverse", "rnn2.{}_l0", "rnn2.{}_l0_reverse")


class OneWayGRU(nn.Module):
    """Twin of ``GroupedGRU`` in both directions: one GRU that runs forwards.

    It reads every step together with the step as far from the end. Its weights are zero between the four
    GRUs that it stands for: both halves of the channels, each in both directions.

    Args:
        input_size, hidden_size: channels in and out.
        length: of the sequences.
    """

    ends: Tensor
    order: Tensor

    def __init__(self, input_size: int, hidden_size: int, length: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(2 * input_size, hidden_size)
        self.length = length
        steps = torch.arange(length)
        ends = torch.stack([steps, steps.flip(0)], dim=1)  # (L, 2)
        order = torch.stack([4 * ends[:, i % 2] + i for i in range(4)], dim=1)  # (L, 4)
        self.register_buffer("ends", ends.flatten(), persistent=False)
        self.register_buffer("order", order.flatten(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(L, B, C) -> (L, B, H)"""
        both = x.index_select(0, self.ends).unflatten(0, (-1, 2))  # (L, 2, B, C)
        y, _ = run_recurrent(self.rnn, both.transpose(1, 2).flatten(2))
        quarters = y.unflatten(2, (4, -1)).transpose(1, 2).flatten(0, 1)  # (L x 4, B, H / 4)
        y = quarters.index_select(0, self.order).unflatten(0, (-1, 4))  # (L, 4, B, H / 4)
        return y.transpose(1, 2).flatten(2)


def one_way(own: Params) -> Params:
    """Parameters ``rnn.*`` of ``OneWayGRU`` from those of ``GroupedGRU``."""
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    split = {f"{i}.{kind}_l0": own[name.format(kind)] for kind in kinds for i, name in enumerate(QUARTERS)}
    merged = block_diagonal_gru(split, [str(i) for i in range(len(QUARTERS))])
    columns = merged["weight_ih_l0"].unflatten(1, (2, 2, -1))  # (3 H, half, direction, C / 2)
    merged["weight_ih_l0"] = columns.transpose(1, 2).flatten(1)  # a step's channels come together
    return {f"rnn.{name}": value for name, value in merged.items()}
