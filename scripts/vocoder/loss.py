"""What a vocoder is trained on: magnitudes at several resolutions, and log-mel frames.

R. Yamamoto et al.: Parallel WaveGAN, ICASSP 2020, for the first; J. Kong et al.: HiFi-GAN, NeurIPS 2020,
for the second.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scripts.vocoder.speech import LogMel
from zoo.spec import MelSpectrum

RESOLUTIONS = ((2048, 512), (1024, 256), (512, 128), (256, 64), (128, 32))  # window and hop
MEL_WEIGHT = 2.0
_LEAST = 1e-4  # magnitude, below which no difference is heard


class SpectralLoss(nn.Module):
    """Mean over the resolutions of spectral convergence and log magnitudes' difference, and the frames'
    difference."""

    def __init__(self, front_end: MelSpectrum) -> None:
        super().__init__()
        self._log_mel = LogMel(front_end)
        self._windows = {size: torch.hann_window(size) for size, _ in RESOLUTIONS}

    def forward(self, made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, N), (B, N) -> the distance of spectra and that of log-mel frames, scalars."""
        spectra = made.new_zeros(())
        for size, hop in RESOLUTIONS:
            ours, theirs = (self._magnitudes(wave, size, hop) for wave in (made, real))
            convergence = (ours - theirs).norm() / theirs.norm().clamp_min(1e-6)
            logarithms = (ours.clamp_min(_LEAST).log() - theirs.clamp_min(_LEAST).log()).abs().mean()
            spectra = spectra + (convergence + logarithms) / len(RESOLUTIONS)
        return spectra, (self._log_mel(made) - self._log_mel(real)).abs().mean()

    def _magnitudes(self, wave: Tensor, size: int, hop: int) -> Tensor:
        spectrum = torch.stft(wave, size, hop, window=self._windows[size], center=False, return_complex=True)
        parts = torch.view_as_real(spectrum)
        return (parts.square().sum(-1) + 1e-10).sqrt()
