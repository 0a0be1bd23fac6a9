"""Engines as a configuration of the public implementation asks for them."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from tests.engines import RECORD, engine_of
from tests.synthesis import write_configuration
from zoo.artifact.engine import read_engine_record
from zoo.errors import ArtifactError
from zoo.files import sha256_of
from zoo.models.fastspeech.model import FastSpeech
from zoo.tasks.synthesis.engine_config import read_engine_config

Capture = pytest.CaptureFixture[str]


def test_a_configurations_engines_are_built(
    synthesis_files: list[Path], tmp_path: Path, capsys: Capture
) -> None:
    """By the real compiler; kept while they are the same in all that decides, and otherwise refused."""
    pytest.importorskip("tensorrt_rtx_bindings")
    from scripts import build_engine as builder

    engine = tmp_path / "a.trt"
    config = write_configuration(tmp_path, [engine, tmp_path / "b.trt"]).with_name("trt.yaml")
    words = ["--config", str(config), "--target", "8.6"]
    assert builder.main(words) == 1
    assert "a.onnx: there is no such graph; name the weights (--weights)" in capsys.readouterr().err
    shutil.copy(synthesis_files[1], tmp_path / "a.onnx")
    assert builder.main(words) == 1
    told = capsys.readouterr().err
    assert "a graph of 32 tokens to 256 frames, batch 1, and 16 tokens to 128 frames, batch 1 are" in told
    shutil.copy(synthesis_files[0], tmp_path / "a.onnx")
    engine.write_bytes(b"a public engine")
    assert builder.main(words) == 1
    told = capsys.readouterr().err
    assert "there is no a.trt.json beside it" in told and "--force replaces it" in told
    assert builder.main([*words, "--force"]) == 0
    record = read_engine_record(engine)
    assert (record.precision, record.workspace, record.targets) == ("fp16", 8 << 30, ("8.6",))
    assert record.onnx_sha256 == sha256_of(synthesis_files[0]) and "a.trt: " in capsys.readouterr().out
    assert builder.main(words) == 0 and "a.trt: there already, the same" in capsys.readouterr().out
    assert read_engine_record(engine) == record
    config.write_text(config.read_text().replace("use_fp16: True", "use_fp16: False"))
    assert builder.main(words) == 1
    assert "it is there and is another engine: precision fp16, not fp32; --force" in capsys.readouterr().err
    config.write_text(config.read_text().replace("use_trt: True", "use_trt: False"))
    assert builder.main(words) == 1
    assert "it asks for no engines, since use_trt is False" in capsys.readouterr().err


def test_graphs_beside_engines_are_exported(
    small_fastspeech: FastSpeech, synthesis_files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a model; nothing is built while a file is there that is something else."""
    from converters.tensorrt import from_config

    built: list[tuple[Path, Path]] = []
    monkeypatch.setattr(from_config, "build_engine", lambda graph, path, **_: built.append((graph, path)))
    monkeypatch.setattr(
        from_config, "describe", lambda graph, **_: dataclasses.replace(RECORD, manifest=None)
    )
    engines = [tmp_path / "a.trt", tmp_path / "b.trt"]
    wanted = read_engine_config(write_configuration(tmp_path, engines))
    for path, graph in zip(synthesis_files, wanted.graphs, strict=True):
        shutil.copy(path, graph)
    from_config.build_from_config(wanted, model=small_fastspeech)
    assert built == list(zip(wanted.graphs, engines, strict=True))
    shutil.copy(synthesis_files[0], wanted.graphs[1])
    with pytest.raises(ArtifactError, match=r"b\.onnx: it is there, of other weights or another size"):
        from_config.build_from_config(wanted, model=small_fastspeech)
    exported: list[Path] = []
    monkeypatch.setattr(
        "converters.targets.onnx.export_synthesis", lambda model, path, **_: exported.append(path)
    )
    from_config.build_from_config(wanted, model=small_fastspeech, force=True)
    assert exported == [wanted.graphs[1]]  # the other one is the same
    shutil.copy(synthesis_files[1], wanted.graphs[1])
    engine_of(synthesis_files[1], engines[1], onnx_sha256="c" * 64)
    del built[:]
    with pytest.raises(ArtifactError, match=r"b\.trt: .*another engine: another graph; precision fp32, not"):
        from_config.build_from_config(wanted, model=small_fastspeech)
    assert not built
    forced = dataclasses.replace(wanted, force_build=True)
    from_config.build_from_config(forced)
    assert len(built) == 2
    with pytest.raises(ValueError, match=r"a\.x: the name of an engine ends in \.engine"):
        from_config.build_from_config(dataclasses.replace(wanted, paths=(tmp_path / "a.x", engines[1])))
