"""Configurations of the public implementation: read, and their engines run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts import export_synthesis as script
from tests.engines import InPlaceOfEngine, engine_of
from tests.synthesis import SIZES, write_configuration
from zoo.cli import main
from zoo.errors import ArtifactError, CheckpointError
from zoo.tasks.synthesis.engine_config import read_engine_config
from zoo.tasks.synthesis.synthesizer import Synthesizer

ONE = "trt_max_input_seq_len: 8\ntrt_max_output_seq_len: 8\ntrt_file_path: a"
Capture = pytest.CaptureFixture[str]


def test_a_public_configuration(
    synthesis_files: list[Path], tmp_path: Path, fastspeech_checkpoint: Path, capsys: Capture
) -> None:
    """It is read with its parents; graphs that are there are kept, and the synthesizer finds them."""
    engines = [tmp_path / "a.trt", tmp_path / "b.trt"]
    config = write_configuration(tmp_path, engines)
    one, several = read_engine_config(tmp_path / "trt.yaml"), read_engine_config(config)
    assert (one.buckets, one.paths, one.batch, one.half) == (((16, 128),), (engines[0],), 1, True)
    assert (several.buckets, several.paths) == (SIZES, tuple(engines))
    assert several.vocoder == "/workspace/waveglow.trt" and not several.force_build
    for path, graph in zip(synthesis_files, several.graphs, strict=True):
        shutil.copy(path, graph)
    times = [graph.stat().st_mtime_ns for graph in several.graphs]
    words = ["--weights", str(fastspeech_checkpoint), "--config", str(config)]
    assert script.main(words) == 0
    assert capsys.readouterr().out.count("there already, the same") == 2
    assert [graph.stat().st_mtime_ns for graph in several.graphs] == times
    assert Synthesizer(config, vocoder="griffin-lim").session.buckets == SIZES
    shutil.copy(synthesis_files[1], several.graphs[0])
    assert script.main(words) == 1
    assert "a.onnx: it is there, of other weights or another size; --force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trt_max_input_seq_len: 8", "do not set trt_max_output_seq_len, trt_file_path"),
        ("parent_yaml: own.yaml", "parent_yaml leads back to it: .*own.yaml <- .*own.yaml"),
        ("parent_yaml: other.yaml", "other.yaml: there is no such file"),
        ("- a", "expected a mapping of settings, got list"),
        ("a: [", "not a YAML file"),
        (
            "trt_max_input_seq_len: x\ntrt_max_output_seq_len: 8\ntrt_file_path: a",
            "'x' where a whole number from 1 is expected",
        ),
        (
            "trt_max_input_seq_len: 8\ntrt_max_output_seq_len: 8\ntrt_file_path: a\nuse_fp16: maybe",
            "'maybe' where True or False is expected",
        ),
        ("trt_max_ws_size: .nan\n" + ONE, "trt_max_ws_size nan: expected GiB, above 0"),
        ("trt_max_ws_size: -1\n" + ONE, "trt_max_ws_size -1: expected GiB, above 0"),
        ("trt_max_ws_size: True\n" + ONE, "trt_max_ws_size True: expected GiB"),
        ("trt_multi_engine: 'False'\n" + ONE, "trt_multi_engine: 'False' where True or False is expected"),
        ("trt_max_ws_sise: 4\n" + ONE, "no setting 'trt_max_ws_sise'; trt_max_ws_size is expected"),
        ("use_fp15: True\n" + ONE, "no setting 'use_fp15'; use_fp16 is expected"),
        ("trt_quick: 4\n" + ONE, "no setting 'trt_quick'; trt_file_path"),
        (
            "trt_multi_engine: True\ntrt_max_input_seq_len_list: [8, 8]\n"
            "trt_max_output_seq_len_list: [9, 9]\ntrt_file_path_list: [a.trt, b.trt]",
            "two engines have one size or one name",
        ),
        (
            "trt_multi_engine: True\ntrt_max_input_seq_len_list: [8]\ntrt_max_output_seq_len_list: [8, 9]\n"
            "trt_file_path_list: [a]",
            "have 1, 2 and 1 entries",
        ),
    ],
)
def test_wrong_configurations(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_engine_config(tmp_path / "own.yaml")


def test_a_configuration_runs_its_engines(
    synthesis_files: list[Path], tmp_path: Path, stand_in: type[InPlaceOfEngine], capsys: Capture
) -> None:
    """They run if they are there and as the file says; without them, or if it says so, the graphs do."""
    paths = [tmp_path / "a.trt", tmp_path / "b.trt"]
    config = write_configuration(tmp_path, paths)
    with pytest.raises(ArtifactError, match=r"multi\.yaml: .*a\.onnx is not there, and no engines are"):
        Synthesizer(config)
    engine_of(synthesis_files[0], paths[0], precision="fp16")
    with pytest.raises(ArtifactError, match=r"multi\.yaml: .*b\.trt is not there, and .*a\.trt is"):
        Synthesizer(config)
    for graph, changes, found in (
        (synthesis_files[1], {"precision": "fp32"}, "32 tokens to 256 frames, batch 1, fp32"),
        (synthesis_files[0], {"precision": "fp16"}, "16 tokens to 128 frames, batch 1, fp16"),
    ):
        engine_of(graph, paths[1], **changes)
        with pytest.raises(ArtifactError) as error:
            Synthesizer(config)
        assert f"b.trt: it is an engine of {found}, and {config} asks for 32 tokens" in str(error.value)
        paths[1].with_suffix(".onnx").unlink()
    engine_of(synthesis_files[1], paths[1], precision="fp16")
    with pytest.warns(UserWarning, match=r"multi\.yaml: the vocoder /workspace/waveglow\.trt is not used"):
        assert Synthesizer(config).backend == "tensorrt"
    assert Synthesizer(config, vocoder="griffin-lim").session.buckets == SIZES  # no warning
    words = ["speak", "Hello.", "-o", str(tmp_path / "x.wav"), "--artifact", str(config)]
    assert main(words) == 0
    assert capsys.readouterr().err.count("the vocoder /workspace/waveglow.trt is not used") == 1
    own = tmp_path / "own.yaml"
    own.write_text("parent_yaml: multi.yaml\nuse_trt: False\nwaveglow_engine_path: ''\n")
    assert Synthesizer(own).backend == "onnxruntime"
    own.write_text(own.read_text().replace("''", str(synthesis_files[0])))
    with pytest.raises(ArtifactError, match="a vocoder with one input"):  # an ONNX file is taken
        Synthesizer(own)
    own.write_text(
        f"trt_file_path: {paths[0]}\ntrt_max_input_seq_len: 9\ntrt_max_output_seq_len: 9\nuse_trt: False\n"
    )
    with pytest.raises(
        ArtifactError, match=r"asks for the sizes \(\(9, 9\),\), and its graphs are of \(\(16"
    ):
        Synthesizer(own)
