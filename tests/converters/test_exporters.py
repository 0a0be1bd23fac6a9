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
OWN_NAMES = {"offline", "mean_vec", "fp16", "int8", "rtx"}
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
    with pytest.raises(
        ValueError, match="models for synthesis are exported to onnx or engine, not to exported"
    ):
        find_exporter("synthesis", "exported")


def test_engines_from_models(
    speaker_folder: Callable[[str], Path], fastspeech_checkpoint: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Of every task, by the real compiler; the graph on the way is not kept."""
    pytest.importorskip("tensorrt_rtx_bindings")
    engine = ["export", "--target", "engine", "--rtx"]
    words = ["--model", "fastenhancer_t", "--weights", "speechzoo", "--fp16"]
    assert main([*engine, *words, "-o", str(tmp_path / "t.engine")]) == 0
    assert read_engine_record(tmp_path / "t.engine").precision == "fp16"
    assert main([*engine, "--folder", str(speaker_folder("ResNet18")), "-o", str(tmp_path / "r.engine")]) == 0
    assert read_engine_record(tmp_path / "r.engine").precision == "fp32"
    speech = [
        *engine,
        "--model",
        "fastspeech",
        "--weights",
        str(fastspeech_checkpoint),
        "--buckets",
        "16/128",
    ]
    assert main([*speech, "-o", str(tmp_path / "speech")]) == 0
    assert "fastspeech.i16.o128.engine: " in capsys.readouterr().out
    assert main([*speech, "-o", str(tmp_path / "speech")]) == 1
    assert "fastspeech.i16.o128.engine: it is there; --force replaces it" in capsys.readouterr().err
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {
        "t.engine", "t.engine.json", "r.engine", "r.engine.json",
        "speech/fastspeech.i16.o128.engine", "speech/fastspeech.i16.o128.engine.json",
    }  # fmt: skip
    for wrong, message in ((["--fp16", "--int8"], "--fp16 and --int8 contradict"),):
        assert main([*engine, *words[:4], *wrong, "-o", str(tmp_path / "x.engine")]) == 1
        assert message in capsys.readouterr().err
