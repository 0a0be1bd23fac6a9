"""Packaging trained weights: all files of a model, or none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import zoo
from scripts import evaluate, package_weights
from scripts.training import card as training
from scripts.voice import card as voice
from zoo import builtin as packaged
from zoo.errors import ArtifactError
from zoo.registry import find_weights, get_spec
from zoo.spec import Weights

NAME = "fastenhancer_t"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the package's."""
    (tmp_path / "models/fastenhancer").mkdir(parents=True)
    monkeypatch.setattr(packaged, "_ROOT", tmp_path)
    monkeypatch.setattr(package_weights, "RECORDS", tmp_path / "records")
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
    assert f"--speech {package_weights.named(speech)} --valid-speech {package_weights.named(speech)}" in card
    assert speech not in card and speech not in (tmp_path / f"records/{NAME}.json").read_text()
    assert "Best in validation: after step" in card and "stopped" not in card
    assert re.search(r"Measured on \d+ mixtures at -5 to 15 dB", card) and "the SI-SDR of" in card
    (root / f"{NAME}.md").unlink()
    assert package_weights.main(["--card", NAME]) == 0 and (root / f"{NAME}.md").read_text() == card


def test_folders_outside_the_clone_are_named_by_their_ends() -> None:
    names = {
        "../shared/data/speech/train": "data/speech/train",
        "/home/someone/corpus/speech/train": "corpus/speech/train",
        "../noise": "noise",
        "out/a/long/way/speech/train": "out/a/long/way/speech/train",
        "dns3": "dns3",
        "": "",
    }
    assert {path: package_weights.named(path) for path in names} == names


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


@pytest.mark.parametrize("name", sorted(path.stem for path in package_weights.RECORDS.glob("*.json")))
def test_the_packaged_cards_are_those_of_their_records(name: str) -> None:
    """And so can be written again; they name no folder of those who made them."""
    spec = get_spec(name)
    weights, path = find_weights(spec, packaged.TAG), package_weights.RECORDS / f"{name}.json"
    of = training if spec.task == "enhancement" else voice
    text = of.card(spec, weights, of.read_made(path))
    assert (packaged.folder(spec) / f"{name}.md").read_text() == text
    assert not re.search(r"(?<!\]\()(?<!/)\.\./", text), "a path that is no link"


def test_records_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"history": []}')
    for of in (training, voice):
        with pytest.raises(ArtifactError, match=r"x\.json: expected the record of .* again"):
            of.read_made(tmp_path / "x.json")


def test_suites_are_read_and_limits_come_from_them(tmp_path: Path) -> None:
    def rows(suite: str, *values: list[float]) -> dict[str, object]:
        named = [
            {
                "name": name,
                "means": {"si_sdr": sum(found) / len(found)},
                "files": {f"{number}": {"si_sdr": value} for number, value in enumerate(found)},
            }
            for name, found in zip(("noisy", "a", "b=c"), values, strict=True)
        ]
        return {"suite": suite, "title": f"{suite} voices", "rows": named}

    suites = [
        rows("unseen", [5.0, 1.0], [4.0, 6.0], [9.0, 9.0]),
        rows("clean", [100.0] * 2, [20.0, 10.0], [3.0, 3.0]),
    ]
    (tmp_path / "suites.json").write_text(json.dumps({"suites": suites}))
    unseen, clean = evaluations = training.read_evaluations(tmp_path / "suites.json")
    assert unseen.worse == {"a": 1, "b=c": 0} and unseen.worst == {"noisy": 1.0, "a": 4.0, "b=c": 9.0}
    assert clean.worse == {} and clean.files == 2
    table = "\n".join(training._figures(evaluations))
    assert "| **unseen**: unseen voices, 2 files | noisy | 3.00 |  |  |  | 1.0 |  |" in table
    assert "|  | a | 5.00 |  |  |  | 4.0 | 50 % |" in table
    assert "| **clean**: clean voices, 2 files | a | 15.00 |  |  |  | 10.0 |  |" in table
    text = training._limits("a", evaluations)
    assert "On unseen (unseen voices), b=c is better: SI-SDR (dB) 9.00 against 5.00." in text
    assert "--model b --weights c`" in text and "15.0 dB (clean voices)" in text and "noisy is" not in text


def test_a_run_continues_those_on_record(root: Path, finished: Path) -> None:
    record = package_weights.RECORDS / f"{NAME}.json"
    assert package_weights.main(["--run", str(finished), "--continued"]) == 1 and not record.exists()
    for count, more in enumerate(([], ["--continued"]), 1):
        assert package_weights.main(["--run", str(finished), *more]) == 0
        assert len(training.read_made(record).history) == count
    assert f"--weights out/{NAME}_1/best.safetensors" in (root / f"{NAME}.md").read_text()


def test_what_the_first_run_began_with_was_heard_too() -> None:
    spec, text = get_spec("gtcrn"), "# Data\n\nTwo hours\n\n| table |"
    assert package_weights._sentence(text, spec, "") == "Two hours"
    told = package_weights._sentence(text, spec, "dns3")
    assert told.endswith("(the weights dns3, MIT); then: Two hours") and told.startswith("Deep Noise")


def test_a_run_that_went_on_is_on_record_once() -> None:
    first, second = {"model": NAME, "lr": 1.0, "last": 9, "best": "9"}, {"model": NAME, "lr": 2.0, "last": 5}
    later, other = {**first, "last": 20, "best": "16"}, {**first, "seed": 7, "last": 30}
    assert package_weights.joined([second, first], [later]) == [second, later]
    assert package_weights.joined([second, first], [other]) == [second, first, other]
    assert package_weights.joined([first], [second, later]) == [first, second, later]


def test_limits_are_those_of_the_figures() -> None:
    rows = {"noisy": {"si_sdr": 1.0}, "a": {"si_sdr": 9.0, "stoi": 0.9, "clean": 30.0}}
    rows["b"] = {"si_sdr": 9.5, "stoi": 0.8}
    text = training._limits("a", [training.Evaluation("mixtures at 0 to 5 dB", rows, 20, {"a": 2, "b": 0})])
    assert "Measured on 20 mixtures at 0 to 5 dB, and on nothing else." in text and "30.0 dB" in text
    assert "Of 20 mixtures at 0 to 5 dB, the SI-SDR of 2 is below" in text
    assert "b is better: SI-SDR (dB) 9.50 against 9.00." in text and "STOI" not in text
    assert training._limits("a", []) == "These weights were not measured."
