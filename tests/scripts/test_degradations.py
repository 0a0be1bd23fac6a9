"""What is done to mixtures besides noise: bands, codecs, whispers; and who speaks in them."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import soundfile
import torch

from scripts.training.codecs import LOSSY, lossy, mu_law
from scripts.training.mixtures import Mixtures, Recipe, excerpt_index, talk_index
from scripts.training.recordings import Recordings, load
from scripts.training.rooms import room_responses
from scripts.training.talkers import Talkers
from tests.data import ROOT
from tests.scripts.mixing import PLAIN, RATE, decibels, mixtures
from zoo.errors import CheckpointError
from zoo.evaluation.metrics import si_sdr
from zoo.signal.music import music


def power(wave: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Power between two frequencies in dB: (B, N) -> (B,)."""
    spectrum = torch.fft.rfft(wave).abs().square()
    size = RATE / wave.shape[1]
    return 10 * spectrum[:, round(low / size) : round(high / size)].mean(1).log10()


def test_telephone_band_and_high_pass_are_of_mixture_and_target() -> None:
    recipe = replace(PLAIN, telephone=1, low_hertz=(300, 300), telephone_hertz=(3400, 3400))
    for wave in mixtures(recipe).make(0):
        inside = power(wave, 500, 3000)
        assert (inside - power(wave, 0, 150) > 30).all() and (inside - power(wave, 5000, 8000) > 30).all()
    for wave in mixtures(replace(PLAIN, high_passed=1, low_hertz=(400, 400))).make(0):
        assert (power(wave, 600, 7000) - power(wave, 0, 200) > 30).all()
        assert (power(wave, 600, 3000) - power(wave, 5000, 8000)).abs().max() < 3


def test_mu_law_is_coarser_where_it_is_loud() -> None:
    wave = torch.linspace(-1.2, 1.2, 20001)
    coded = mu_law(wave)
    assert coded.unique().numel() == 255 and coded.abs().max() == pytest.approx(1)
    assert torch.allclose(mu_law(coded), coded, atol=1e-6)
    error = (coded - wave).abs()
    assert error[wave.abs() < 0.01].max() < 3e-4 and error[wave.abs() < 1].max() < 0.025
    tone = 0.3 * torch.sin(torch.arange(16000) * 0.3)
    noise = mu_law(tone) - tone
    assert 30 < decibels(tone) - decibels(noise) < 45
    noisy, target = mixtures(replace(PLAIN, coded=1, clean=1)).make(0)
    assert torch.allclose(noisy, mu_law(target)) and not torch.equal(noisy, target)


@pytest.mark.parametrize("codec", ["opus", "mp3"])
def test_a_codec_takes_more_where_it_compresses_more_and_delays_nothing(
    codec: Literal["opus", "mp3"],
) -> None:
    clean = soundfile.read(ROOT / "examples/clean.wav", dtype="float32")[0][: 2 * RATE + 77]
    low, high = LOSSY[codec][2]
    ratios = []
    for level in (low, high):
        coded = lossy(clean, RATE, codec, level)
        assert coded.shape == clean.shape and coded.dtype == np.float32
        ratios.append(si_sdr(coded, clean))
    assert 18 < ratios[0] < 45 and 6 < ratios[1] < ratios[0] - 2
    again = mixtures(replace(PLAIN, clean=1, compressed=0.5), batch=16)
    (noisy, target), (same, _) = again.make(1), again.make(1)
    assert torch.equal(noisy, same) and noisy.isfinite().all()
    assert 2 < (noisy != target).any(1).sum() < 14


def test_music_has_notes_and_a_beat() -> None:
    wave = music(4 * RATE, RATE, np.random.default_rng(5))
    assert wave.shape == (4 * RATE,) and wave.dtype == np.float32
    assert np.mean(wave**2) == pytest.approx(1, rel=1e-3)
    spectrum = np.abs(np.fft.rfft(wave)) ** 2
    assert np.sort(spectrum)[-200:].sum() > 0.6 * spectrum.sum(), "tones are few frequencies"
    assert not np.array_equal(wave, music(4 * RATE, RATE, np.random.default_rng(6)))
    assert np.isfinite(music(50, 8000, np.random.default_rng(0))).all()
    noisy, target = mixtures(replace(PLAIN, noise_only=1, music=1)).make(0)
    power = torch.fft.rfft(noisy).abs().square()
    assert not target.any() and (power.sort(1)[0][:, -400:].sum(1) > 0.5 * power.sum(1)).all()


def test_some_speech_is_whispered_in_mixture_and_target() -> None:
    plain = mixtures(replace(PLAIN, clean=1), batch=64).make(3)[1]
    target = mixtures(replace(PLAIN, clean=1, whispered=0.25), batch=64).make(3)[1]
    changed = (plain != target).any(1)
    assert 6 < changed.sum() < 28
    assert torch.allclose(decibels(plain), decibels(target), atol=0.5)


def test_levels_reach_from_quiet_to_full_scale() -> None:
    noisy, target = mixtures(replace(PLAIN, level_db=Recipe().level_db), batch=64).make(0)
    assert decibels(target).min() < -50 and noisy.abs().max() > 0.95
    assert noisy.abs().max() <= 1


def test_speakers_are_drawn_by_their_seconds_up_to_a_limit() -> None:
    lengths = np.array([1000, 1000, 1000, 1000, 100, 1000])
    speakers = np.array([5, 5, 5, 5, 7, 9])
    speech = Recordings(torch.zeros(5101), np.cumsum(lengths) - lengths, lengths, speakers)
    talkers, rng = Talkers(speech, 1000), np.random.default_rng(0)
    assert len(talkers) == 3
    drawn = np.bincount([talkers.speaker(rng) for _ in range(4000)]) / 4000
    assert drawn == pytest.approx([1000 / 2100, 100 / 2100, 1000 / 2100], abs=0.03)
    assert {talkers.recording(0, rng) for _ in range(50)} == {0, 1, 2, 3}
    assert {talkers.recording(1, rng) for _ in range(5)} == {4}
    assert talkers.next_speaker(0, rng) == 0 and {talkers.next_speaker(1, rng) for _ in range(50)} == {
        0,
        1,
        2,
    }
    alone = Talkers(replace(speech, speakers=None), 10**6)
    assert len(alone) == 6


def test_rooms_decay_as_they_should() -> None:
    responses, decays = room_responses(40, RATE, (0.2, 0.6), seed=1)
    assert responses.shape == (40, round(0.6 * RATE)) and responses.dtype == np.float32
    assert np.array_equal(responses, room_responses(40, RATE, (0.2, 0.6), seed=1)[0])
    assert not np.array_equal(responses, room_responses(40, RATE, (0.2, 0.6), seed=2)[0])
    assert (responses[:, 0] == 1).all() and np.isfinite(responses).all()
    left = np.cumsum(responses[:, ::-1].astype(np.float64) ** 2, 1)[:, ::-1]
    left = 10 * np.log10(left[:, 16:-1] / left[:, 16:17])
    first, last = ((left < level).argmax(1) for level in (-5, -20))
    measured = (last - first) / RATE * 60 / 15
    assert abs(np.median(measured / decays) - 1) < 0.15
    direct = -10 * np.log10((responses[:, 1:].astype(np.float64) ** 2).sum(1))
    assert direct.min() < -3 and direct.max() > 2, "near and far"


def test_mixtures_are_in_these_rooms() -> None:
    mix = mixtures(replace(PLAIN, reverberant=1, rooms=3, clean=1))
    speech = torch.zeros(8, RATE)
    speech[:, 1000] = 1
    wet, early = mix._in_rooms(speech, np.random.default_rng(0))
    assert mix.rooms is not None
    for row in range(8):
        shape = wet[row, 1000:] / wet[row, 1000]
        length = min(len(shape), mix.rooms.shape[1])
        assert any(torch.allclose(shape[:length], room[:length], atol=1e-4) for room in mix.rooms)
        assert torch.allclose(early[row, : 1000 + 799], wet[row, : 1000 + 799], atol=1e-4)
        assert early[row, 1000 + 801 :].abs().max() < 1e-4
    assert (mix.rooms[:, 0] == 1).all()


def test_long_scenes_are_drawn_more_than_short_ones() -> None:
    lengths = np.array([100, 100, 5000])
    noise = Recordings(torch.zeros(5201), np.cumsum(lengths) - lengths, lengths)
    rng, scenes = np.random.default_rng(0), Talkers(noise, 600)
    firsts = [excerpt_index(noise, 50, rng, scenes)[0] for _ in range(2000)]
    assert np.mean(np.array(firsts) >= 200) == pytest.approx(600 / 800, abs=0.03)


def test_one_speaker_goes_on_talking() -> None:
    lengths = np.full(8, 500)
    starts = np.cumsum(lengths) - lengths
    speech = Recordings(torch.zeros(4001), starts, lengths, np.repeat([0, 1], 4))
    talkers = Talkers(speech, 10**6)
    for seed in range(20):
        index = talk_index(speech, 6000, 1000, np.random.default_rng(seed), talkers)
        heard = set(index[index < speech.silence] // 2000)
        assert len(heard) == 1


def test_folders_tell_who_speaks(folders: tuple[Path, Path], tmp_path: Path) -> None:
    clean, rate = soundfile.read(ROOT / "examples/clean.wav", dtype="float32")
    for name in ("corpus/anna/1.wav", "corpus/anna/2.wav", "corpus/ben/1.wav", "corpus/3.wav", "4.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, clean, rate)
    speech = load(tmp_path, RATE, trim=True, speeds=(0.9, 1.0))
    assert len(speech) == 10 and speech.speakers is not None
    assert len(set(speech.speakers)) == 8, "at each speed another voice"
    both = load([tmp_path, folders[0]], RATE, trim=True)
    assert len(both) == 7 and both.speakers is not None and len(set(both.speakers)) == 6
    assert both.samples.dtype == torch.float16


def test_runs_from_before_an_option_go_on_without_it() -> None:
    first = Recipe.of_run(None)
    assert (first.level_db, first.clean, first.speaker_seconds) == ((-40.0, -14.0), 0.08, 0)
    assert first.high_passed == first.telephone == first.whispered == first.coded == 0
    assert Recipe.of_run(asdict(Recipe(whispered=0.5))) == Recipe(whispered=0.5)
    record = asdict(Recipe(clean=0.3))
    del record["whispered"]
    assert Recipe.of_run(record) == Recipe(clean=0.3, whispered=0)
    with pytest.raises(CheckpointError, match="recipe has echo, which this version does not know"):
        Recipe.of_run({"echo": 1})


def test_options_that_came_later_change_no_draw_of_others() -> None:
    plain = mixtures(replace(PLAIN, reverberant=0.5, filtered=0.5, clipped=0.5), batch=16)
    more = Mixtures(
        plain.speech,
        plain.noise,
        sample_rate=RATE,
        batch=16,
        seconds=1,
        seed=0,
        recipe=replace(plain.recipe, high_passed=0.5, coded=0.3),
    )
    (noisy, target), (other, wanted) = plain.make(2), more.make(2)
    same = (target == wanted).all(1)
    assert same.any() and not same.all()
    assert torch.allclose(noisy[same], other[same], atol=0.02)
