"""The page of models and weights says what the package knows today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.models_page import PAGE, QUALITY, SUITE, Quality, measured, page
from zoo.errors import AudioError
from zoo.registry import get_spec, list_models


def test_the_page_is_what_the_command_writes_today() -> None:
    written = page(Quality(**json.loads(QUALITY.read_text())))
    assert PAGE.read_text() == written, "run python -m scripts.models_page"


def test_every_model_and_tag_is_on_the_page() -> None:
    lines = PAGE.read_text().splitlines()
    for name in list_models():
        assert any(line.startswith(f"| `{name}` |") for line in lines), name
        for weights in get_spec(name).weights:
            assert any(line.startswith(f"| `{name}` | `{weights.tag}` |") for line in lines), weights.tag


def figures(path: Path, suite: str, *rows: str) -> Path:
    """What ``speechzoo evaluate --corpus --json`` writes, of one recording."""
    means = {"si_sdr": 10.1234, "pesq": 2.0, "stoi": 0.9}
    records = [{"name": name, "means": means, "files": {"a": means}} for name in ("noisy", *rows)]
    path.write_text(json.dumps({"suites": [{"suite": suite, "title": "heard", "rows": records}]}))
    return path


def test_figures_become_quality(tmp_path: Path) -> None:
    quality = measured(figures(tmp_path / "figures.json", SUITE, "gtcrn", "gtcrn=dns3"))
    assert (quality.title, quality.files) == ("heard", 1)
    assert quality.cells("gtcrn=dns3") == ("10.1", "2.00", "0.900")
    assert quality.cells("ulunas=dns3") == ("", "", "")


def test_figures_of_unknown_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="gtcrn=none: expected MODEL or MODEL=TAG"):
        measured(figures(tmp_path / "figures.json", SUITE, "gtcrn=none"))


def test_figures_of_another_suite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=f"no figures of the suite {SUITE}"):
        measured(figures(tmp_path / "figures.json", "whisper"))
