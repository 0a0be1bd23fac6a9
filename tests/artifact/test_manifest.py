"""The record in an artifact: it comes back as it was, or says what is wrong with it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from zoo.artifact.manifest import VERSION, EnhancementManifest, Golden, Manifest
from zoo.errors import ArtifactError
from zoo.spec import FrontEnd, TensorSpec, Tolerance

STREAMING = EnhancementManifest(
    model="gtcrn",
    form="spec2spec",
    streaming=True,
    front_end=FrontEnd(16000, 512, 256, "sqrt_hann"),
    latency=256,
    inputs=(TensorSpec("spec_in", ("streams", 257, 1, 2)),),
    outputs=(TensorSpec("spec_out", ("streams", 257, 1, 2)),),
    states=(TensorSpec("encoder.0.past", ("streams", 16, 2, 33)), TensorSpec("rnn.h", ("streams", 33, 16))),
    hops=1,
    streams="streams",
    weights={"sha256": "0" * 64, "licence": "MIT", "training_data": "réel"},
    tolerance=Tolerance(snr_db=99.5, max_error=3e-5),
    toolchain={"torch": "2.9", "opset": "18"},
    golden=Golden("bm9pc3k=", "ZW5oYW5jZWQ=", 0.123456789012345),
)
WHOLE = dataclasses.replace(
    STREAMING, form="wav2wav", streaming=False, states=(), hops="frames", streams=1, golden=None,
    inputs=(TensorSpec("wav_in", (1, "samples")),), outputs=(TensorSpec("wav_out", (1, "samples")),),
)  # fmt: skip


@pytest.mark.parametrize("manifest", [STREAMING, WHOLE], ids=["streaming", "offline"])
def test_round_trip(manifest: EnhancementManifest) -> None:
    text = manifest.to_json()
    assert Manifest.from_json(text, "model.onnx") == manifest
    assert Manifest.from_json(text, "model.onnx").to_json() == text
    assert json.loads(text)["version"] == VERSION


def altered(**values: Any) -> str:
    return json.dumps({**json.loads(STREAMING.to_json()), **values})


@pytest.mark.parametrize("version", [0, VERSION + 1, "1", None])
def test_another_version(version: object) -> None:
    with pytest.raises(
        ArtifactError, match=rf"^x\.onnx: its manifest has version {version}, this package reads"
    ):
        Manifest.from_json(altered(version=version), "x.onnx")


REQUIRED = [
    f.name
    for f in dataclasses.fields(EnhancementManifest)
    if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
]


@pytest.mark.parametrize("field", REQUIRED)
def test_a_missing_field(field: str) -> None:
    data = json.loads(STREAMING.to_json())
    del data[field]
    with pytest.raises(ArtifactError, match=rf"^x\.onnx: its manifest cannot be read .*{field}"):
        Manifest.from_json(json.dumps(data), "x.onnx")


@pytest.mark.parametrize("field", ["version", "golden", "tolerance"])
def test_a_missing_field_that_the_program_would_fill_in(field: str) -> None:
    data = json.loads(STREAMING.to_json())
    del data[field]
    with pytest.raises(ArtifactError, match=rf"cannot be read \(KeyError: '{field}'\)"):
        Manifest.from_json(json.dumps(data), "x.onnx")


@pytest.mark.parametrize(
    "text",
    ["", "not JSON", "{", "[]", "[1]", "null", "3", '"version"', STREAMING.to_json()[:-10], "\x00\xff"],
)
def test_not_a_manifest(text: str) -> None:
    with pytest.raises(ArtifactError, match=r"^x\.onnx: its manifest cannot be read .*export or download"):
        Manifest.from_json(text, "x.onnx")


@pytest.mark.parametrize(
    "values",
    [
        {"surplus": 1},
        {"front_end": {"sample_rate": 16000}},
        {"front_end": None},
        {"inputs": [{"name": "spec_in"}]},
        {"inputs": []},
        {"outputs": STREAMING.to_json()},
        {"states": 7},
        {"golden": {"noisy": ""}},
        {"golden": "x"},
        {"tolerance": {"snr": 1}},
        {"form": "wav"},
        {"hops": "frames"},
        {"hops": "many"},
        {"hops": 0},
        {"hops": 1.5},
        {"streaming": False},
        {"latency": -1},
        {"latency": "256"},
        {"latency": None},
    ],
    ids=str,
)
def test_fields_that_make_no_sense(values: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match=r"^x\.onnx: its manifest cannot be read"):
        Manifest.from_json(altered(**values), "x.onnx")
