"""Small folders of speech and noise, made from the project's own examples, and a short training run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.data import ROOT
from tests.scripts.training_run import arguments


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with two recordings of speech, one with two of noise."""
    base = tmp_path_factory.mktemp("recordings")
    clean, rate = soundfile.read(ROOT / "examples/clean.wav", dtype="float32")
    noisy, _ = soundfile.read(ROOT / "examples/noisy.wav", dtype="float32")
    other = np.random.default_rng(0).standard_normal(2 * rate).astype(np.float32)
    half = len(clean) // 2
    contents = {
        "speech": {"first.wav": clean[:half], "second.flac": clean[half:]},
        "noise": {"background.wav": noisy - clean, "white.wav": 0.1 * other / np.abs(other).max()},
    }
    for folder, files in contents.items():
        (base / folder).mkdir()
        for name, wave in files.items():
            soundfile.write(base / folder / name, wave, rate)
    return base / "speech", base / "noise"


@pytest.fixture(scope="session")
def finished(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run without interruption."""
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    from scripts import train

    out = tmp_path_factory.mktemp("whole")
    assert train.main(arguments(folders, out)) == 0
    return out
