"""Every task's way to every target: what each takes, and engines from a model at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from converters.exporters import takers, words_of
from converters.subjects import get_subject
from converters.targets import TARGETS
from zoo.artifact.engine import read_engine_record
from zoo.cli import _parser, main
from zoo.tasks import list_tasks

Capture = pytest.CaptureFixture[str]


def test_every_option_is_one_of_the_command() -> None:
    options = {action.dest for action in _parser()[1]["export"]._actions}
    for task in list_tasks():
        subject = get_subject(task)
        assert set(subject.forms) == set(zoo.tasks.get_task(task).manifest.forms)
        for target in TARGETS:
            words = words_of(task, target)
            assert set(words) <= options and len(set(words)) == len(words)
            assert all((task, target) in takers(word) for word in words)


@pytest.mark.parametrize("ending", [".ts", ".pt2"])
def test_what_pytorch_runs(
    fastspeech_checkpoint: Path,
    speaker_folder: Callable[[str], Path],
    tmp_path: Path,
    capsys: Capture,
    ending: str,
) -> None:
    """Speaker models and text to speech by the file's ending, or by the target's name."""
    folder = speaker_folder("ResNet18")
    words = ["export", "--folder", str(folder), "--mean-vec", str(folder / "mean_vec.npy"), "--form", "wav"]
    assert main([*words, "-o", str(tmp_path / f"r{ending}")]) == 0
    assert zoo.Embedder(tmp_path / f"r{ending}").session.mean_subtracted
    target = {".ts": "torchscript", ".pt2": "exported"}[ending]
    words = ["export", "--target", target, "--model", "fastspeech", "--weights", str(fastspeech_checkpoint)]
    words += ["--buckets", "16/128", "-o", str(tmp_path / "speech")]
    assert main(words) == 0
    assert f"fastspeech.i16.o128{ending}: " in capsys.readouterr().out
    assert zoo.verify(tmp_path / f"speech/fastspeech.i16.o128{ending}").passed
    assert main(words) == 0 and "there already, the same" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*words, "--streams", "2"])
    assert "--streams is for enhancement; fastspeech is a model for synthesis" in capsys.readouterr().err


@pytest.fixture
def engine() -> list[str]:
    pytest.importorskip("tensorrt_rtx_bindings")
    return ["export", "--target", "engine", "--rtx"]


def test_an_enhancers_engine(engine: list[str], tmp_path: Path, capsys: Capture) -> None:
    """By the real compiler; the graph on the way is not kept."""
    words = [*engine, "--model", "fastenhancer_t", "--weights", "speechzoo", "-o", str(tmp_path / "t.engine")]
    assert main([*words, "--fp16", "--int8"]) == 1
    assert "--fp16 and --int8 contradict each other" in capsys.readouterr().err
    assert main([*words, "--fp16"]) == 0
    assert read_engine_record(tmp_path / "t.engine").precision == "fp16"
    assert "t.engine: 2" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.engine", "t.engine.json"]


def test_a_speaker_models_engine(
    engine: list[str], speaker_folder: Callable[[str], Path], tmp_path: Path, capsys: Capture
) -> None:
    words = [*engine, "--folder", str(speaker_folder("ResNet18")), "-o", str(tmp_path / "r.engine")]
    assert main(words) == 1
    assert "pass a profile, feats:MIN/OPT/MAX" in capsys.readouterr().err and not list(tmp_path.iterdir())
    assert main([*words, "--profile", "feats:1x33x80/1x200x80/4x600x80"]) == 0
    assert read_engine_record(tmp_path / "r.engine").precision == "fp32"


def test_engines_of_text_to_speech(
    engine: list[str], fastspeech_checkpoint: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = [*engine, "--model", "fastspeech", "--weights", str(fastspeech_checkpoint)]
    words += ["--buckets", "16/128", "-o", str(tmp_path / "speech")]
    assert main(words) == 0
    assert "fastspeech.i16.o128.engine: " in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "speech").iterdir())
    assert names == ["fastspeech.i16.o128.engine", "fastspeech.i16.o128.engine.json"]
    assert main(words) == 1
    assert "fastspeech.i16.o128.engine: it is there; --force replaces it" in capsys.readouterr().err


def test_one_size_is_one_file(fastspeech_checkpoint: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["export", "--model", "fastspeech", "--weights", str(fastspeech_checkpoint)]
    words += ["-o", str(tmp_path / "x.onnx"), "--buckets", "16/128"]
    assert main(words) == 0 and (tmp_path / "x.onnx").is_file()
    assert main([*words, "32/256"]) == 1
    assert "x.onnx: a folder is expected for 2 sizes" in capsys.readouterr().err
