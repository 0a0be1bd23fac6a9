"""Spectrograms: a picture of the right kind, and what stands in its way."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import AudioError
from zoo.signal.plot import plot_spectrograms

pytest.importorskip("matplotlib")
NOISE = np.random.default_rng(1).uniform(-1, 1, 4000).astype(np.float32)


@pytest.mark.parametrize(("name", "start"), [("p.png", b"\x89PNG"), ("p.pdf", b"%PDF"), ("p.SVG", b"<?xml")])
def test_pictures(tmp_path: Path, name: str, start: bytes) -> None:
    signals = [("Before", NOISE), ("After", 0 * NOISE)]
    plot_spectrograms(tmp_path / name, signals, 16000)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("count", [1, 100])
def test_short_signals(tmp_path: Path, count: int) -> None:
    plot_spectrograms(tmp_path / "p.png", [("x", NOISE[:count])], 48000)


def test_what_stands_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.write_text("precious")
    with pytest.raises(AudioError, match="exists; pass another name, or --force"):
        plot_spectrograms(path, [("x", NOISE)], 16000)
    plot_spectrograms(path, [("x", NOISE)], 16000, force=True)
    with pytest.raises(AudioError, match=r"ending in \.png, \.svg or \.pdf is expected, got '\.doc'"):
        plot_spectrograms(tmp_path / "p.doc", [("x", NOISE)], 16000)
    with pytest.raises(AudioError, match="the picture cannot be written"):
        plot_spectrograms(tmp_path / "missing" / "p.png", [("x", NOISE)], 16000)
