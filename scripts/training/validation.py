"""A network in its training form on whole recordings."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from zoo.arrays import Array
from zoo.evaluation.metrics import level_db, pesq_wide, si_sdr, stoi
from zoo.evaluation.pairs import Pair
from zoo.streaming.waveform import WaveformModel


@torch.inference_mode()
def enhanced(model: WaveformModel, wave: Array) -> Array:
    """(N,) -> (N,), aligned: what the stream gives, computed at once."""
    hop, latency = model.spec.front_end.hop_length, model.spec.latency
    x = torch.from_numpy(wave).to(next(model.parameters()).device)[None]
    x = functional.pad(x, (0, latency + -(len(wave) + latency) % hop))
    y: Array = model(x)[0][0, latency : latency + len(wave)].cpu().numpy()
    return y


def validate(model: WaveformModel, pairs: Sequence[Pair], perceptual: int) -> dict[str, float]:
    """Means over recordings.

    Args:
        model: in eval mode.
        pairs: noisy and clean, at the model's rate.
        perceptual: PESQ and STOI, which take long, of so many of the first.

    Returns:
        ``si_sdr``, ``pesq`` and ``stoi`` of enhanced mixtures; ``clean``, the SI-SDR of enhanced clean
        speech; ``reduction``, by how many dB noise without speech gets weaker.
    """
    rate = model.spec.front_end.sample_rate
    figures: dict[str, list[float]] = {}
    bar = tqdm(pairs, desc="validating", unit="file", disable=not sys.stderr.isatty(), leave=False)
    for turn, pair in enumerate(bar):
        output = enhanced(model, pair.noisy)
        found = {"si_sdr": si_sdr(output, pair.clean)}
        if turn < perceptual:
            noise = pair.noisy - pair.clean
            found["pesq"] = pesq_wide(output, pair.clean, rate)
            found["stoi"] = stoi(output, pair.clean, rate)
            found["clean"] = si_sdr(enhanced(model, pair.clean), pair.clean)
            found["reduction"] = level_db(noise) - level_db(enhanced(model, noise))
        for name, value in found.items():
            figures.setdefault(name, []).append(value)
    return {name: float(np.nanmean(values)) for name, values in figures.items()}
