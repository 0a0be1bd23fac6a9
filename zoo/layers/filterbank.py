"""Log mel filterbank energies as a module that exports, so that a graph can take a waveform.

What Kaldi computes, in operators that every runtime has: frames are cut by concatenation, pre-emphasis,
window and Fourier transform are one matrix, and so are the filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.pooling import frame_mean
from zoo.spec import Filterbank

PRE_EMPHASIS = 0.97
LOWEST = 20.0  # Hz
FLOOR = float(np.finfo(np.float32).eps)

Matrix = NDArray[np.float64]

WINDOWS: Mapping[str, Callable[[Matrix], Matrix]] = {  # by the cosine, as Kaldi has them
    "hamming": lambda cosine: 0.54 - 0.46 * cosine,
    "povey": lambda cosine: (0.5 - 0.5 * cosine) ** 0.85,
}


class LogFilterbank(nn.Module):
    """Waveforms to features. No parameters.

    Args:
        front_end: the features' geometry; a frame is longer than a hop, and not longer than three.
    """

    transform: Tensor
    filters: Tensor

    def __init__(self, front_end: Filterbank) -> None:
        super().__init__()
        self.front_end = front_end
        self.register_buffer("transform", _tensor(spectral_matrix(front_end)), persistent=False)
        self.register_buffer("filters", _tensor(mel_filters(front_end)), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """Log energies.

        Args:
            wave: (B, N) in [-1, 1].

        Returns:
            (B, T, F), T being as many frames as fit into N samples.
        """
        cut = frames(wave * self.front_end.full_scale, self.front_end)
        real, imaginary = ((cut - cut.mean(-1, keepdim=True)) @ self.transform).chunk(2, dim=-1)
        power = real * real + imaginary * imaginary
        return (power @ self.filters).clamp(min=FLOOR).log()


class SpeakerFeatures(nn.Module):
    """Waveforms of any lengths to what the networks' ``embed`` reads.

    Args:
        front_end: the features' geometry.
    """

    def __init__(self, front_end: Filterbank) -> None:
        super().__init__()
        self.front_end = front_end
        self.filterbank = LogFilterbank(front_end)

    def forward(self, wave: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Features less their mean over each row's own frames, and zeros behind those.

        Args:
            wave: (B, N) in [-1, 1]; what stands behind a row's end does not matter.
            samples: (B,) int64, of each row.

        Returns:
            (B, F, T), and a mask (B, 1, T) with ones for each row's own frames.
        """
        count = (samples - self.front_end.win_length) // self.front_end.hop_length + 1
        feats = self.filterbank(wave).transpose(1, 2)  # (B, F, T)
        own = (torch.arange(feats.shape[2], device=wave.device) < count.unsqueeze(1)).unsqueeze(1)
        mask = own.to(feats.dtype)
        feats = feats.masked_fill(~own, 0)
        return (feats - frame_mean(feats, mask)) * mask, mask


def frames(wave: Tensor, front_end: Filterbank) -> Tensor:
    """All whole frames of a waveform: (B, N) -> (B, T, win_length)"""
    hop, whole = front_end.hop_length, -(-front_end.win_length // front_end.hop_length)
    spare = whole * hop - front_end.win_length  # the last frame in whole hops
    padded = functional.pad(wave, (0, spare + hop))  # and more, so that something is always cut off again:
    kept = (wave.shape[1] + spare) // hop * hop  # an exporter would take for granted that nothing is
    hops = padded[:, :kept].reshape(wave.shape[0], -1, hop)
    count = hops.shape[1] - whole + 1
    parts = [hops[:, offset : offset + count] for offset in range(whole)]
    return torch.cat(parts, dim=2)[..., : front_end.win_length]


def spectral_matrix(front_end: Filterbank) -> Matrix:
    """Pre-emphasis, window and Fourier transform: (win_length, n_fft), real parts before imaginary ones.

    The highest frequency is left out: no filter reads it.
    """
    length, n_fft = front_end.win_length, front_end.n_fft
    emphasis = np.eye(length) - PRE_EMPHASIS * np.eye(length, k=1)  # row vectors from the left
    emphasis[0, 0] -= PRE_EMPHASIS  # before the first sample stands the first
    window = WINDOWS[front_end.window](np.cos(2 * np.pi * np.arange(length) / (length - 1)))
    angle = 2 * np.pi * np.outer(np.arange(length), np.arange(n_fft // 2)) / n_fft
    transform = np.concatenate([np.cos(angle), -np.sin(angle)], axis=1)
    return np.asarray(emphasis @ (window[:, None] * transform))


def mel_filters(front_end: Filterbank) -> Matrix:
    """Triangles of equal width on the mel scale: (n_fft / 2, bins)"""
    frequency = np.arange(front_end.n_fft // 2) * front_end.sample_rate / front_end.n_fft
    lowest, highest = _mel(np.array([LOWEST, front_end.sample_rate / 2]))
    corners = np.linspace(lowest, highest, front_end.bins + 2)
    width, mel = corners[1] - corners[0], _mel(frequency)[:, None]
    return np.asarray(np.clip(1 - np.abs(mel - corners[1:-1]) / width, 0, None))


def _mel(frequency: Matrix) -> Matrix:
    return np.asarray(1127 * np.log1p(frequency / 700))


def _tensor(matrix: Matrix) -> Tensor:
    return torch.from_numpy(matrix.astype(np.float32))
