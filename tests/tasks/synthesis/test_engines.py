"""Engines, which take a GPU: all but what they compute, with ONNX Runtime in the place of TensorRT."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from converters.tensorrt.precision import check_reduced, own_feeds
from converters.tensorrt.profiles import complete_profiles
from tests.engines import RECORD, InPlaceOfEngine, engine_of
from tests.synthesis import SIZES, TEXT, manifest_of
from zoo.artifact.engine import record_path
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import ArtifactError, MissingExtraError
from zoo.registry import get_spec
from zoo.runtime.nvidia import find_gpu
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.synthesis.session import Utterance
from zoo.tasks.synthesis.synthesizer import Synthesizer

Capture = pytest.CaptureFixture[str]


def test_engines_speak(
    synthesis_files: list[Path],
    synthesizer: Synthesizer,
    tmp_path: Path,
    stand_in: type[InPlaceOfEngine],
    capsys: Capture,
) -> None:
    """By the same session as graphs; a folder's engines run, not the graphs beside them."""
    engines = [engine_of(path, tmp_path / f"{index}.engine") for index, path in enumerate(synthesis_files)]
    for source in (tmp_path, engines, engines[::-1]):
        own = Synthesizer(source, vocoder=synthesizer.vocoder)
        assert own.backend == "tensorrt" and own.session.buckets == SIZES
        spoken, expected = own(TEXT), synthesizer(TEXT)
        np.testing.assert_array_equal(spoken.waveform, expected.waveform)
        assert all(type(durations) is np.ndarray for durations in spoken.durations)
    assert Synthesizer(engines[1]).session.buckets == SIZES[1:]
    assert zoo.verify(engines[0]).passed
    words = ["speak", TEXT, "-o", str(tmp_path / "x.wav"), "--json", "--artifact"]
    assert main([*words, str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["backend"] == "tensorrt"
    report = check_reduced(
        OnnxGraph(synthesis_files[0]),
        stand_in(engines[0]),
        own_feeds(OnnxGraph(synthesis_files[0])),
        RECORD.tolerance,
    )
    assert report.snr_db == float("inf")  # as build_engine holds an engine against its graph


def test_an_engine_of_a_free_batch(
    synthesis_graphs: Path, tmp_path: Path, stand_in: type[InPlaceOfEngine]
) -> None:
    """No more texts at once than it was built for, and no fewer."""
    (graph,) = (synthesis_graphs / "many").glob("*.onnx")
    declared = complete_profiles(OnnxGraph(graph).inputs, {}, manifest_of(graph).ranges)
    assert declared["ids"] == ((1, 16), (4, 16), (16, 16)) and declared["alpha"] == ((1,), (4,), (16,))
    shapes = ((2, 16), (2, 16), (3, 16))
    engine = engine_of(graph, tmp_path / "x.engine", profiles={"ids": shapes})
    texts = [Utterance(tuple(range(1, 5 + i))) for i in range(4)]
    expected = Synthesizer(graph).frames(texts)
    for found, alone in zip(Synthesizer(engine).frames(texts), expected, strict=True):
        np.testing.assert_allclose(found.mel, alone.mel, atol=1e-4)
    assert stand_in.calls == (3, 2)


def test_engines_that_do_not_go_together(synthesis_files: list[Path], tmp_path: Path) -> None:
    """Told before a GPU is asked for."""
    one, two = tmp_path / "one.engine", tmp_path / "two.engine"
    engine_of(synthesis_files[0], one)
    manifest = manifest_of(synthesis_files[1])
    other = dataclasses.replace(manifest, weights={"sha256": "0" * 64})
    enhancer = OnnxGraph(packaged_artifact(get_spec("gtcrn"))).manifest
    assert enhancer is not None
    for changes, message in (
        ({"precision": "fp16"}, r"two\.engine: it does not go with .*one\.engine: precision fp16, not fp32"),
        ({"flavour": "tensorrt_rtx"}, "flavour tensorrt_rtx, not tensorrt; build all sizes together"),
        ({"manifest": json.loads(other.to_json())}, "another weights; export all sizes together"),
        (
            {"manifest": json.loads(enhancer.to_json())},
            "two.engine: it is for enhancement, not for synthesis",
        ),
        ({"manifest": None}, "built from a graph without a speechzoo manifest"),
    ):
        engine_of(synthesis_files[1], two, **changes)
        with pytest.raises(ArtifactError, match=message):
            Synthesizer([one, two])
    engine_of(synthesis_files[0], two)
    with pytest.raises(ArtifactError, match="two files are of one size"):
        Synthesizer(tmp_path)
    with pytest.raises(ArtifactError, match=r"i32\.o256\.onnx: it does not go with .*one is an engine"):
        Synthesizer([synthesis_files[1], one])
    with pytest.raises(ArtifactError, match="an artifact has its own weights"):
        Synthesizer(one, "x.pt")
    record_path(two).unlink()
    with pytest.raises(ArtifactError, match=r"there is no two\.engine\.json beside it"):
        Synthesizer(tmp_path)


@pytest.mark.skipif(find_gpu() is not None, reason="needs a machine without a GPU")
def test_an_engine_where_there_is_no_gpu(
    synthesis_files: list[Path], tmp_path: Path, capsys: Capture
) -> None:
    engine = engine_of(synthesis_files[0], tmp_path / "x.engine")
    with pytest.raises(MissingExtraError, match=r"is not installed |needs an NVIDIA GPU and PyTorch"):
        Synthesizer(engine)
    words = ["speak", TEXT, "-o", str(tmp_path / "x.wav"), "--artifact", str(engine)]
    assert main(words) == 1 and capsys.readouterr().err.startswith("speechzoo: ")
    assert not (tmp_path / "x.wav").exists()
    engine.write_bytes(b"a plam")
    with pytest.raises(ArtifactError, match="it is damaged, or not the engine"):
        Synthesizer(engine)
