"""Gains of bands of frequencies."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.signal.bands import band_gain

RATE = 16000


def test_a_band_is_flat_inside_and_30_db_down_outside() -> None:
    gain = band_gain([300, 0], [3400, np.inf], 8001, RATE)
    assert gain.dtype == np.float32
    decibel = 20 * np.log10(gain.clip(1e-30))
    assert np.abs(decibel[0, 400:2900]).max() < 0.5
    assert decibel[0, [300, 3400]] == pytest.approx([-3, -3], abs=0.1)
    assert decibel[0, 1:220].max() < -30 and decibel[0, 4600:].max() < -30
    assert np.array_equal(gain[1], np.ones(8001))
    assert np.array_equal(band_gain(300, 3400, 8001, RATE), gain[0])
