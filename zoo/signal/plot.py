"""Spectrograms of signals, one above the other, drawn with matplotlib (the extra ``[plot]``)."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.extras import extra
from zoo.files import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure


RANGE_DB = 80  # from the loudest point of all signals down
_MOST_FRAMES = 2000  # more than a picture is wide


def check_picture(path: str | os.PathLike[str], force: bool = False) -> None:
    """Find out before a long computation whether ``plot_spectrograms`` will be able to draw.

    Raises:
        MissingExtraError: matplotlib is not installed.
        AudioError: the picture exists and ``force`` is not set, its folder does not exist, or another ending.
    """
    with extra("plot", "pictures", verb="need"):
        importlib.import_module("matplotlib.figure")
    target = Path(path)
    if target.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise AudioError(f"{path}: a picture ending in .png, .svg or .pdf is expected, got {target.suffix!r}")
    if not target.parent.is_dir():
        raise AudioError(
            f"{path}: there is no folder {target.parent}, so the picture cannot be written; make it first"
        )
    if target.exists() and not force:
        raise AudioError(f"{path} exists; pass another name, or --force to replace it")


def plot_spectrograms(
    path: str | os.PathLike[str],
    signals: Sequence[tuple[str, Array]],
    sample_rate: int,
    *,
    force: bool = False,
) -> None:
    """Draw the spectrograms of signals on one time axis with one colour scale.

    Args:
        path: picture to write; its ending (.png, .svg or .pdf) is its format.
        signals: title and waveform (N,) float32 of each, from the top.
        sample_rate: of all, in Hz.
        force: replace an existing file.

    Raises:
        MissingExtraError, AudioError: as ``check_picture``, or the picture cannot be written.
    """
    check_picture(path, force)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.6 + 2.4 * len(signals)), layout="constrained")
    levels = [spectrum_levels(waveform, sample_rate) for _, waveform in signals]
    top = max(float(level.max()) for level in levels)
    axes = figure.subplots(len(signals), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axis, (title, waveform), level in zip(axes, signals, levels, strict=True):
        image = axis.imshow(
            level,
            origin="lower",
            aspect="auto",
            extent=(0, len(waveform) / sample_rate, 0, sample_rate / 2000),
            vmin=top - RANGE_DB,
            vmax=top,
            cmap="magma",
            interpolation="antialiased",
        )
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_ylabel("Frequency (kHz)")
    axes[-1].set_xlabel("Time (s)")
    figure.colorbar(image, ax=list(axes), label="Level (dB)", fraction=0.03, pad=0.015)
    _save(figure, path)


def plot_mel(path: str | os.PathLike[str], mel: Array, hop: float, *, force: bool = False) -> None:
    """Draw log-mel frames.

    Args:
        path: picture to write; its ending (.png, .svg or .pdf) is its format.
        mel: (F, mels) natural logarithms of magnitudes.
        hop: seconds between two frames.
        force: replace an existing file.

    Raises:
        MissingExtraError, AudioError: as ``check_picture``, or the picture cannot be written.
    """
    check_picture(path, force)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    axis = figure.subplots()
    extent = (0, len(mel) * hop, 0, mel.shape[1])
    image = axis.imshow(
        mel.T, origin="lower", aspect="auto", extent=extent, cmap="magma", interpolation="antialiased"
    )
    axis.set_ylabel("Mel band")
    axis.set_xlabel("Time (s)")
    figure.colorbar(image, ax=axis, label="Log magnitude", fraction=0.03, pad=0.015)
    _save(figure, path)


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    def unwritable(error: OSError) -> AudioError:
        return AudioError(f"{path}: the picture cannot be written: {error.strerror or error}")

    with atomic(Path(path), unwritable) as temporary:
        figure.savefig(temporary, dpi=150)


def spectrum_levels(waveform: Array, sample_rate: int) -> NDArray[np.float64]:
    """(F, T): level of each frequency in dB, a sine of full scale being 0; frames of 32 ms."""
    length = max(64, 2 * round(0.016 * sample_rate))
    hop = max(length // 4, len(waveform) // _MOST_FRAMES)
    frames = sliding_window_view(np.pad(waveform, length // 2), length)[::hop]
    window = np.hanning(length)
    spectrum = np.abs(np.fft.rfft(frames * window)) * (2 / window.sum())
    levels: NDArray[np.float64] = 20 * np.log10(np.maximum(spectrum.T, 1e-7))
    return levels
