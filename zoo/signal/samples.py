"""Samples as callers give them: checked, and turned into channels of float32."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.arrays import Array
from zoo.errors import AudioError, AudioWarning

SUSPECT = 100.0  # magnitude: 40 dB above full scale, which floats that were integers exceed
_MOST_SQUARES = 8192  # with more, BLAS may start threads
LARGEST = 1e6  # magnitude: 120 dB above full scale, and far below what overflows in any network


def rows_of(waveform: NDArray[Any]) -> NDArray[Any]:
    """The channels of a recording, (N,) or (channels, N) -> (channels, N).

    Raises:
        AudioError: another shape, or more than two channels with fewer samples, as where channels come last.
    """
    if waveform.ndim not in (1, 2) or (waveform.ndim == 2 and 2 < len(waveform) > waveform.shape[1] > 0):
        raise AudioError(
            f"a waveform of shape (N,) or (channels, N) is expected, got {waveform.shape}; "
            f"if its channels come last, pass waveform.T"
        )
    return np.atleast_2d(waveform)


def check_samples(block: ArrayLike, position: int = 0) -> Array:
    """A block of one channel as (1, N) float32.

    Args:
        block: (N,) float32 or float64.
        position: samples before it, for messages.

    Raises:
        AudioError: another shape or type, or a sample that is NaN, infinite or beyond ``LARGEST``.

    Warns:
        UserWarning: a sample beyond ``SUSPECT``.
    """
    try:
        array = np.asarray(block)
    except ValueError as error:
        raise AudioError(f"a block must be an array of numbers of shape (N,): {error}") from error
    if array.dtype not in (np.float32, np.float64):
        raise AudioError(
            f"a block of float32 or float64 samples in [-1, 1] is expected, got {array.dtype}; "
            f"{_conversion(array.dtype, isinstance(block, np.ndarray))}"
        )
    if array.ndim != 1:
        raise AudioError(
            f"a block of shape (N,) is expected, got {array.shape}; one stream is one channel, so open "
            f"a stream a channel and push each its row"
        )
    if array.dtype == np.float32:
        samples = array.copy()
    else:
        with np.errstate(over="ignore"):
            samples = array.astype(np.float32)
    if _energy(samples) <= SUSPECT**2:
        return samples[None]
    magnitude = np.abs(samples)
    bad = ~(magnitude <= LARGEST)
    if bad.any():
        first = int(bad.argmax())
        raise AudioError(f"sample {position + first} is {array[first]:.7g}; {refusal(float(array[first]))}")
    if (magnitude > SUSPECT).any():
        warnings.warn(
            f"samples beyond {SUSPECT:g}, where [-1, 1] is expected: if these are integers turned into "
            f"floats, divide them by the integers' largest value, 32768 for 16 bits",
            AudioWarning,
            stacklevel=2,
        )
    return samples[None]


def all_finite(array: NDArray[Any]) -> bool:
    """Whether all elements are; quick where they are, and not too many."""
    return math.isfinite(_energy(array)) or bool(np.isfinite(array).all())


def _energy(array: NDArray[Any]) -> float:
    """The sum of squares, which bounds every element; inf for many elements, NaN if one of them is.

    It costs a fifth of looking at each element, but may overflow.
    """
    if array.size > _MOST_SQUARES:
        return math.inf
    return float(np.vdot(array, array).real)


def _conversion(dtype: np.dtype[Any], is_array: bool) -> str:
    """The way from samples of another type to floats; the type of a list says nothing of its scale."""
    if dtype.kind in "iu" and is_array:
        middle = 1 << 8 * dtype.itemsize - 1
        if dtype.kind == "u":  # silence is in the middle
            return f"pass ((block.astype(np.float64) - {middle}) / {middle}).astype(np.float32) instead"
        return f"pass (block / {middle}).astype(np.float32) instead"
    if dtype.kind in "iu":
        return (
            "pass np.asarray(block, np.float32), divided by the largest value that its integers can have, "
            "32768 for 16 bits"
        )
    if dtype.kind == "f":
        return "pass block.astype(np.float32) instead"
    return "pass real numbers, as np.asarray(block, np.float32)"


def refusal(sample: float) -> str:
    """What is wrong with a sample that is not finite or beyond ``LARGEST``, and the way out."""
    if not np.isfinite(sample):
        return "finite samples in [-1, 1] are expected, so repair the recording or cut it there"
    return (
        f"samples in [-1, 1] are expected, and none beyond {LARGEST:g} is taken: repair the "
        f"recording, or if these are integers turned into floats, divide them by the integers' largest value"
    )
