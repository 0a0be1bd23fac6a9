"""Every task's way to every target: what each takes, and engines from a model at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

import converters
from converters.exporters import EXPORTERS, TARGETS, find_exporter, takers
from zoo.artifact.engine import read_engine_record
from zoo.cli import _parser, main
from zoo.tasks import list_tasks

Capture = pytest.CaptureFixture[str]
# What the command line calls otherwise than the function of ``converters``.
OWN_NAMES = {"offline", "mean_vec", "fp16", "int8", "rtx", "profile"}
FUNCTIONS = {
    ("enhancement", "onnx"): converters.export_onnx,
    ("enhancement", "torchscript"): converters.export_torchscript,
    ("enhancement", "exported"): converters.export_program,
    ("enhancement", "torch-tensorrt"): converters.compile_torch_tensorrt,
    ("speaker", "onnx"): converters.export_speaker,
}


def test_every_task_and_every_target_has_a_way() -> None:
    assert {task for task, _ in EXPORTERS} == set(list_tasks())
    assert {target for _, target in EXPORTERS} == set(TARGETS)
    for task in list_tasks():
        assert find_exporter(task, "onnx") and find_exporter(task, "engine")


def test_every_option_is_one_of_the_command_and_of_the_function() -> None:
    options = {action.dest for action in _parser()[1]["export"]._actions}
    for pair, exporter in EXPORTERS.items():
        assert exporter.options <= options
        assert all(pair in takers(option) for option in exporter.options)
        if pair in FUNCTIONS:
            known = set(inspect.signature(FUNCTIONS[pair]).parameters)
            assert exporter.options - OWN_NAMES <= known


def test_a_way_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="for synthesis are exported to onnx or engine, not to exported"):
        find_exporter("synthesis", "exported")


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
