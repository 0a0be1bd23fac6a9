"""The intelligibility distance: it is STOI's, but for its frames."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from scripts.training.intelligibility import BANDS, IntelligibilityDistance
from tests.data import ROOT
from zoo.evaluation.metrics import stoi

RATE, N_FFT, HOP = 16000, 512, 256


def powers(*waves: np.ndarray) -> Tensor:
    """(B, T, F)"""
    frames = torch.from_numpy(np.stack(waves)).unfold(1, N_FFT, HOP) * torch.hann_window(N_FFT)
    return torch.fft.rfft(frames).abs().square()


@pytest.fixture(scope="module")
def distance() -> IntelligibilityDistance:
    return IntelligibilityDistance(N_FFT // 2 + 1, RATE, HOP)


@pytest.fixture(scope="module")
def example() -> tuple[np.ndarray, np.ndarray]:
    """Clean speech, and its noise."""
    clean, noisy = (
        soundfile.read(ROOT / f"examples/{name}.wav", dtype="float32")[0] for name in ("clean", "noisy")
    )
    return clean, noisy - clean


def test_it_is_near_stoi(distance: IntelligibilityDistance, example: tuple[np.ndarray, np.ndarray]) -> None:
    clean, noise = example
    white = np.random.default_rng(0).standard_normal(len(clean)).astype(np.float32) * noise.std()
    dull = np.convolve(clean, np.ones(8) / 8, "same").astype(np.float32)
    cases = [clean + gain * kind for kind in (noise, white) for gain in (0.1, 0.3, 1.0, 2.0)]
    cases += [dull, dull + noise, noise]
    found = 1 - distance(powers(*cases), powers(*[clean] * len(cases))).numpy()
    scores = np.array([stoi(case, clean, RATE) for case in cases])
    assert np.corrcoef(found, scores)[0, 1] > 0.95, list(zip(found, scores, strict=True))
    assert np.abs(found - scores).max() < 0.12, list(zip(found, scores, strict=True))
    assert float(distance(powers(clean), powers(clean))) == pytest.approx(0, abs=1e-4)


def test_gain_does_not_matter(
    distance: IntelligibilityDistance, example: tuple[np.ndarray, np.ndarray]
) -> None:
    clean, noise = example
    found = [float(distance(powers(gain * (clean + noise)), powers(clean))) for gain in (0.1, 1.0)]
    assert found[0] == pytest.approx(found[1], rel=1e-3)


@pytest.mark.parametrize("target", ["speech", "silence"])
def test_gradients_are_finite(
    distance: IntelligibilityDistance, example: tuple[np.ndarray, np.ndarray], target: str
) -> None:
    clean, noise = (wave[:16000] for wave in example)
    power = powers(0 * clean, clean, noise).requires_grad_()
    wanted = powers(*[clean if target == "speech" else 0 * clean] * 3)
    total = distance(power, wanted).sum()
    total.backward()
    assert total.isfinite() and power.grad is not None and power.grad.isfinite().all()
    assert target == "speech" or total.item() == 0


@pytest.mark.parametrize(("bins", "rate", "hop"), [(257, 16000, 100), (513, 48000, 512), (513, 24000, 200)])
def test_every_band_hears(bins: int, rate: int, hop: int) -> None:
    distance = IntelligibilityDistance(bins, rate, hop)
    assert (distance.bands.sum(0) > 0).all() and distance.bands.shape[1] > BANDS - 4
    assert distance.frames * hop == pytest.approx(0.384 * rate, rel=0.05)
