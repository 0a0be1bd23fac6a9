"""Draws the log of a run with matplotlib (the extra ``[plot]``)."""

from __future__ import annotations

import json
from pathlib import Path

from zoo.errors import AudioError
from zoo.files import atomic
from zoo.signal.plot import check_picture

PERCEIVED = ("perceptual", "intelligibility")
PANELS = (
    ("training loss", ("loss", "magnitude", "complex", "consistency", "waveform", *PERCEIVED)),
    ("validation: SI-SDR (dB)", ("valid_si_sdr", "valid_clean")),
    ("validation: PESQ", ("valid_pesq",)),
    ("validation: STOI", ("valid_stoi",)),
    ("learning rate", ("lr",)),
)


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log, each with its step.

    Raises:
        AudioError: no log, or a line that is none.
    """
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if not lines or not all("step" in line for line in lines):
            raise ValueError("no steps in it")
    except OSError as error:
        raise AudioError(f"{path}: no log of a run ({error.strerror}); name the folder of one") from error
    except (ValueError, TypeError) as error:
        raise AudioError(f"{path}: not the log of a run ({error})") from error
    return lines


def plot_log(log: Path, picture: Path) -> None:
    """Draw losses, validation and learning rate over the steps; an existing picture is replaced.

    Raises:
        MissingExtraError, AudioError: matplotlib or the log is missing, or the picture cannot be written.
    """
    check_picture(picture, force=True)
    lines = read_log(log)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.1 * len(PANELS)), layout="constrained")
    axes = figure.subplots(len(PANELS), 1, sharex=True)
    for axis, (title, names) in zip(axes, PANELS, strict=True):
        for name in names:
            points = [(line["step"], line[name]) for line in lines if name in line]
            if points:
                axis.plot(*zip(*points, strict=True), label=name.removeprefix("valid_"), linewidth=1)
        axis.set_title(title, loc="left", fontsize=10)
        axis.grid(alpha=0.3)
        if len(names) > 1 and axis.has_data():
            axis.legend(fontsize=8)
    axes[0].set_yscale("symlog", linthresh=1)
    axes[-1].set_xlabel("step")
    with atomic(picture) as temporary:
        figure.savefig(temporary, dpi=130)
