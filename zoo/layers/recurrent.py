"""Recurrent layers over time and over frequency, with their streaming twins."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.streaming import State, Stateful

Params = dict[str, Tensor]
_GRU = TypeVar("_GRU", bound=nn.GRU)


class TimeGRU(nn.GRU, Stateful):
    """GRU over time, shared by all rows (frequencies). Parameters as in ``nn.GRU``.

    Args:
        input_size, hidden_size: channels in and out.
        rows: how many sequences a stream has.
    """

    def __init__(self, input_size: int, hidden_size: int, *, rows: int) -> None:
        super().__init__(input_size, hidden_size)
        self.rows = rows

    def __deepcopy__(self, memo: dict[int, Any]) -> TimeGRU:
        return copy_of_gru(self, memo)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"hidden": (self.rows, self.hidden_size)}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # type: ignore[override]
        """(T, B, R, C) -> (T, B, R, H)"""
        frames, batch = x.shape[:2]
        name = self.state_name("hidden")
        hidden = state[name].reshape(1, -1, self.hidden_size)  # (1, B x R, H)
        y, (hidden,) = run_recurrent(self, x.reshape(frames, -1, self.input_size), hidden)
        y = y.view(frames, batch, self.rows, self.hidden_size)
        return y, {**state, name: hidden.view(batch, self.rows, self.hidden_size)}

    def streaming_twin(self) -> TimeGRU:
        return TimeGRU(self.input_size, self.hidden_size, rows=self.rows)

    def streaming_parameters(self, own: Params) -> Params:
        return own


class TimeLSTM(nn.LSTM, Stateful):
    """LSTM over time, shared by all rows (frequencies). Parameters as in ``nn.LSTM``.

    Args:
        input_size, hidden_size: channels in and out.
        rows: how many sequences a stream has.
    """

    def __init__(self, input_size: int, hidden_size: int, *, rows: int) -> None:
        super().__init__(input_size, hidden_size)
        self.rows = rows

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"hidden": (self.rows, self.hidden_size), "cell": (self.rows, self.hidden_size)}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # type: ignore[override]
        """(T, B, R, C) -> (T, B, R, H)"""
        frames, batch = x.shape[:2]
        names = [self.state_name(key) for key in ("hidden", "cell")]
        before = (state[name].reshape(1, -1, self.hidden_size) for name in names)
        y, after = run_recurrent(self, x.reshape(frames, -1, self.input_size), *before)
        y = y.view(frames, batch, self.rows, self.hidden_size)
        shape = (batch, self.rows, self.hidden_size)
        return y, {**state, names[0]: after[0].view(shape), names[1]: after[1].view(shape)}


class SequenceGRU(nn.GRU):
    """GRU over sequences without memory beyond the call. Parameters as in ``nn.GRU``.

    Args:
        input_size: channels in.
        hidden_size: channels out of each direction.
        bidirectional: runs over the sequence in both directions.
    """

    def __init__(self, input_size: int, hidden_size: int, *, bidirectional: bool = False) -> None:
        super().__init__(input_size, hidden_size, bidirectional=bidirectional)

    def __deepcopy__(self, memo: dict[int, Any]) -> SequenceGRU:
        return copy_of_gru(self, memo)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(L, B, C) -> (L, B, H x directions)"""
        return run_recurrent(self, x)[0]

    def streaming_twin(self) -> SequenceGRU:
        return SequenceGRU(self.input_size, self.hidden_size, bidirectional=self.bidirectional)

    def streaming_parameters(self, own: Params) -> Params:
        return own


class SequenceLSTM(nn.LSTM):
    """LSTM over sequences without memory beyond the call. Parameters as in ``nn.LSTM``.

    Args:
        input_size: channels in.
        hidden_size: channels out of each direction.
        bidirectional: runs over the sequence in both directions.
    """

    def __init__(self, input_size: int, hidden_size: int, *, bidirectional: bool = False) -> None:
        super().__init__(input_size, hidden_size, bidirectional=bidirectional)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(L, B, C) -> (L, B, H x directions)"""
        return run_recurrent(self, x)[0]


class GroupedGRU(nn.Module):
    """Two GRUs, each over its half of the channels: the sequences have no memory beyond the call.

    Parameters ``rnn1.*`` and ``rnn2.*`` as in ``nn.GRU``. The twin is one GRU with block-diagonal weights.

    Args:
        input_size, hidden_size: channels in and out, of both halves and both directions together.
        bidirectional: each half runs over the sequence in both directions.
    """

    def __init__(self, input_size: int, hidden_size: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.directions = 2 if bidirectional else 1
        half = hidden_size // 2 // self.directions
        self.rnn1 = nn.GRU(input_size // 2, half, bidirectional=bidirectional)
        self.rnn2 = nn.GRU(input_size // 2, half, bidirectional=bidirectional)

    def forward(self, x: Tensor) -> Tensor:
        """(L, B, C) -> (L, B, H)"""
        first, second = x.chunk(2, dim=-1)
        return torch.cat([self.rnn1(first)[0], self.rnn2(second)[0]], dim=-1)

    def streaming_twin(self) -> MergedGRU:
        return MergedGRU(self.input_size, self.hidden_size, self.directions)

    def streaming_parameters(self, own: Params) -> Params:
        return {f"rnn.{name}": value for name, value in block_diagonal_gru(own, ("rnn1", "rnn2")).items()}


class MergedGRU(nn.Module):
    """Twin of ``GroupedGRU``: one GRU whose weights are zero between the halves."""

    order: Tensor

    def __init__(self, input_size: int, hidden_size: int, directions: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size // directions, bidirectional=directions == 2)
        # the directions come out one after the other; the halves are wanted one after the other
        order = torch.arange(hidden_size).view(directions, 2, -1).transpose(0, 1).flatten()
        self.register_buffer("order", order, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(L, B, C) -> (L, B, H)"""
        y, _ = run_recurrent(self.rnn, x)
        return y.index_select(-1, self.order) if self.rnn.bidirectional else y


class FrequencyGRU(GroupedGRU):
    """``GroupedGRU`` over the frequencies in both directions.

    Args:
        channels: in and out.
        bins: length of the sequences.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__(channels, channels, bidirectional=True)
        self.bins = bins

    def streaming_twin(self) -> OneWayGRU:  # type: ignore[override]
        return OneWayGRU(self.hidden_size, self.bins)

    def streaming_parameters(self, own: Params) -> Params:
        parts = [f"{rnn}.{{}}{way}" for rnn in ("rnn1", "rnn2") for way in ("", "_reverse")]
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        one_way = {f"{i}.{name}": own[part.format(name)] for i, part in enumerate(parts) for name in names}
        merged = block_diagonal_gru(one_way, [str(i) for i in range(len(parts))])
        columns = merged["weight_ih_l0"].unflatten(1, (2, 2, -1))  # (3 H, half, direction, C / 2)
        merged["weight_ih_l0"] = columns.transpose(1, 2).flatten(1)  # as the input comes: direction outermost
        return {f"rnn.{name}": value for name, value in merged.items()}


class OneWayGRU(nn.Module):
    """Twin of ``FrequencyGRU``: one GRU in one direction, half as many steps as one in both.

    With every frequency it reads the one as far from the other end. Its hidden state has four quarters:
    each half of the channels, forwards and backwards; the weights are zero between them.
    """

    pairs: Tensor
    quarters: Tensor

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(2 * channels, channels)
        forwards = torch.arange(bins)
        pairs = torch.stack([forwards, forwards.flip(0)], dim=1)  # (F, 2)
        quarters = 4 * pairs.repeat(1, 2) + torch.arange(4)  # (F, 4): where the quarters of a frequency are
        self.register_buffer("pairs", pairs.flatten(), persistent=False)
        self.register_buffer("quarters", quarters.flatten(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(F, B, C) -> (F, B, C)"""
        x = x.index_select(0, self.pairs).unflatten(0, (-1, 2)).transpose(1, 2)  # (F, B, 2, C)
        y, _ = run_recurrent(self.rnn, x.flatten(2))
        y = y.unflatten(2, (4, -1)).transpose(1, 2).flatten(0, 1)  # (F x 4, B, C / 4)
        y = y.index_select(0, self.quarters).unflatten(0, (-1, 4)).transpose(1, 2)  # (F, B, 4, C / 4)
        return y.flatten(2)


class GroupedTimeGRU(nn.Module, Stateful):
    """Two GRUs over time, each over its half of the channels, shared by all rows (frequencies).

    Parameters ``rnn1.*`` and ``rnn2.*`` as in ``nn.GRU``. The twin is one ``TimeGRU`` with
    block-diagonal weights.

    Args:
        input_size, hidden_size: channels in and out, of both halves together.
        rows: how many sequences a stream has.
    """

    def __init__(self, input_size: int, hidden_size: int, *, rows: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.rows = input_size, hidden_size, rows
        self.rnn1 = nn.GRU(input_size // 2, hidden_size // 2)
        self.rnn2 = nn.GRU(input_size // 2, hidden_size // 2)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"hidden": (self.rows, self.hidden_size)}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, R, C) -> (T, B, R, H)"""
        frames, batch = x.shape[:2]
        name = self.state_name("hidden")
        hidden = state[name].reshape(1, -1, self.hidden_size)  # (1, B x R, H)
        inputs = x.reshape(frames, -1, self.input_size).chunk(2, dim=-1)
        before = [half.contiguous() for half in hidden.chunk(2, dim=-1)]
        first, first_after = self.rnn1(inputs[0], before[0])
        second, second_after = self.rnn2(inputs[1], before[1])
        y = torch.cat([first, second], dim=-1).view(frames, batch, self.rows, self.hidden_size)
        after = torch.cat([first_after, second_after], dim=-1)
        return y, {**state, name: after.view(batch, self.rows, self.hidden_size)}

    def streaming_twin(self) -> TimeGRU:
        return TimeGRU(self.input_size, self.hidden_size, rows=self.rows)

    def streaming_parameters(self, own: Params) -> Params:
        return block_diagonal_gru(own, ("rnn1", "rnn2"))


def copy_of_gru(gru: _GRU, memo: dict[int, Any]) -> _GRU:
    """A deep copy; ``nn.GRU`` keeps its weights a second time, which under weight norm cannot be copied."""
    replica = type(gru).__new__(type(gru))
    memo[id(gru)] = replica
    replica.__dict__.update(
        {name: copy.deepcopy(value, memo) for name, value in vars(gru).items() if name != "_flat_weights"}
    )
    with torch.no_grad():
        replica._init_flat_weights()
    return replica


def run_recurrent(rnn: nn.GRU | nn.LSTM, x: Tensor, *states: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer of recurrence; while an ONNX file is made, one operator, or the cell of a GRU for one step.

    Args:
        rnn: one layer, one or two directions.
        x: (L, B, C)
        states: (D, B, H): hidden state of a GRU, hidden and cell state of an LSTM; zeros if not given.

    Returns:
        (L, B, D x H), and the states after the last step.
    """
    if torch.onnx.is_in_onnx_export():
        if isinstance(rnn, nn.GRU) and states and _is_single_step(x):
            hidden = gru_cell(rnn, x.flatten(0, 1), states[0].flatten(0, 1)).unsqueeze(0)
            return hidden, (hidden,)
        return _onnx_operator(rnn, x, states)
    if isinstance(rnn, nn.LSTM):
        return nn.LSTM.forward(rnn, x, (states[0], states[1]) if states else None)
    y, hidden = nn.GRU.forward(rnn, x, *states)
    return y, (hidden,)


def gru_cell(rnn: nn.GRU, x: Tensor, hidden: Tensor) -> Tensor:
    """One step of a GRU as matrix products; ONNX Runtime's operator takes up to twice as long.

    (B, C), (B, H) -> (B, H)
    """
    size = 2 * rnn.hidden_size  # of the reset and the update gate
    own = (rnn.get_parameter(f"{name}_l0") for name in ("weight_ih", "bias_ih", "weight_hh", "bias_hh"))
    weights, biases, recurrent, offsets = own
    both = functional.linear(x, weights[:size], biases[:size] + offsets[:size])
    reset, update = torch.addmm(both, hidden, recurrent[:size].T).sigmoid().chunk(2, dim=1)
    memory = functional.linear(hidden, recurrent[size:], offsets[size:])
    new = (functional.linear(x, weights[size:], biases[size:]) + reset * memory).tanh()
    return new + update * (hidden - new)


def _is_single_step(x: Tensor) -> bool:
    """Whether sequences (L, B, C) are one step long, for good, and many enough to gain by ``gru_cell``."""
    length, batch = x.shape[:2]
    return isinstance(length, int) and length == 1 and (not isinstance(batch, int) or batch >= 16)


def _onnx_operator(
    rnn: nn.GRU | nn.LSTM, x: Tensor, states: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """``GRU`` or ``LSTM`` of ai.onnx, whose gates come in another order than PyTorch's."""
    lstm = isinstance(rnn, nn.LSTM)
    order = (0, 3, 1, 2) if lstm else (1, 0, 2)
    suffixes = ("l0", "l0_reverse") if rnn.bidirectional else ("l0",)

    def reordered(name: str) -> Tensor:
        weights = [getattr(rnn, f"{name}_{suffix}") for suffix in suffixes]
        size = rnn.hidden_size
        return torch.stack([torch.cat([w[i * size : (i + 1) * size] for i in order]) for w in weights])

    bias = torch.cat([reordered("bias_ih"), reordered("bias_hh")], dim=1)
    attributes: dict[str, Any] = {"hidden_size": rnn.hidden_size}
    if rnn.bidirectional:
        attributes["direction"] = "bidirectional"
    if not lstm:
        attributes["linear_before_reset"] = 1
    length, batch, directions = x.shape[0], x.shape[1], len(suffixes)
    shapes: list[tuple[int, ...]] = [(length, directions, batch, rnn.hidden_size)]
    shapes += [(directions, batch, rnn.hidden_size)] * (2 if lstm else 1)
    y, *after = torch.onnx.ops.symbolic_multi_out(
        "LSTM" if lstm else "GRU",
        (x, reordered("weight_ih"), reordered("weight_hh"), bias, None, *states),
        attrs=attributes,
        dtypes=[x.dtype] * len(shapes),
        shapes=shapes,
    )
    y = y.transpose(1, 2) if rnn.bidirectional else y
    return y.reshape(length, batch, directions * rnn.hidden_size), tuple(after)


def block_diagonal_gru(own: Params, parts: Sequence[str]) -> Params:
    """Parameters ``<part>.*`` of several GRUs as those of one over all their inputs.

    The gates (reset, update, new) stay outermost in the rows, so each gate's block is joined by itself.
    """
    merged = {}
    for name in (key.removeprefix(f"{parts[0]}.") for key in own if key.startswith(f"{parts[0]}.")):
        gates = zip(*(own[f"{part}.{name}"].chunk(3) for part in parts), strict=True)
        join = torch.block_diag if name.startswith("weight") else lambda *blocks: torch.cat(blocks)
        merged[name] = torch.cat([join(*gate) for gate in gates])
    return merged
