"""Short-time Fourier transform and its inverse in numpy, for graphs from spectrum to spectrum."""

from __future__ import annotations

import numpy as np

from zoo.arrays import Array
from zoo.signal.windows import analysis_window, synthesis_window
from zoo.spec import FrontEnd


class Transforms:
    """Both transforms on the stream's frame grid; the memories go in and out.

    Args:
        front_end: the spectrum's geometry.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self._analysis = analysis_window(front_end)
        self._synthesis = synthesis_window(front_end).astype(np.float32)

    def initial_state(self) -> dict[str, Array]:
        """Zeros (1, n_fft - hop) for both directions."""
        zeros = np.zeros((1, self.front_end.delay), np.float32)
        return {"stft.past": zeros, "istft.overlap": zeros}

    def analyse(self, hops: Array, past: Array) -> tuple[Array, Array]:
        """Waveform (B, T x hop) -> spectrum (B, F, T, 2), and the memory for the next call.

        Computed in float64 and rounded once, without negative zeros: some networks read phases.
        """
        wave = np.concatenate([past, hops], axis=1)
        frames = np.lib.stride_tricks.sliding_window_view(wave, self.front_end.n_fft, axis=1)
        spectrum = np.fft.rfft(frames[:, :: self.front_end.hop_length] * self._analysis)  # (B, T, F)
        parts = np.stack([spectrum.real, spectrum.imag], axis=-1).astype(np.float32) + np.float32(0)
        return parts.transpose(0, 2, 1, 3), wave[:, wave.shape[1] - self.front_end.delay :].copy()

    def synthesise(self, spectrum: Array, overlap: Array) -> tuple[Array, Array]:
        """Spectrum (B, F, T, 2) -> waveform (B, T x hop), and the memory for the next call."""
        n_fft, hop = self.front_end.n_fft, self.front_end.hop_length
        complex_spectrum = (spectrum[..., 0] + 1j * spectrum[..., 1]).transpose(0, 2, 1)  # (B, T, F)
        frames = np.fft.irfft(complex_spectrum, n=n_fft).astype(np.float32) * self._synthesis
        ready = frames.shape[1] * hop
        wave = np.zeros((len(frames), ready + self.front_end.delay), np.float32)
        wave[:, : self.front_end.delay] = overlap
        for i in range(frames.shape[1]):
            wave[:, i * hop : i * hop + n_fft] += frames[:, i]
        return wave[:, :ready].copy(), wave[:, ready:].copy()
