"""What lies above the model's band, carried over by the gain of the band's top."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.cli import main
from zoo.signal.resample import resample
from zoo.tasks.enhancement.enhancer import Enhancer
from zoo.tasks.enhancement.high_band import HighBand

RATE = 48000


def kept(noisy: Array, enhanced: Array, block: int, share: float = 0.0) -> Array:
    band = HighBand(RATE, 16000, share)
    output = [
        band.push(noisy[start : start + block], enhanced[start : start + block])
        for start in range(0, len(noisy), block)
    ]
    return np.concatenate([*output, band.flush()])


def si_sdr(clean: Array, found: Array) -> float:
    target = clean * (clean @ found) / (clean @ clean)
    return float(10 * np.log10(np.square(target).sum() / np.square(found - target).sum()))


def above(signal: Array) -> Array:
    """What a signal has above 9 kHz."""
    spectrum = np.fft.rfft(signal)
    spectrum[: 9000 * len(signal) // RATE] = 0
    return np.fft.irfft(spectrum, len(signal)).astype(np.float32)


@pytest.mark.parametrize("length", [1, 479, 480, RATE, RATE + 1])
def test_an_enhancer_that_changes_nothing_gives_the_recording_back(length: int) -> None:
    """To rounding, at every sample and both ends: what is split off is what is added."""
    noisy = np.random.default_rng(0).uniform(-0.5, 0.5, length).astype(np.float32)
    below = resample(resample(noisy, RATE, 16000), 16000, RATE)[:length]
    np.testing.assert_allclose(kept(noisy, below, 1000), noisy, atol=2e-6)


def test_blocks_do_not_matter() -> None:
    noisy = np.random.default_rng(1).uniform(-0.5, 0.5, RATE).astype(np.float32)
    enhanced = Enhancer()(noisy, RATE)
    whole = kept(noisy, enhanced, RATE)
    for block in (1001, 37):
        np.testing.assert_allclose(kept(noisy, enhanced, block), whole, atol=1e-6)


def test_noise_goes_above_as_below_and_speech_stays() -> None:
    """Noise alone leaves little above; of speech most comes back, and nothing of that without the option."""
    noise = 0.05 * np.random.default_rng(2).standard_normal(2 * RATE).astype(np.float32)
    quiet = kept(noise, Enhancer()(noise, RATE), RATE)
    rest = slice(RATE, None)  # once the network knows
    assert 10 * np.log10(np.square(above(noise)[rest]).sum() / np.square(above(quiet)[rest]).sum()) > 15
    speech = parity_speech(RATE)[: 3 * RATE]
    enhanced = Enhancer()(speech, RATE)
    assert np.square(above(enhanced)).sum() < 1e-4 * np.square(above(speech)).sum()
    assert np.square(above(kept(speech, enhanced, RATE))).sum() > 0.1 * np.square(above(speech)).sum()
    assert si_sdr(speech, kept(speech, enhanced, RATE)) > si_sdr(speech, enhanced) + 0.1


def test_what_a_limit_leaves_in_is_not_added_twice() -> None:
    noisy = parity_speech(RATE)[:RATE]
    limited = Enhancer(attenuation_limit=0)(noisy, RATE)
    np.testing.assert_array_equal(kept(noisy, limited, RATE, 1.0), limited)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = np.stack([parity_speech(RATE)[:RATE], parity_speech(RATE)[RATE : 2 * RATE]])
    soundfile.write(tmp_path / "noisy.wav", noisy.T, RATE, "FLOAT")
    for name, options in (("plain", []), ("kept", ["--keep-high-band"])):
        words = ["enhance", str(tmp_path / "noisy.wav"), "-o", str(tmp_path / f"{name}.wav")]
        assert main([*words, *options]) == 0
        assert ("--keep-high-band" in capsys.readouterr().err) == (not options)
    plain, found = (soundfile.read(tmp_path / f"{n}.wav", dtype="float32")[0].T for n in ("plain", "kept"))
    for row, before, after in zip(noisy, plain, found, strict=True):
        np.testing.assert_allclose(after, kept(row, before, RATE), atol=1e-5)
