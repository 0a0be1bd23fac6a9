"""Mixtures of white noise, with nothing done to them but what a recipe says."""

from __future__ import annotations

import numpy as np
import torch

from scripts.training.mixtures import Mixtures, Recipe
from scripts.training.recordings import Recordings

RATE = 16000
PLAIN = Recipe(
    level_db=(-20, -20),
    clean=0,
    noise_only=0,
    sources=(1.0,),
    coloured=0,
    clicks=0,
    babble=0,
    reverberant=0,
    filtered=0,
    band_limited=0,
    clipped=0,
    high_passed=0,
    telephone=0,
    whispered=0,
    coded=0,
    compressed=0,
    music=0,
    rooms=0,
)


def constant(power_seed: int, seconds: float = 20) -> Recordings:
    """One long recording of white noise of unit power."""
    wave = np.random.default_rng(power_seed).standard_normal(int(seconds * RATE)).astype(np.float32)
    samples = torch.from_numpy(np.append(wave, np.float32(0)))
    return Recordings(samples, np.array([0]), np.array([len(wave)]))


def mixtures(recipe: Recipe, *, batch: int = 8, seed: int = 0, speech: Recordings | None = None) -> Mixtures:
    return Mixtures(
        speech or constant(1, 600),
        constant(2),
        sample_rate=RATE,
        batch=batch,
        seconds=1,
        seed=seed,
        recipe=recipe,
    )


def decibels(wave: torch.Tensor) -> torch.Tensor:
    return 10 * wave.square().mean(-1).log10()
