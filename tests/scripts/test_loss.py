"""The training loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from scripts.training.loss import LIMIT, LOUDNESS, EnhancementLoss, distortion
from zoo.layers.stft import STFT
from zoo.spec import FrontEnd

FRONTS = (FrontEnd(16000, 512, 256), FrontEnd(16000, 512, 100), FrontEnd(16000, 512, 256, "sqrt_hann"))


def signals(front: FrontEnd, frames: int = 24) -> tuple[Tensor, Tensor]:
    """(2, N) of something like speech, and noise."""
    torch.manual_seed(0)
    length = frames * front.hop_length - front.delay
    time = torch.arange(length) / front.sample_rate
    voice = sum(torch.sin(2 * math.pi * 120 * k * time) / k for k in range(1, 12)) * torch.sin(9 * time) ** 2
    return torch.stack([0.05 * voice, 0.2 * voice.roll(900)]), 0.03 * torch.randn(2, length)


def spectrum_of(wave: Tensor, front: FrontEnd, frames: int = 24) -> Tensor:
    padded = torch.nn.functional.pad(wave, (0, frames * front.hop_length - wave.shape[1]))
    stft = STFT(front)
    return stft(padded, {stft.state_name("past"): wave.new_zeros(len(wave), front.delay)})[0]


@pytest.mark.parametrize("front", FRONTS, ids=str)
def test_a_perfect_output_leaves_only_the_limit(front: FrontEnd) -> None:
    target, noise = signals(front)
    loss = EnhancementLoss(front)
    total, terms = loss(spectrum_of(target, front), target, target, target + noise)
    assert all(float(terms[name]) < 1e-5 for name in ("magnitude", "complex", "consistency"))
    assert float(terms["perceptual"]) < 0.1
    assert float(terms["waveform"]) == pytest.approx(loss.balance.waveform * math.log10(LIMIT), abs=1e-3)
    assert float(total) == pytest.approx(sum(float(term) for term in terms.values()), abs=1e-6)


@pytest.mark.parametrize("front", FRONTS, ids=str)
def test_every_term_grows_with_the_noise(front: FrontEnd) -> None:
    target, noise = signals(front)
    noisy = target + noise
    found = []
    for share in (0.0, 0.3, 1.0):
        wave = target + share * noise
        found.append(EnhancementLoss(front)(spectrum_of(wave, front), wave, target, noisy)[1])
    for name in found[0]:
        values = [float(terms[name]) for terms in found]
        assert values == sorted(values) and values[0] < values[2], name


def test_loudness_does_not_matter() -> None:
    front = FRONTS[0]
    target, noise = signals(front)
    losses = []
    for gain in (0.05, 1.0, 3.0):
        wave = gain * (target + 0.5 * noise)
        noisy = gain * (target + noise)
        losses.append(float(EnhancementLoss(front)(spectrum_of(wave, front), wave, gain * target, noisy)[0]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3) == pytest.approx(losses[2], rel=1e-3)


def test_a_spectrum_that_no_waveform_has_is_seen() -> None:
    front = FRONTS[0]
    target, noise = signals(front)
    loss = EnhancementLoss(front)
    own = spectrum_of(target, front)
    away = own * torch.polar(torch.ones(24), torch.arange(24) * 2.0).real[:, None]
    terms = loss(away, target, target, target + noise)[1]
    assert float(terms["consistency"]) < 1e-6 < float(terms["complex"])


@pytest.mark.parametrize("level", [0.0, 1e-6, 1.0])
def test_gradients_are_finite_in_silence(level: float) -> None:
    front = FRONTS[0]
    target, noise = signals(front)
    noisy, target = level * noise, 0 * target
    spectrum = (0.1 * spectrum_of(noisy, front)).requires_grad_()
    wave = (0.1 * noisy).requires_grad_()
    total, _ = EnhancementLoss(front)(spectrum, wave, target, noisy)
    total.backward()
    assert total.isfinite() and spectrum.grad is not None and wave.grad is not None
    assert spectrum.grad.isfinite().all() and wave.grad.isfinite().all()


def test_distortion_of_known_signals() -> None:
    target = torch.full((1, 1000), LOUDNESS)
    assert float(distortion(target * 0, target)) == pytest.approx(math.log10(1 + LIMIT), rel=1e-3)
    assert float(distortion(target * 1.1, target)) == pytest.approx(math.log10(0.01 + LIMIT), rel=1e-4)
    quiet, loud = (float(distortion(gain * target, 0 * target)) for gain in (0.01, 0.1))
    assert 0 < quiet < loud
