"""Folders of recordings at one rate, as one long tensor to mix from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.signal.recordings import converted, recordings_in

FRAME = 0.02  # seconds over which a level is measured
SILENCE_DB = 40  # below the loudest frame
MARGIN = 0.2  # seconds of silence kept around speech


@dataclass(frozen=True)
class Recordings:
    """Recordings one after the other, each of unit power, and one sample of silence behind them.

    Attributes:
        samples: (N,) on the device where the mixtures are made, of any floating-point type.
        starts, lengths: of each recording, in samples.
        speakers: number of each recording's speaker; None if no two recordings are of one.
    """

    samples: Tensor
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    speakers: NDArray[np.int64] | None = None

    @property
    def silence(self) -> int:
        """Index of a sample that is zero."""
        return len(self.samples) - 1

    def __len__(self) -> int:
        return len(self.starts)


def load(
    folders: Path | Sequence[Path],
    sample_rate: int,
    *,
    trim: bool,
    speeds: Sequence[float] = (1.0,),
    device: torch.device | str = "cpu",
    least: float = 0.1,
) -> Recordings:
    """All recordings of folders and those below them, for mixing, in half precision.

    Who speaks is known of recordings at ``SOURCE/SPEAKER/NAME`` or deeper: those of one folder are one
    speaker's, at each speed another's. Others are taken for as many speakers.

    Args:
        folders: audio files of any format, rate and number of channels; channels are averaged.
        sample_rate: to convert to.
        trim: leave out the silence before and after, but for a margin.
        speeds: at which each recording is taken, pitch changing with it.
        device: where to keep them.
        least: seconds that must be left of a recording; shorter and silent ones are left out.

    Raises:
        AudioError: no such folder, a file that cannot be read, or nothing usable in it.
    """
    samples, sizes = bytearray(), list[int]()  # one growing buffer: parts and their sum would take twice that
    speakers: list[tuple[Path, float]] = []
    folders = [folders] if isinstance(folders, Path) else list(folders)
    every = ((folder, *found) for folder in folders for found in recordings_in(folder, sample_rate))
    for folder, path, whole in every:
        wave = trimmed(whole, sample_rate) if trim else whole
        power = float(np.mean(wave.astype(np.float64) ** 2)) if len(wave) else 0.0
        if len(wave) >= least * sample_rate and power > 1e-10:
            wave = wave / np.float32(np.sqrt(power))
            known = len(path.relative_to(folder).parts) > 2
            for speed in speeds:
                part = converted(wave, round(sample_rate * speed), sample_rate).astype(np.float16)
                samples += part.tobytes()
                sizes.append(len(part))
                speakers.append((path.parent if known else path, speed))
    if not sizes:
        names = ", ".join(str(folder) for folder in folders)
        raise AudioError(f"{names}: no recording in it has {least:g} s of sound; check the folder")
    lengths = np.array(sizes, np.int64)
    samples += np.zeros(1, np.float16).tobytes()
    numbers = {speaker: number for number, speaker in enumerate(dict.fromkeys(speakers))}
    own = np.array([numbers[speaker] for speaker in speakers], np.int64)
    whole = torch.frombuffer(samples, dtype=torch.float16).to(device)
    return Recordings(whole, np.cumsum(lengths) - lengths, lengths, own)


def trimmed(wave: Array, sample_rate: int) -> Array:
    """Without the silence at both ends, but for a margin; empty if all is silent."""
    size = round(FRAME * sample_rate)
    levels = (wave[: len(wave) // size * size].reshape(-1, size).astype(np.float64) ** 2).mean(1)
    if not len(levels) or levels.max() < 1e-10:
        return wave[:0]
    loud = np.flatnonzero(levels > levels.max() * 10 ** (-SILENCE_DB / 10))
    margin = round(MARGIN * sample_rate)
    return wave[max(0, loud[0] * size - margin) : (loud[-1] + 1) * size + margin]
