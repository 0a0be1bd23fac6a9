"""The repositories that are written: each entry from the graph and its manifest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests.data import ROOT
from tests.triton.serving import MANY
from zoo.artifact.engine import EngineRecord, record_path
from zoo.artifact.manifest import EnhancementManifest, Manifest
from zoo.errors import ArtifactError
from zoo.files import sha256_of
from zoo.runtime.onnx import OnnxGraph

pytest.importorskip("tritonclient.grpc", reason='needs a client of Triton: pip install ".[triton]"')

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from converters.triton.repository import Serving, write_repository
from scripts import make_triton_repository, triton_client

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
    assert stored.front_end == OnnxGraph(artifact).manifest.front_end
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
    """A model only by one of its name, and only when forced; what others wrote never."""
    (tmp_path / "r").mkdir()
    write_repository(MANY, tmp_path / "r")
    (tmp_path / "r/models/mine/1").mkdir(parents=True)
    (tmp_path / "r/models/mine/config.pbtxt").write_text("platform: ")
    (tmp_path / "r/notes").touch()
    (tmp_path / "r/models/fastenhancer_t/old").touch()
    with pytest.raises(ArtifactError, match=r"r: a model fastenhancer_t exists; name another folder, or"):
        write_repository(MANY, tmp_path / "r")
    assert (tmp_path / "r/models/fastenhancer_t/old").exists()
    write_repository(MANY, tmp_path / "r", force=True)
    assert not (tmp_path / "r/models/fastenhancer_t/old").exists()
    assert (tmp_path / "r/models/mine/1").exists() and (tmp_path / "r/notes").exists()
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="file exists"):
        write_repository(MANY, tmp_path / "file", force=True)
    with pytest.raises(ArtifactError, match="it cannot be written"):
        write_repository(MANY, tmp_path / "file/r")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/README.md").write_text("a user's own")
    with pytest.raises(ArtifactError, match=r"README.md: speechzoo did not write it and does not replace it"):
        write_repository(MANY, tmp_path / "home", force=True)
    assert os.listdir(tmp_path / "home") == ["README.md"]
    assert sorted(os.listdir(tmp_path)) == ["file", "home", "r"]


def test_a_folder_serves_several_artifacts(speaker_graph: Callable[[str], Path], tmp_path: Path) -> None:
    """Each is added by itself; README and image are of all of them."""
    folder = tmp_path / "r"
    write_repository(MANY, folder)
    assert "pip install" not in (folder / "Dockerfile.server").read_text()
    names = write_repository(speaker_graph("ecapa_c512_glob"), folder, name="speaker")
    assert sorted(os.listdir(folder / "models")) == sorted(["fastenhancer_t", *names])
    write_repository(MANY, folder, name="second")
    assert "pip install --no-cache-dir kaldi-native-fbank" in (folder / "Dockerfile.server").read_text()
    text = (folder / "README.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("# ")]
    assert headings == [
        f"# {name} on Triton Inference Server" for name in ("fastenhancer_t", "speaker", "second")
    ]
    with pytest.raises(ArtifactError, match=r"its server is built from nvcr.io/\S+, not from other:2"):
        write_repository(MANY, folder, Serving(container="other:2"), name="third")
    write_repository(speaker_graph("resnet18-wav"), folder, name="speaker", force=True)
    assert sorted(os.listdir(folder / "models")) == ["fastenhancer_t", "second", "speaker"]
    assert "pip install" not in (folder / "Dockerfile.server").read_text()
    assert (folder / "README.md").read_text().count("# speaker on") == 1


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
    for line in re.findall(r"^speechzoo client (.*)$", text, re.M):
        with pytest.raises(SystemExit) as stopped:
            triton_client.main([*line.split(), "--help"])
        assert stopped.value.code == 0
    write_repository(MANY, tmp_path / "g", Serving(device="gpu"))
    assert "Not yet verified on a GPU" in (tmp_path / "g/README.md").read_text()


def plan(path: Path, version: tuple[int, ...]) -> Path:
    """What an engine's file begins with: its tag, the layout's version, 16 bytes, TensorRT's version."""
    path.write_bytes(b"ftrt" + bytes(20) + bytes(version) + bytes(100))
    return path


def engine(path: Path, artifact: Path, shapes: tuple, **others: object) -> Path:
    """An engine of a graph, and the record beside it."""
    plan(path, (10, 13, 3, 9))
    record = EngineRecord(
        **{
            "flavour": "tensorrt", "library": "10.13.3.9", "onnx_sha256": sha256_of(artifact),
            "precision": "fp32", "profiles": {OnnxGraph(artifact).inputs[0].name: shapes}, "flags": (),
            "workspace": 0, "targets": (), "gpu": None, "system": "", "engine_sha256": sha256_of(path),
            **others,
        }
    )  # fmt: skip
    record_path(path).write_text(record.to_json())
    return path


SHAPES = ((1, 256), (8, 256), (24, 16384))


def test_an_engine_in_the_place_of_the_graph(tmp_path: Path) -> None:
    mine = engine(tmp_path / "mine.engine", MANY, SHAPES)
    write_repository(MANY, tmp_path / "r", Serving(device="gpu", engine=mine))
    config = read(tmp_path / "r", "fastenhancer_t")
    assert config.backend == "tensorrt" and len(config.sequence_batching.state) == 4
    assert config.max_batch_size == 24  # the profile's
    assert not config.HasField("optimization") and "intra_op_thread_count" not in config.parameters
    assert os.listdir(tmp_path / "r/models/fastenhancer_t/1") == ["model.plan"]
    assert (tmp_path / "r/models/fastenhancer_t/1/model.plan").read_bytes() == mine.read_bytes()
    assert "built by TensorRT 10.13.3 " in (tmp_path / "r/README.md").read_text()
    image = (tmp_path / "r/Dockerfile.server").read_text()
    assert "RUN python3 /opt/check_tensorrt.py /models" in image


def test_engines_that_do_not_fit(tmp_path: Path) -> None:
    def refused(path: Path, message: str, **options: object) -> None:
        with pytest.raises(ArtifactError, match=message):
            write_repository(MANY, tmp_path / "x", Serving(device="gpu", engine=path, **options))
        assert not (tmp_path / "x").exists()

    refused(tmp_path / "none.engine", r"none\.engine: there is no such file")
    refused(plan(tmp_path / "bare.engine", (10, 9, 0, 34)), r"there is no bare\.engine\.json beside it")
    other = MANY.with_name("fastenhancer_t.onnx")
    refused(engine(tmp_path / "o.engine", other, SHAPES), "it was built from another graph than")
    rtx = engine(tmp_path / "r.engine", MANY, SHAPES, flavour="tensorrt_rtx")
    refused(rtx, "it is of TensorRT for RTX 10.13.3.9; a server runs")
    small = engine(tmp_path / "s.engine", MANY, SHAPES)
    refused(small, "takes 1 to 24 rows of wav_in; 1 to 25 are needed", max_batch_size=25)
    refused(engine(tmp_path / "b.engine", MANY, (SHAPES[1],) * 3), "takes 8 to 8 rows")


def test_a_speaker_engine_sets_the_lengths(speaker_graph: Callable[[str], Path], tmp_path: Path) -> None:
    """The public profile: what is shorter than its shortest is refused by the features, not by TensorRT."""
    artifact = speaker_graph("ecapa_c512_glob")
    mine = engine(tmp_path / "m.engine", artifact, ((1, 200, 80), (64, 200, 80), (128, 3000, 80)))
    write_repository(artifact, tmp_path / "r", Serving(device="gpu", engine=mine))
    features, core = (read(tmp_path / "r", name) for name in ("feature_extractor", "speaker_model"))
    numbers = {key: value.string_value for key, value in features.parameters.items()}
    assert (numbers["least_frames"], numbers["most_frames"]) == ("200", "3000")
    assert (core.backend, core.max_batch_size) == ("tensorrt", 128)
    assert Manifest.from_json(core.parameters["speechzoo"].string_value, "config").least_frames == 200


def test_the_container_must_have_the_engines_tensorrt(tmp_path: Path) -> None:
    """With a library that says of itself what TensorRT's says, compiled here."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source, library = tmp_path / "version.c", tmp_path / "libversion.so"
    source.write_text("int getInferLibVersion(void) { return 101303; }")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    mine = engine(tmp_path / "mine.engine", MANY, SHAPES)
    write_repository(MANY, tmp_path / "r", Serving(device="gpu", engine=mine))
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


def test_a_speaker_model_in_three_parts(speaker_graph: Callable[[str], Path], tmp_path: Path) -> None:
    """The public names and shapes; all numbers are the manifest's or the caller's."""
    artifact = speaker_graph("ecapa_c512_glob")
    serving = Serving(device="gpu", instances=2, queue_delay=0.001, tensorrt=True, seconds=(2.02, 30.02))
    names = write_repository(artifact, tmp_path / "r", serving)
    assert names == ("speaker", "speaker_model", "feature_extractor")
    assert os.listdir(tmp_path / "r/models/speaker/1") == []
    whole, core, features = (read(tmp_path / "r", name) for name in names)

    def tensors(entries: list) -> list[tuple[str, list[int]]]:
        return [(entry.name, list(entry.dims)) for entry in entries]

    assert (tensors(whole.input), tensors(whole.output)) == ([("WAV", [-1])], [("EMBEDDINGS", [192])])
    assert (tensors(core.input), tensors(core.output)) == ([("feats", [-1, 80])], [("embs", [192])])
    assert (tensors(features.input), tensors(features.output)) == ([("wav", [-1])], [("speech", [-1, 80])])
    assert {config.max_batch_size for config in (whole, core, features)} == {128}
    assert list(core.dynamic_batching.preferred_batch_size) == [16, 32]
    assert core.dynamic_batching.max_queue_delay_microseconds == 1000
    assert [(g.kind, g.count) for g in core.instance_group] == [(ModelInstanceGroup.KIND_GPU, 2)]
    assert [(g.kind, g.count) for g in features.instance_group] == [(ModelInstanceGroup.KIND_CPU, 2)]
    manifest = OnnxGraph(artifact).manifest
    least = manifest.least_frames
    profile = core.optimization.execution_accelerators.gpu_execution_accelerator[0].parameters
    assert [profile[f"trt_profile_{kind}_shapes"] for kind in ("min", "opt", "max")] == [
        f"feats:1x{least}x80",
        "feats:16x200x80",
        "feats:128x3000x80",
    ]
    assert features.parameters["most_frames"].string_value == "3000"
    assert f"`feats:1x{least}x80/16x200x80/128x3000x80`" in (tmp_path / "r/README.md").read_text()
    stored = Manifest.from_json(whole.parameters["speechzoo"].string_value, "config")
    assert stored.front_end == manifest.front_end and stored.golden is None
    assert "kaldi-native-fbank==" in (tmp_path / "r/Dockerfile.server").read_text()
    with pytest.raises(ValueError, match="the usual, and the longest, which is not shorter"):
        Serving(seconds=(3.0, 2.0))
    with pytest.raises(ValueError, match=r"ecapa_c512_glob needs at least"):
        write_repository(artifact, tmp_path / "x", Serving(seconds=(0.01, 2.0)))


def test_a_speaker_model_that_takes_waveforms(speaker_graph: Callable[[str], Path], tmp_path: Path) -> None:
    names = write_repository(speaker_graph("resnet18-wav"), tmp_path / "r", name="mine")
    assert names == ("mine",)
    wave, lengths = read(tmp_path / "r", "mine").input
    assert (wave.name, list(wave.dims), lengths.name, list(lengths.dims)) == ("wav", [-1], "lengths", [1])
    assert lengths.HasField("reshape") and not lengths.reshape.shape
    assert "pip install" not in (tmp_path / "r/Dockerfile.server").read_text()


def test_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "r"
    words = ["--artifact", str(MANY), "--folder", str(folder), "--name", "mine", "--device", "gpu"]
    options = [
        "--instances",
        "3",
        "--max-batch-size",
        "7",
        "--queue-delay",
        "0.001",
        "--container",
        "other:2",
    ]
    assert make_triton_repository.main([*words, *options]) == 0
    assert f"{folder}: mine; see {folder}/README.md" in capsys.readouterr().out
    config = read(folder, "mine")
    assert (config.max_batch_size, config.instance_group[0].count) == (7, 3)
    for wrong, message in (
        ([], "exists; name another folder, or replace it"),
        (["--force", "--fp16"], "fp16 is for engines that the server builds"),
        (["--force", "--instances", "0"], "must be at least 1"),
        (["--force", "--artifact", "nowhere.onnx"], "there is no such file"),
    ):
        assert make_triton_repository.main([*words, *wrong]) == 1
        assert message in capsys.readouterr().err
    assert read(folder, "mine") == config
