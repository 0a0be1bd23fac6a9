"""Speaker graphs: names, shapes and metadata, that they compute what the network does, and the gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import zoo
from converters import export_onnx, export_speaker
from converters.targets import tracing
from converters.targets.tracing import FORBIDDEN
from scripts import export_speaker as script
from zoo.arrays import Array
from zoo.artifact.manifest import SpeakerManifest
from zoo.create import build
from zoo.errors import ArtifactError, AudioError, ParityError
from zoo.registry import get_spec
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import SpeakerSpec
from zoo.streaming.conversion import fold
from zoo.tasks.speaker.features import filterbank
from zoo.tasks.speaker.session import padded
from zoo.tasks.speaker.torch import TorchSpeakerSession

Folder = Callable[[str], Path]

ORACLES = {"resnet18": "ResNet18", "ecapa_c512_glob": "ECAPA_c512", "campplus": "CAMPPlus"}
SHAPES = ("1x200", "4x200", "3x137", "1x598", "2x99", "1x33", "8x198")
TOLERANCE = 1e-4  # of the reference's largest value


def error(candidate: Array, reference: Array) -> float:
    assert candidate.shape == reference.shape and np.isfinite(candidate).all()
    return float(np.abs(candidate - reference).max() / np.abs(reference).max())


def plain_session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", ORACLES)
def test_the_public_implementation(name: str, speaker_folder: Folder, speaker_graph: Folder) -> None:
    """In plain ONNX Runtime, by the public names."""
    reference = np.load(speaker_folder(ORACLES[name]) / "ref.npz")
    session = plain_session(speaker_graph(name))
    for shape in SHAPES:
        (computed,) = session.run(["embs"], {"feats": reference[f"feats_{shape}"]})
        assert error(computed, reference[f"emb_{shape}"]) < TOLERANCE, shape
        if f"solo_{shape}" in reference:
            (alone,) = session.run(["embs"], {"feats": reference[f"feats_{shape}"][:1]})
            assert error(alone, reference[f"solo_{shape}"][:1]) < TOLERANCE, shape


@pytest.mark.parametrize("name", ORACLES)
@torch.inference_mode()
def test_every_batch_and_length(name: str, speaker_folder: Folder, speaker_graph: Folder) -> None:
    model, session = zoo.create_model(name, speaker_folder(ORACLES[name])), plain_session(speaker_graph(name))
    core, least = fold(model), get_spec(name, SpeakerSpec).least_frames
    # On noise CAM++ with these weights magnifies rounding by thousands, in the public implementation as well.
    reference = np.load(speaker_folder(ORACLES[name]) / "ref.npz")["feats_8x198"].reshape(-1, 80)
    for frames in (least, 33, 99, 100, 101, 137, 200, 598):
        feats = np.stack([reference[130 * row :][:frames] for row in range(7)])
        expected = core(torch.from_numpy(feats)).numpy()
        for batch in (1, 2, 7) if frames in (33, 137) else (2,):
            (computed,) = session.run(None, {"feats": feats[:batch]})
            assert error(computed, expected[:batch]) < TOLERANCE, (batch, frames)


@pytest.mark.parametrize("name", ORACLES)
def test_what_is_in_the_file(name: str, speaker_graph: Folder) -> None:
    path, spec = speaker_graph(name), get_spec(name, SpeakerSpec)
    assert [file.name for file in path.parent.glob(f"{path.name}*") if not file.name.endswith(".lock")] == [
        path.name
    ]  # no data beside it
    proto = onnx.load(path)
    onnx.checker.check_model(proto)
    assert not {node.op_type for node in proto.graph.node} & FORBIDDEN
    assert {node.domain for node in proto.graph.node} <= {"", "ai.onnx"}
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    assert shapes == {"feats": ["B", "T", 80], "embs": ["B", spec.embedding]}
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert metadata["framework"] == "wespeaker" and metadata["language"] == "unknown"
    assert metadata["output_dim"] == str(spec.embedding) and metadata["sample_rate"] == "16000"
    assert metadata["normalize_features"] == metadata["normalize_samples"] == "0"
    assert metadata["feature_normalize_type"] == "global-mean"
    assert metadata["url"] == spec.url and spec.title in metadata["comment"]
    manifest = OnnxGraph(path).manifest
    assert isinstance(manifest, SpeakerManifest) and manifest.task == "speaker"
    assert (manifest.model, manifest.form, manifest.mean_subtracted) == (name, "feats", False)
    assert (manifest.least_frames, manifest.embedding) == (spec.least_frames, spec.embedding)
    assert manifest.weights["source"] == ORACLES[name] and manifest.front_end == spec.front_end


@pytest.mark.parametrize("name", ORACLES)
def test_short_recordings_are_refused_by_plain_onnx_runtime(name: str, speaker_graph: Folder) -> None:
    session, least = plain_session(speaker_graph(name)), get_spec(name, SpeakerSpec).least_frames
    (computed,) = session.run(None, {"feats": np.ones((1, least, 80), np.float32)})
    assert np.isfinite(computed).all()
    with pytest.raises(
        onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="out of data bounds"
    ):
        session.run(None, {"feats": np.ones((1, least - 1, 80), np.float32)})


@pytest.mark.parametrize("form", ["feats", "wav"])
@torch.inference_mode()
def test_sessions(form: str, speaker_folder: Folder, speaker_graph: Folder, speech_16k: Array) -> None:
    """Waveforms in; a graph of waveforms takes several lengths, each as if it were alone."""
    name = "resnet18"
    graph = speaker_graph(f"{name}-wav" if form == "wav" else name)
    session = zoo.Embedder(graph).session
    folder = speaker_folder(ORACLES[name])
    model, mean = zoo.create_model(name, folder), np.load(folder / "mean_vec.npy")
    assert session.mean_subtracted == (form == "wav")
    torch_session = TorchSpeakerSession(model)
    assert session.mixed == (form == "wav") and torch_session.mixed
    lengths = [16000, 1680, 40123, 33000] if session.mixed else [32000, 31920, 32079]  # 198 frames each
    rows = [speech_16k[3000 * i :][:length] for i, length in enumerate(lengths)]
    for row, embedding, same in zip(rows, session.run(rows), torch_session.run(rows), strict=True):
        expected = model(torch.from_numpy(filterbank(row, session.front_end))[None]).numpy()[0]
        assert error(same, expected) < TOLERANCE
        assert error(embedding, expected - mean if session.mean_subtracted else expected) < TOLERANCE
    assert session.run(rows).tobytes() == session.run(rows).tobytes()
    for any_session in (session, torch_session):
        with pytest.raises(AudioError, match=r"too short for .*: at least 9 frames are needed, 0\.105 s"):
            any_session.run([speech_16k[:1679]])
        with pytest.raises(AudioError, match="recording 1: too short"):
            any_session.run([speech_16k[:16000], speech_16k[:100]])


def test_a_graph_of_waveforms_gives_nan_for_what_is_no_recording(
    speaker_graph: Folder, speech_16k: Array
) -> None:
    """In every element of that row, and nothing else in the others."""
    session = plain_session(speaker_graph("resnet18-wav"))
    lengths = np.array([16000, 400, 1000, 1679, 0, -7, 16001, 1 << 40, 1680, 16000, 16000, 8000])
    rows = np.tile(speech_16k[:16000], (len(lengths), 1))
    rows[9, 5000], rows[10, 15999], rows[11, 8000:] = np.nan, np.inf, np.nan
    (together,) = session.run(None, {"wav": rows, "lengths": lengths})
    sound = [0, 8, 11]
    assert np.isnan(np.delete(together, sound, axis=0)).all()
    for index in sound:
        alone = rows[index : index + 1, : lengths[index]]
        (expected,) = session.run(None, {"wav": alone, "lengths": lengths[index : index + 1]})
        assert error(together[index : index + 1], expected) < 2e-5
    for samples in (400, 1000, 1679):
        alone = {"wav": speech_16k[None, :samples], "lengths": np.array([samples])}
        assert np.isnan(session.run(None, alone)[0]).all()


SMALL = {  # options of small networks of each kind that has no graph of a public network's weights
    "campplus": {},
    "eres2net_base": {},
    "eres2netv2": {"channels": 8},
    "simam_resnet34": {"blocks": (1, 1, 1, 1), "channels": 8},
    "gemini_dfresnet60": {"blocks": (1, 1, 1, 1)},
    "resnet18_8k": {"blocks": (1, 1, 1, 1)},
}


@pytest.mark.parametrize("name", SMALL)
@torch.inference_mode()
def test_padding_in_a_graph(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speech_16k: Array
) -> None:
    """Against itself alone, with NaN behind the ends of the shorter rows; of small networks of each kind."""
    monkeypatch.setattr("zoo.models.campplus.model.LAYERS", (2, 1, 1))
    monkeypatch.setattr("zoo.models.eres2net.model.BLOCKS", (1, 1, 1, 1))
    torch.manual_seed(3)
    spec = get_spec(name)
    model = build(replace(spec, options={**spec.options, **SMALL[name]})).eval()
    export_speaker(model, tmp_path / "small.onnx", "wav")
    session = plain_session(tmp_path / "small.onnx")
    assert [value.name for value in session.get_inputs()] == ["wav", "lengths"]
    assert [value.shape for value in session.get_inputs()] == [["B", "N"], ["B"]]
    batch, lengths = padded([speech_16k[2000 * i :][:n] for i, n in enumerate((9000, 48000, 16160, 36000))])
    for row, length in zip(batch, lengths, strict=True):
        row[length:] = np.nan
    (together,) = session.run(["embs"], {"wav": batch, "lengths": lengths})
    for row, length, embedding in zip(batch, lengths, together, strict=True):
        (alone,) = session.run(["embs"], {"wav": row[None, :length], "lengths": np.array([length])})
        assert error(embedding[None], alone) < 2e-5


@pytest.mark.parametrize("name", ["resnet18", "resnet18-wav", "campplus"])
def test_verify(name: str, speaker_graph: Folder, tmp_path: Path) -> None:
    """Needs nothing but the file, and notices a weight that is off."""
    report = zoo.verify(speaker_graph(name))
    assert report.max_error < TOLERANCE and report.tensor == "embs"
    proto = onnx.load(speaker_graph(name))
    tensor = max(proto.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    changed = onnx.numpy_helper.to_array(tensor) * np.float32(1.001)
    tensor.CopyFrom(onnx.numpy_helper.from_array(changed, tensor.name))
    onnx.save(proto, tmp_path / "changed.onnx")
    with pytest.raises(ParityError, match="embs: SNR"):
        zoo.verify(tmp_path / "changed.onnx")


def test_a_weight_that_is_off_fails_the_export(
    speaker_folder: Folder, speaker_graph: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One convolution of the graph changed by 0.1 %: no file is left."""
    model, proto = (
        zoo.create_model("resnet18", speaker_folder("ResNet18")),
        onnx.load(speaker_graph("resnet18")),
    )
    (tensor,) = (t for t in proto.graph.initializer if "layer4.0.conv1.weight" in t.name)
    changed = onnx.numpy_helper.to_array(tensor) * np.float32(1.001)
    tensor.CopyFrom(onnx.numpy_helper.from_array(changed, tensor.name))
    monkeypatch.setattr(tracing, "trace", lambda *arguments: proto)
    with pytest.raises(ParityError, match=r"embs of 1 x 33 frames: .* at row 0; allowed .* would pass with"):
        export_speaker(model, tmp_path / "off.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "spec"}, "form 'spec' is neither feats nor wav"),
        ({"opset": 17}, "opset 17 is not one from 18 to 23"),
        ({"mean": np.zeros(3, np.float32)}, r"the mean has shape \(3,\); resnet18 has embeddings of 256"),
        ({"mean": np.full(256, np.nan, np.float32)}, "not finite"),
    ],
)
def test_wrong_arguments(options: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        export_speaker(zoo.create_model("resnet18"), tmp_path / "x.onnx", **options)


def test_wrong_models(tmp_path: Path) -> None:
    speaker, enhancer = zoo.create_model("resnet18"), zoo.create_model("fastenhancer_t")
    with pytest.raises(ValueError, match="is a model for enhancement; this exports speaker networks"):
        export_speaker(enhancer, tmp_path / "x.onnx")
    with pytest.raises(ValueError, match="resnet18 is a model for speaker"):
        export_onnx(speaker, tmp_path / "x.onnx", streams=2)
    with pytest.raises(ValueError, match="is a deployment form; pass the training form"):
        export_speaker(fold(speaker), tmp_path / "x.onnx")
    with pytest.raises(ValueError, match="is in training mode"):
        export_speaker(speaker.train(), tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_scripts_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--onnx-path", str(tmp_path / "x.onnx")]
    for arguments, message in (
        (["--folder", str(tmp_path)], "does not say which model it is one of"),
        (["--checkpoint", str(tmp_path / "a.pt")], "--model is needed"),
        (["--model", "resnet18", "--checkpoint", str(tmp_path / "a.pt")], "there is no file or folder"),
    ):
        assert script.main([*arguments, *out]) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()


def test_manifests_that_contradict_the_graph(speaker_graph: Folder, tmp_path: Path) -> None:
    proto = onnx.load(speaker_graph("resnet18"))
    (entry,) = (entry for entry in proto.metadata_props if entry.key == "speechzoo")
    manifest = json.loads(entry.value)
    path = tmp_path / "x.onnx"
    for change, message in (
        ({"embedding": 192}, "its tensors have shapes"),
        ({"form": "wav"}, "its tensors have shapes"),
        ({"form": "spec2spec"}, "its manifest cannot be read"),
        ({"least_frames": 0}, "its manifest cannot be read"),
        ({"task": "enhancement"}, "its manifest cannot be read"),
        ({"golden": None}, "it carries no golden recording"),
        ({"golden": {"signal": "AAA=", "embedding": "%"}}, "golden recording is damaged"),
    ):
        entry.value = json.dumps({**manifest, **change})
        onnx.save(proto, path)
        with pytest.raises(ArtifactError, match=message):
            zoo.verify(path)
    with pytest.raises(ArtifactError, match="it is for speaker, not for enhancement"):
        zoo.Enhancer(speaker_graph("resnet18"))
