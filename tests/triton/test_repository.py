"""The repositories that are written: each entry from the graph and its manifest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
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
from scripts import triton_client

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


def test_a_gpu_gets_full_precision_and_a_profile_if_asked(tmp_path: Path) -> None:
    write_repository(MANY, tmp_path / "gpu", Serving(device="gpu"))
    write_repository(
        MANY, tmp_path / "trt", Serving(device="gpu", tensorrt=True, fp16=True, max_batch_size=8)
    )
    (cuda,) = accelerators(tmp_path / "gpu")
    assert (cuda.name, dict(cuda.parameters)) == ("cuda", {"use_tf32": "0"})
    tensorrt, cuda = accelerators(tmp_path / "trt")
    profile = dict(tensorrt.parameters)
    assert (tensorrt.name, profile.pop("precision_mode")) == ("tensorrt", "FP16")
    names = [value.name for value in onnx.load(MANY).graph.input]
    for kind, streams, samples in (("min", 1, 256), ("opt", 8, 256), ("max", 8, 64 * 256)):
        sizes = dict(part.split(":") for part in profile[f"trt_profile_{kind}_shapes"].split(","))
        assert list(sizes) == names
        assert sizes["wav_in"] == f"{streams}x{samples}"
        assert sizes["rf_block.0.rnn.hidden"] == f"{streams}x16x20"
    write_repository(MANY, tmp_path / "cpu")
    assert not read(tmp_path / "cpu", "fastenhancer_t").HasField("optimization")


def accelerators(folder: Path) -> list:
    config = read(folder, "fastenhancer_t")
    return list(config.optimization.execution_accelerators.gpu_execution_accelerator)


def test_what_is_written_beside_the_models(tmp_path: Path) -> None:
    """The README names what the configuration holds, and the commands that it shows are real."""
    write_repository(MANY, tmp_path / "r", Serving(max_batch_size=12, container="registry/image:1"))
    assert sorted(os.listdir(tmp_path / "r")) == [
        "Dockerfile.client",
        "Dockerfile.server",
        "README.md",
        "models",
    ]
    text = (tmp_path / "r/README.md").read_text()
    assert "$" not in text
    for words in (
        "`wav_in` (n), float32",
        "256 samples (16 ms)",
        "call of up to 12",
        "registry/image:1",
        "23",
    ):
        assert words in text, words
    assert "FROM registry/image:1" in (tmp_path / "r/Dockerfile.server").read_text()
    for line in re.findall(r"^python -m scripts.triton_client (.*)$", text, re.M):
        with pytest.raises(SystemExit) as stopped:
            triton_client.main([*line.split(), "--help"])
        assert stopped.value.code == 0
    write_repository(MANY, tmp_path / "g", Serving(device="gpu"))
    assert "Not yet verified on a GPU" in (tmp_path / "g/README.md").read_text()


def plan(path: Path, version: tuple[int, ...]) -> Path:
    """What an engine's file begins with: its tag, the layout's version, 16 bytes, TensorRT's version."""
    path.write_bytes(b"ftrt" + bytes(20) + bytes(version) + bytes(100))
    return path


def test_an_engine_in_the_place_of_the_graph(tmp_path: Path) -> None:
    engine = plan(tmp_path / "mine.engine", (10, 13, 3, 9))
    write_repository(MANY, tmp_path / "r", Serving(device="gpu", engine=engine))
    config = read(tmp_path / "r", "fastenhancer_t")
    assert config.backend == "tensorrt" and len(config.sequence_batching.state) == 4
    assert not config.HasField("optimization") and "intra_op_thread_count" not in config.parameters
    assert os.listdir(tmp_path / "r/models/fastenhancer_t/1") == ["model.plan"]
    assert (tmp_path / "r/models/fastenhancer_t/1/model.plan").read_bytes() == engine.read_bytes()
    assert "built by TensorRT 10.13.3 " in (tmp_path / "r/README.md").read_text()
    image = (tmp_path / "r/Dockerfile.server").read_text()
    assert "RUN python3 /opt/check_tensorrt.py /models" in image
    (tmp_path / "x.engine").write_bytes(b"onnx" * 20)
    with pytest.raises(ValueError, match="it is not a TensorRT engine"):
        write_repository(MANY, tmp_path / "x", Serving(device="gpu", engine=tmp_path / "x.engine"))
    with pytest.raises(ArtifactError, match=r"nothing\.engine: there is no such file"):
        write_repository(MANY, tmp_path / "x", Serving(device="gpu", engine=tmp_path / "nothing.engine"))
    assert not (tmp_path / "x").exists()


def test_the_container_must_have_the_engines_tensorrt(tmp_path: Path) -> None:
    """With a library that says of itself what TensorRT's says, compiled here."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source, library = tmp_path / "version.c", tmp_path / "libversion.so"
    source.write_text("int getInferLibVersion(void) { return 101303; }")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    plan(tmp_path / "mine.engine", (10, 13, 3, 9))
    write_repository(MANY, tmp_path / "r", Serving(device="gpu", engine=tmp_path / "mine.engine"))
    checker, models = tmp_path / "r/check_tensorrt.py", tmp_path / "r/models"

    def check(folder: Path, *libraries: Path) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, checker, folder, *libraries]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    done = check(models, library)
    assert done.returncode == 0 and "TensorRT 10.13.3, as in this container" in done.stdout
    plan(models / "fastenhancer_t/1/model.plan", (10, 9, 0, 34))
    done = check(models, library)
    assert done.returncode == 1
    assert "it was built by TensorRT 10.9.0, and this container has 10.13.3; take" in done.stderr
    assert "there is no TensorRT here" in check(models, tmp_path / "none.so").stderr
    assert "there are no engines" in check(tmp_path / "r/models/nothing", library).stderr
