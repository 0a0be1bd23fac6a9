"""Speaker graphs as wespeaker, sherpa-onnx and 3D-Speaker export them, as they are, without torch."""

from __future__ import annotations

import pickle
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import zoo
from tests.graphs import with_nan
from tests.published import TAG, changed, pin
from zoo.arrays import Array
from zoo.errors import ArtifactError, AudioError, CheckpointError
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Filterbank
from zoo.tasks.speaker.features import filterbank

Folder = Callable[[str], Path]

WESPEAKER = {"framework": "wespeaker", "language": "English", "sample_rate": 16000, "output_dim": 256}
WESPEAKER |= {"normalize_samples": 0}
SPEAKER_3D = {"framework": "3d-speaker", "sample_rate": 16000, "output_dim": 512, "normalize_samples": 1}
SPEAKER_3D |= {"feature_normalize_type": "global-mean"}
CLOSE = 1e-4


def export(model: torch.nn.Module, path: Path, names: tuple[str, str], free: Mapping[str, object]) -> Path:
    """As the public scripts do: the training form, by the exporter that traces."""
    frames = torch.rand(1, 200, 80)
    inputs, outputs = [names[0]], [names[1]]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells that it is old, and what it makes constant
        torch.onnx.export(
            model, (frames,), path, input_names=inputs, output_names=outputs, dynamic_axes=free,
            opset_version=14, dynamo=False,
        )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def resnet(speaker_folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """wespeaker's, without metadata."""
    path = tmp_path_factory.mktemp("public") / "voxceleb_resnet18.onnx"
    model = zoo.create_model("resnet18", speaker_folder("ResNet18"))
    free = {"feats": {0: "B", 1: "T"}, "embs": {0: "B"}}
    return export(model, path, ("feats", "embs"), free)


@pytest.fixture(scope="module")
def campplus(speaker_folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3D-Speaker's, with the metadata of sherpa-onnx; its output has one row by its own account."""
    folder = tmp_path_factory.mktemp("public")
    model = zoo.create_model("campplus", speaker_folder("CAMPPlus"))
    plain = export(model, folder / "plain.onnx", ("x", "embedding"), {"x": {0: "N", 1: "T"}})
    return changed(plain, folder / "3dspeaker_campplus.onnx", SPEAKER_3D)


def error(candidate: Array, reference: Array) -> float:
    assert candidate.shape == reference.shape and np.isfinite(candidate).all()
    return float(np.abs(candidate - reference).max() / np.abs(reference).max())


def test_wespeakers_is_our_own_graph(
    resnet: Path,
    speaker_graph: Folder,
    speech_16k: Array,
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """Alone and together, of any rate; as was told, as its metadata say, and as its hash tells."""
    ours = zoo.Embedder(speaker_graph("resnet18"))
    graphs = [zoo.Embedder(resnet, sample_rate=16000)]
    graphs.append(zoo.Embedder(changed(resnet, tmp_path / "sherpa.onnx", WESPEAKER)))
    with pytest.MonkeyPatch.context() as patch:
        pin(patch, "resnet18", resnet)
        graphs.append(zoo.Embedder(resnet))
    names = [graph.name for graph in graphs]
    assert names == ["voxceleb_resnet18.onnx", "sherpa.onnx", f"resnet18:{TAG}"]
    recordings = [
        speech_16k[start : start + length] for start, length in ((0, 16000), (8000, 9000), (99, 16000))
    ]
    for theirs in graphs:
        assert theirs.backend == "onnxruntime" and theirs.public and not theirs.mean_subtracted
        assert (theirs.embedding, theirs.sample_rate, theirs.session.least_frames) == (256, 16000, 9)
        found = theirs.embed(recordings)
        assert error(found, ours.embed(recordings)) < CLOSE
        assert error(theirs(recordings[0]), found[0]) < CLOSE
    record_testsuite_property(
        "public ResNet18 against ours, of the largest", error(found, ours.embed(recordings))
    )
    assert graphs[0].compare(found[0], found[2], 0.5).same
    assert error(graphs[0](speech_16k[:24000], 48000), ours(speech_16k[:24000], 48000)) < CLOSE
    with pytest.raises(
        AudioError, match=r"too short for voxceleb_resnet18\.onnx: at least 9 frames are needed"
    ):
        graphs[0](speech_16k[:1000])


def test_3d_speakers_features(campplus: Path, speech_16k: Array) -> None:
    """Another window, and samples up to 1: what it gives is what the network makes of those."""
    theirs = zoo.Embedder(campplus)
    assert "80 features as of 3d-speaker" in theirs.public and theirs.embedding == 512
    recordings = [speech_16k[:16000], speech_16k[16000:32000]]
    feats = [filterbank(wave, Filterbank(window="povey", full_scale=1.0)) for wave in recordings]
    graph = OnnxGraph(campplus)
    expected = np.concatenate([graph(row[None])[0] for row in feats])
    assert error(theirs.embed(recordings), expected) < CLOSE
    as_wespeakers = np.concatenate([graph(filterbank(wave, Filterbank())[None])[0] for wave in recordings])
    assert error(theirs.embed(recordings), as_wespeakers) > 10 * CLOSE


def test_poveys_window(shared: Path) -> None:
    """As torchaudio's Kaldi front end has it by default, on samples up to 1."""
    reference = np.load(shared / "oracles/speaker/fbank_ref.npz")
    waveform = (reference["wav"] / 32768).astype(np.float32)
    feats = filterbank(waveform, Filterbank(window="povey", full_scale=1.0))
    assert np.abs(feats - reference["a_unit_povey_cmn"]).max() < 2e-3
    assert np.abs(feats - reference["a_unit_hamming_cmn"]).max() > 0.1


def test_a_graph_of_one_recording_a_call(resnet: Path, tmp_path: Path, speech_16k: Array) -> None:
    model = onnx.load(resnet)
    for tensor in (model.graph.input[0], model.graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "one.onnx")
    one, many = (zoo.Embedder(p, sample_rate=16000) for p in (tmp_path / "one.onnx", resnet))
    recordings = [speech_16k[start : start + 8000] for start in (0, 9000, 18000)]
    assert error(one.embed(recordings), many.embed(recordings)) < CLOSE


def test_as_weights_of_a_model(resnet: Path, speech_16k: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    assert zoo.Embedder("resnet18", resnet).session.least_frames == 9
    with pytest.raises(
        ArtifactError, match="it maps 80 features to 256 values, and campplus 80 to 512; it is"
    ):
        zoo.Embedder("campplus", resnet)
    pin(monkeypatch, "resnet18", resnet)
    with pytest.raises(ArtifactError, match=f"the public graph of resnet18:{TAG}, not one of resnet34"):
        zoo.Embedder("resnet34", resnet)
    with pytest.raises(ArtifactError, match="its sample_rate is 16000, not 8000; leave it out"):
        zoo.Embedder(resnet, sample_rate=8000)
    with pytest.raises(CheckpointError, match="resnet101 needs weights: none come with the package"):
        zoo.Embedder("resnet101")


def test_a_tag_runs_as_it_is(
    resnet: Path, speech_16k: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though PyTorch is there: of speakers no graph of ours is made of it."""
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path))
    weights = pin(monkeypatch, "resnet18", resnet)
    (tmp_path / "weights").mkdir()
    shutil.copy(resnet, tmp_path / "weights" / f"{weights.sha256[:16]}-{resnet.name}")
    expected = zoo.Embedder(resnet)(speech_16k[:8000])
    for tag in (TAG, None, "default"):
        embedder = zoo.Embedder("resnet18", tag)
        assert (embedder.name, embedder.backend) == (f"resnet18:{TAG}", "onnxruntime")
        np.testing.assert_array_equal(embedder(speech_16k[:8000]), expected)


def test_copies(resnet: Path, speech_16k: Array) -> None:
    embedder = zoo.Embedder(resnet, sample_rate=16000, threads=2)
    clone = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(clone(speech_16k[:8000]), embedder(speech_16k[:8000]))


@pytest.mark.parametrize(
    ("metadata", "options", "message"),
    [
        ({}, {}, r"do not tell its sample_rate: pass --sample-rate, in Python sample_rate="),
        ({"framework": "nemo"}, {}, "it is a graph of nemo, whose features are not computed here"),
        ({**WESPEAKER, "sample_rate": 0}, {}, "its metadata say sample_rate '0'; a number is expected"),
        (WESPEAKER, {"sample_rate": 8000}, "its sample_rate is 16000, not 8000; leave it out"),
    ],
)
def test_what_is_not_known(
    resnet: Path, tmp_path: Path, metadata: dict[str, object], options: dict[str, int], message: str
) -> None:
    with pytest.raises(ArtifactError, match=rf"x\.onnx: .*{message}"):
        zoo.Embedder(changed(resnet, tmp_path / "x.onnx", metadata), **options)


def renamed(path: Path, target: Path) -> None:
    """Of nobody that is known."""
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Identity", ["embs"], ["vector"]))
    model.graph.output[0].name = "vector"
    onnx.save(model, target)


def of_fixed_length(path: Path, target: Path) -> None:
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 200
    onnx.save(model, target)


def of_sixteen_bits(path: Path, target: Path) -> None:
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    model.graph.input[0].name = "half"
    model.graph.node.insert(0, helper.make_node("Cast", ["half"], ["feats"], to=TensorProto.FLOAT))
    onnx.save(model, target)


def not_finite(path: Path, target: Path) -> None:
    with_nan(path, target)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (renamed, "maps feats to vector where wespeaker's exports map feats to embs; what features it reads"),
        (of_fixed_length, "it takes recordings of 200 frames only"),
        (of_sixteen_bits, r"its inputs are half \('B', 'T', 80\) float16; expected features"),
        (not_finite, "it gives no embedding of 200 frames of features: it is not finite"),
    ],
)
def test_damaged(resnet: Path, tmp_path: Path, damage: Callable[[Path, Path], None], message: str) -> None:
    damage(resnet, tmp_path / "x.onnx")
    with pytest.raises(ArtifactError, match=message) as refused:
        zoo.Embedder(tmp_path / "x.onnx", sample_rate=16000)
    assert "\n" not in str(refused.value)


def test_an_enhancers_graph(shared: Path) -> None:
    with pytest.raises(ArtifactError, match=r"its inputs are mix .*; expected features \(B, T, F\)"):
        zoo.Embedder(shared / "data/onnx/gtcrn_stream_upstream.onnx", sample_rate=16000)
