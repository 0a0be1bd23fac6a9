"""A distance between signals as STOI measures it, with a gradient.

C. H. Taal et al.: An algorithm for intelligibility prediction of time-frequency weighted noisy speech, TASLP
2011, on the frames of the network's own spectra instead of those at 10 kHz.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

BANDS = 15  # a third of an octave wide
LOWEST = 150.0  # centre frequency of the first, in Hz
SECONDS = 0.384  # over which envelopes are compared
WORST_DB = -15.0  # signal to distortion ratio beyond which it does not get worse
RANGE_DB = 40.0  # speech softer than its loudest frame by this is not heard


class IntelligibilityDistance(nn.Module):
    """How far a signal's envelopes are from those of its target: 0 for the same, 1 for unrelated ones.

    Args:
        bins: frequencies from 0 Hz to half the sample rate.
        sample_rate: in Hz.
        hop_length: from frame to frame, in samples.
    """

    bands: Tensor

    def __init__(self, bins: int, sample_rate: int, hop_length: int) -> None:
        super().__init__()
        self.frames = max(2, round(SECONDS * sample_rate / hop_length))
        frequency = np.linspace(0, sample_rate / 2, bins)
        edges = LOWEST * 2 ** (np.arange(-0.5, BANDS) / 3)
        inside = (frequency >= edges[:-1, None]) & (frequency < edges[1:, None])  # (bands, F)
        inside = inside[inside.any(1)]  # those that a low rate or a short frame has
        self.register_buffer("bands", torch.from_numpy(np.ascontiguousarray(inside.T)).float())

    def forward(self, power: Tensor, target: Tensor) -> Tensor:
        """A number for each signal, (B,), from power spectra (B, T, F); 0 where the target is silent."""
        frames = min(self.frames, target.shape[1])
        own, wanted = (
            (x @ self.bands + 1e-10).sqrt().unfold(1, frames, 1) for x in (power, target)
        )  # envelopes in bands: (B, segments, bands, frames)
        loudness = target.sum(2).unfold(1, frames, 1).mean(2)  # (B, segments)
        loudest = loudness.amax(1, keepdim=True)
        heard = (loudness > loudest * 10 ** (-RANGE_DB / 10)) & (loudness > 1e-9)
        own = own * (_norm(wanted) / _norm(own))
        own = torch.minimum(own, wanted * (1 + 10 ** (-WORST_DB / 20)))
        own, wanted = (x - x.mean(3, keepdim=True) for x in (own, wanted))
        likeness = (own * wanted).sum(3) / (_norm(own) * _norm(wanted))[..., 0]  # (B, segments, bands)
        return ((1 - likeness.mean(2)) * heard).sum(1) / heard.sum(1).clamp(min=1)


def _norm(x: Tensor) -> Tensor:
    return (x.square().sum(3, keepdim=True) + 1e-10).sqrt()
