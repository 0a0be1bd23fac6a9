"""The distance between an enhanced and a clean signal that training makes small."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scripts.training.intelligibility import IntelligibilityDistance
from scripts.training.perceptual import PerceptualDistance
from zoo.layers.spectrum import compress
from zoo.layers.stft import STFT
from zoo.spec import FrontEnd

EXPONENT = 0.3
LOUDNESS = 0.1  # root mean square to which signals are brought first
LIMIT = 1e-3  # of the distortion, relative to the target: beyond 30 dB nothing is gained


@dataclass(frozen=True)
class Balance:
    """Weights of the terms; the first two and their ratio to the third are those GTCRN was trained with.

    Attributes:
        magnitude: compressed magnitudes of the network's spectrum.
        complex: compressed real and imaginary parts of the same.
        waveform: signal to distortion ratio, in bel.
        consistency: the first two of the spectrum that the waveform has, relative to those of the network's.
        perceptual: distance as PESQ hears it.
        intelligibility: distance as STOI measures it.
    """

    magnitude: float = 70.0
    complex: float = 30.0
    waveform: float = 3.0
    consistency: float = 0.5
    perceptual: float = 4.0
    intelligibility: float = 20.0


class EnhancementLoss(nn.Module):
    """Compressed spectral distances, the waveform's distortion, PESQ's disturbances and STOI's likeness.

    Mean square differences of magnitudes and of real and imaginary parts, raised to the power 0.3 in
    magnitude (S. Braun, I. Tashev: A consolidated view of loss functions for supervised deep
    learning-based speech enhancement, TSP 2021), of the network's own spectrum and of the waveform's,
    which holds only what overlapping frames agree on; and a signal to distortion ratio that is limited softly
    (S. Wisdom et al.: Unsupervised sound separation using mixture invariant training, NeurIPS 2020).
    Signals are compared at one loudness.

    Args:
        front_end: of the network.
        balance: weights of the terms.
    """

    def __init__(self, front_end: FrontEnd, balance: Balance | None = None) -> None:
        super().__init__()
        self.balance = balance or Balance()
        self.stft = STFT(front_end)
        self.heard = PerceptualDistance(front_end.bins, front_end.sample_rate)
        self.understood = IntelligibilityDistance(front_end.bins, front_end.sample_rate, front_end.hop_length)

    def forward(
        self, spectrum: Tensor, wave: Tensor, target: Tensor, noisy: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, and its terms by name.

        Args:
            spectrum: (B, F, T, 2), the network's output for frames that end at multiples of the hop.
            wave: (B, N) of that spectrum, its start aligned with the target's.
            target: (B, N), clean.
            noisy: (B, N), which decides the loudness.
        """
        scale = LOUDNESS / noisy.square().mean(1, keepdim=True).sqrt().clamp(min=1e-4)  # (B, 1)
        spectra = [self._spectrum(signal * scale, spectrum.shape[2]) for signal in (wave, target)]
        seen, wanted = (_compressed(x) for x in spectra)
        own = _compressed(spectrum * scale[:, :, None, None])
        powers = tuple(x.square().sum(3).transpose(1, 2) for x in spectra)
        balance = self.balance
        terms = {
            "magnitude": balance.magnitude * _magnitude_distance(own, wanted),
            "complex": balance.complex * _distance(own, wanted),
            "consistency": balance.consistency
            * (
                balance.magnitude * _magnitude_distance(seen, wanted)
                + balance.complex * _distance(seen, wanted)
            ),
            "waveform": balance.waveform * distortion(wave * scale, target * scale),
            "perceptual": balance.perceptual * self.heard(*powers).mean(),
            "intelligibility": balance.intelligibility * self.understood(*powers).mean(),
        }
        return torch.stack(list(terms.values())).sum(), terms

    def _spectrum(self, wave: Tensor, frames: int) -> Tensor:
        """(B, N) -> (B, F, T, 2), zeros standing behind the wave."""
        hop, delay = self.stft.front_end.hop_length, self.stft.front_end.delay
        wave = nn.functional.pad(wave, (0, frames * hop - wave.shape[1]))
        state = {self.stft.state_name("past"): wave.new_zeros(wave.shape[0], delay)}
        return self.stft(wave, state)[0]


def distortion(wave: Tensor, target: Tensor) -> Tensor:
    """Energy of the difference relative to the target's, softly limited, in bel: a mean over (B, N).

    Without a target, the energy relative to that of a signal 30 dB below the common loudness.
    """
    energy = target.square().sum(1)
    silent = energy < LIMIT * target.shape[1] * LOUDNESS**2 * 0.1
    reference = torch.where(silent, LIMIT * target.shape[1] * LOUDNESS**2, energy)
    error = (wave - target).square().sum(1) / reference
    ratios = torch.where(silent, 0.3 * (error + 1).log10(), (error + LIMIT).log10())
    return ratios.mean()


def _compressed(spectrum: Tensor) -> Tensor:
    """(B, F, T, 2) -> (B, T, 2, F)"""
    return compress(spectrum.permute(0, 2, 3, 1), EXPONENT)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(-2).mean()


def _magnitude_distance(a: Tensor, b: Tensor) -> Tensor:
    return (_magnitude(a) - _magnitude(b)).square().mean()


def _magnitude(x: Tensor) -> Tensor:
    """(..., 2, F) -> (..., F), with a gradient at zero."""
    return (x.square().sum(-2) + 1e-8).sqrt()
