"""A distance between signals as PESQ hears it, with a gradient.

The frequency and loudness scales and the two disturbances are those of ITU-T P.862, simplified as in
J. M. Martin-Donas et al.: A deep learning loss function based on the perceptual evaluation of the speech
quality, IEEE Signal Processing Letters 2018. The scales come from formulas in place of the standard's
tables, and there is no time alignment: what is trained is aligned.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

BANDS = 49  # PESQ's number, wide band
LEVEL_DB = 79.0  # sound pressure at which speech is heard
EXPONENT = 0.23  # of Zwicker's law of loudness
DEAD_ZONE = 0.25  # differences below this part of the softer of two loudnesses are not heard
MOST_DISTURBING = 45.0  # of a frame
ASYMMETRY = 1.2  # exponent of the ratio of powers: what was added disturbs more than what is missing
LEAST_ASYMMETRY, MOST_ASYMMETRY = 3.0, 12.0
LEAST_GAIN, MOST_GAIN = 3e-4, 5.0  # by which a frame's loudness is made up for


class PerceptualDistance(nn.Module):
    """How much worse than perfect PESQ would find a signal: 0 for the same, about 4 at most.

    Args:
        bins: frequencies from 0 Hz to half the sample rate.
        sample_rate: in Hz.
    """

    bands: Tensor
    widths: Tensor
    threshold: Tensor

    def __init__(self, bins: int, sample_rate: int) -> None:
        super().__init__()
        frequency = np.linspace(0, sample_rate / 2, bins)
        low, high = bark(np.array([50.0, min(8000.0, sample_rate / 2)]))
        edges = np.linspace(low, high, BANDS + 1)
        step = edges[1] - edges[0]
        # overlapping triangles, so that no band is without a bin
        centres = (edges[1:] + edges[:-1]) / 2
        spacing = np.maximum(step, np.gradient(bark(frequency)))
        weights = np.maximum(0, 1 - np.abs(bark(frequency) - centres[:, None]) / spacing)
        weights = weights * (bark(frequency) >= low - step) / np.maximum(weights.sum(0), 1e-9)
        hearing = 10 ** (threshold_in_quiet(hertz(centres)) / 10)
        for name, values in (("bands", weights.T), ("widths", np.full(BANDS, step)), ("threshold", hearing)):
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)).float())

    def forward(self, power: Tensor, target: Tensor) -> Tensor:
        """A number for each signal, (B,), from power spectra (B, T, F) of signals of one loudness."""
        heard = 10 ** (LEVEL_DB / 10) / (target @ self.bands).sum(2).mean(1).clamp(min=1e-9)  # (B,)
        powers = [(x * heard[:, None, None]) @ self.bands for x in (power, target)]  # (B, T, bands)
        powers[0] = powers[0] * self._gain(*powers)
        own, wanted = (self._loudness(x) for x in powers)
        difference = (own - wanted).abs() - DEAD_ZONE * torch.minimum(own, wanted)
        disturbance = difference.clamp(min=0)
        ratio = ((powers[0] + 50) / (powers[1] + 50)) ** ASYMMETRY
        added = torch.where(ratio < LEAST_ASYMMETRY, 0.0, ratio.clamp(max=MOST_ASYMMETRY)) * disturbance
        total = self.widths.sum()
        symmetric = total * ((disturbance.square() * self.widths).sum(2) / total + 1e-6).sqrt()  # (B, T)
        asymmetric = (added * self.widths).sum(2)
        weight = ((powers[1].sum(2) + 1e5) / 1e7) ** -0.04
        symmetric, asymmetric = ((x * weight).clamp(max=MOST_DISTURBING) for x in (symmetric, asymmetric))
        return (
            0.1 * (symmetric.square().mean(1) + 1e-6).sqrt()
            + 0.0309 * (asymmetric.square().mean(1) + 1e-6).sqrt()
        )

    def _gain(self, own: Tensor, wanted: Tensor) -> Tensor:
        """What makes the audible power of each frame that of the target's, within limits: (B, T, 1)."""
        audible = [(x * (x > self.threshold)).sum(2, keepdim=True) + 5e3 for x in (own, wanted)]
        return (audible[1] / audible[0]).clamp(LEAST_GAIN, MOST_GAIN)

    def _loudness(self, power: Tensor) -> Tensor:
        """Zwicker's law: sone a Bark of powers in bands."""
        scale = 0.1866 * (self.threshold / 0.5) ** EXPONENT
        return scale * ((0.5 + 0.5 * power / self.threshold) ** EXPONENT - 1)


def bark(frequency: np.ndarray) -> np.ndarray:
    """Critical band rate of frequencies in Hz (H. Traunmueller, JASA 1990)."""
    return 26.81 * frequency / (1960 + frequency) - 0.53


def hertz(rate: np.ndarray) -> np.ndarray:
    """Frequency of a critical band rate."""
    return 1960 * (rate + 0.53) / (26.28 - rate)


def threshold_in_quiet(frequency: np.ndarray) -> np.ndarray:
    """The softest audible sound pressure level in dB (E. Terhardt, Hearing Research 1979)."""
    khz = frequency / 1000
    return 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
