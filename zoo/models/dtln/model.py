"""DTLN: two stages of recurrence, on the magnitudes of a frame, then on a learned basis of its waveform.

N. L. Westhausen, B. T. Meyer: Dual-Signal Transformation LSTM Network for Real-Time Noise Suppression,
Interspeech 2020.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from zoo.layers.recurrent import TimeLSTM
from zoo.networks.streaming import State, StreamingModule
from zoo.signal.windows import synthesis_window
from zoo.spec import EnhancementSpec, FrontEnd

Params = dict[str, Tensor]


class DTLN(StreamingModule):
    """Real mask on the spectrum, then a real mask on the learned basis of its frames.

    Inside, frames are the first axis: (T, B, ...).

    Args:
        spec: the model's record.
        units: of each recurrent layer.
        basis: filters of the learned basis.
        dropout: between the recurrent layers of a stage, in training.
        norm_eps: added to the variance of a frame's features.
    """

    ends_in_time = True

    def __init__(
        self, spec: EnhancementSpec, *, units: int, basis: int, dropout: float, norm_eps: float
    ) -> None:
        super().__init__()
        self.spec = spec
        self.spectral_mask = Mask(spec.front_end.bins, units, dropout)
        self.encoder = FrameEncoder(spec.front_end, basis)
        self.norm = nn.LayerNorm(basis, eps=norm_eps)
        self.basis_mask = Mask(basis, units, dropout)
        self.decoder = FrameDecoder(spec.front_end, basis)
        self.name_states()

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F, T, 2) -> (B, F, T, 2)"""
        y, state = self._features(x, state)
        return self.decoder(y).permute(1, 3, 0, 2), state

    def process_to_frames(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F, T, 2) -> (B, T, n_fft)"""
        y, state = self._features(x, state)
        return self.decoder.frames(y).transpose(0, 1), state

    def _features(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F, T, 2) -> (T, B, C), the enhanced frames on the learned basis"""
        x = x.permute(2, 0, 3, 1)  # (T, B, 2, F)
        mask, state = self.spectral_mask(torch.linalg.vector_norm(x, dim=2), state)
        y = self.encoder(x * mask.unsqueeze(2))
        mask, state = self.basis_mask(self.norm(y), state)
        return y * mask, state


class Mask(nn.Module):
    """What passes of each feature, from two recurrent layers.

    Args:
        features: in and out.
        units: of a recurrent layer.
        dropout: between the two, in training.
    """

    def __init__(self, features: int, units: int, dropout: float) -> None:
        super().__init__()
        self.rnn1 = TimeLSTM(features, units, rows=1)
        self.dropout = nn.Dropout(dropout)
        self.rnn2 = TimeLSTM(units, units, rows=1)
        self.dense = nn.Linear(units, features)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, C) -> (T, B, C), from 0 to 1"""
        y, state = self.rnn1(x.unsqueeze(2), state)
        y, state = self.rnn2(self.dropout(y), state)
        return self.dense(y.squeeze(2)).sigmoid(), state


class FrameEncoder(nn.Module):
    """Spectra to the learned basis of their frames. Its twin has transform and basis in one matrix.

    Args:
        front_end: the spectrum's geometry.
        basis: filters.
    """

    def __init__(self, front_end: FrontEnd, basis: int) -> None:
        super().__init__()
        self.front_end = front_end
        self.basis = nn.Linear(front_end.n_fft, basis, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, 2, F) -> (T, B, C)"""
        spectrum = torch.view_as_complex(x.transpose(2, 3).contiguous())
        return self.basis(torch.fft.irfft(spectrum, n=self.front_end.n_fft))

    def streaming_twin(self) -> SpectralEncoder:
        return SpectralEncoder(self.front_end, self.basis.out_features)

    def streaming_parameters(self, own: Params) -> Params:
        weight = own["basis.weight"]
        inverse = inverse_transform(self.front_end).to(weight.device)
        return {"weight": (weight.double() @ inverse).to(weight)}


class SpectralEncoder(nn.Linear):
    """Twin of ``FrameEncoder``."""

    def __init__(self, front_end: FrontEnd, basis: int) -> None:
        super().__init__(2 * front_end.bins, basis, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, 2, F) -> (T, B, C)"""
        return super().forward(x.flatten(2))


class FrameDecoder(nn.Module):
    """The learned basis to frames of a waveform, and to their spectra.

    The frames are added up as they are, where the front end's inverse transform takes their mean: so the
    spectra are those of frames divided by the synthesis window. The twin has a matrix for either.

    Args:
        front_end: the spectrum's geometry.
        basis: filters.
    """

    scale: Tensor

    def __init__(self, front_end: FrontEnd, basis: int) -> None:
        super().__init__()
        self.front_end = front_end
        self.basis = nn.Linear(basis, front_end.n_fft, bias=False)
        scale = torch.from_numpy(1 / synthesis_window(front_end)).float()
        self.register_buffer("scale", scale, persistent=False)

    def frames(self, y: Tensor) -> Tensor:
        """(T, B, C) -> (T, B, n_fft)"""
        return self.basis(y)

    def forward(self, y: Tensor) -> Tensor:
        """(T, B, C) -> (T, B, 2, F)"""
        return torch.view_as_real(torch.fft.rfft(self.frames(y) * self.scale)).transpose(2, 3)

    def streaming_twin(self) -> SpectralDecoder:
        return SpectralDecoder(self.front_end, self.basis.in_features)

    def streaming_parameters(self, own: Params) -> Params:
        weight = own["basis.weight"]
        spectra = transform(self.front_end) / torch.from_numpy(synthesis_window(self.front_end))
        return {**own, "spectrum.weight": (spectra.to(weight.device) @ weight.double()).to(weight)}


class SpectralDecoder(nn.Module):
    """Twin of ``FrameDecoder``."""

    def __init__(self, front_end: FrontEnd, basis: int) -> None:
        super().__init__()
        self.basis = nn.Linear(basis, front_end.n_fft, bias=False)
        self.spectrum = nn.Linear(basis, 2 * front_end.bins, bias=False)

    def frames(self, y: Tensor) -> Tensor:
        """(T, B, C) -> (T, B, n_fft)"""
        return self.basis(y)

    def forward(self, y: Tensor) -> Tensor:
        """(T, B, C) -> (T, B, 2, F)"""
        return self.spectrum(y).unflatten(2, (2, -1))


def transform(front_end: FrontEnd) -> Tensor:
    """Matrix of the Fourier transform of a frame: (2 x F, n_fft) float64, real parts first."""
    spectra = np.fft.rfft(np.eye(front_end.n_fft)).T
    return torch.from_numpy(np.concatenate([spectra.real, spectra.imag]))


def inverse_transform(front_end: FrontEnd) -> Tensor:
    """Matrix of the inverse: (n_fft, 2 x F) float64."""
    units = np.eye(front_end.bins)
    frames = np.fft.irfft(np.concatenate([units, 1j * units]), n=front_end.n_fft).T
    return torch.from_numpy(frames)
