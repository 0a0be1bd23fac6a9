"""Speech made whisper-like."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from numpy.lib.stride_tricks import sliding_window_view

from tests.data import ROOT
from zoo.arrays import Array
from zoo.evaluation.metrics import level_db
from zoo.signal.whisper import prediction, whispered


def test_linear_prediction_finds_the_filter_of_a_resonance() -> None:
    first, second = 1.6, -0.81
    noise, wave = np.random.default_rng(0).standard_normal(40000), np.zeros(40000)
    for n in range(2, len(wave)):
        wave[n] = first * wave[n - 1] + second * wave[n - 2] + noise[n]
    lags = [np.dot(wave[lag:], wave[: len(wave) - lag]) / len(wave) for lag in range(3)]
    coefficients, residual = prediction(np.array([lags, [0, 0, 0]]))
    assert coefficients[0] == pytest.approx([first, second], abs=0.02)
    assert residual[0] == pytest.approx(1, abs=0.03)
    assert np.isfinite(residual).all() and np.abs(coefficients[1]).max() == 0


def test_whispers_keep_the_envelopes_and_lose_the_voice() -> None:
    clean, rate = soundfile.read(ROOT / "examples/clean.wav", dtype="float32")
    speech = clean[None, : 4 * rate]
    noise = np.random.default_rng(0).standard_normal(speech.shape, np.float32)
    made = whispered(speech, noise, rate)
    assert made.shape == speech.shape and made.dtype == np.float32
    assert level_db(made) == pytest.approx(level_db(speech), abs=0.01)
    bands = [np.log10(envelopes(wave[0]) + 1e-8) for wave in (speech, made)]
    likeness = [np.corrcoef(a, b)[0, 1] for a, b in zip(*bands, strict=True)]
    assert min(likeness) > 0.85
    assert periodicity(made[0]) < 0.6 * periodicity(speech[0])
    assert np.array_equal(whispered(speech, noise, rate), made)
    silent = whispered(np.zeros((1, 5000), np.float32), noise[:, :5000], rate)
    assert not silent.any()


def envelopes(wave: Array) -> np.ndarray:
    """Power in 16 bands, every 10 ms: (16, T)."""
    frames = sliding_window_view(np.pad(wave, 256), 512)[::160] * np.hanning(512)
    power = np.abs(np.fft.rfft(frames)[:, 1:]) ** 2
    return power.reshape(-1, 16, 16).mean(2).T


def periodicity(wave: Array) -> float:
    """The highest autocorrelation at lags of voices, over frames that are not silent."""
    frames = sliding_window_view(wave, 1024)[::512]
    lags = np.fft.irfft(np.abs(np.fft.rfft(frames, 2048)) ** 2)[:, :400]
    loud = lags[:, 0] > lags[:, 0].max() * 0.03
    return float((lags[loud, 60:320].max(1) / lags[loud, 0]).mean())
