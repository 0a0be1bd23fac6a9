"""Where someone speaks, from what is enhanced."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.data import ROOT
from zoo.arrays import Array
from zoo.cli import main
from zoo.tasks.enhancement.activity import Activity
from zoo.tasks.enhancement.enhancer import Enhancer

RATE = 16000
NOISY = str(ROOT / "examples/noisy.wav")


@pytest.fixture(scope="module")
def clean() -> Array:
    """Two seconds of silence, 6.5 s with two sentences, two seconds of silence."""
    return np.pad(soundfile.read(ROOT / "examples/clean.wav", dtype="float32")[0], 2 * RATE)


def heard(noisy: Array, block: int, enhancer: Enhancer | None = None) -> list[tuple[float, float]]:
    enhanced = (enhancer or Enhancer())(noisy, RATE)
    activity = Activity(RATE)
    for start in range(0, len(noisy), block):
        part = slice(start, start + block)
        activity.add(noisy[None, part], enhanced[None, part])
    return activity.segments()


@pytest.mark.parametrize("snr", [0, 10, 40])
def test_speech_in_noise_is_found_and_no_more(clean: Array, snr: int) -> None:
    """Within 0.3 s at both ends, however it is cut."""
    noise = np.random.default_rng(0).standard_normal(len(clean)).astype(np.float32)
    noise *= np.sqrt(np.square(clean).sum() / np.square(noise).sum()) * 10 ** (-snr / 20)
    loud = np.flatnonzero(np.abs(clean) > 0.02) / RATE
    found = heard(clean + noise, 1000)
    assert found == heard(clean + noise, len(clean))
    assert abs(found[0][0] - loud[0]) < 0.3 and abs(found[-1][1] - loud[-1]) < 0.3
    assert sum(end - begin for begin, end in found) > 0.8 * (loud[-1] - loud[0])
    assert all(first[1] < second[0] for first, second in pairwise(found))


def test_noise_and_silence_have_none() -> None:
    noise = 0.05 * np.random.default_rng(1).standard_normal(4 * RATE).astype(np.float32)
    assert heard(noise, 1000) == [] and heard(0 * noise, 1000) == [] and Activity(RATE).segments() == []


def test_the_command_writes_a_line_a_stretch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, words = tmp_path / "speech.tsv", ["enhance", NOISY, "-o", str(tmp_path / "x.wav")]
    assert main([*words, "--segments", str(table), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["files"][0]
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert [(float(begin), float(end)) for begin, end, _ in rows] == [
        (round(begin, 2), round(end, 2)) for begin, end in report["segments"]
    ]
    assert rows and all(name == NOISY for _, _, name in rows)
    assert main([*words, "--segments", str(table)]) == 1
    assert "speech.tsv exists; pass another name, or --force" in capsys.readouterr().err
    assert main([*words, "--segments", str(tmp_path / "new" / "speech.tsv")]) == 1  # x.wav exists
    assert not (tmp_path / "new").exists()
