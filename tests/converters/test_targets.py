"""Every task reaches every target: a file computes what its network does, tells what it is, has a gate."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import converters
import zoo
from converters.layers import compare_layers
from converters.subjects import get_subject
from converters.subjects.subject import Subject, Traceable
from converters.targets import PUBLISHED, TARGETS, get_target, target_for, tracing
from converters.targets.program import ExportedProgram
from converters.targets.torchscript import TorchScript
from zoo.arrays import Array
from zoo.errors import ArtifactError, ParityError
from zoo.models.fastspeech.model import FastSpeech
from zoo.networks.speaker import SpeakerNetwork
from zoo.tasks import list_tasks, load

ENDINGS = {"onnx": ".onnx", "torchscript": ".ts", "exported": ".pt2"}
TRACERS: dict[str, Any] = {"torchscript": TorchScript, "exported": ExportedProgram}
SIZE = {"tokens": 16, "frames": 128}


@pytest.fixture(scope="module")
def speaker(speaker_folder: Callable[[str], Path]) -> SpeakerNetwork:
    model = zoo.create_model("resnet18", speaker_folder("ResNet18"))
    assert isinstance(model, SpeakerNetwork)
    return model


@pytest.mark.parametrize("task", list_tasks())
def test_every_task_has_a_subject(task: str) -> None:
    subject = get_subject(task)
    assert isinstance(subject, Subject) and subject.task == task and subject.names
    assert subject.words and subject.pipeline and subject.tags


def test_targets_are_found() -> None:
    for name, ending in ENDINGS.items():
        assert target_for(f"x{ending}") is get_target(name) is TARGETS[name]
    assert PUBLISHED == ("torchscript", "exported")
    assert target_for("x.trt") is TARGETS["engine"] and target_for("x.wav") is None
    with pytest.raises(
        ValueError, match="there is no target 'c\\+\\+'; there are onnx, torchscript, exported"
    ):
        converters.export(None, "x", "c++")


@pytest.mark.parametrize("target", TRACERS)
@pytest.mark.parametrize("form", ["feats", "wav"])
def test_embeddings(
    speaker: SpeakerNetwork, speech_16k: Array, tmp_path: Path, form: str, target: str
) -> None:
    """Of any number and length, as of the network, with the mean subtracted; verified, and for users."""
    path, mean = tmp_path / f"x{ENDINGS[target]}", np.full(256, 0.5, np.float32)
    report = converters.export(speaker, path, target, form=form, mean=mean)
    assert report.passed and report.snr_db > 100 and zoo.verify(path).passed
    manifest: Any = load(path).manifest
    assert (manifest.task, manifest.form, manifest.mean_subtracted) == ("speaker", form, True)
    assert manifest.weights["source"] == "ResNet18"
    ours, theirs = (zoo.Embedder(source).session for source in (path, speaker))
    for stretches in ([(0, 16000)], [(0, 2000)], [(0, 48000), (9000, 57000)], [(0, 9000), (500, 33000)]):
        recordings = [speech_16k[begin:end] for begin, end in stretches]
        if form == "feats" and len({len(recording) for recording in recordings}) > 1:
            continue
        expected = np.concatenate([theirs.run([recording]) for recording in recordings]) - 0.5
        found = ours.run(recordings)
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    with pytest.raises(ArtifactError, match="it is for speaker, not for enhancement"):
        zoo.Enhancer(path)


@pytest.mark.parametrize("target", TRACERS)
def test_speech(
    small_fastspeech: FastSpeech, synthesis_files: list[Path], tmp_path: Path, target: str
) -> None:
    """One size, and one with any number of texts a call; the same frames as from ONNX."""
    for batch in (1, "batch"):
        path = tmp_path / f"{batch}{ENDINGS[target]}"
        assert converters.export(small_fastspeech, path, target, **SIZE, batch=batch).snr_db > 100
        assert zoo.verify(path).passed
        ours, theirs = (zoo.Synthesizer(source)("Hello. It is.") for source in (path, synthesis_files[0]))
        np.testing.assert_allclose(ours.mel, theirs.mel, atol=1e-4)


def slipping(given: Traceable, name: str) -> Traceable:
    """The same with another network: one tensor 0.1 % larger."""
    given = replace(given, module=copy.deepcopy(given.module))
    given.module.get_parameter(name).data *= 1.001
    return given


@pytest.mark.parametrize("target", ENDINGS)
@pytest.mark.parametrize("task", ["speaker", "synthesis"])
def test_one_weight_of_the_file_changed_by_a_thousandth_fails(
    speaker: SpeakerNetwork,
    small_fastspeech: FastSpeech,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    target: str,
) -> None:
    """The tracer's slip: no file is left, and one that was there stays."""
    model, options, name, tensor = {
        "speaker": (speaker, {}, "core.layer4.0.conv1.weight", "embs of 1 x 33 frames"),
        "synthesis": (small_fastspeech, SIZE, "model.mel_linear.weight", "mel"),
    }[task]
    if target == "onnx":
        trace = tracing.trace

        def faulty(module: torch.nn.Module, *rest: Any) -> onnx.ModelProto:
            module = copy.deepcopy(module)
            module.get_parameter(name).data *= 1.001
            return trace(module, *rest)

        monkeypatch.setattr(tracing, "trace", faulty)
    else:
        real = TRACERS[target].trace
        monkeypatch.setattr(TRACERS[target], "trace", lambda self, given: real(self, slipping(given, name)))
    path = tmp_path / f"x{ENDINGS[target]}"
    path.write_bytes(b"an earlier export")
    with pytest.raises(ParityError, match=rf"^{tensor}: SNR .* would pass with"):
        converters.export(model, path, target, **options)
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == b"an earlier export"


@pytest.mark.parametrize("against", ["torchscript", "exported"])
def test_layers_of_every_task(speaker: SpeakerNetwork, small_fastspeech: FastSpeech, against: Any) -> None:
    for model, options, names in (
        (speaker, {"calls": 2}, {"embs", "layer1.0.conv1"}),
        (speaker, {"calls": 2, "form": "wav"}, {"embs", "layer1.0.conv1"}),
        (small_fastspeech, {"bucket": (16, 128)}, {"mel", "durations", "mel_side"}),
        (zoo.create_model("fastenhancer_t", "speechzoo"), {"calls": 3}, {"wav_out", "core.core.rf_block.0"}),
    ):
        layers = compare_layers(model, against, **options)
        assert names <= {layer.name for layer in layers}, [layer.name for layer in layers]
        assert all(layer.passed for layer in layers) and len(layers) > 20
    with pytest.raises(
        ValueError, match="resnet18 is a model for speaker, whose layers are compared without text"
    ):
        compare_layers(speaker, against, text="Hello.")


def test_options_of_another_task(speaker: SpeakerNetwork, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match="resnet18 is a model for speaker, whose graphs have no option hops; they have form, mean",
    ):
        converters.export(speaker, tmp_path / "x.ts", "torchscript", hops=2)
    with pytest.raises(ValueError, match=r"x\.ts: a file of this kind .* ends in \.pt2"):
        converters.export(speaker, tmp_path / "x.ts", "exported")
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_too_large(
    small_fastspeech: FastSpeech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("converters.targets.onnx.LARGEST_FILE", 1000)
    with pytest.raises(ArtifactError, match=r"bytes do not fit into one file; at most 1,000 do"):
        converters.export(small_fastspeech, tmp_path / "x.onnx", tokens=4, frames=16)
    assert os.listdir(tmp_path) == []


def test_what_a_target_cannot_trace(tmp_path: Path) -> None:
    """A recurrent layer over a number of hops that is left free: TorchScript has loops, torch.export none."""
    model = zoo.create_model("fastenhancer_t", "speechzoo")
    with pytest.raises(ValueError, match=r"cannot leave the number of fastenhancer_t's hops free, since it"):
        converters.export(model, tmp_path / "x.pt2", "exported", hops="hops")
    assert os.listdir(tmp_path) == []
    assert converters.export(model, tmp_path / "x.ts", "torchscript", form="wav2wav", hops="hops").passed


def test_export_onnx_takes_every_task(
    speaker: SpeakerNetwork, small_fastspeech: FastSpeech, tmp_path: Path
) -> None:
    converters.export_onnx(speaker, tmp_path / "a.onnx")
    converters.export_onnx(small_fastspeech, tmp_path / "b.onnx", **SIZE)
    sizes = [load(tmp_path / name).inputs[0].shape for name in ("a.onnx", "b.onnx")]
    assert sizes == [("B", "T", 80), (1, 16)]
    proto = onnx.load(tmp_path / "a.onnx")
    assert {entry.key for entry in proto.metadata_props} > {"speechzoo", "framework"}  # for sherpa-onnx
