"""What a vocoder is trained on: magnitudes at several resolutions, how phases turn, and log-mel frames.

R. Yamamoto et al.: Parallel WaveGAN, ICASSP 2020, for the first; Y. Ai, Z.-H. Ling: APNet, TASLP 2023, for
the second; J. Kong et al.: HiFi-GAN, NeurIPS 2020, for the third.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scripts.vocoder.speech import LogMel
from zoo.spec import MelSpectrum

RESOLUTIONS = ((2048, 512), (1024, 256), (512, 128), (256, 64), (128, 32))  # window and hop
MEL_WEIGHT = 2.0
TURNING = ((1024, 256), (512, 128))  # those of them at which phases are compared
TURNING_WEIGHT = 1.0
_LEAST = 1e-4  # magnitude, below which no difference is heard


class SpectralLoss(nn.Module):
    """Mean over the resolutions of spectral convergence and log magnitudes' difference, with how differently
    phases turn; and the frames' difference."""

    def __init__(self, front_end: MelSpectrum) -> None:
        super().__init__()
        self._log_mel = LogMel(front_end)
        self._windows = {size: torch.hann_window(size) for size, _ in RESOLUTIONS}

    def forward(self, made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, N), (B, N) -> the distance of spectra and that of log-mel frames, scalars."""
        spectra = made.new_zeros(())
        for size, hop in RESOLUTIONS:
            own, other = (self._spectrum(wave, size, hop) for wave in (made, real))
            ours, theirs = ((_power(spectrum) + 1e-10).sqrt() for spectrum in (own, other))
            convergence = (ours - theirs).norm() / theirs.norm().clamp_min(1e-6)
            logarithms = (ours.clamp_min(_LEAST).log() - theirs.clamp_min(_LEAST).log()).abs().mean()
            spectra = spectra + (convergence + logarithms) / len(RESOLUTIONS)
            if (size, hop) in TURNING:
                spectra = spectra + TURNING_WEIGHT / len(TURNING) * turning(own, other)
        return spectra, (self._log_mel(made) - self._log_mel(real)).abs().mean()

    def _spectrum(self, wave: Tensor, size: int, hop: int) -> Tensor:
        return torch.stft(wave, size, hop, window=self._windows[size], center=False, return_complex=True)


def turning(made: Tensor, real: Tensor) -> Tensor:
    """How differently phases turn from bin to bin and from frame to frame: a scalar from 0 to 2.

    Frames do not tell the phases themselves, but nearly how they turn: by the pitch, and by when a sound
    begins. Bins count by their magnitude.

    Args:
        made, real: (B, F, T) complex spectra.
    """
    total = made.real.new_zeros(())
    for axis in (1, 2):
        ours, theirs = (_turns(spectrum, axis) for spectrum in (made, real))
        agreement = torch.view_as_real(ours * theirs.conj())[..., 0]
        lengths = (_power(ours) * _power(theirs) + 1e-12).sqrt()
        weight = (_power(theirs) + 1e-12) ** 0.25  # of the product of two magnitudes, squared
        total = total + (weight * (1 - agreement / lengths)).sum() / weight.sum() / 2
    return total


def _turns(spectrum: Tensor, axis: int) -> Tensor:
    count = spectrum.shape[axis] - 1
    return spectrum.narrow(axis, 1, count) * spectrum.narrow(axis, 0, count).conj()


def _power(spectrum: Tensor) -> Tensor:
    return torch.view_as_real(spectrum).square().sum(-1)
