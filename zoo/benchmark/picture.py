"""Draws rows as bars with matplotlib (the extra ``[plot]``)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from zoo.benchmark.rows import Row, Run
from zoo.benchmark.tables import how
from zoo.files import atomic
from zoo.signal.plot import check_picture

COLOURS = {"reference": "0.62", "onnxruntime": "#2a7ab9", "torch": "#e08a2c"}
LABELS = {"reference": "reference", "onnxruntime": "ONNX Runtime", "torch": "PyTorch"}
WIDE_RANGE = 12  # slowest over fastest row, from where the axis is logarithmic
BAR, GAP, MARGINS = 0.2, 0.36, 1.2  # inches: of a row, above a group, of legend and axis
PAUSE = 0.08  # inches, above a reference within a group


def plot_runs(runs: Sequence[Run], path: Path) -> None:
    """Draw milliseconds a frame of every row, in groups of a subject and its references.

    An existing picture is replaced.

    Raises:
        MissingExtraError, AudioError: matplotlib is missing, or it is no name of a picture.
    """
    check_picture(path, force=True)
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows = [(number, index, row) for number, run in enumerate(runs) for index, row in enumerate(run.rows)]
    groups = [list(group) for _, group in groupby(rows, lambda entry: (entry[0], entry[2].group))]
    height = MARGINS + BAR * len(rows) + GAP * len(groups)
    figure = Figure(figsize=(9, height), layout="constrained")
    axis = figure.subplots()
    times = [row.frame_ms for _, _, row in rows]
    wide = max(times) > WIDE_RANGE * min(times)
    left = min(times) / 2 if wide else 0.0
    kinds, ticks, labels, depth = set(), [], [], 0.0
    for group in groups:
        depth += GAP
        axis.annotate(
            group[0][2].group, (0, depth - BAR / 2), xycoords=("axes fraction", "data"), xytext=(0, 2),
            textcoords="offset points", va="bottom", fontsize=9, fontweight="bold",
        )  # fmt: skip
        for turn, (_, index, row) in enumerate(group):
            kind = "reference" if row.reference == index else row.backend
            depth += PAUSE if turn and kind == "reference" else 0
            kinds.add(kind)
            axis.barh(depth, row.frame_ms - left, BAR * 0.8, left=left, color=COLOURS[kind])
            axis.annotate(
                _value(row, kind), (row.frame_ms, depth), xytext=(4, 0), textcoords="offset points",
                va="center", fontsize=7.5,
            )  # fmt: skip
            ticks.append(depth)
            labels.append(_label(row))
            depth += BAR
    axis.set_yticks(ticks, labels, fontsize=7.5)
    axis.set_ylim(depth, 0)
    _finish(axis, times, left if wide else None)
    shown = [kind for kind in COLOURS if kind in kinds]
    figure.legend(
        handles=[Patch(color=COLOURS[kind], label=LABELS[kind]) for kind in shown],
        loc="outside upper center", ncols=len(shown), fontsize=8, frameon=False,
    )  # fmt: skip
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=130)


def _finish(axis: Any, times: Sequence[float], left: float | None) -> None:
    """Scale, labels and lines of the axis of time: logarithmic from ``left``, or from 0."""
    from matplotlib.ticker import LogLocator, NullLocator

    if left is None:
        axis.set_xlim(0, max(times) * 1.25)
    else:
        axis.set_xscale("log")
        axis.set_xlim(left, max(times) * (max(times) / left) ** 0.2)  # room for the last figure
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter("{x:g}")
    scale = "" if left is None else " (logarithmic)"
    axis.set_xlabel(f"ms a frame{scale}, ratio to the reference", fontsize=9)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _label(row: Row) -> str:
    if row.name != row.group:
        return f"{row.name}{', ' if how(row) else ''}{how(row)}"
    return ", ".join(filter(None, (row.form, how(row))))


def _value(row: Row, kind: str) -> str:
    time = f"{row.frame_ms:#.3g} ms"
    return time if kind == "reference" or row.ratio is None else f"{time}   {row.ratio:.2f} x"
