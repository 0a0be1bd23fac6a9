"""Records of engines, and what stands in their place where there is no GPU."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from zoo.artifact.engine import EngineRecord, Gpu, read_engine_record, record_path
from zoo.artifact.target import system
from zoo.files import sha256_of
from zoo.runtime.onnx import OnnxGraph

ADA = Gpu("NVIDIA GeForce RTX 4090", "8.9")
RECORD = EngineRecord(
    flavour="tensorrt",
    library="10.15.1.29",
    onnx_sha256="a" * 64,
    precision="fp16",
    profiles={"wav_in": ((1, 256), (8, 256), (32, 256))},
    flags=("no_tf32",),
    workspace=1 << 30,
    targets=(),
    gpu=ADA,
    system=system(),
    kept=("states: 9 nodes",),
    manifest={"model": "gtcrn"},
    speechzoo="0.1.0",
)
RTX = replace(
    RECORD, flavour="tensorrt_rtx", library="1.7.1.116", gpu=None, system="", targets=("8.0", "8.6", "8.9")
)


class InPlaceOfEngine:
    """What ``zoo.runtime.tensorrt.Engine`` gives, by the graph of its name: the first output as an array,
    the others as tensors."""

    calls: tuple[int, ...] = ()

    def __init__(self, path: Path, register_plugins: object = None) -> None:
        self.path, self.record = path, read_engine_record(path)
        self._graph = OnnxGraph(path.with_suffix(".onnx"))
        self.backend: str = self.record.flavour
        self.inputs, self.outputs = self._graph.inputs, self._graph.outputs
        manifest = self.record.model_manifest(str(path))
        self.manifest = dataclasses.replace(manifest, tolerance=self.record.tolerance)

    def __call__(self, *values: np.ndarray) -> list[object]:
        InPlaceOfEngine.calls += (len(values[0]),)
        first, *others = self._graph(*values)
        return [first, *map(torch.from_numpy, others)]


def engine_of(graph: Path, engine: Path, **changes: object) -> Path:
    """A file with the record of an engine of a graph, which lies beside it."""
    engine.write_bytes(b"a plan")
    if not engine.with_suffix(".onnx").exists():
        engine.with_suffix(".onnx").symlink_to(graph)
    found = OnnxGraph(graph).manifest
    assert found is not None
    known = {"precision": "fp32", "profiles": {}, "manifest": json.loads(found.to_json())}
    record = dataclasses.replace(RECORD, **{**known, **changes}, engine_sha256=sha256_of(engine))
    record_path(engine).write_text(record.to_json())
    return engine
