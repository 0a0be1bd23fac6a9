"""The perceptual distance: it orders signals as PESQ does."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from scripts.training.perceptual import PerceptualDistance, bark, hertz, threshold_in_quiet
from tests.data import ROOT
from zoo.evaluation.metrics import pesq_wide

RATE, N_FFT, HOP = 16000, 512, 256


def powers(*waves: np.ndarray) -> Tensor:
    """(B, T, F)"""
    frames = torch.from_numpy(np.stack(waves)).unfold(1, N_FFT, HOP) * torch.hann_window(N_FFT)
    return torch.fft.rfft(frames).abs().square()


@pytest.fixture(scope="module")
def distance() -> PerceptualDistance:
    return PerceptualDistance(N_FFT // 2 + 1, RATE)


@pytest.fixture(scope="module")
def example() -> tuple[np.ndarray, np.ndarray]:
    """Clean speech, and its noise."""
    clean, noisy = (
        soundfile.read(ROOT / f"examples/{name}.wav", dtype="float32")[0] for name in ("clean", "noisy")
    )
    return clean, noisy - clean


def test_it_orders_as_pesq_does(distance: PerceptualDistance, example: tuple[np.ndarray, np.ndarray]) -> None:
    """Noise of several kinds and levels, and speech with a part missing."""
    pytest.importorskip("pesq")
    clean, noise = example
    white = np.random.default_rng(0).standard_normal(len(clean)).astype(np.float32) * noise.std()
    cases = [clean + gain * kind for kind in (noise, white) for gain in (0.03, 0.1, 0.3, 1.0, 2.0)]
    dull = np.convolve(clean, np.ones(8) / 8, "same").astype(np.float32)
    cases += [dull, dull + 0.1 * noise, dull + noise]
    found = distance(powers(*cases), powers(*[clean] * len(cases))).numpy()
    scores = np.array([pesq_wide(case, clean, RATE) for case in cases])
    ranks = [np.argsort(np.argsort(values)) for values in (-found, scores)]
    assert np.corrcoef(*ranks)[0, 1] > 0.85, list(zip(found, scores, strict=True))
    assert 0 <= float(distance(powers(clean), powers(clean))) < 0.05
    assert found.max() < 4.5


def test_loudness_does_not_matter(
    distance: PerceptualDistance, example: tuple[np.ndarray, np.ndarray]
) -> None:
    clean, noise = example
    pairs = [
        float(distance(powers(gain * (clean + 0.3 * noise)), powers(gain * clean))) for gain in (0.02, 1.0)
    ]
    assert pairs[0] == pytest.approx(pairs[1], rel=1e-4)


@pytest.mark.parametrize("target", ["speech", "silence"])
def test_gradients_are_finite(
    distance: PerceptualDistance, example: tuple[np.ndarray, np.ndarray], target: str
) -> None:
    clean, noise = (wave[:16000] for wave in example)
    power = powers(0 * clean, clean, noise).requires_grad_()
    wanted = powers(*[clean if target == "speech" else 0 * clean] * 3)
    total = distance(power, wanted).sum()
    total.backward()
    assert total.isfinite() and power.grad is not None and power.grad.isfinite().all()


def test_scales() -> None:
    """Values of the formulas' papers: 1 kHz lies at about 8.5 Bark, hearing is best near 3.3 kHz."""
    assert bark(np.array(1000.0)) == pytest.approx(8.53, abs=0.01)
    frequency = np.array([100.0, 1000.0, 7000.0])
    np.testing.assert_allclose(hertz(bark(frequency)), frequency)
    fine = np.arange(100, 8000.0)
    assert fine[threshold_in_quiet(fine).argmin()] == pytest.approx(3300, abs=100)


@pytest.mark.parametrize(("bins", "rate"), [(257, 16000), (513, 48000), (513, 24000), (129, 8000)])
def test_every_band_hears_and_every_audible_bin_is_heard(bins: int, rate: int) -> None:
    bands = PerceptualDistance(bins, rate).bands
    assert bands.isfinite().all() and (bands.sum(0) > 0).all()
    frequency = torch.linspace(0, rate / 2, bins)
    inside = (frequency > 100) & (frequency < 7500)
    assert (bands.sum(1)[inside] > 0.99).all()
