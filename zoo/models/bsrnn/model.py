"""BSRNN: recurrence over time and over bands of growing width, a mask and a residual.

Y. Luo, J. Yu: Music Source Separation with Band-split RNN, IEEE/ACM TASLP 31, 2023; for enhancement
J. Yu, H. Chen, Y. Luo, R. Gu, C. Weng: High Fidelity Speech Enhancement with Band-split RNN,
Interspeech 2023. Causal, with batch norms in front of the layers, as the public implementation in
FastEnhancer's repository has it; parameter names are those of its training form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.norm import ChannelsLastBatchNorm
from zoo.layers.recurrent import SequenceLSTM, TimeLSTM
from zoo.layers.spectrum import complex_product, compress, decompress
from zoo.networks.streaming import State, StreamingModule
from zoo.spec import EnhancementSpec

Params = dict[str, Tensor]

WIDTHS = (2, *[3] * 10, *[8] * 12, *[16] * 7, 17)  # bins of each band, 257 together
BANDS = len(WIDTHS)
WIDEST = max(WIDTHS)
UNIT = 8  # bins that the streaming form's mask decoder makes at a time


class BSRNN(StreamingModule):
    """Complex mask and residual on the compressed spectrum of 16 kHz speech, 257 bins.

    Args:
        spec: the model's record.
        channels: of a band.
        layers: of recurrence, each over time and then over bands.
        compression: exponent of the magnitude.
    """

    def __init__(self, spec: EnhancementSpec, *, channels: int, layers: int, compression: float) -> None:
        super().__init__()
        self.spec = spec
        self.compression = compression
        hidden, each = 2 * channels, range(layers)
        self.band_split = BandSplit(channels)
        self.norm_time = nn.ModuleList([ChannelsLastBatchNorm(channels) for _ in each])
        self.rnn_time = nn.ModuleList([TimeLSTM(channels, hidden, rows=BANDS) for _ in each])
        self.fc_time = nn.ModuleList([nn.Linear(hidden, channels) for _ in each])
        self.norm_freq = nn.ModuleList([ChannelsLastBatchNorm(channels) for _ in each])
        self.rnn_freq = nn.ModuleList([SequenceLSTM(channels, hidden, bidirectional=True) for _ in each])
        self.fc_freq = nn.ModuleList([nn.Linear(2 * hidden, channels) for _ in each])
        self.mask_decoder = MaskDecoder(channels)
        self.folded_pre_norms = [
            (f"norm_{axis}.{i}", f"rnn_{axis}.{i}") for i in each for axis in ("time", "freq")
        ]
        self.name_states()

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, 257, T, 2) -> (B, 257, T, 2)"""
        batch, _, frames, _ = x.shape
        x = compress(x.permute(2, 0, 3, 1).flatten(0, 1), self.compression)  # (T x B, 2, F)
        y = self.band_split(x).unflatten(0, (frames, batch))  # (T, B, K, C)
        layers = zip(
            *(self.norm_time, self.rnn_time, self.fc_time),
            *(self.norm_freq, self.rnn_freq, self.fc_freq),
            strict=True,
        )
        for norm_time, rnn_time, fc_time, norm_freq, rnn_freq, fc_freq in layers:
            z, state = rnn_time(norm_time(y), state)
            y = y + fc_time(z)
            bands = norm_freq(y).flatten(0, 1).transpose(0, 1)  # (K, T x B, C)
            y = y + fc_freq(rnn_freq(bands)).transpose(0, 1).view(y.shape)
        mask, residual = self.mask_decoder(y.flatten(0, 1))  # (T x B, 2, F)
        enhanced = decompress(complex_product(x, mask) + residual, self.compression)
        return enhanced.unflatten(0, (frames, batch)).permute(1, 3, 0, 2), state


class BandSplit(nn.Module):
    """A batch norm and a linear layer for each band's bins. The twin has one matrix product for all."""

    folded_pre_norms = tuple((f"norm.{i}", f"fc.{i}") for i in range(BANDS))

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.norm = nn.ModuleList([nn.BatchNorm1d(2 * width) for width in WIDTHS])
        self.fc = nn.ModuleList([nn.Conv1d(2 * width, channels, 1) for width in WIDTHS])

    def forward(self, x: Tensor) -> Tensor:
        """(N, 2, F) -> (N, K, C)"""
        bands = x.transpose(1, 2).split(WIDTHS, dim=1)  # (N, width, 2)
        y = [
            fc(norm(band.flatten(1).unsqueeze(2)))  # (N, width x 2, 1) -> (N, C, 1)
            for band, norm, fc in zip(bands, self.norm, self.fc, strict=True)
        ]
        return torch.cat(y, dim=2).transpose(1, 2)

    def streaming_twin(self) -> PaddedBandSplit:
        return PaddedBandSplit(self.channels)

    def streaming_parameters(self, own: Params) -> Params:
        weights = [own[f"fc.{i}.weight"][..., 0] for i in range(BANDS)]  # (C, width x 2)
        padded = [functional.pad(weight, (0, 2 * WIDEST - weight.shape[1])) for weight in weights]
        return {
            "weight": torch.stack(padded).transpose(1, 2),
            "bias": torch.stack([own[f"fc.{i}.bias"] for i in range(BANDS)]),
        }


class PaddedBandSplit(nn.Module):
    """Twin of ``BandSplit``: bands of equal width, with weight 0 where they overlap.

    Weight (K, W x 2, C) and bias (K, C).
    """

    bins: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(BANDS, 2 * WIDEST, channels))
        self.bias = nn.Parameter(torch.empty(BANDS, channels))
        starts = torch.tensor((0, *WIDTHS[:-1])).cumsum(0)
        bins = (starts[:, None] + torch.arange(WIDEST)).clamp(max=sum(WIDTHS) - 1)  # (K, W)
        self.register_buffer("bins", bins.flatten(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 2, F) -> (N, K, C)"""
        pairs = x.transpose(1, 2).index_select(1, self.bins)  # (N, K x W, 2)
        bands = pairs.view(-1, BANDS, 2 * WIDEST).transpose(0, 1)  # (K, N, W x 2)
        return (bands @ self.weight).transpose(0, 1) + self.bias


class MaskDecoder(nn.Module):
    """For each band two small networks, which give its bins a complex mask and a complex residual.

    The twin computes all of them in two matrix products.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.mlp_mask = nn.ModuleList([mask_network(channels, width) for width in WIDTHS])
        self.mlp_residual = nn.ModuleList([mask_network(channels, width) for width in WIDTHS])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, K, C) -> mask and residual, (N, 2, F)"""
        bands = x.unsqueeze(3).unbind(1)  # (N, C, 1)
        mask, residual = (
            torch.cat([network(band) for network, band in zip(networks, bands, strict=True)], dim=1)
            for networks in (self.mlp_mask, self.mlp_residual)
        )  # (N, F x 2, 1)
        return mask.view(x.shape[0], -1, 2).transpose(1, 2), residual.view(x.shape[0], -1, 2).transpose(1, 2)

    def streaming_twin(self) -> UnitMaskDecoder:
        return UnitMaskDecoder(self.channels)

    def streaming_parameters(self, own: Params) -> Params:
        kinds = [merged_networks(own, kind) for kind in ("mlp_mask", "mlp_residual")]
        return {name: torch.stack([kind[name] for kind in kinds]) for name in kinds[0]}


class UnitMaskDecoder(nn.Module):
    """Twin of ``MaskDecoder``: the bands' bins in units of equal width, what is too much dropped.

    Weights (2, K, C, 4 C) and (2, units, 4 C, UNIT x 4), mask before residual; biases (2, K, 1, 4 C) and
    (2, 1, 4, F). The four numbers of a bin are real and imaginary part, and their gates.
    """

    bands: Tensor
    bins: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        units = [-(-width // UNIT) for width in WIDTHS]
        self.weight_in = nn.Parameter(torch.empty(2, BANDS, channels, 4 * channels))
        self.bias_in = nn.Parameter(torch.empty(2, BANDS, 1, 4 * channels))
        self.weight_out = nn.Parameter(torch.empty(2, sum(units), 4 * channels, 4 * UNIT))
        self.bias_out = nn.Parameter(torch.empty(2, 1, 4, sum(WIDTHS)))
        bands = torch.arange(BANDS).repeat_interleave(torch.tensor(units))
        starts = torch.tensor((0, *units[:-1])).cumsum(0) * UNIT
        bins = torch.cat([start + torch.arange(width) for start, width in zip(starts, WIDTHS, strict=True)])
        self.register_buffer("bands", bands, persistent=False)  # of each unit
        self.register_buffer("bins", bins, persistent=False)  # where each bin is among the units'

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, K, C) -> mask and residual, (N, 2, F)"""
        y = (x.transpose(0, 1) @ self.weight_in + self.bias_in).tanh()  # (2, K, N, 4 C)
        y = y.index_select(1, self.bands) @ self.weight_out  # (2, units, N, UNIT x 4)
        y = y.transpose(1, 2).reshape(2, x.shape[0], -1, 4).index_select(2, self.bins)  # (2, N, F, 4)
        mask, residual = functional.glu(y.transpose(2, 3) + self.bias_out, dim=2)
        return mask, residual


def mask_network(channels: int, width: int) -> nn.Sequential:
    """From a band's channels to two parts, real and imaginary, of each of its bins."""
    return nn.Sequential(
        nn.BatchNorm1d(channels),
        nn.Conv1d(channels, 4 * channels, 1),
        nn.Tanh(),
        nn.Conv1d(4 * channels, 4 * width, 1),
        nn.GLU(dim=1),
    )


def merged_networks(own: Params, kind: str) -> Params:
    """All bands' networks ``<kind>.<band>`` as ``UnitMaskDecoder`` has them, without its first axis."""
    first, last = ([f"{kind}.{i}.{layer}" for i in range(BANDS)] for layer in (1, 3))
    return {
        "weight_in": torch.stack([own[f"{path}.weight"][..., 0].T for path in first]),
        "bias_in": torch.stack([own[f"{path}.bias"] for path in first]).unsqueeze(1),
        "weight_out": torch.cat([weight_of_units(own[f"{path}.weight"][..., 0]) for path in last]),
        "bias_out": torch.cat([by_bin(own[f"{path}.bias"]) for path in last]).T.unsqueeze(0),
    }


def by_bin(rows: Tensor) -> Tensor:
    """Outputs in front of a band's gated linear unit, grouped by bin: (4 x width, ...) -> (width, 4, ...).

    As trained, all values come before all gates, each a real and an imaginary part a bin.
    """
    return rows.unflatten(0, (2, -1, 2)).transpose(0, 1).flatten(1, 2)


def weight_of_units(weight: Tensor) -> Tensor:
    """Weight of a band's last layer in units: (4 x width, in) -> (units, in, UNIT x 4)."""
    rows = by_bin(weight)  # (width, 4, in)
    rows = functional.pad(rows, (0, 0, 0, 0, 0, -len(rows) % UNIT))
    return rows.unflatten(0, (-1, UNIT)).flatten(1, 2).transpose(1, 2)
