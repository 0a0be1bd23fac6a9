"""What codecs do to speech."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import soundfile
import torch
from torch import Tensor

from zoo.arrays import Array

MU = 255.0


def mu_law(wave: Tensor, levels: int = 256) -> Tensor:
    """Samples rounded to levels that are finer where it is quiet (the curve of ITU-T G.711's mu-law).

    Args:
        wave: (..., N) float32 in [-1, 1]; what is beyond is cut off.
        levels: number of them.

    Returns:
        (..., N) float32 in [-1, 1].
    """
    bent = wave.sign() * torch.log1p(MU * wave.abs().clamp(max=1)) / torch.log1p(torch.tensor(MU))
    steps = levels / 2 - 1
    rounded = (bent * steps).round() / steps
    return rounded.sign() * ((1 + MU) ** rounded.abs() - 1) / MU


# Formats of libsndfile, and the range of its compression levels: 8 to 50, and 25 to 64 kilobits a second.
LOSSY = {"opus": ("OGG", "OPUS", (0.8, 0.97)), "mp3": ("MP3", "MPEG_LAYER_III", (0.0, 0.95))}


def lossy(wave: Array, sample_rate: int, codec: Literal["opus", "mp3"], level: float) -> Array:
    """What is left of a signal after Opus or MP3, aligned to the sample.

    Args:
        wave: (N,) float32 in [-1, 1].
        sample_rate: in Hz, one that Opus has: 8, 12, 16, 24 or 48 kHz.
        codec: which.
        level: libsndfile's level of compression, from 0 to 1; the range in LOSSY is in use.

    Returns:
        (N,) float32.
    """
    container, subtype, _ = LOSSY[codec]
    with io.BytesIO() as file:
        soundfile.write(file, wave, sample_rate, format=container, subtype=subtype, compression_level=level)
        file.seek(0)
        decoded, _ = soundfile.read(file, dtype="float32")
    made: Array = np.pad(decoded[: len(wave)], (0, max(0, len(wave) - len(decoded))))
    return made
