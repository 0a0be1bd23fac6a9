"""The resampler against exact sines and against soxr, and its promises about cuts, delay and memory."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import soxr

from zoo.errors import AudioError
from zoo.signal.resample import Resampler, resample

RATES = [8000, 11025, 22050, 44100, 48000, 96000]
PAIRS = [(rate, 16000) for rate in RATES] + [(16000, rate) for rate in RATES] + [(44100, 48000)]
ODD_PAIRS = [(44101, 16000), (16000, 44101), (191999, 16000)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def snr(reference: np.ndarray, result: np.ndarray) -> float:
    return 10 * np.log10(np.sum(reference**2) / np.sum((reference - result) ** 2))


def sines(rate: int, count: int, highest: float) -> np.ndarray:
    """Twenty sines of even spacing up to ``highest`` Hz, each with its own phase."""
    time = np.arange(count)[:, None] / rate
    frequencies = np.linspace(40, highest, 20)
    return np.sin(2 * np.pi * frequencies * time + frequencies).mean(1)


@pytest.mark.parametrize(("source", "target"), PAIRS + ODD_PAIRS)
def test_pass_band_is_exact_to_the_sample(source: int, target: int) -> None:
    highest = 0.9 * min(source, target) / 2
    output = resample(sines(source, source, highest), source, target)
    assert len(output) == target
    inner = slice(target // 20, -target // 20)
    assert snr(sines(target, target, highest)[inner], output[inner]) > 105


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_agrees_with_soxr(source: int, target: int) -> None:
    # soxr's own phase error at ratios such as 441 to 160 limits this to 73 dB; at whole ones it is exact.
    x = sines(source, source, 0.9 * min(source, target) / 2)
    ours, theirs = resample(x, source, target), soxr.resample(x, source, target, quality="VHQ")
    inner = slice(target // 20, -target // 20)
    whole = max(source, target) % min(source, target) == 0
    assert snr(theirs[inner], ours[: len(theirs)][inner]) > (105 if whole else 70)


@pytest.mark.parametrize(("source", "target"), [p for p in PAIRS + ODD_PAIRS if p[0] > p[1]])
@pytest.mark.parametrize("position", [1.001, 1.2, 1.7])
def test_stop_band(source: int, target: int, position: float) -> None:
    frequency = min(position * target / 2, 0.999 * source / 2)
    alias = resample(np.sin(2 * np.pi * frequency * np.arange(source // 2) / source), source, target)
    assert 20 * np.log10(np.abs(alias[target // 20 : -target // 20]).max()) < -98


def test_no_images_when_the_rate_goes_up() -> None:
    x = sines(8000, 8000, 3600)
    spectrum = np.abs(np.fft.rfft(resample(x, 8000, 48000)[4800:-4800] * np.hanning(38400)))
    bins = np.fft.rfftfreq(38400, 1 / 48000)
    assert 20 * np.log10(spectrum[bins > 4000].max() / spectrum.max()) < -95


@pytest.mark.parametrize(("source", "target"), PAIRS + ODD_PAIRS[:2])
def test_cuts_do_not_matter(source: int, target: int, rng: np.random.Generator) -> None:
    x = rng.uniform(-1, 1, (2, 20000)).astype(np.float32)
    resampler = Resampler(source, target, channels=2)
    whole = np.concatenate([resampler.push(x), resampler.flush()], axis=1)
    assert whole.shape == (2, math.ceil(20000 * target / source))
    cuts = np.cumsum(rng.integers(0, 5000, 9))
    for pieces in (np.split(x, cuts[cuts < 20000], axis=1), np.split(x, np.arange(0, 700), axis=1)):
        resampler.reset()
        joined = np.concatenate([*(resampler.push(piece) for piece in pieces), resampler.flush()], axis=1)
        np.testing.assert_array_equal(joined, whole)


@pytest.mark.parametrize(("source", "target"), PAIRS + ODD_PAIRS[:2])
def test_latency_is_exact(source: int, target: int) -> None:
    resampler, sent = Resampler(source, target), 0
    for received in range(1, 1500):
        sent += resampler.push(np.zeros((1, 1), np.float32)).shape[1]
        newest = received - 1 - resampler.latency  # outputs up to this input time are due, no others
        assert sent == max(0, math.ceil((newest + 1) * target / source))
    assert resampler.latency / source <= 1.03 * 64 / min(source, target) + 1 / source


@pytest.mark.parametrize(("source", "target"), [(48000, 16000), (16000, 44100), (768_000, 1000)])
def test_what_was_given_stays_as_it_was(source: int, target: int, rng: np.random.Generator) -> None:
    """Samples taken from a buffer that is used again are the caller's own, and blocks are copied."""
    x = rng.uniform(-1, 1, (1, source)).astype(np.float32)
    expected = resample(x[0], source, target)
    resampler, parts, block = Resampler(source, target), [], np.empty((1, source // 100), np.float32)
    for start in range(0, source, block.shape[1]):
        block[:] = x[:, start : start + block.shape[1]]
        parts.append(resampler.push(block))
    np.testing.assert_array_equal(np.concatenate([*parts, resampler.flush()], axis=1)[0], expected)


def test_a_sample_that_is_no_number_passes() -> None:
    """It is heard as long as the filter is, not for ever."""
    resampler = Resampler(48000, 16000)
    for value in (np.nan, np.inf):
        with np.errstate(invalid="ignore"):
            resampler.push(np.full((1, 100), value, np.float32))
            outputs = [resampler.push(np.full((1, 480), 0.5, np.float32)) for _ in range(30)]
        assert not np.isfinite(outputs[0]).all()
        np.testing.assert_allclose(np.concatenate(outputs[2:], axis=1), 0.5, atol=1e-6)


def test_an_impulse_stays_where_it_is() -> None:
    x = np.zeros(4410)
    x[441 * 3] = 1
    output = resample(x, 44100, 16000)
    assert np.abs(output).argmax() == 160 * 3
    np.testing.assert_allclose(output[480 - 60 : 480], output[540:480:-1], atol=1e-7)


def test_total_and_end() -> None:
    resampler = Resampler(16000, 48000)
    first = resampler.push(np.ones((1, 100), np.float32))
    rest = resampler.flush(total=299)
    assert first.shape[1] + rest.shape[1] == 299
    assert resampler.flush(total=299).shape == (1, 0)
    with pytest.raises(AudioError, match=r"reset\(\)"):
        resampler.push(np.ones((1, 100), np.float32))
    resampler.reset()
    np.testing.assert_array_equal(resampler.push(np.ones((1, 100), np.float32)), first)


def test_equal_rates_pass_through(rng: np.random.Generator) -> None:
    x = rng.normal(size=1000).astype(np.float32)
    np.testing.assert_array_equal(resample(x, 44100, 44100), x)
    assert Resampler(44100, 44100).latency == 0


def test_rates_without_a_common_factor_stay_small() -> None:
    tracemalloc.start()
    Resampler(767_999, 48_001).push(np.zeros((1, 10000), np.float32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize("rate", [0, -16000, 16000.5, 999, 1_000_000, "16k", True, None, float("nan")])
def test_impossible_rates(rate: object) -> None:
    with pytest.raises(AudioError, match=r"source rate .* whole number of Hz"):
        Resampler(rate, 16000)  # type: ignore[arg-type]


def test_wrong_number_of_channels() -> None:
    with pytest.raises(AudioError, match=r"shape \(2, n\) is expected, got \(1, 10\)"):
        Resampler(8000, 16000, channels=2).push(np.zeros((1, 10), np.float32))
