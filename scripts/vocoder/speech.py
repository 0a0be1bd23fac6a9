"""Speech to learn from: stretches of it with their log-mel frames, as the front end of a voice has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts.voice.corpus import load
from zoo.arrays import Array
from zoo.signal.mel import filters
from zoo.signal.recordings import recordings_in
from zoo.spec import MelSpectrum, VocoderSpec
from zoo.tasks.synthesis.session import Utterance
from zoo.tasks.synthesis.synthesizer import Synthesizer

GAIN = 6.0  # decibels, louder or softer
KEPT = "*.wave.npy"  # at the rate of the voice


class LogMel:
    """Log-mel frames in PyTorch: ``zoo.signal.mel.log_mel`` without the mirrored ends."""

    def __init__(self, front_end: MelSpectrum) -> None:
        self._front_end = front_end
        self._filters = torch.from_numpy(filters(front_end))
        self._window = torch.hann_window(front_end.n_fft)

    def __call__(self, wave: Tensor) -> Tensor:
        """(B, n_fft + (F - 1) x hop) -> (B, F, mels)"""
        n_fft, hop = self._front_end.n_fft, self._front_end.hop_length
        spectrum = torch.stft(wave, n_fft, hop, window=self._window, center=False, return_complex=True)
        return (spectrum.abs().transpose(1, 2) @ self._filters).clamp_min(self._front_end.floor).log()


def read_speech(paths: Sequence[Path], rate: int) -> list[Recording]:
    """Read recordings, int16, at a rate: those of folders, and ``.wave.npy`` of ``scripts.make_voice_data``.

    Raises:
        AudioError: no audio in a folder, or a file that cannot be read.
    """
    found: list[Recording] = []
    for path in paths:
        kept = sorted(path.glob(KEPT)) if path.is_dir() else [path]
        if kept and all(file.match(KEPT) for file in kept):
            found += [Recording(np.load(file, mmap_mode="r")) for file in kept]
        else:
            found += [
                Recording(np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16))
                for _, wave in recordings_in(path, rate)
            ]
    return found


@dataclass(frozen=True)
class Recording:
    """Speech, and perhaps what a voice makes of its text at the same times.

    Attributes:
        wave: (N,) int16 at the rate of the voice.
        frames: (N / hop, mels) log-mel frames of a voice; None for those of the wave itself.
    """

    wave: Array
    frames: Array | None = None


def segments(
    recordings: Sequence[Recording], samples: int, batch: int, seed: int, front_end: MelSpectrum
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of stretches (B, samples) in [-1, 1] with their frames (B, F, mels), endlessly, each louder or
    softer than it was."""
    random, log_mel = np.random.default_rng(seed), LogMel(front_end)
    hop, ahead = front_end.hop_length, front_end.n_fft // 2 // front_end.hop_length
    count = 1 + (samples - front_end.n_fft) // hop
    starts = np.array([max(0, len(r.wave) - samples - ahead * hop) for r in recordings])
    share = starts / starts.sum()
    while True:
        waves, given = [], []
        for which in random.choice(len(recordings), batch, p=share):
            one = recordings[which]
            first = int(random.integers(starts[which])) // hop
            gain = np.float32(10 ** (random.uniform(-GAIN, GAIN) / 20))
            waves.append(one.wave[first * hop :][:samples] * (gain / 32768))
            if one.frames is not None:
                frames = one.frames[first + ahead :][:count].astype(np.float32) + np.log(gain)
                given.append(np.maximum(frames, np.float32(np.log(front_end.floor))))
        wave = torch.from_numpy(np.stack(waves)).clamp(-1, 1)
        yield wave, torch.from_numpy(np.stack(given)) if given else log_mel(wave)


def as_said_by(voice: Synthesizer, path: Path) -> Recording:
    """Utterances of ``scripts.make_voice_data``, with the frames that a voice makes of their texts.

    The voice gives each token as many frames as the teacher, so its frames lie where the speech has them. A
    vocoder that learns from those learns to make speech of what it will be given.

    Args:
        voice: that learned from the same teacher.
        path: of the utterances, ``.npz``, with the speech, ``.wave.npy``, beside it.
    """
    utterances = [Utterance(e.ids, forced=tuple(map(float, e.durations))) for e in load(path)]
    frames = np.concatenate([found.mel for found in voice.frames(utterances)])
    return Recording(np.load(path.with_suffix(".wave.npy"), mmap_mode="r"), frames.astype(np.float16))


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
