"""The comparison that every export and every verification rests on."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.artifact.parity import compare
from zoo.errors import ParityError
from zoo.spec import Tolerance

LOOSE = Tolerance(snr_db=0, max_error=1)


def sine(samples: int = 1000) -> np.ndarray:
    return np.sin(np.arange(samples) / 7)


def test_what_is_measured() -> None:
    reference = np.array([[0.0, 3.0, -4.0, 0.0]])
    report = compare(reference, reference + np.array([0, 0, 0, 0.05]), tensor="x", tolerance=LOOSE)
    assert report.snr_db == pytest.approx(10 * np.log10(25 / 0.05**2))
    assert report.max_error == pytest.approx(0.05 / 4)
    assert (report.tensor, report.frame, report.elements, report.passed) == ("x", 3, 4, True)
    assert str(report) == "x: SNR 40.0 dB, largest difference 1.25e-02 of the peak"


def test_equal_is_perfect() -> None:
    report = compare(sine(), sine().astype(np.float64), tensor="x", tolerance=Tolerance(200, 0))
    assert (report.snr_db, report.max_error) == (float("inf"), 0)


def test_either_limit_fails() -> None:
    one, all_over = sine(), sine() * 1.0001
    one[500] += 1e-3
    compare(sine(), one, tensor="x", tolerance=Tolerance(80, 1.1e-3))
    with pytest.raises(ParityError):
        compare(sine(), one, tensor="x", tolerance=Tolerance(80, 0.9e-3))
    compare(sine(), all_over, tensor="x", tolerance=Tolerance(79.9, 1e-3))
    with pytest.raises(ParityError):
        compare(sine(), all_over, tensor="x", tolerance=Tolerance(80.1, 1e-3))


def test_a_scale_changes_nothing() -> None:
    """Silent networks: what counts is the difference in parts of the reference, not in volts."""
    for scale in (1e-12, 1, 1e12):
        report = compare(sine() * scale, sine() * 1.001 * scale, tensor="x", tolerance=LOOSE)
        assert (report.snr_db, report.max_error) == pytest.approx((60, 1e-3))
        with pytest.raises(ParityError):
            compare(sine() * scale, sine() * 1.001 * scale, tensor="x", tolerance=Tolerance())


@pytest.mark.parametrize(
    ("shape", "axis", "frame_length", "index", "frame"),
    [
        ((1, 4, 30, 2), 2, 1, (0, 3, 17, 1), 17),
        ((2, 1000), -1, 256, (1, 800), 3),
        ((50, 2), 0, 10, (49, 0), 4),
    ],
)
def test_the_frame(shape: tuple, axis: int, frame_length: int, index: tuple, frame: int) -> None:
    reference = sine(int(np.prod(shape))).reshape(shape)
    candidate = reference.copy()
    candidate[index] += 0.5
    options = {"tensor": "spec_out", "axis": axis, "frame_length": frame_length}
    assert compare(reference, candidate, tolerance=LOOSE, **options).frame == frame
    with pytest.raises(ParityError, match=rf"^spec_out: SNR .* at frame {frame}; allowed are SNR >= 110 dB"):
        compare(reference, candidate, tolerance=Tolerance(), **options)
    candidate[index] = np.nan
    with pytest.raises(ParityError, match=f"spec_out: the candidate is not finite from frame {frame} on"):
        compare(reference, candidate, tolerance=LOOSE, **options)
    with pytest.raises(ParityError, match=f"the reference is not finite from frame {frame} on"):
        compare(candidate, reference, tolerance=LOOSE, **options)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(ParityError, match=r"x: expected shape \(1, 9\), got \(9,\)"):
        compare(np.ones((1, 9)), np.ones(9), tensor="x", tolerance=LOOSE)
    for silent in (np.zeros(100), np.zeros(0)):
        with pytest.raises(ParityError, match="the reference is silent"):
            compare(silent, silent, tensor="x", tolerance=LOOSE)
    with pytest.raises(ParityError, match=r"SNR 0\.0 dB"):
        compare(sine(), 0 * sine(), tensor="x", tolerance=Tolerance())


@settings(deadline=None)
@given(
    st.floats(1e-5, 10), st.integers(0, 99), st.integers(0, 2**32 - 1), st.sampled_from([np.float32, float])
)  # fmt: skip
def test_the_tolerance_that_is_told_passes(error: float, at: int, seed: int, dtype: type) -> None:
    reference = np.random.default_rng(seed).standard_normal(100).astype(dtype)
    candidate = reference.copy()
    candidate[at] += error
    assert (reference != candidate).any()
    with pytest.raises(ParityError) as failure:
        compare(reference, candidate, tensor="x", tolerance=Tolerance(300, 0))
    told = re.search(r"Tolerance\(snr_db=(\S+), max_error=(\S+)\)$", str(failure.value))
    assert told, str(failure.value)
    tolerance = Tolerance(float(told[1]), float(told[2]))
    report = compare(reference, candidate, tensor="x", tolerance=tolerance)
    assert tolerance.snr_db > report.snr_db - 1.01 and tolerance.max_error < 1.12 * report.max_error
