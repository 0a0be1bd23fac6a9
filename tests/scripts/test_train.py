"""The trainer: a few real steps, stopped and resumed, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import zoo
from scripts import train
from scripts.training.mixtures import Recipe
from scripts.training.optimisation import learning_rate, parameter_groups
from scripts.training.teacher import Teacher
from scripts.training.trainer import Trainer
from tests.data import ROOT
from tests.scripts.training_run import STEPS, arguments


def logged(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_a_run_writes_weights_that_the_zoo_loads(finished: Path) -> None:
    assert sorted(path.name for path in finished.iterdir()) == ["best.safetensors", "last.pt", "log.jsonl"]
    model = zoo.create_model("fastenhancer_t", finished / "best.safetensors")
    wave = torch.randn(1, 5 * 256)
    streaming = zoo.to_streaming(model, "wav2wav")
    assert streaming(wave, streaming.initial_state())[0].isfinite().all()
    zoo.create_model("fastenhancer_t", finished / "last.pt")
    with safe_open(finished / "best.safetensors", "pt") as file:
        assert file.metadata()["model"] == "fastenhancer_t"
    lines = logged(finished)
    assert [line["step"] for line in lines if "valid_si_sdr" in line] == [3, 6]
    assert lines[-2]["step"] == STEPS and {"loss", "waveform", "lr", "norm"} <= lines[-2].keys()
    assert {"valid_pesq", "valid_stoi", "valid_clean", "valid_reduction"} <= lines[-1].keys()


def test_weights_move_and_the_average_lags(finished: Path) -> None:
    content = torch.load(finished / "last.pt", weights_only=True)
    torch.manual_seed(0)
    start = zoo.create_model("fastenhancer_t").state_dict()
    for name, value in content["model"].items():
        if not name.startswith(("rf_pre.0", "rf_post.0")):  # fixed filters
            assert not torch.equal(value, start[name]), f"{name} did not change"
    average, own = content["averaged"], content["model"]
    assert any(not torch.equal(average[f"module.{name}"], own[name]) for name in own)


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    folders: tuple[Path, Path], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Trainer.train_step

    def stopping(self: Trainer) -> dict[str, float]:
        values = original(self)
        if self.step == 4:  # not a step at which a checkpoint is due
            os.kill(os.getpid(), signal.SIGTERM)
        return values

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", stopping)
        assert train.main(arguments(folders, tmp_path)) == 130
    with open(tmp_path / "log.jsonl", "a") as log:
        log.write('{"step": 5, "loss": 0}\n{"ste')  # what a crash may leave
    assert train.main(arguments(folders, tmp_path, "--resume")) == 0
    whole, parts = (torch.load(out / "last.pt", weights_only=True) for out in (finished, tmp_path))
    assert same(whole, parts)
    assert same(*(load_file(out / "best.safetensors") for out in (finished, tmp_path)))
    validations = [[line for line in logged(out) if "valid_pesq" in line] for out in (finished, tmp_path)]
    assert validations[0] == validations[1] and len(validations[0]) == 2


def test_a_run_without_a_recorded_recipe_goes_on_with_that_of_its_time(
    folders: tuple[Path, Path], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = torch.load(finished / "last.pt", weights_only=True)
    assert content["recipe"]["telephone"] > 0
    del content["recipe"]
    content["step"] = STEPS - 1
    torch.save(content, tmp_path / "last.pt")
    found = []
    original = Trainer.train_step

    def noting(self: Trainer) -> dict[str, float]:
        found.append(self.mixtures.recipe)
        return original(self)

    monkeypatch.setattr(Trainer, "train_step", noting)
    assert train.main(arguments(folders, tmp_path, "--resume")) == 0
    assert found == [Recipe.of_run(None)]
    recorded = torch.load(tmp_path / "last.pt", weights_only=True)["recipe"]
    assert recorded["telephone"] == 0 and recorded["level_db"] == (-40.0, -14.0)


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def test_a_run_is_neither_overwritten_nor_mixed_up(
    folders: tuple[Path, Path], finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(arguments(folders, finished)) == 1
    assert "holds a run" in capsys.readouterr().err
    assert train.main(arguments(folders, finished, "--resume", "--lr", "0.5")) == 1
    assert "lr 0.002 -> 0.5" in capsys.readouterr().err
    assert train.main(arguments(folders, tmp_path, "--resume")) == 1
    assert "no run to resume" in capsys.readouterr().err
    (tmp_path / "last.pt").write_bytes(b"nothing")
    assert train.main(arguments(folders, tmp_path, "--resume")) == 1
    assert "not a checkpoint of a run" in capsys.readouterr().err


def test_a_run_can_start_from_weights(folders: tuple[Path, Path], finished: Path, tmp_path: Path) -> None:
    weights = finished / "best.safetensors"
    more = ("--weights", str(weights), "--steps", "1", "--lr", "1e-9", "--warm-up", "0")
    assert train.main(arguments(folders, tmp_path, *more)) == 0
    before, after = (zoo.create_model("fastenhancer_t", f) for f in (weights, tmp_path / "last.pt"))
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in pairs)


def test_a_run_may_be_as_long_as_a_machine_takes_for_some_minutes(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes, begins = ("--minutes", "0.001"), []
    monkeypatch.setattr(
        Trainer, "run", lambda self, *, validate_every: begins.append(self) or self.save() or True
    )
    (tmp_path / "run").mkdir()
    for more in ((), ("--resume",)):
        assert train.main(arguments(folders, tmp_path / "run", *minutes, *more)) == 0
    first, second = begins
    assert 1 <= first.settings.steps < 20 and first.step == 0, "of a hundredth of a second or more each"
    assert second.settings.steps == first.settings.steps


def test_a_teacher_is_a_second_target(
    folders: tuple[Path, Path], finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once = ("--steps", "1", "--warm-up", "0")
    teacher = f"fastenhancer_t={ROOT / 'zoo/models/fastenhancer/packaged/fastenhancer_t.safetensors'}"
    assert train.main(arguments(folders, tmp_path / "a", *once, "--teacher", teacher, "--teach", "1")) == 0
    assert train.main(arguments(folders, tmp_path / "b", *once)) == 0
    taught, alone = logged(tmp_path / "a")[0], logged(tmp_path / "b")[0]
    assert taught["loss"] == pytest.approx(taught["taught"]) and "taught" not in alone
    assert taught["magnitude"] == alone["magnitude"] and taught["loss"] != pytest.approx(alone["loss"])
    before = torch.load(finished / "last.pt", weights_only=True)
    del before["settings"]["teacher"], before["settings"]["teach"]
    (tmp_path / "c").mkdir()
    torch.save(before, tmp_path / "c/last.pt")
    assert train.main(arguments(folders, tmp_path / "c", "--resume")) == 0
    for row, told in (("ulunas", "MODEL=TAG or MODEL=PATH"), ("fastenhancer_48k_t=vd", "at 48000 Hz")):
        capsys.readouterr()
        assert train.main(arguments(folders, tmp_path / "d", "--teacher", row)) == 1
        assert told in capsys.readouterr().err


def test_a_teacher_that_does_harm_is_not_heard() -> None:
    path = ROOT / "zoo/models/fastenhancer/packaged/fastenhancer_t.safetensors"
    teacher = Teacher(f"fastenhancer_t={path}", 16000)
    clean = torch.from_numpy(soundfile.read(ROOT / "examples/clean.wav", dtype="float32")[0][:32000])
    hiss = 0.05 * torch.randn(32000, generator=torch.Generator().manual_seed(0))
    noisy = torch.stack([clean + hiss, clean, hiss])
    target = torch.stack([clean, clean, torch.zeros(32000)])
    made = teacher.targets(noisy, target)
    assert (made[0] - clean).square().sum() < 0.5 * hiss.square().sum() and not torch.equal(made[0], clean)
    assert torch.equal(made[1:], target[1:])


def test_folders_and_models_that_do_not_work_are_named(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, short, broken = (tmp_path / name for name in ("empty", "short", "broken"))
    for folder in (empty, short, broken):
        folder.mkdir()
    soundfile.write(short / "a.wav", np.ones(200), 16000)
    (broken / "b.flac").write_bytes(b"fLaC of nothing")
    for folder, expected in (
        (tmp_path / "nowhere", "nowhere"),
        (empty, "no audio files"),
        (short, "no recording in it has 0.1 s of sound"),
        (broken, "b.flac"),
    ):
        assert train.main(arguments((folder, folders[1]), tmp_path / "out")) == 1
        message = capsys.readouterr().err
        assert message.startswith("error: ") and expected in message
    assert train.main(["fastenhancer_x", "--out", str(tmp_path / "out")]) == 1
    assert "did you mean" in capsys.readouterr().err
    assert train.main(["fastenhancer_t", "--out", str(tmp_path / "out"), "--speech", str(empty)]) == 1
    assert "--noise, --valid-speech, --valid-noise" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_log_can_be_drawn(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "run.png"
    command = ["fastenhancer_t", "--out", str(finished), "--plot", str(picture)]
    assert train.main(command) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert train.main(["fastenhancer_t", "--out", str(tmp_path), "--plot", str(picture)]) == 1
    assert "log of a run" in capsys.readouterr().err


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, 100, peak=1.0, warm_up=10, last=0.01) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[9] == rates[10] == pytest.approx(1)
    assert rates[99] == pytest.approx(0.01) and rates[10:] == sorted(rates[10:], reverse=True)


@pytest.mark.parametrize("name", ["fastenhancer_t", "gtcrn"])
def test_norms_and_biases_are_not_decayed(name: str) -> None:
    model = zoo.create_model(name)
    decayed, kept = parameter_groups(model, 0.1)
    names = {id(parameter): n for n, parameter in model.named_parameters()}
    trained = {n for n, parameter in model.named_parameters() if parameter.requires_grad}
    groups = [{names[id(parameter)] for parameter in group["params"]} for group in (decayed, kept)]
    assert groups[0] | groups[1] == trained and not groups[0] & groups[1]
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)
    assert not any("bias" in n or "norm" in n or "_ln" in n or n.endswith("original0") for n in groups[0])
    assert any("rnn" in n for n in groups[0]) and any("conv" in n or "enc" in n for n in groups[0])
