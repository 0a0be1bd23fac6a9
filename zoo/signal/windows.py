"""Analysis and synthesis windows, and the factors of the discrete Fourier transform, in numpy.

The training form, the streaming graph and the runtime's own front end all take them from here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.spec import FrontEnd

Window = NDArray[np.float64]


def analysis_window(front_end: FrontEnd) -> Window:
    """Window of ``n_fft`` samples that multiplies a frame before the transform."""
    n = np.arange(front_end.n_fft)
    if front_end.window == "rectangular":
        return np.ones(front_end.n_fft)
    if front_end.window == "sine":
        return np.sin(np.pi * (n + 0.5) / front_end.n_fft)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / front_end.n_fft)
    if front_end.window == "hann":
        return hann
    if front_end.window == "sqrt_hann":
        return np.sqrt(hann)
    raise ValueError(f"window {front_end.window!r} is none of hann, sqrt_hann, sine, rectangular")


def synthesis_window(front_end: FrontEnd) -> Window:
    """Window of ``n_fft`` samples for overlap-add that undoes ``analysis_window`` exactly.

    The analysis window over the sum of its squares in all frames that cover a sample (Griffin and
    Lim, 1984), which for hops other than half the window differs from sample to sample.
    """
    window, hop = analysis_window(front_end), front_end.hop_length
    overlaps = -(-front_end.n_fft // hop)
    squares = np.zeros(overlaps * hop)
    squares[: front_end.n_fft] = window**2
    coverage = squares.reshape(overlaps, hop).sum(0)
    if coverage.min() < 1e-3:
        raise ValueError(f"frames every {hop} samples do not cover a {front_end.window} window")
    return window / np.tile(coverage, overlaps)[: front_end.n_fft]


def two_factors(n: int) -> tuple[int, int]:
    """Two factors of n, the second even where n is, the first as close to 16 as can be.

    The matrices of the first step of the transform grow with the first factor, and near 16 they still fit a
    processor's fastest memory.
    """
    candidates = [f for f in range(1, n + 1) if n % f == 0 and (n // f % 2 == 0 or n % 2)]
    first = min(candidates, key=lambda f: abs(f - 16))
    return first, n // first
