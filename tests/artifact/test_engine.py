"""What lies beside an engine: that it is of that engine, and where it refuses."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines import ADA, RECORD, RTX
from zoo.artifact.engine import EngineRecord, Gpu, read_engine_record, record_path
from zoo.artifact.target import Machine, choose
from zoo.errors import ArtifactError
from zoo.files import sha256_of

CHANGES: dict[str, Any] = {
    "flavour": "tensorrt_rtx",
    "library": "10.16.0",
    "onnx_sha256": "b" * 64,
    "precision": "fp32",
    "profiles": {"wav_in": ((1, 256), (8, 256), (64, 256))},
    "flags": ("no_tf32", "refit"),
    "workspace": 0,
    "targets": ("8.9",),
    "gpu": Gpu("NVIDIA GeForce RTX 4080", "8.9"),
    "system": "Windows AMD64",
    "speechzoo": "0.2.0",
}
UNDECIDED = {"engine_sha256", "kept", "manifest", "version"}  # follow from the others, or say the same


def test_a_key_changes_with_all_that_decides() -> None:
    assert CHANGES.keys() | UNDECIDED == {field.name for field in dataclasses.fields(EngineRecord)}
    keys = {replace(RECORD, **{name: value}).key() for name, value in CHANGES.items()}
    assert len(keys) == len(CHANGES) and RECORD.key() not in keys
    assert replace(RECORD, gpu=Gpu(ADA.name, "9.0")).key() not in {RECORD.key(), *keys}
    assert replace(RECORD, engine_sha256="c" * 64, kept=(), manifest=None).key() == RECORD.key()


def test_there_and_back() -> None:
    for record in (RECORD, RTX):
        assert EngineRecord.from_json(record.to_json(), "x.engine.json") == record


@pytest.mark.parametrize(
    ("record", "library", "gpu", "reason"),
    [
        (RECORD, "10.15.1.29", ADA, ""),
        (RECORD, "10.15.1.29", None, "there is no NVIDIA GPU, or no driver for it"),
        (
            RECORD,
            "10.15.1.29",
            Gpu("NVIDIA GeForce RTX 4080", "8.9"),
            r"it was built on NVIDIA GeForce RTX 4090 (8.9), this is NVIDIA GeForce RTX 4080 (8.9)",
        ),
        (RECORD, "10.15.1.29", Gpu(ADA.name, "9.0"), "built on NVIDIA GeForce RTX 4090 (8.9), this is"),
        (RECORD, "11.0.0", ADA, "it was built with TensorRT 10.15.1.29, installed is 11.0.0"),
        (replace(RECORD, system="Windows AMD64"), "10.15.1.29", ADA, "it was built for Windows AMD64, this"),
        (replace(RECORD, flags=("version_compatible",)), "10.16.0", ADA, ""),
        (replace(RECORD, flags=("version_compatible",)), "11.0.0", ADA, "it was built with TensorRT 10.15"),
        (replace(RECORD, gpu=None), "10.15.1.29", ADA, "it was built on an unknown card"),
        (RTX, "1.7.1.116", ADA, ""),
        (RTX, "1.7.1.116", Gpu("NVIDIA GeForce RTX 5090", "12.0"), ""),
        (RTX, "1.7.1.116", Gpu("NVIDIA GeForce RTX 2080", "7.5"), "for compute capability 8.0, 8.6, 8.9"),
        (RTX, "1.7.1.116", Gpu("NVIDIA Orin", "8.7"), "this NVIDIA Orin has 8.7"),
        (RTX, "1.8.0", ADA, "it was built with TensorRT for RTX 1.7.1.116, installed is 1.8.0"),
    ],
)  # fmt: skip
def test_where_it_refuses(record: EngineRecord, library: str, gpu: Gpu | None, reason: str) -> None:
    told = record.refusal(library, gpu)
    assert reason in told and bool(told) == bool(reason)
    if gpu is not None and (record.gpu or record.targets):  # in a repository's index the same is decided
        here = Machine(gpu.name, gpu.capability, library)
        assert (choose([record.target], here, record.precision)[0] is None) == bool(reason)


def test_an_engine_and_its_record(tmp_path: Path) -> None:
    engine = tmp_path / "gtcrn.engine"
    with pytest.raises(ArtifactError, match=r"gtcrn\.engine: there is no such file"):
        read_engine_record(engine)
    engine.write_bytes(b"plan" * 1000)
    with pytest.raises(ArtifactError, match=r"there is no gtcrn\.engine\.json beside it"):
        read_engine_record(engine)
    record = replace(RECORD, engine_sha256=sha256_of(engine))
    record_path(engine).write_text(record.to_json())
    assert read_engine_record(engine) == record
    for content in (b"", b"plan" * 999, b"plan" * 999 + b"plam"):
        engine.write_bytes(content)
        with pytest.raises(ArtifactError, match=r"damaged, or not the engine that gtcrn\.engine\.json is"):
            read_engine_record(engine)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 9}, "its version is 9, this package reads 1"),
        ({"precision": "fp8"}, "precision 'fp8' is none of fp32, fp16, int8"),
        ({"profiles": {"x": [[1], ["y"]]}}, "it cannot be read"),
        ({"profiles": {"x": [[2], [1], [3]]}}, "does not grow from least to best to most"),
        ({"gpu": {"name": "x"}}, "it cannot be read"),
        ({"more": 1}, "it cannot be read"),
        ({"profiles": {"x": [[1], [1], [float("inf")]]}}, "cannot convert float infinity"),
        ({"workspace": "1"}, "workspace '1': expected a whole number"),
        ({"gpu": {"name": 3, "capability": "8.9"}}, "gpu name 3: expected a text"),
    ],
)
def test_records_that_are_none(change: dict[str, Any], message: str) -> None:
    data = {**json.loads(RECORD.to_json()), **change}
    with pytest.raises(ArtifactError, match=rf"x\.json: .*{message}"):
        EngineRecord.from_json(json.dumps(data), "x.json")
    with pytest.raises(ArtifactError, match=r"x\.json: it cannot be read"):
        EngineRecord.from_json("{", "x.json")
