"""The attenuation limit: the formula, aligned to the sample at any rate and block, changed while it runs."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from tests.data import ROOT
from tests.sessions import Halve
from zoo.arrays import Array
from zoo.cli import main
from zoo.tasks.enhancement.enhancer import DEFAULT_MODEL, Enhancer
from zoo.tasks.enhancement.stream import Stream

RATES = (8000, 16000, 44100, 48000)


def noise(count: int) -> Array:
    return np.random.default_rng(7).uniform(-0.5, 0.5, count).astype(np.float32)


def in_blocks(stream: Stream, wave: Array, sizes: tuple[int, ...] = (1, 700, 64, 4096)) -> Array:
    output, start = [], 0
    while start < len(wave):
        size = sizes[len(output) % len(sizes)]
        output.append(stream.push(wave[start : start + size]))
        start += size
    return np.concatenate([*output, stream.flush()])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("streaming", [True, False])
def test_the_formula_at_every_sample(rate: int, streaming: bool) -> None:
    wave = np.stack([noise(rate // 2), noise(rate // 2)[::-1]])
    plain = Enhancer(Halve(streaming))(wave, rate)
    for limit in (0, 6, 20.5, np.inf):
        limited = Enhancer(Halve(streaming), attenuation_limit=limit)(wave, rate)
        np.testing.assert_allclose(limited, plain + (wave - plain) * 10 ** (-limit / 20), atol=2e-7)
    np.testing.assert_array_equal(Enhancer(Halve(streaming), attenuation_limit=0)(wave, rate), wave)


@pytest.mark.parametrize("rate", RATES)
def test_streams_give_the_same_however_they_are_cut(rate: int) -> None:
    wave = noise(rate // 2)
    enhancer = Enhancer(Halve(), attenuation_limit=9)
    stream = enhancer.stream(rate)
    for _ in range(2):
        np.testing.assert_allclose(in_blocks(stream, wave), enhancer(wave, rate), atol=2e-7)
        stream.reset()


def test_no_comb() -> None:
    """Where the network halves everything, so does any limit from 6.02 dB on, and at no frequency more."""
    wave = noise(48000)
    for limit in (3.0, 12.0):
        limited = Enhancer(Halve(), attenuation_limit=limit)(wave)
        gain = np.abs(np.fft.rfft(limited)) / np.abs(np.fft.rfft(wave))
        np.testing.assert_allclose(gain, 0.5 + 0.5 * 10 ** (-limit / 20), rtol=1e-3)


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize(("before", "after"), [(None, 0), (None, 12), (12, None), (0, 40)])
def test_a_limit_is_changed_while_it_runs(rate: int, before: float | None, after: float | None) -> None:
    """Nothing is shifted or jumps; behind what was late and the fade the formula holds exactly."""
    wave, stream = np.full(rate, 0.25, np.float32), Enhancer(Halve(), attenuation_limit=before).stream(rate)
    begin, block = rate // 2, rate // 100
    output = [stream.push(wave[start : start + block]) for start in range(0, begin, block)]
    stream.attenuation_limit = after
    output += [stream.push(wave[start : start + block]) for start in range(begin, rate, block)]
    found = np.concatenate([*output, stream.flush()])
    shares = [0 if limit is None else 10 ** (-limit / 20) for limit in (before, after)]
    settled = found[rate // 4 : begin - rate // 20], found[begin + rate // 20 : -rate // 10]
    for share, part in zip(shares, settled, strict=True):
        np.testing.assert_allclose(part, 0.125 + 0.125 * share, atol=1e-4)
    quarter = found[rate // 4 : -rate // 10]
    assert np.abs(np.diff(quarter)).max() < 0.125 * 2 / (0.01 * rate) + 1e-4


def test_every_stream_of_a_batcher_has_its_own() -> None:
    wave = noise(8000)
    batcher = zoo.StreamBatcher(DEFAULT_MODEL, attenuation_limit=12)
    with batcher.join() as first, batcher.join(8000) as second:
        assert first.attenuation_limit == second.attenuation_limit == 12
        second.attenuation_limit = 3.0
        pushed, rest = batcher.push({first: wave, second: wave}), batcher.flush([first, second])
        for stream, rate, limit in ((first, 16000, 12), (second, 8000, 3.0)):
            found = np.concatenate([pushed[stream], rest[stream]])
            plain = Enhancer(DEFAULT_MODEL)(wave, rate)
            wanted = plain + (wave - plain) * 10 ** (-limit / 20)
            settled = slice(200, None) if rate == 8000 else slice(None)  # a new limit is faded to
            np.testing.assert_allclose(found[settled], wanted[settled], atol=2e-4)
    assert copy.copy(batcher).attenuation_limit == 12


def test_it_goes_along() -> None:
    enhancer, wave = Enhancer(attenuation_limit=6), noise(4000)
    for twin in (copy.copy(enhancer), pickle.loads(pickle.dumps(enhancer))):
        np.testing.assert_array_equal(twin(wave), enhancer(wave))


@pytest.mark.parametrize("limit", [-1, float("nan"), "12", True, [6]])
def test_what_is_no_limit(limit: object) -> None:
    with pytest.raises(ValueError, match="a number of dB from 0 on is expected"):
        Enhancer(attenuation_limit=limit)  # type: ignore[arg-type]
    stream = Enhancer(Halve()).stream()
    with pytest.raises(ValueError, match="a number of dB from 0 on is expected"):
        stream.attenuation_limit = limit  # type: ignore[assignment]
    assert stream.attenuation_limit is None


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy, out = ROOT / "examples/noisy.wav", tmp_path / "x.wav"
    words = ["enhance", str(noisy), "-o", str(out), "--attenuation-limit"]
    with pytest.raises(SystemExit):
        main([*words, "-3"])
    assert "a number of dB from 0 on is expected, got -3" in capsys.readouterr().err
    assert main([*words, "0"]) == 0
    np.testing.assert_array_equal(soundfile.read(out)[0], soundfile.read(noisy)[0])
