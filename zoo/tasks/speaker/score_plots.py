"""Draws scores of trials with matplotlib (the extra ``[plot]``): a DET plot, and histograms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoo.extras import extra
from zoo.files import atomic
from zoo.tasks.speaker.scoring import equal_error_rate, operating_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Vector = NDArray[np.float64]

_DET_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


def plot_scores(folder: Path, curves: Mapping[str, tuple[Vector, Vector]]) -> None:
    """Draw ``det.png``, all lists in one, and a histogram of the scores of each.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with extra("plot", "plots", "pass --no-plots", verb="need"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(5.5, 5.5), layout="constrained")
    axes = figure.subplots()
    for name, (same, other) in curves.items():
        points = operating_points(same, other)
        least = 0.5 / max(len(same), len(other))
        x, y = (np.clip(rate, least, 1 - least) for rate in (points.false_alarms, points.misses))
        label = f"{name}, EER {100 * equal_error_rate(same, other).rate:.2f} %"
        axes.plot(_deviate(x), _deviate(y), label=label)
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks(_deviate(np.array(_DET_TICKS)), [f"{100 * tick:g}" for tick in _DET_TICKS])
    low, high = _deviate(np.array([_DET_TICKS[0], 0.5]))
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="false alarms, %", ylabel="misses, %", aspect="equal")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, folder / "det.png")
    for name, (same, other) in curves.items():
        figure = Figure(figsize=(6, 3.5), layout="constrained")
        axes = figure.subplots()
        bins = np.linspace(min(same.min(), other.min()), max(same.max(), other.max()), 61)
        for values, label in ((other, "different speakers"), (same, "same speaker")):
            axes.hist(values, bins.tolist(), density=True, alpha=0.6, label=label)
        axes.axvline(equal_error_rate(same, other).threshold, color="black", lw=1, ls="--", label="EER")
        axes.set(xlabel="score", ylabel="density", title=name)
        axes.legend()
        _save(figure, folder / f"{name}.histogram.png")


def _save(figure: Figure, path: Path) -> None:
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _deviate(rates: Vector) -> Vector:
    """Where rates lie on the axes of a DET plot: the normal distribution's quantiles."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse(float(rate)) for rate in rates])
