"""The weights that come with the package: whole, what they say they are, and good enough."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from tests.data import ROOT, Speech
from zoo import builtin as packaged
from zoo.artifact.parity import compare
from zoo.builtin import TAG, packaged_artifact
from zoo.errors import ArtifactError
from zoo.registry import find_weights, get_spec, list_models
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.enhancement.enhancer import DEFAULT_MODEL

MODELS = [name for name in list_models("enhancement") if packaged_artifact(get_spec(name))]
ENDINGS = (".json", ".many.onnx", ".md", ".onnx", ".safetensors")


def test_which_models() -> None:
    assert {DEFAULT_MODEL, "gtcrn"} <= set(MODELS)
    assert zoo.Enhancer().name == f"{DEFAULT_MODEL}.onnx"
    assert zoo.Enhancer("gtcrn").backend == zoo.Enhancer("gtcrn", TAG).backend == "onnxruntime"


def test_no_file_too_many_and_all_small() -> None:
    families = {get_spec(name).family for name in MODELS}
    files = sorted(p for f in families for p in (ROOT / f"zoo/models/{f}/packaged").iterdir())
    files = [path for path in files if path.name[0] != "."]
    assert [path.name for path in files] == [f"{name}{end}" for name in sorted(MODELS) for end in ENDINGS]
    assert sum(path.stat().st_size for path in files) < 7_000_000


@pytest.mark.parametrize("name", MODELS)
def test_graph_and_parameters_are_one_model(name: str, speech: Speech) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from converters.subjects.enhancement import whole_waveform

    artifact = packaged_artifact(get_spec(name), TAG)
    assert artifact is not None and zoo.verify(artifact).passed
    model = zoo.create_model(name, TAG)
    manifest = OnnxGraph(artifact).manifest
    assert manifest is not None and dict(manifest.weights) == model.provenance
    assert model.provenance["source"] == TAG and model.provenance["licence"] == "MIT"
    noisy = speech(16000, 0.2, 2.0)
    with torch.inference_mode():
        expected = whole_waveform(model, noisy[None])[0]
    compare(expected, zoo.Enhancer(name)(noisy), tensor=name, tolerance=get_spec(name).tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_the_card_tells_all(name: str) -> None:
    weights = find_weights(get_spec(name), TAG)
    text = (packaged.folder(get_spec(name)) / f"{name}.md").read_text()
    for needed in (
        weights.sha256,
        weights.artifact_sha256,
        weights.licence,
        "Picovoice",
        "ESC-10",
        "CC BY 3.0",
    ):
        assert needed in text
    assert f"python -m scripts.train {name}" in text
    assert weights.metrics
    for metric, value in weights.metrics.items():
        assert np.isfinite(value), metric


@pytest.mark.parametrize("ending", [".onnx", ".safetensors"])
def test_a_damaged_file_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    spec = get_spec(DEFAULT_MODEL)
    copy = tmp_path / "models" / spec.family / "packaged"
    shutil.copytree(packaged.folder(spec), copy)
    monkeypatch.setattr(packaged, "_ROOT", tmp_path)
    data = bytearray((copy / f"{spec.name}{ending}").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / f"{spec.name}{ending}").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"it should have the sha256 \w+, found \w+; install speechzoo"):
        zoo.Enhancer() if ending == ".onnx" else zoo.create_model(spec.name, TAG)
    (copy / f"{spec.name}{ending}").unlink()
    with pytest.raises(ArtifactError, match="found no file; install speechzoo"):
        zoo.Enhancer() if ending == ".onnx" else zoo.create_model(spec.name, TAG)


def test_a_damaged_record_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(get_spec(DEFAULT_MODEL), weights=())
    monkeypatch.setattr(packaged, "_ROOT", tmp_path)
    assert packaged.with_packaged_weights(spec) is spec
    packaged.folder(spec).mkdir(parents=True)
    for text in ("{", '{"tag": "speechzoo"}'):
        (packaged.folder(spec) / f"{spec.name}.json").write_text(text)
        with pytest.raises(ArtifactError, match=r"\.json: it is damaged .* install speechzoo again"):
            packaged.with_packaged_weights(spec)


def test_the_default_on_the_example() -> None:
    (clean, rate), (noisy, _) = (
        soundfile.read(ROOT / f"examples/{name}.wav", dtype="float32") for name in ("clean", "noisy")
    )
    enhancer = zoo.Enhancer()
    before, after = ratio_db(noisy, clean), ratio_db(enhancer(noisy, rate), clean)
    assert after > before + 4, f"{before:.1f} -> {after:.1f} dB"
    assert ratio_db(enhancer(clean, rate), clean) > 15


@pytest.mark.parametrize("name", MODELS)
def test_clean_speech_is_kept_and_noise_removed(name: str, shared: Path) -> None:
    from zoo.evaluation.comparison import alone
    from zoo.evaluation.pairs import mixed_pairs

    data = shared / "data"
    pairs = mixed_pairs(data / "speech/valid", data / "noise/valid", 16000, count=12)
    enhancer = zoo.Enhancer(name)
    figures = alone(enhancer, pairs, 16000)
    assert figures["clean"] >= 20 and figures["steady"] >= 20, figures
    gains = [ratio_db(enhancer(p.noisy), p.clean) - ratio_db(p.noisy, p.clean) for p in pairs]
    assert np.mean(gains) > 6, gains


def ratio_db(estimate: np.ndarray, clean: np.ndarray) -> float:
    """Scale-invariant signal to distortion ratio."""
    target = clean * (np.dot(estimate, clean) / np.dot(clean, clean))
    return float(10 * np.log10(np.sum(target**2) / np.sum((estimate - target) ** 2)))
