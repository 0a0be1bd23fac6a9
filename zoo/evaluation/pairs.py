"""Pairs of noisy and clean recordings: from two folders, or mixed reproducibly from speech and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.signal.audio import find_audio
from zoo.signal.recordings import read, read_folder


@dataclass(frozen=True)
class Pair:
    """A recording with noise and the same without, (N,) each, at one rate."""

    name: str
    noisy: Array
    clean: Array


def mixed_pairs(
    speech: Path | Sequence[Path],
    noise: Path | Sequence[Path],
    sample_rate: int,
    *,
    snr_db: tuple[float, float] = (-5.0, 15.0),
    seed: int = 0,
    count: int | None = None,
) -> list[Pair]:
    """One mixture for each speech recording, of its whole length.

    Args:
        speech, noise: a folder or several of each.
        sample_rate: in Hz.
        snr_db: range; speech to noise over the whole recording.
        seed: of the choice of noises, their beginnings and the ratios.
        count: how many, in a random order; default all.

    Raises:
        AudioError: a folder without audio, or silent speech or noise.
    """
    rng = np.random.default_rng(seed)
    talks, noises = (
        [
            recording
            for folder in ([folders] if isinstance(folders, Path) else folders)
            for recording in read_folder(folder, sample_rate)
        ]
        for folders in (speech, noise)
    )
    order = rng.permutation(len(talks))[:count]
    loops = rng.permutation(max(len(order), len(noises))) % len(noises)
    pairs = []
    for turn, which in enumerate(order):
        path, clean = talks[which]
        source, loop = noises[loops[turn]]
        begin, ratio = int(rng.integers(len(loop))), rng.uniform(*snr_db)
        added = loop[(begin + np.arange(len(clean))) % len(loop)]
        loudness = _rms(clean, path), _rms(added, source)
        noisy = clean + added * (loudness[0] / loudness[1] * 10 ** (-ratio / 20))
        scale = min(1.0, 0.99 / float(np.abs(noisy).max()))
        name = f"{path.stem}+{source.stem}@{ratio:.1f}dB"
        pairs.append(Pair(name, (scale * noisy).astype(np.float32), (scale * clean).astype(np.float32)))
    return pairs


def folder_pairs(noisy: Path, clean: Path, sample_rate: int) -> list[Pair]:
    """Recordings that have the same name, apart from its ending, in both folders.

    Raises:
        AudioError: a recording without its counterpart, of another length, or none at all.
    """
    names = {path.stem: path for path in find_audio(clean)}
    pairs = []
    for path in find_audio(noisy):
        if path.stem not in names:
            raise AudioError(f"{path}: there is no recording of that name in {clean}")
        pair = Pair(path.stem, read(path, sample_rate), read(names[path.stem], sample_rate))
        if len(pair.noisy) != len(pair.clean):
            raise AudioError(
                f"{path}: {len(pair.noisy)} samples, but {names[path.stem]} has {len(pair.clean)}; "
                f"a pair is equally long and aligned"
            )
        pairs.append(pair)
    if not pairs:
        raise AudioError(f"{noisy}: there are no audio files in it")
    return pairs


def _rms(wave: Array, path: Path) -> float:
    value = float(np.sqrt(np.mean(wave.astype(np.float64) ** 2)))
    if value < 1e-6:
        raise AudioError(f"{path}: a stretch of {len(wave)} samples in it is silent; leave the file out")
    return value
