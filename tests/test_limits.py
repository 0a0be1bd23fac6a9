"""Small files that ask for much: refused in a sentence, before anything is made of what they say."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
import torch
import yaml
from safetensors.torch import save_file

import zoo
from tests.checkpoints import CONFIG
from zoo.artifact.manifest import METADATA_KEY, Manifest
from zoo.builtin import packaged_artifact
from zoo.checkpoint import read_config
from zoo.errors import ArtifactError, CheckpointError
from zoo.runtime.onnx import OnnxGraph

Change = Callable[[dict[str, Any]], object]
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture(scope="module")
def gtcrn() -> Path:
    path = packaged_artifact(zoo.get_spec("gtcrn"))
    assert path is not None
    return path


def flac(samples: np.ndarray) -> str:
    content = io.BytesIO()
    soundfile.write(content, samples, 16000, format="FLAC", subtype="PCM_16")
    return base64.b64encode(content.getvalue()).decode()


def changed(gtcrn: Path, path: Path, change: Change) -> Path:
    """A copy of the graph with another manifest."""
    model = onnx.load(gtcrn)
    (entry,) = (entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    data = json.loads(entry.value)
    result = change(data)
    entry.value = result if isinstance(result, str) else json.dumps(data)
    onnx.save(model, path)
    return path


MANIFESTS: list[tuple[Change, str]] = [
    (lambda d: d["front_end"].update(hop_length="256"), "hop_length '256': expected a whole number"),
    (
        lambda d: d["front_end"].update(hop_length=10**9),
        "hop_length 1000000000: expected a whole number from 1",
    ),
    (lambda d: d["front_end"].update(hop_length=600), "hop_length 600: expected at most n_fft, 512"),
    (lambda d: d["front_end"].update(sample_rate=-16000), "sample_rate -16000: expected a whole number"),
    (lambda d: d["front_end"].update(window="kaiser"), "window 'kaiser'"),
    (lambda d: d.update(latency=1e12), "latency 1000000000000.0"),
    (lambda d: d.update(latency=10**8), "latency 100000000"),
    (lambda d: d.update(hops=10**7), "hops 10000000"),
    (lambda d: d.update(model=["gtcrn"]), "model .'gtcrn'.: expected a text"),
    (lambda d: d.update(weights=[1]), "weights .1.: expected texts by name"),
    (lambda d: d.update(toolchain={"torch": 2}), "toolchain .*: expected texts by name"),
    (lambda d: d["states"][0].update(shape=[1, 10**10]), "stft.past has shape"),
    (lambda d: d["states"][0].update(shape=[1 << 20, 1 << 10]), "expected at most 268435456 elements"),
    (lambda d: d["states"][0].update(dtype="complex"), "dtype 'complex'"),
    (lambda d: d["golden"].update(peak=float("nan")), "golden peak nan: expected a number"),
    (lambda d: d["golden"].update(noisy=5), "golden noisy 5: expected a text"),
    (lambda d: "[" * 10_000 + "]" * 10_000, "nested too deeply"),
    (
        lambda d: re.sub('"peak": [^,}]+', '"peak": 1e999', json.dumps(d)),
        "golden peak inf: expected a number",
    ),
]


@pytest.mark.parametrize(("change", "says"), MANIFESTS, ids=[says for _, says in MANIFESTS])
def test_a_manifest_that_lies(gtcrn: Path, tmp_path: Path, change: Change, says: str) -> None:
    """By whichever door it comes."""
    path = changed(gtcrn, tmp_path / "model.onnx", change)
    for door in (zoo.verify, zoo.Enhancer, zoo.StreamBatcher, OnnxGraph):
        started = time.perf_counter()
        with pytest.raises(ArtifactError, match=rf"model\.onnx: its manifest cannot be read .*{says}"):
            door(path)
        assert time.perf_counter() - started < 2


@pytest.mark.parametrize("samples", [np.zeros(16000 * 3600, np.int16), np.zeros((16000, 2), np.int16)])
def test_a_golden_recording_of_an_hour_or_in_stereo(gtcrn: Path, tmp_path: Path, samples: np.ndarray) -> None:
    text = flac(samples)
    path = changed(gtcrn, tmp_path / "model.onnx", lambda d: d["golden"].update(noisy=text, enhanced=text))
    with pytest.raises(ArtifactError, match=r"golden recording is damaged \(it has \d channel"):
        zoo.verify(path)


def test_the_rate_of_the_model_counts_at_every_door(gtcrn: Path, tmp_path: Path) -> None:
    path = changed(gtcrn, tmp_path / "model.onnx", lambda d: d["front_end"].update(sample_rate=8000))
    for door in (zoo.verify, zoo.Enhancer):
        with pytest.raises(ArtifactError, match="its manifest says 8000 Hz, and gtcrn runs at 16000 Hz"):
            door(path)


def test_a_text_that_is_too_long() -> None:
    with pytest.raises(ArtifactError, match="more than 16,777,216"):
        Manifest.from_json(" " * (1 << 24) + "{}", "x.onnx")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (LAUGHS, "its aliases make more than 100,000 values"),
        ("{a: " * 10_000 + "}" * 10_000, "nested too deeply"),
        ("a: &a [*a]\n", "nested too deeply"),
        ("model: é\n".encode("latin-1"), "not a YAML file in UTF-8"),
        ("x: y\n" * 60_000, "a configuration has at most"),
        ("- 1\n", "expected a mapping"),
        ("a: [", "not a YAML file"),
        (b"model: \x1b[31mred", "not a YAML file"),
        (b'model: ResNet18\nmodel_args: {pooling_func: "\\e[31mred"}', "a setting holds control characters"),
    ],
)
def test_configurations_that_are_none(tmp_path: Path, content: str | bytes, says: str) -> None:
    (tmp_path / "config.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    started = time.perf_counter()
    with pytest.raises(CheckpointError, match=f"config.yaml: .*{says}") as caught:
        read_config(tmp_path)
    assert str(caught.value).isprintable()
    assert time.perf_counter() - started < 5


def test_a_configuration_in_utf_16_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(yaml.dump(CONFIG).encode("utf-16"))
    assert read_config(tmp_path) == CONFIG


SPEAKER = {
    "model": "ResNet34",
    "model_args": {"embed_dim": 256, "feat_dim": 80, "pooling_func": "TSTP", "two_emb_layer": False},
    "dataset_args": {"resample_rate": 16000, "fbank_args": {"num_mel_bins": 80}},
}


@pytest.mark.parametrize("size", [-1, 0, 1.5, 1e18, 10**18, float("inf"), "256", [256], {"a": 1}, None, True])
def test_sizes_that_no_network_has(tmp_path: Path, size: Any) -> None:
    config = {**SPEAKER, "model_args": {**SPEAKER["model_args"], "embed_dim": size}}
    (tmp_path / "config.yaml").write_text(yaml.dump(config))
    torch.save({"x": torch.zeros(1)}, tmp_path / "avg_model.pt")
    with pytest.raises(CheckpointError, match=r"its config sets embed_dim to .*; expected a whole"):
        zoo.create_model("resnet34", tmp_path)


@pytest.mark.parametrize("value", [-1, 0, 10**18, float("inf"), "two", [256], {"a": 1}, None])
@pytest.mark.parametrize("key", ["channels", "stride", "kernel_size", "hop_size", "rnnformer_kwargs"])
def test_settings_that_make_no_enhancer(tmp_path: Path, key: str, value: Any) -> None:
    config = {**CONFIG, "model_kwargs": {**CONFIG["model_kwargs"], key: value}}
    (tmp_path / "config.yaml").write_text(yaml.dump(config))
    torch.save({"x": torch.zeros(1)}, tmp_path / "00001.pth")
    with pytest.raises(CheckpointError):
        zoo.create_model("fastenhancer_t", tmp_path)


@pytest.fixture(scope="module")
def params() -> dict[str, torch.Tensor]:
    return zoo.create_model("fastenhancer_t", None).state_dict()


def test_a_header_without_end(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", 99 << 20) + b" " * 1000)
    with pytest.raises(CheckpointError, match="its header would have 103,809,024 bytes"):
        zoo.create_model("fastenhancer_t", tmp_path / "x.safetensors")


def test_tensors_that_are_not_what_they_seem(tmp_path: Path, params: dict[str, torch.Tensor]) -> None:
    """One number as a gigabyte; values that are nowhere, or not in rows."""
    path, name = tmp_path / "x.pt", next(iter(params))
    torch.save({**params, name: torch.zeros(1).expand(1 << 28)}, path)
    with pytest.raises(CheckpointError, match=r"has shape \(268435456,\) and only 4 bytes"):
        zoo.create_model("fastenhancer_t", path)
    for value in (torch.zeros(3, 3).to_sparse(), torch.zeros(3, device="meta")):
        torch.save({**params, name: value}, path)
        with pytest.raises(CheckpointError, match="is no plain tensor"):
            zoo.create_model("fastenhancer_t", path)


def test_an_archive_that_unpacks_to_more(tmp_path: Path, params: dict[str, torch.Tensor]) -> None:
    torch.save({**params, "zeros": torch.zeros(1 << 20)}, tmp_path / "whole.pt")
    small = tmp_path / "small.pt"
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as whole,
        zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        for name in whole.namelist():
            copy.writestr(name, whole.read(name))
    with pytest.raises(CheckpointError, match="it would unpack to 4,"):
        zoo.create_model("fastenhancer_t", small)
    with zipfile.ZipFile(small, "w") as many:
        for number in range(20_001):
            many.writestr(f"archive/data/{number}", b"")
    with pytest.raises(CheckpointError, match="it holds 20,001 tensors, more than any network here"):
        zoo.create_model("fastenhancer_t", small)


def test_an_archive_in_several_parts(tmp_path: Path) -> None:
    """The end of a zip that says it has other parts is refused by Python's zipfile in a way of its own."""
    path = tmp_path / "x.pt"
    torch.save({"weight": torch.zeros(3)}, path)
    end = path.read_bytes().rindex(b"PK\x05\x06")
    whole = path.read_bytes()
    parts = b"PK\x06\x07" + struct.pack("<LQL", 0, end, 9)  # a locator: 9 disks
    path.write_bytes(whole[:end] + parts + whole[end:])
    with pytest.raises(CheckpointError, match=r"x\.pt: it cannot be read as a checkpoint"):
        zoo.create_model("gtcrn", path)


def test_surplus_names_are_not_all_printed(tmp_path: Path, params: dict[str, torch.Tensor]) -> None:
    torch.save({**params, **{f"x.{'y' * 300}{n}": torch.zeros(1) for n in range(300)}}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"300 surplus: x.y.* and 292 more") as error:
        zoo.create_model("fastenhancer_t", tmp_path / "x.pt")
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("record", ["[" * 10_000, '{"version": 1, "model": "gtcrn"}', "[]", "3"])
def test_a_record_that_is_none(tmp_path: Path, params: dict[str, torch.Tensor], record: str) -> None:
    save_file(params, tmp_path / "x.safetensors", {METADATA_KEY: record})
    with pytest.raises(CheckpointError, match="its record cannot be read"):
        zoo.create_model("fastenhancer_t", tmp_path / "x.safetensors")


def test_a_record_of_another_size(tmp_path: Path, params: dict[str, torch.Tensor]) -> None:
    record = {"version": 1, "model": "fastenhancer_t", "options": {"channels": 10**9}, "weights": {}}
    front_end = {"sample_rate": 16000, "n_fft": 512, "hop_length": 256}
    save_file(
        params, tmp_path / "x.safetensors", {METADATA_KEY: json.dumps({**record, "front_end": front_end})}
    )
    with pytest.raises(CheckpointError, match="channels 1000000000: expected a whole number from 1 to 1024"):
        zoo.create_model("fastenhancer_t", tmp_path / "x.safetensors")
