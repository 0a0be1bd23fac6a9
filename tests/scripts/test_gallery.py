"""The gallery: what is in it is there, is credited, and is what the models make."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scripts.make_gallery import GALLERY, choices, read, write
from zoo.builtin import TAG
from zoo.signal.resample import resample

LARGEST = 3_000_000  # bytes, of all
RECORDS = json.loads((GALLERY / "recordings.json").read_text())
FIGURES = re.compile(r"^\| \[`(\w+ speechzoo)`\]\S+ .* \| (-?[\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", re.M)


def _sections(page: str) -> dict[str, str]:
    """The page's parts by their recording's title."""
    return {part.partition("\n")[0]: part for part in page.split("\n## ")[1:]}


def test_the_page_shows_what_is_there_and_little_is_stored() -> None:
    page = (GALLERY / "index.md").read_text()
    played = set(re.findall(r'src="(sounds/[^"]+)"', page))
    assert played == {f"sounds/{path.name}" for path in (GALLERY / "sounds").iterdir()}
    assert set(re.findall(r"!\[[^]]*\]\((.*)\)", page)) == {path.name for path in GALLERY.glob("*.jpg")}
    assert sum(path.stat().st_size for path in GALLERY.rglob("*") if path.is_file()) < LARGEST
    assert len(_sections(page)) == len(RECORDS) == 5


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["name"])
def test_a_recording_is_credited_and_as_noisy_as_it_says(record: dict) -> None:
    recording = read(record)
    for credit in recording.credits:
        assert re.search(r"; (MIT|CC0|public domain|\[CC BY.*\]\(https://creativecommons.org/.*\))$", credit)
    noise = recording.noisy - recording.clean
    ratio = 10 * np.log10(np.mean(recording.clean**2) / np.mean(noise**2))
    assert ratio == pytest.approx(recording.snr_db, abs=0.2)


def test_the_gallery_is_made_of_what_is_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing in the cache: the packaged weights, with the figures that the page in the project has."""
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path / "cache"))
    here, missing = choices()
    own = [f"{name} {TAG}" for name in ("fastenhancer_t", "gtcrn", "ulunas")]
    assert [choice.title for choice in here] == own
    assert "gtcrn dns3" in [choice.title for choice in missing]
    recording = read(RECORDS[1])
    write(tmp_path / "gallery", [recording], here, missing)
    page = (tmp_path / "gallery/index.md").read_text()
    assert "Not at hand when this page was made" in page and "`gtcrn dns3`" in page
    found = FIGURES.findall(page)
    expected = FIGURES.findall(_sections((GALLERY / "index.md").read_text())[recording.title])
    assert len(found) == 3 and [row[0] for row in found] == [row[0] for row in expected]
    for one, other in zip(found, expected, strict=True):
        for value, wanted, within in zip(one[1:], other[1:], (0.11, 0.02, 0.003), strict=True):
            assert float(value) == pytest.approx(float(wanted), abs=within)
    heard, rate = soundfile.read(tmp_path / "gallery/sounds/city-noisy.ogg", dtype="float32")
    heard = resample(heard, rate, recording.rate)[: len(recording.noisy)]
    assert np.corrcoef(heard, recording.noisy)[0, 1] > 0.9
