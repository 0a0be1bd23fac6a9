"""Speech to learn from: stretches of it with their log-mel frames, as the front end of a voice has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.arrays import Array
from zoo.signal.recordings import recordings_in
from zoo.spec import MelSpectrum, VocoderSpec
from zoo.vocoder.mel import filters

GAIN = 6.0  # decibels, louder or softer
KEPT = "*.wave.npy"  # at the rate of the voice


class LogMel:
    """Log-mel frames in PyTorch: ``zoo.vocoder.mel.log_mel`` without the mirrored ends."""

    def __init__(self, front_end: MelSpectrum) -> None:
        self._front_end = front_end
        self._filters = torch.from_numpy(filters(front_end))
        self._window = torch.hann_window(front_end.n_fft)

    def __call__(self, wave: Tensor) -> Tensor:
        """(B, n_fft + (F - 1) x hop) -> (B, F, mels)"""
        n_fft, hop = self._front_end.n_fft, self._front_end.hop_length
        spectrum = torch.stft(wave, n_fft, hop, window=self._window, center=False, return_complex=True)
        return (spectrum.abs().transpose(1, 2) @ self._filters).clamp_min(self._front_end.floor).log()


def read_speech(paths: Sequence[Path], rate: int) -> list[Array]:
    """Read recordings, int16, at a rate: those of folders, and ``.wave.npy`` of ``scripts.make_voice_data``.

    Raises:
        AudioError: no audio in a folder, or a file that cannot be read.
    """
    found: list[Array] = []
    for path in paths:
        kept = sorted(path.glob(KEPT)) if path.is_dir() else [path]
        if kept and all(file.match(KEPT) for file in kept):
            found += [np.load(file, mmap_mode="r") for file in kept]
        else:
            found += [
                np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16)
                for _, wave in recordings_in(path, rate)
            ]
    return found


def segments(recordings: Sequence[Array], samples: int, batch: int, seed: int) -> Iterator[Tensor]:
    """Batches of stretches (B, samples) in [-1, 1], endlessly, each louder or softer than it was."""
    random = np.random.default_rng(seed)
    starts = np.array([max(0, len(recording) - samples) for recording in recordings])
    share = starts / starts.sum()
    while True:
        rows = []
        for which in random.choice(len(recordings), batch, p=share):
            start = int(random.integers(starts[which]))
            gain = 10 ** (random.uniform(-GAIN, GAIN) / 20) / 32768
            rows.append(recordings[which][start : start + samples] * np.float32(gain))
        yield torch.from_numpy(np.stack(rows)).clamp(-1, 1)


def lengths(spec: VocoderSpec, frames: int, warm: int) -> tuple[int, int, int]:
    """What one step needs for so many frames of speech to compare.

    Args:
        spec: of the vocoder.
        frames: to compare.
        warm: frames before them, by which the network finds out what came before.

    Returns:
        samples of a stretch; and the first sample, in it and in what the network gives, and in the stretch
        alone, that is compared.
    """
    hop, ahead = spec.front_end.hop_length, spec.look_ahead
    samples = spec.front_end.n_fft + (warm + frames + ahead - 1) * hop
    return samples, (warm + ahead) * hop, warm * hop
