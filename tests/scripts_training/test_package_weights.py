"""Packaging trained weights: all files of a model, or none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import zoo
from scripts import evaluate, package_weights
from zoo import packaged
from zoo.registry import get_spec
from zoo.spec import Weights

NAME = "fastenhancer_t"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the package's."""
    (tmp_path / "models/fastenhancer").mkdir(parents=True)
    monkeypatch.setattr(packaged, "_ROOT", tmp_path)
    return tmp_path / "models/fastenhancer/packaged"


def test_a_run_is_packaged(
    root: Path, finished: Path, folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    speech, noise = map(str, folders)
    row = f"{NAME}={finished}/best.safetensors"
    evaluate.main([row, "--speech", speech, "--noise", noise, "--alone", "--json", str(figures)])
    figures.write_text(figures.read_text().replace(json.dumps(row), f'"{NAME}"'))
    assert package_weights.main(["--run", str(finished), "--figures", str(figures)]) == 0
    assert sorted(path.name for path in root.iterdir()) == [
        f"{NAME}{end}" for end in (".json", ".many.onnx", ".md", ".onnx", ".safetensors")
    ]
    weights = Weights(**json.loads((root / f"{NAME}.json").read_text()))
    assert packaged.packaged_file(weights.url, weights.sha256) == root / f"{NAME}.safetensors"
    assert packaged.packaged_file(weights.artifact, weights.artifact_sha256) == root / f"{NAME}.onnx"
    assert weights.metrics["clean (dB), mixtures at -5 to 15 dB"]
    assert packaged.packaged_file(weights.many, weights.many_sha256) == root / f"{NAME}.many.onnx"
    assert zoo.verify(root / f"{NAME}.onnx").passed and zoo.verify(root / f"{NAME}.many.onnx").passed
    zoo.create_model(NAME, root / f"{NAME}.safetensors")
    card = (root / f"{NAME}.md").read_text()
    assert "| noisy |" in card and f"| {NAME} |" in card and "--steps 6 --batch 2 --seconds 0.4" in card
    assert f"--speech {Path(speech).as_posix()} --valid-speech {Path(speech).as_posix()}" in card
    assert "Best in validation: after step" in card and "stopped" not in card


def test_what_cannot_be_packaged(
    root: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*words: str) -> str:
        assert package_weights.main([*words]) == 1
        assert not root.exists() or not list(root.iterdir())
        return capsys.readouterr().err

    assert "expected best.safetensors and last.pt" in fails("--run", str(tmp_path))
    (tmp_path / "x.json").write_text('{"set": {}}')
    assert "x.json: expected mixtures' figures" in fails(
        "--run", str(finished), "--figures", f"{tmp_path}/x.json"
    )
    other = {"set": {"snr_db": [0, 5]}, "rows": [{"name": "noisy", "means": {}, "files": {}}]}
    (tmp_path / "x.json").write_text(json.dumps(other))
    error = fails("--run", str(finished), "--figures", f"{tmp_path}/x.json")
    assert f"no row {NAME}, only noisy" in error
    assert packaged.folder(get_spec(NAME)) == root
