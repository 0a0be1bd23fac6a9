"""The branches of FSPEN and its recurrence over time, each beside its streaming twin where it has one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.conv import interleave, interleaved_reach, interleaved_weight
from zoo.layers.recurrent import TimeGRU, block_diagonal_gru
from zoo.layers.spectrum import complex_product
from zoo.networks.streaming import State, Stateful

Params = dict[str, Tensor]

STRIDE = 2  # of the full-band branch's convolutions
FLOOR = 1e-12  # of the magnitude by which is divided; the public code has none and gives NaN for a mask of 0


@dataclass(frozen=True)
class Band:
    """A range of frequencies that is cut into sub-bands of one width.

    Attributes:
        start: first bin of the first window; bins that do not exist are zeros.
        kernel, stride: length of a window and distance between two, in bins.
        windows: their number; each becomes a sub-band.
        first: first sub-band that the decoder reads; it makes ``stride`` bins of each.
        skip: bins dropped at the front of those.
        bins: bins kept after them.
    """

    start: int
    kernel: int
    stride: int
    windows: int
    first: int
    skip: int
    bins: int

    @property
    def end(self) -> int:
        """The bin after the last window."""
        return self.start + (self.windows - 1) * self.stride + self.kernel

    @property
    def read(self) -> slice:
        """Sub-bands that the decoder reads."""
        return slice(self.first, self.first + -(-(self.skip + self.bins) // self.stride))

    @property
    def kept(self) -> slice:
        """Which of the bins made of them are kept."""
        return slice(self.skip, self.skip + self.bins)


BANDS = (
    Band(start=-1, kernel=4, stride=2, windows=8, first=0, skip=0, bins=16),
    Band(start=13, kernel=7, stride=3, windows=6, first=8, skip=1, bins=16),
    Band(start=30, kernel=11, stride=5, windows=6, first=13, skip=4, bins=32),
    Band(start=61, kernel=20, stride=10, windows=6, first=19, skip=8, bins=64),
    Band(start=122, kernel=40, stride=20, windows=6, first=25, skip=16, bins=129),
)
BINS = sum(band.bins for band in BANDS)
SUBBANDS = sum(band.windows for band in BANDS)


class SubbandEncoder(nn.Module):
    """A convolution over the magnitudes of each band, and ReLU.

    Args:
        channels: of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        for number, band in enumerate(BANDS, 1):
            conv = nn.Conv1d(1, channels, band.kernel, band.stride)
            self.add_module(f"conv{number}", nn.Sequential(conv, nn.ReLU()))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, F) -> (N, C, SUBBANDS)"""
        before, after = -BANDS[0].start, BANDS[-1].end - BINS
        x = functional.pad(x, (before, after))
        layers = zip(self.children(), BANDS, strict=True)
        bands = [conv(x[..., before + band.start : before + band.end]) for conv, band in layers]
        return torch.cat(bands, dim=2)


class SubbandDecoder(nn.Module):
    """A linear layer for the sub-bands of each band, and ReLU: the magnitudes of a mask.

    Args:
        channels: of the input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        for number, band in enumerate(BANDS, 1):
            self.add_module(f"lin{number}", nn.Sequential(nn.Linear(channels, band.stride), nn.ReLU()))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, SUBBANDS) -> (N, 1, F)"""
        x = functional.pad(x, (0, 1)).transpose(1, 2)  # zeros for the sub-band after the last, which is read
        layers = zip(self.children(), BANDS, strict=True)
        bands = [linear(x[:, band.read]).flatten(1)[:, band.kept] for linear, band in layers]
        return torch.cat(bands, dim=1).unsqueeze(1)

    def streaming_twin(self) -> MergedSubbandDecoder:
        return MergedSubbandDecoder(self.channels)

    def streaming_parameters(self, own: Params) -> Params:
        """The rows of all layers, then those of the last with zeros for weights."""
        names = [f"lin{number}.0" for number in range(1, len(BANDS) + 1)]
        weights, biases = ([own[f"{name}.{kind}"] for name in names] for kind in ("weight", "bias"))
        return {
            "linear.weight": torch.cat([*weights, torch.zeros_like(weights[-1])]),
            "linear.bias": torch.cat([*biases, biases[-1]]),
        }


class MergedSubbandDecoder(nn.Module):
    """Twin of ``SubbandDecoder``: every sub-band goes through all layers, and what is wanted is picked.

    What a sub-band of zeros gives, the layer's last rows give for any sub-band.
    """

    order: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        total = sum(band.stride for band in BANDS)
        self.rows = total + BANDS[-1].stride
        self.linear = nn.Linear(channels, self.rows)
        order, begin = [], 0
        for band in BANDS:
            for place in range(band.skip, band.skip + band.bins):
                subband, row = band.first + place // band.stride, place % band.stride
                order.append(subband * self.rows + begin + row if subband < SUBBANDS else total + row)
            begin += band.stride
        self.register_buffer("order", torch.tensor(order), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, SUBBANDS) -> (N, 1, F)"""
        y = self.linear(x.transpose(1, 2)).relu()  # (N, SUBBANDS, rows)
        return y.view(-1, 1, SUBBANDS * self.rows).index_select(2, self.order)


class FullbandEncoder(nn.ModuleList):
    """Convolutions over frequency, each of which halves it, with batch norm and ELU.

    Args:
        channels: of the input, and after each layer.
        kernel_sizes: of each layer; even.
    """

    def __init__(self, channels: tuple[int, ...], kernel_sizes: tuple[int, ...]) -> None:
        super().__init__()
        for (before, after), kernel in zip(pairwise(channels), kernel_sizes, strict=True):
            conv = nn.Conv1d(before, after, kernel, STRIDE, padding(kernel), bias=False)
            self.append(nn.Sequential(conv, nn.BatchNorm1d(after), nn.ELU()))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 2, F) -> the outputs of all layers, (N, C, F / 2), (N, C', F / 4), ..."""
        outputs = []
        for layer in self:
            x = layer(x)
            outputs.append(x)
        return outputs


class FullbandDecoder(nn.ModuleList):
    """The encoder backwards to a complex mask, each layer reading the output of its counterpart as well.

    The mask keeps its phase, but its magnitude is averaged with that of the sub-band branch.

    Args:
        channels, kernel_sizes: those of the encoder.
    """

    def __init__(self, channels: tuple[int, ...], kernel_sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.channels, self.kernel_sizes = channels, kernel_sizes
        for i in reversed(range(len(kernel_sizes))):
            after, before, kernel = *channels[i : i + 2], kernel_sizes[i]
            merge = nn.Conv1d(2 * before, before, 1, bias=False)
            shape = (before, after, kernel, STRIDE, padding(kernel))
            if i > 0:
                up = nn.ConvTranspose1d(*shape, bias=False)
                self.append(nn.Sequential(merge, up, nn.BatchNorm1d(after), nn.ELU()))
            else:
                self.append(nn.Sequential(merge, nn.ConvTranspose1d(*shape, output_padding=1)))

    def forward(self, x: Tensor, skips: list[Tensor], spectrum: Tensor, magnitudes: Tensor) -> Tensor:
        """Make the mask, and apply it.

        Args:
            x: (N, C, F')
            skips: what the encoder gave.
            spectrum: (N, 2, F)
            magnitudes: (N, 1, F), of the sub-band branch.

        Returns:
            (N, 2, F)
        """
        for layer, skip in zip(self, reversed(skips), strict=True):
            x = layer(torch.cat([x, skip], dim=1))
        power = (x * x).sum(1, keepdim=True).clamp(min=FLOOR**2)
        return complex_product(spectrum, x) * (0.5 + 0.5 * magnitudes * power.rsqrt())

    def streaming_twin(self) -> MergedFullbandDecoder:
        return MergedFullbandDecoder(self.channels, self.kernel_sizes)

    def streaming_parameters(self, own: Params) -> Params:
        converted = {}
        for i in range(len(self)):
            merge, up = own[f"{i}.0.weight"].squeeze(2), own[f"{i}.1.weight"]
            both = torch.einsum("mi,mok->iok", merge.double(), up.double()).to(up)
            weight = interleaved_weight(both, 1, STRIDE, padding(up.shape[2]))
            bias = own[f"{i}.1.bias"].repeat_interleave(STRIDE)
            if i == len(self) - 1:
                weight = functional.pad(weight, (1, 0))  # to the width that gives one frequency more
                weight, bias = with_product_by_i(weight), with_product_by_i(bias)
            converted[f"{i}.weight"], converted[f"{i}.bias"] = weight, bias
        return converted


class MergedFullbandDecoder(nn.ModuleList):
    """Twin of ``FullbandDecoder``: both convolutions of a layer are one, its channels interleaved.

    The last one gives the mask m and i x m, with which a complex product is a sum of two products:
    X m = Re X x m + Im X x i m.
    """

    def __init__(self, channels: tuple[int, ...], kernel_sizes: tuple[int, ...]) -> None:
        super().__init__()
        for i in reversed(range(len(kernel_sizes))):
            after, before, last = *channels[i : i + 2], int(i == 0)
            reach = interleaved_reach(kernel_sizes[i], STRIDE, padding(kernel_sizes[i]))
            shape = (2 * before, after * STRIDE * (1 + last), 2 * reach + 1 + last)
            self.append(nn.Conv1d(*shape, padding=reach + last))

    def forward(self, x: Tensor, skips: list[Tensor], spectrum: Tensor, magnitudes: Tensor) -> Tensor:
        """As ``FullbandDecoder``."""
        for i, (conv, skip) in enumerate(zip(self, reversed(skips), strict=True)):
            y = conv(torch.cat([functional.elu(x) if i else x, skip], dim=1))
            x = interleave(y, STRIDE, min(STRIDE * y.shape[2], BINS))
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)  # sqrt(2) |m|
        gain = 0.5 + 0.5**0.5 * magnitudes / norm.clamp(min=2**0.5 * FLOOR)
        return (spectrum.unsqueeze(2) * x.unflatten(1, (2, 2))).sum(1) * gain


class PathExtension(nn.Module, Stateful):
    """A GRU over time and a linear layer for each group of neighbouring frequencies, shared in the group.

    The twin is one GRU and one linear layer with block-diagonal weights: what the groups have in common, the
    rows, stays apart, and their channels lie side by side.

    Args:
        channels: in and out.
        bins: frequencies.
        groups: their number.
    """

    def __init__(self, channels: int, bins: int, groups: int) -> None:
        super().__init__()
        self.channels, self.groups, self.rows = channels, groups, bins // groups
        self.inter_rnn = nn.ModuleList([nn.GRU(channels, channels) for _ in range(groups)])
        self.inter_fc = nn.ModuleList([nn.Linear(channels, channels) for _ in range(groups)])

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"hidden": (self.rows, self.groups * self.channels)}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, F, C) -> (T, B, F, C)"""
        frames, batch, bins, channels = x.shape
        name = self.state_name("hidden")
        before = state[name].view(1, -1, self.groups * channels).chunk(self.groups, dim=-1)
        outputs, after = [], []
        layers = zip(self.inter_rnn, self.inter_fc, strict=True)
        for (rnn, fc), group, hidden in zip(layers, x.chunk(self.groups, dim=2), before, strict=True):
            y, hidden = rnn(group.reshape(frames, -1, channels), hidden.contiguous())
            outputs.append(fc(y).view(frames, batch, self.rows, channels))
            after.append(hidden)
        hidden = torch.cat(after, dim=-1).view(batch, self.rows, -1)
        return torch.cat(outputs, dim=2), {**state, name: hidden}

    def streaming_twin(self) -> MergedPathExtension:
        return MergedPathExtension(self.channels, self.groups, self.rows)

    def streaming_parameters(self, own: Params) -> Params:
        layers = [f"inter_fc.{group}" for group in range(self.groups)]
        return {
            **block_diagonal_gru(own, [f"inter_rnn.{group}" for group in range(self.groups)]),
            "fc.weight": torch.block_diag(*(own[f"{layer}.weight"] for layer in layers)),
            "fc.bias": torch.cat([own[f"{layer}.bias"] for layer in layers]),
        }


class MergedPathExtension(TimeGRU):
    """Twin of ``PathExtension``, with the same state."""

    order: Tensor
    back: Tensor

    def __init__(self, channels: int, groups: int, rows: int) -> None:
        super().__init__(groups * channels, groups * channels, rows=rows)
        self.fc = nn.Linear(groups * channels, groups * channels)
        order = torch.arange(groups * rows).view(groups, rows).T.flatten()
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("back", order.argsort(), persistent=False)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # type: ignore[override]
        """(T, B, F, C) -> (T, B, F, C)"""
        grouped = x.index_select(2, self.order).view(*x.shape[:2], self.rows, -1)  # (T, B, rows, groups x C)
        y, state = super().forward(grouped, state)
        return self.fc(y).view(x.shape).index_select(2, self.back), state


def padding(kernel: int) -> int:
    """Zeros on either side with which a convolution halves the frequencies, or doubles them."""
    return (kernel - STRIDE) // 2


def with_product_by_i(rows: Tensor) -> Tensor:
    """Rows of real and imaginary part, then those of both times i: (2 x R, ...) -> (4 x R, ...)."""
    real, imag = rows.chunk(2)
    return torch.cat([real, imag, -imag, real])
