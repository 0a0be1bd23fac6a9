"""Reads recordings into memory at one rate: one, or all of a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.signal.audio import AudioReader, find_audio
from zoo.signal.resample import resample


def read_folder(folder: Path, sample_rate: int) -> list[tuple[Path, Array]]:
    """Read every recording of a folder and those below it: path and (N,) at ``sample_rate``.

    Raises:
        AudioError: no such folder, no audio in it, or a file that cannot be read.
    """
    return list(recordings_in(folder, sample_rate))


def recordings_in(folder: Path, sample_rate: int) -> Iterator[tuple[Path, Array]]:
    """Read as ``read_folder``, but one recording after the other, each when it is asked for."""
    paths = find_audio(folder, recursive=True)
    if not paths:
        raise AudioError(f"{folder}: there are no audio files in it")
    bar = tqdm(
        paths, desc=f"reading {folder.name}", unit="file", disable=not sys.stderr.isatty(), leave=False
    )
    for path in bar:
        yield path, read(path, sample_rate)


def read(path: Path, sample_rate: int) -> Array:
    """Read a recording with its channels averaged, (N,) at ``sample_rate``.

    Raises:
        AudioError: it cannot be read.
    """
    with AudioReader(path) as reader:
        rate = reader.format.sample_rate
        wave = np.concatenate([block.mean(0) for block in reader.blocks(2**18)])
    return converted(wave.astype(np.float32, copy=False), rate, sample_rate)


def converted(wave: Array, rate: int, sample_rate: int) -> Array:
    """Convert (N,) at ``rate`` to (N',) at ``sample_rate``."""
    return resample(wave, rate, sample_rate)[: round(len(wave) * sample_rate / rate)]
