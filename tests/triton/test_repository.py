"""The repositories that are written: each entry from the graph and its manifest."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

from tests.conftest import ROOT
from tests.triton.conftest import MANY
from zoo.artifact.manifest import EnhancementManifest, Manifest
from zoo.errors import ArtifactError
from zoo.runtime.graph import Graph

pytest.importorskip("tritonclient.grpc", reason='needs a client of Triton: pip install ".[triton]"')

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from converters.triton import Serving, write_repository

PACKAGED = sorted((ROOT / "zoo/models").glob("*/packaged/*.many.onnx"))


def read(folder: Path, name: str) -> ModelConfig:
    return text_format.Parse((folder / "models" / name / "config.pbtxt").read_text(), ModelConfig())


@pytest.mark.parametrize("artifact", PACKAGED, ids=lambda path: path.name)
def test_every_tensor_of_the_graph_is_in_the_configuration(artifact: Path, tmp_path: Path) -> None:
    """Read from the file by onnx, not by what writes the configuration."""
    (name,) = write_repository(artifact, tmp_path / "r")
    config, graph = read(tmp_path / "r", name), onnx.load(artifact).graph
    assert config.name == name == artifact.name.partition(".")[0]

    def dims(values: list) -> dict[str, list[int]]:
        shapes = {v.name: [d.dim_value or -1 for d in v.type.tensor_type.shape.dim] for v in values}
        assert {shape[0] for shape in shapes.values()} == {-1}  # the stream
        return {name: shape[1:] for name, shape in shapes.items()}

    states = config.sequence_batching.state
    inputs = {entry.name: list(entry.dims) for entry in config.input}
    assert inputs | {s.input_name: list(s.dims) for s in states} == dims(graph.input)
    outputs = {entry.name: list(entry.dims) for entry in config.output}
    assert outputs | {s.output_name: list(s.dims) for s in states} == dims(graph.output)
    for state in states:
        assert state.output_name == f"{state.input_name}.next"
        (zeros,) = state.initial_state
        assert zeros.zero_data and zeros.dims == state.dims
    # Triton's backend refuses controls that are no inputs of the graph; START and END are flags of requests.
    assert not config.sequence_batching.control_input
    assert config.sequence_batching.WhichOneof("strategy_choice") == "oldest"
    stored = Manifest.from_json(config.parameters["speechzoo"].string_value, "config")
    assert isinstance(stored, EnhancementManifest) and stored.golden is None
    assert stored.front_end == Graph(artifact).manifest.front_end
    assert (tmp_path / "r/models" / name / "1/model.onnx").read_bytes() == artifact.read_bytes()


def test_cpu_and_gpu(tmp_path: Path) -> None:
    write_repository(MANY, tmp_path / "cpu")
    serving = Serving(device="gpu", instances=2, max_batch_size=64, queue_delay=0.002)
    write_repository(MANY, tmp_path / "gpu", serving, name="clean")
    (cpu,), (gpu,) = (
        read(tmp_path / "cpu", "fastenhancer_t").instance_group,
        read(tmp_path / "gpu", "clean").instance_group,
    )
    assert (cpu.kind, cpu.count) == (ModelInstanceGroup.KIND_CPU, 1)
    assert (gpu.kind, gpu.count) == (ModelInstanceGroup.KIND_GPU, 2)
    config = read(tmp_path / "gpu", "clean")
    assert config.max_batch_size == 64
    assert config.sequence_batching.oldest.max_queue_delay_microseconds == 2000
    assert list(config.sequence_batching.oldest.preferred_batch_size) == [64]


def test_what_cannot_be_served(tmp_path: Path) -> None:
    single = MANY.with_name("fastenhancer_t.onnx")
    with pytest.raises(ArtifactError, match=r"takes 1 stream\(s\) a call, .*--streams 0"):
        write_repository(single, tmp_path / "r")
    proto = onnx.load(MANY)
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "foreign.onnx")
    with pytest.raises(ArtifactError, match="it has no speechzoo manifest"):
        write_repository(tmp_path / "foreign.onnx", tmp_path / "r")
    with pytest.raises(ValueError, match="a model cannot be named 'a/b'"):
        write_repository(MANY, tmp_path / "r", name="a/b")
    with pytest.raises(ValueError, match="TensorRT needs device"):
        Serving(tensorrt=True)
    assert os.listdir(tmp_path) == ["foreign.onnx"]


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    write_repository(MANY, tmp_path / "r")
    (tmp_path / "r/models/mine").touch()
    with pytest.raises(ArtifactError, match=r"r exists; name another folder, or replace it"):
        write_repository(MANY, tmp_path / "r")
    assert (tmp_path / "r/models/mine").exists()
    write_repository(MANY, tmp_path / "r", force=True)
    assert not (tmp_path / "r/models/mine").exists()
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="file exists"):
        write_repository(MANY, tmp_path / "file")
    with pytest.raises(ArtifactError, match="it cannot be written"):
        write_repository(MANY, tmp_path / "file/r")
    assert sorted(os.listdir(tmp_path)) == ["file", "r"]
