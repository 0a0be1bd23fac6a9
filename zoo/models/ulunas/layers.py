"""Layers of UL-UNAS alone, each beside its streaming twin where the graph wants other arithmetic."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.conv import dense_weight
from zoo.layers.recurrent import TimeGRU, block_diagonal_gru, run_recurrent
from zoo.networks.streaming import State

Params = dict[str, Tensor]

RATIO = 4  # neighbouring frequencies that are one step of a frequency gate
WAYS = ("", "_reverse")  # of a recurrent layer, as the names of its parameters end


class AffinePReLU(nn.Module):
    """An affine map of every element of a frame, plus PReLU: a x + b + max(x, 0) + s min(x, 0).

    Args:
        channels, bins: of a frame.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.channels, self.bins = channels, bins
        self.affine_weight = nn.Parameter(torch.ones(channels, bins))
        self.affine_bias = nn.Parameter(torch.zeros(channels, bins))
        self.slope_weight = nn.Parameter(torch.full((channels,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F, C) -> (B, T, F, C)"""
        bent = x.clamp(min=0) + self.slope_weight * x.clamp(max=0)
        return self.affine_weight.T * x + self.affine_bias.T + bent

    def reordered(self, own: Params, order: Tensor) -> Params:
        """The parameters with which the channels come in another order."""
        return {name: value[order] for name, value in own.items()}

    def streaming_twin(self) -> ElementPReLU:
        return ElementPReLU(self.channels, self.bins)

    def streaming_parameters(self, own: Params) -> Params:
        slope = own["slope_weight"].unsqueeze(1)
        turned = {
            "scale": own["affine_weight"] + (1 + slope) / 2,
            "bend": ((1 - slope) / 2).expand_as(own["affine_weight"]),
            "bias": own["affine_bias"],
        }
        return {name: value.T for name, value in turned.items()}


class ElementPReLU(nn.Module):
    """Twin of ``AffinePReLU``: (a + (1 + s) / 2) x + b + (1 - s) / 2 |x|, each factor a number an element.

    In ONNX Runtime that takes half the time of ``PRelu``.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.scale, self.bend, self.bias = (nn.Parameter(torch.empty(bins, channels)) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F, C) -> (B, T, F, C)"""
        return self.scale * x + self.bias + self.bend * x.abs()


class TimeFrequencyAttention(nn.Module):
    """A gain a channel, from a GRU over time, times a gain a frequency, from a GRU over the frequencies.

    Args:
        channels, bins: of a frame.
    """

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.channels, self.bins = channels, bins
        self.ta_gru = TimeGRU(channels, 2 * channels, rows=1)
        self.ta_fc = nn.Linear(2 * channels, channels)
        self.fa = FrequencyGate(bins)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, F, C) -> (B, T, F, C)"""
        of_channels, of_bins = self.energies(x)
        hidden, state = self.ta_gru(of_channels.transpose(0, 1).unsqueeze(2), state)  # (T, B, 1, 2 C)
        gain = self.ta_fc(hidden.flatten(0, 2)).sigmoid()  # (T x B, C)
        gain = gain.unflatten(0, (-1, 1, x.shape[0])).transpose(0, 2)  # (B, 1, T, C)
        return x * (self.fa(of_bins).unsqueeze(3) * gain.transpose(1, 2)), state

    def energies(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F, C) -> (B, T, C), (B, T, F)"""
        squares = x * x
        return squares.mean(2), squares.mean(3)

    def reordered(self, own: Params, order: Tensor) -> Params:
        """The parameters with which the channels come in another order."""
        rows = {name: value[order] for name, value in own.items() if name.startswith("ta_fc.")}
        return {**own, **rows, "ta_gru.weight_ih_l0": own["ta_gru.weight_ih_l0"][:, order]}

    def streaming_twin(self) -> SummingAttention:
        return SummingAttention(self.channels, self.bins)

    def streaming_parameters(self, own: Params) -> Params:
        sizes = {"ta_gru.weight_ih_l0": self.bins}
        sizes |= {f"fa.gru.weight_ih_l0{way}": self.channels for way in WAYS}
        return {**own, **{name: own[name] / size for name, size in sizes.items()}}


class SummingAttention(TimeFrequencyAttention):
    """Twin of ``TimeFrequencyAttention``: sums, of which the weights of the GRUs make means."""

    def energies(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F, C) -> (B, T, C), (B, T, F)"""
        squares = x * x
        return squares.sum(2), squares.sum(3)


class FrequencyGate(nn.Module):
    """A gain a frequency from a GRU in both directions, each of whose steps takes ``RATIO`` neighbours.

    Args:
        bins: frequencies of a frame.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins, self.steps = bins, -(-bins // RATIO)
        self.gru = nn.GRU(RATIO, RATIO, bidirectional=True)
        self.fc = nn.Linear(2 * RATIO, RATIO)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F) -> (B, T, F)"""
        padded = functional.pad(x, (0, self.steps * RATIO - self.bins)).flatten(0, 1)
        hidden, _ = self.gru(padded.unflatten(1, (-1, RATIO)).transpose(0, 1))  # (steps, B x T, 2 RATIO)
        gain = self.fc(hidden).transpose(0, 1).flatten(1)[:, : self.bins].sigmoid()  # (B x T, F)
        return gain.view(x.shape)

    def streaming_twin(self) -> OneWayFrequencyGate:
        return OneWayFrequencyGate(self.bins, self.steps)

    def streaming_parameters(self, own: Params) -> Params:
        names = [f"{kind}_{of}_l0" for kind in ("weight", "bias") for of in ("ih", "hh")]
        parts = {f"way{way}.{name}": own[f"gru.{name}{way}"] for way in WAYS for name in names}
        merged = block_diagonal_gru(parts, [f"way{way}" for way in WAYS])
        forwards = torch.eye(self.steps).to(own["fc.bias"])
        reads = torch.stack([forwards, forwards.flip(0)], dim=1)  # (step, way, group of frequencies)
        pairs = torch.einsum("swg,ij->swigj", reads, torch.eye(RATIO).to(reads))
        gains = torch.einsum("swg,jwi->gjswi", reads, own["fc.weight"].unflatten(1, (2, RATIO)))
        return {
            "pairs.weight": pairs.flatten(0, 2).flatten(1)[:, : self.bins],
            **{f"gru.{name}": value for name, value in merged.items()},
            "fc.weight": gains.flatten(0, 1).flatten(1)[: self.bins],
            "fc.bias": own["fc.bias"].repeat(self.steps)[: self.bins],
        }


class OneWayFrequencyGate(nn.Module):
    """Twin of ``FrequencyGate``: one GRU in one direction, half as many steps as one in both.

    With every group of frequencies it reads the one as far from the other end. Order and padding are in the
    matrices before and behind it.
    """

    def __init__(self, bins: int, steps: int) -> None:
        super().__init__()
        self.pairs = nn.Linear(bins, steps * 2 * RATIO, bias=False)
        self.gru = nn.GRU(2 * RATIO, 2 * RATIO)
        self.fc = nn.Linear(steps * 2 * RATIO, bins)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F) -> (B, T, F)"""
        pairs = self.pairs(x.flatten(0, 1))  # (B x T, steps x 2 RATIO)
        hidden, _ = run_recurrent(self.gru, pairs.unflatten(1, (-1, 2 * RATIO)).transpose(0, 1))
        return self.fc(hidden.transpose(0, 1).flatten(1)).sigmoid().view(x.shape)


class Stage(nn.Sequential):
    """A convolution, its norm, and what follows. Their names are those of the checkpoints."""

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        super().__init__(OrderedDict(layers))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # type: ignore[override]
        """(B, T, F, C) -> (B, T, F', C')"""
        conv, norm, *others = self
        x, state = self.convolve(conv, norm, x, state)
        for layer in others:
            if isinstance(layer, TimeFrequencyAttention):
                x, state = layer(x, state)
            else:
                x = layer(x)
        return x, state

    def convolve(self, conv: nn.Module, norm: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, F, C) -> (B, T, F', C')"""
        x, state = conv(x.permute(0, 3, 1, 2), state)
        return norm(x).permute(0, 2, 3, 1), state


class ShuffledStage(Stage):
    """A stage whose convolution is pointwise and in two groups, which are interleaved at its end.

    In its twin the parameters are in the order of the channels that come out, and the convolution is a
    product with a matrix.
    """

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # type: ignore[override]
        """(B, T, F, C) -> (B, T, F, C')"""
        x, state = super().forward(x, state)
        return x.unflatten(3, (2, -1)).transpose(3, 4).flatten(3), state

    def convolve(self, conv: nn.Module, norm: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, F, C) -> (B, T, F, C')"""
        return norm(conv(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1), state

    def streaming_twin(self) -> LinearStage:
        (name, conv), *others = self.named_children()
        assert isinstance(conv, nn.Conv2d)
        return LinearStage({name: nn.Linear(conv.in_channels, conv.out_channels), **dict(others)})

    def streaming_parameters(self, own: Params) -> Params:
        (name, conv), *others = self.named_children()
        assert isinstance(conv, nn.Conv2d)
        order = torch.arange(conv.out_channels).view(2, -1).T.flatten()
        weight = dense_weight(own[f"{name}.weight"], conv.groups).flatten(1)  # (C', C)
        turned = {f"{name}.weight": weight[order], f"{name}.bias": own[f"{name}.bias"][order]}
        for name, layer in others:
            if isinstance(layer, (AffinePReLU, TimeFrequencyAttention)):
                params = {key.removeprefix(f"{name}."): own[key] for key in own if key.startswith(f"{name}.")}
                turned |= {f"{name}.{key}": value for key, value in layer.reordered(params, order).items()}
        return turned


class LinearStage(Stage):
    """Twin of ``ShuffledStage``."""

    def convolve(self, conv: nn.Module, norm: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, F, C) -> (B, T, F, C')"""
        return conv(x), state
