"""Recordings in memory, and the mixtures made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from scripts.training.mixtures import Mixtures, excerpt_index, fast_length, talk_index
from scripts.training.recordings import Recordings, load, trimmed
from tests.scripts.mixing import PLAIN, RATE, decibels, mixtures
from zoo.errors import AudioError


@pytest.fixture
def real(folders: tuple[Path, Path]) -> Mixtures:
    speech, noise = (
        load(folder, RATE, trim=trim) for folder, trim in zip(folders, (True, False), strict=True)
    )
    return Mixtures(speech, noise, sample_rate=RATE, batch=32, seconds=1, seed=3)


def test_a_step_is_always_the_same(real: Mixtures) -> None:
    first, again, other = real.make(7), real.make(7), real.make(8)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], replace_seed(real, 4).make(7)[0])


def replace_seed(mix: Mixtures, seed: int) -> Mixtures:
    return Mixtures(
        mix.speech, mix.noise, sample_rate=RATE, batch=mix.batch, seconds=1, seed=seed, recipe=mix.recipe
    )


def test_everything_is_finite_and_within_full_scale(real: Mixtures) -> None:
    for step in range(6):
        noisy, target = real.make(step)
        assert noisy.shape == target.shape == (32, RATE)
        assert noisy.isfinite().all() and target.isfinite().all()
        assert max(noisy.abs().max(), target.abs().max()) <= 1
        assert not torch.equal(noisy, target)


def test_ratio_and_level_are_those_of_the_recipe() -> None:
    recipe = replace(PLAIN, snr_db=(6, 6))
    noisy, target = mixtures(recipe).make(0)
    assert torch.allclose(decibels(target), torch.tensor(-20.0), atol=0.3)
    assert torch.allclose(decibels(target) - decibels(noisy - target), torch.tensor(6.0), atol=0.3)
    spread = replace(PLAIN, snr_db=(-5, 20))
    noisy, target = mixtures(spread, batch=64).make(0)
    ratios = decibels(target) - decibels(noisy - target)
    assert ratios.min() > -5.5 and ratios.max() < 20.5 and ratios.std() > 4


def test_several_noises_keep_the_ratio() -> None:
    noisy, target = mixtures(replace(PLAIN, snr_db=(0, 0), sources=(0, 0, 1.0), coloured=1), batch=32).make(0)
    ratios = decibels(target) - decibels(noisy - target)
    assert abs(ratios.mean()) < 2


def test_shares_without_noise_and_without_speech() -> None:
    noisy, target = mixtures(replace(PLAIN, clean=1)).make(0)
    assert torch.equal(noisy, target) and target.any()
    noisy, target = mixtures(replace(PLAIN, noise_only=1, babble=1)).make(0)
    assert not target.any() and noisy.square().mean(1).min() > 0


def test_clipping_is_in_the_mixture_alone() -> None:
    noisy, target = mixtures(replace(PLAIN, clean=1, clipped=1)).make(0)
    peaks = noisy.abs().amax(1, keepdim=True)
    assert ((noisy.abs() == peaks).sum(1) > 10).all()
    assert (target.abs().amax(1, keepdim=True) > peaks).all()
    within = noisy.abs() < peaks
    assert torch.equal(noisy[within], target[within])


def test_band_limits_are_in_both() -> None:
    for signal in mixtures(replace(PLAIN, band_limited=1, band_hertz=(3000, 3000))).make(0):
        power = torch.fft.rfft(signal).abs().square()
        assert power[:, 5000:].sum() < 1e-4 * power.sum()
        assert power[:, 2500:2900].mean() > 0.5 * power[:, 1000:1400].mean()


def test_a_room_adds_a_tail_whose_early_part_is_in_the_target() -> None:
    click = torch.zeros(RATE + 1)
    click[0] = 10.0
    speech = Recordings(click, np.array([0]), np.array([RATE]))
    recipe = replace(PLAIN, clean=1, reverberant=1, direct_db=(0, 0), decay_seconds=(0.5, 0.5))
    noisy, target = mixtures(recipe, speech=speech, batch=16).make(0)
    found = 0
    for wet, early in zip(noisy, target, strict=True):
        onset = int(early.abs().argmax())
        if early[onset] == 0 or onset > RATE // 2:
            continue  # the excerpt begins behind the click
        found += 1
        wet, early = wet / early[onset], early / early[onset]
        assert wet[:onset].abs().max() < 1e-4 if onset else True
        window = slice(onset + 900, RATE)  # beyond 50 ms
        assert early[window].abs().max() < 1e-4 and wet[window].abs().max() > 1e-3
        assert torch.allclose(wet[onset : onset + 700], early[onset : onset + 700], atol=1e-4)
        late = wet[onset + 900 :].square()
        assert late[:1600].sum() > late[3200:4800].sum()
    assert found


def test_synthetic_noise_has_unit_power_and_varied_colour() -> None:
    mix = mixtures(PLAIN)
    noise = mix._coloured(64, np.random.default_rng(0))
    assert noise.square().mean().log10().abs() < 0.3
    power = torch.fft.rfft(noise).abs().square()
    tilt = 10 * (power[:, 50:400].mean(1) / power[:, 4000:].mean(1)).log10()
    assert tilt.std() > 4


def test_clicks_have_unit_power_and_gaps() -> None:
    clicks = mixtures(PLAIN)._clicks(64, np.random.default_rng(0))
    assert torch.allclose(clicks.square().mean(1), torch.tensor(1.0), atol=1e-3)
    crest = clicks.abs().amax(1)
    assert crest.median() > 6, "peaks far above the mean"
    noisy, target = mixtures(replace(PLAIN, clicks=1, snr_db=(5, 5))).make(0)
    assert torch.allclose(decibels(target) - decibels(noisy - target), torch.tensor(5.0), atol=0.3)


def test_babble_is_several_talkers() -> None:
    mix = mixtures(replace(PLAIN, babble=1, snr_db=(0, 0)))
    noisy, target = mix.make(0)
    assert abs((decibels(target) - decibels(noisy - target)).median()) < 2


def test_indices_stay_inside_of_a_recording() -> None:
    recordings = Recordings(torch.zeros(1201), np.array([0, 200]), np.array([200, 1000]))
    rng = np.random.default_rng(0)
    for _ in range(200):
        index = excerpt_index(recordings, 500, rng)
        assert (index < 200).all() or ((index >= 200) & (index < 1200)).all()
        if index[0] >= 200:
            assert (np.diff(index) == 1).all(), "a recording that is long enough is not wrapped"
        talk = talk_index(recordings, 5000, 1000, rng)
        assert talk.min() >= 0 and talk.max() <= recordings.silence
        assert (talk == recordings.silence).any() and (talk != recordings.silence).any()


def test_fast_length() -> None:
    assert [fast_length(n) for n in (1, 1000, 1025, 30000, 43200)] == [1, 1024, 1280, 30720, 49152]


def test_loading_converts_trims_and_scales(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    padded = np.concatenate([np.zeros(48000), tone, np.zeros(48000)])
    soundfile.write(tmp_path / "tone.wav", np.stack([padded, padded * 0.5], 1) * 0.5, 48000)
    (tmp_path / "below").mkdir()
    soundfile.write(tmp_path / "below" / "short.wav", tone[:1000], 48000)
    soundfile.write(tmp_path / "below" / "silent.wav", np.zeros(48000), 48000)
    found = load(tmp_path, RATE, trim=True)
    assert len(found) == 1, "the short and the silent recording are left out"
    assert abs(found.lengths[0] / RATE - 1.4) < 0.05, "one second and the margins"
    assert float(found.samples.float().square().sum()) / found.lengths[0] == pytest.approx(1, rel=1e-3)
    assert found.samples[found.silence] == 0 and len(found.samples) == found.lengths[0] + 1


def test_trimming_silence_leaves_nothing() -> None:
    assert len(trimmed(np.zeros(1000, np.float32), RATE)) == 0
    assert len(trimmed(np.ones(10, np.float32), RATE)) == 0


def test_folders_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="nowhere"):
        load(tmp_path / "nowhere", RATE, trim=True)
    with pytest.raises(AudioError, match="no audio files"):
        load(tmp_path, RATE, trim=True)
    soundfile.write(tmp_path / "short.wav", np.ones(100), RATE)
    with pytest.raises(AudioError, match=r"no recording in it has 0\.1 s"):
        load(tmp_path, RATE, trim=False)
    (tmp_path / "broken.wav").write_bytes(b"RIFF and nothing else")
    with pytest.raises(AudioError, match=r"broken\.wav"):
        load(tmp_path, RATE, trim=False)
