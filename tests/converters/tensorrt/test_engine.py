"""Engines: built by TensorRT for RTX's real parser and compiler, which need no GPU; recorded; refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import converters.tensorrt.builder
from converters import build_engine
from converters.tensorrt.builder import Job, build
from converters.tensorrt.engine import RTX_TARGETS, cached_engine, command_line, describe, record_engine
from scripts import build_engine as script
from tests.converters.tensorrt.bindings import other_graph, packaged
from tests.data import ROOT
from zoo.artifact.engine import EngineRecord, read_engine_record, record_path
from zoo.builtin import packaged_artifact
from zoo.errors import ArtifactError, MissingExtraError, ParityError
from zoo.files import sha256_of
from zoo.registry import get_spec
from zoo.runtime.nvidia import find_gpu, load_library

try:
    RTX = load_library("tensorrt_rtx")
except MissingExtraError as absent:
    pytest.skip(f"needs tensorrt-rtx: {absent}", allow_module_level=True)

FAST = {"flavour": "tensorrt_rtx", "targets": ("8.6",)}  # one kind of card: a fraction of the time


def job(onnx_path: Path, plan: Path, **options: Any) -> Job:
    words = {"onnx": str(onnx_path), "name": onnx_path.name, "plan": str(plan), **FAST, **options}
    return Job(**{"profiles": {}, **words})


# What is built


@pytest.mark.parametrize(("name", "precision"), [("fastenhancer_t", "fp32"), ("gtcrn", "fp16")])
def test_an_engine_and_its_record(name: str, precision: str, tmp_path: Path) -> None:
    """For all kinds of RTX cards at once, with a record that says what it is."""
    source, engine, lines = packaged(name), tmp_path / "a" / f"{name}.engine", []
    report = build_engine(
        source,
        engine,
        flavour="tensorrt_rtx",
        precision=precision,
        progress=lines.append,  # type: ignore[arg-type]
    )
    assert sorted(os.listdir(tmp_path / "a")) == [engine.name, f"{engine.name}.json"]
    assert report.layers > 200 and engine.stat().st_size > 500_000
    record = read_engine_record(engine)
    assert record == report.record and record.title == f"TensorRT for RTX {RTX.__version__}"
    assert (record.precision, record.targets, record.gpu) == (precision, RTX_TARGETS, None)
    assert record.onnx_sha256 == sha256_of(source) and record.flags == ("no_tf32",)
    manifest = record.model_manifest("x")
    assert manifest.model == name and {s.name for s in manifest.graph_inputs} > {"wav_in"}
    assert any("building with TensorRT for RTX" in line for line in lines)
    assert bool(record.kept) == bool(report.parity) == (precision == "fp16")


def test_what_is_free_has_profiles(tmp_path: Path) -> None:
    """From the manifest, or from words for the signal alone; states follow."""
    many = packaged_artifact(get_spec("gtcrn"), many=True)
    assert many is not None
    record = describe(many, **FAST)
    assert record.profiles["wav_in"] == ((1, 256), (8, 4096), (32, 16384))
    words = "wav_in:1x256/2x256/4x256"
    profiles = describe(many, profiles=words, **FAST).profiles
    assert profiles["stft.past"] == ((1, 256), (2, 256), (4, 256))
    assert len(profiles) == len(record.model_manifest("x").graph_inputs)
    graph = other_graph(tmp_path / "other.onnx", rows="rows")
    with pytest.raises(ArtifactError, match="how large is 'rows' of the input x"):
        build_engine(graph, tmp_path / "x.engine", **FAST)
    build_engine(graph, tmp_path / "x.engine", profiles="x:1x1x8/2x1x8/9x1x8", **FAST)
    assert read_engine_record(tmp_path / "x.engine").profiles == {"x": ((1, 1, 8), (2, 1, 8), (9, 1, 8))}


def test_built_twice_it_is_the_same(tmp_path: Path) -> None:
    graph = other_graph(tmp_path / "other.onnx")
    engines = [tmp_path / "a.engine", tmp_path / "b.engine"]
    for engine in engines:
        build_engine(graph, engine, **FAST)
    assert engines[0].read_bytes() == engines[1].read_bytes()
    with pytest.raises(ArtifactError, match="built from a graph without a speechzoo manifest"):
        read_engine_record(engines[0]).model_manifest("a.engine")


def test_flags_and_workspace_reach_the_builder(tmp_path: Path) -> None:
    """The same graph with other flags is another engine."""
    graph, digests = other_graph(tmp_path / "other.onnx"), {}
    for name, options in {
        "plain": {},
        "ada": {"targets": ("8.9",)},
    }.items():
        engine = tmp_path / f"{name}.engine"
        digests[name] = build_engine(graph, engine, **{**FAST, **options}).record.engine_sha256
    assert len(set(digests.values())) == len(digests)
    build_engine(graph, tmp_path / "x.engine", workspace=1 << 24, timing_cache=tmp_path / "t.cache", **FAST)
    assert (tmp_path / "t.cache").is_file()
    build_engine(graph, tmp_path / "x.engine", timing_cache=tmp_path / "t.cache", **FAST)


def test_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One name, other weights: another engine. Nothing changed: nothing built."""
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path / "cache"))
    graph, lines = other_graph(tmp_path / "other.onnx"), []
    first = cached_engine(graph, progress=lines.append, **FAST)
    assert read_engine_record(first) and len(lines) == 1
    assert cached_engine(graph, progress=lines.append, **FAST) == first and len(lines) == 1
    assert cached_engine(graph, progress=lines.append, tf32=True, **FAST) != first and len(lines) == 2
    model = onnx.load(graph)
    weight = model.graph.initializer[0]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(2), weight.name))
    onnx.save(model, graph)
    assert cached_engine(graph, progress=lines.append, **FAST) != first and len(lines) == 3


def test_no_engine_of_a_free_size() -> None:
    with pytest.raises(
        ArtifactError, match="its sizes are free, and engines have fixed ones: export it with"
    ):
        describe(packaged("fastspeech_small"), **FAST)


def test_the_same_by_nvidias_own_program(tmp_path: Path) -> None:
    record = describe(packaged("gtcrn"), **FAST)
    assert command_line(record, Path("a.onnx"), Path("a.engine")) == (
        "tensorrt_rtx --onnx=a.onnx --saveEngine=a.engine --noTF32"
    )
    data = {**json.loads(record.to_json()), "flavour": "tensorrt", "flags": ["refit", "no_tf32"]}
    data |= {"workspace": 1 << 30, "profiles": {"x": [[1, 2], [3, 2], [4, 2]], "h": [[1], [3], [4]]}}
    other = EngineRecord.from_json(json.dumps(data), "x")
    assert command_line(other, Path("a b.onnx"), Path("a.engine")) == (
        "trtexec '--onnx=a b.onnx' --saveEngine=a.engine --stronglyTyped --noTF32 --refit "
        "--memPoolSize=workspace:1024M --minShapes=x:1x2,h:1 --optShapes=x:3x2,h:3 --maxShapes=x:4x2,h:4"
    )


def test_an_engine_of_trtexecs(tmp_path: Path) -> None:
    engine = tmp_path / "theirs.engine"
    with pytest.raises(ArtifactError, match="there is no such file"):
        record_engine(packaged("gtcrn"), engine, **FAST)
    engine.write_bytes(b"a plan")
    record = record_engine(packaged("gtcrn"), engine, **FAST)
    assert read_engine_record(engine) == record and record.model_manifest("x").model == "gtcrn"


# What is refused; nothing is left then


def single(path: Path, op: str, opset: int = 18, **attributes: Any) -> Path:
    """A graph of one operator."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (4, 8))
    y = helper.make_tensor_value_info("y", TensorProto.INT64, None)
    node = helper.make_node(op, ["x"], ["y"], f"the_{op}", **attributes)
    graph = helper.make_graph([node], "one", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)
    return path


def test_operators_that_the_parser_refuses(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"one\.onnx: the parser of TensorRT for RTX .* NonZero"):
        build(job(single(tmp_path / "one.onnx", "NonZero"), tmp_path / "x.engine"))
    with pytest.raises(ArtifactError, match=r"one\.onnx: the parser of TensorRT for RTX .* NonZero"):
        build_engine(tmp_path / "one.onnx", tmp_path / "x.engine", **FAST)
    assert os.listdir(tmp_path) == ["one.onnx"]


def test_cards_that_it_does_not_build_for(tmp_path: Path) -> None:
    graph = other_graph(tmp_path / "other.onnx")
    with pytest.raises(ArtifactError, match=r"capability 9\.0 is none that .* builds for: .*8\.9"):
        build_engine(graph, tmp_path / "x.engine", flavour="tensorrt_rtx", targets=["8.6", "9.0"])
    with pytest.raises(ArtifactError, match=r"other\.onnx: the compiler of TensorRT for RTX .* refuses it: "):
        build_engine(graph, tmp_path / "x.engine", flavour="tensorrt_rtx", targets=["7.5"])
    assert os.listdir(tmp_path) == ["other.onnx"]


def test_a_compiler_that_dies(tmp_path: Path) -> None:
    """NVIDIA's takes its process along on attention with free dimensions (1.7.1); ours goes on."""
    many = packaged_artifact(get_spec("fastenhancer_t"), many=True)
    assert many is not None
    (tmp_path / "x.engine").write_bytes(b"an earlier engine")
    try:
        build_engine(many, tmp_path / "x.engine", **FAST)
    except ArtifactError as error:
        told = str(error)
        assert "fastenhancer_t.many.onnx: the compiler" in told and "--opset 18" in told
        assert os.listdir(tmp_path) == ["x.engine"]
        assert (tmp_path / "x.engine").read_bytes() == b"an earlier engine"
    else:
        pytest.skip(f"needs tensorrt-rtx 1.7: {RTX.__version__} compiles it")


def test_graphs_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(packaged("gtcrn").read_bytes()[:5000])
    with pytest.raises(ArtifactError, match=r"x\.onnx: ONNX Runtime .* cannot load it"):
        build_engine(tmp_path / "x.onnx", tmp_path / "x.engine", **FAST)
    with pytest.raises(ArtifactError, match=r"the parser of TensorRT for RTX .* refuses it"):
        build(job(tmp_path / "x.onnx", tmp_path / "x.engine"))
    with pytest.raises(ValueError, match=r"x\.onnx: the name of an engine ends in \.engine"):
        build_engine(packaged("gtcrn"), tmp_path / "x.onnx", **FAST)
    with pytest.raises(ValueError, match=r"targets are for TensorRT for RTX"):
        build_engine(packaged("gtcrn"), tmp_path / "x.engine", targets=["8.9"])
    with pytest.raises(ValueError, match=r"version_compatible is for TensorRT \(without --rtx\)"):
        build_engine(packaged("gtcrn"), tmp_path / "x.engine", version_compatible=True, **FAST)
    with pytest.raises(ValueError, match="the graph has no such input"):
        build_engine(packaged("gtcrn"), tmp_path / "x.engine", profiles="x:1", **FAST)
    assert os.listdir(tmp_path) == ["x.onnx"]


@pytest.mark.skipif(find_gpu() is not None, reason="needs a machine without a GPU")
def test_what_takes_a_gpu_after_all(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="engines that can be refitted are built where there is a GPU"):
        build_engine(other_graph(tmp_path / "other.onnx"), tmp_path / "x.engine", refit=True, **FAST)
    assert os.listdir(tmp_path) == ["other.onnx"]


def test_a_precision_that_costs_too_much(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="reduced graph: SNR 2"):
        build_engine(packaged("gtcrn"), tmp_path / "x.engine", precision="int8", **FAST)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(find_gpu() is not None, reason="needs a machine without a GPU")
def test_tensorrt_without_it_or_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"TensorRT (is not installed .*docs/nvidia|.*--rtx)"):
        build_engine(packaged("gtcrn"), tmp_path / "x.engine")
    assert os.listdir(tmp_path) == []


# What cannot be had by asking: fakes of the two ends of a build


class _Short:
    """The real library, whose builder runs out of memory as on a GPU: an error, or a word in the log."""

    def __init__(self, raises: bool) -> None:
        self.raises = raises

    def __getattr__(self, name: str) -> Any:
        return getattr(RTX, name)

    def Builder(self, logger: Any) -> Any:
        real, short = RTX.Builder(logger), self

        class Builder:
            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            def build_serialized_network(self, network: Any, config: Any) -> None:
                if short.raises:
                    raise MemoryError("std::bad_alloc")
                logger.log(RTX.ILogger.ERROR, "Requested amount of GPU memory: out of memory")

        return Builder()


@pytest.mark.parametrize("raises", [True, False])
def test_out_of_memory(tmp_path: Path, raises: bool) -> None:
    graph = other_graph(tmp_path / "other.onnx")
    with pytest.raises(ArtifactError, match=r"runs out of memory \(.*\); give a smaller workspace"):
        build(job(graph, tmp_path / "x.engine"), _Short(raises))
    assert os.listdir(tmp_path) == ["other.onnx"]


def test_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the real builder works: it stops at its next step."""
    bar = converters.tensorrt.builder.tqdm

    class Interrupted(bar):  # type: ignore[misc, valid-type]
        def update(self, n: float = 1) -> None:
            if n > 0:
                raise KeyboardInterrupt

    monkeypatch.setattr(converters.tensorrt.builder, "tqdm", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(job(packaged("gtcrn"), tmp_path / "x.engine"))
    assert os.listdir(tmp_path) == []


def test_the_bar_runs_from_begin_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    bar = converters.tensorrt.builder.tqdm

    class Seen(bar):  # type: ignore[misc, valid-type]
        def update(self, n: float = 1) -> None:
            self.n += n
            seen.append(self.n)

    monkeypatch.setattr(converters.tensorrt.builder, "tqdm", Seen)
    build(job(packaged("fastenhancer_t"), tmp_path / "x.engine"))
    assert seen == sorted(seen) and len(set(seen)) > 20 and 0.8 < seen[-1] <= 1.0


# The script


def test_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = tmp_path / "gtcrn.engine"
    words = ["--onnx", str(packaged("gtcrn")), "--engine", str(engine), "--target", "8.6"]
    done = subprocess.run(
        [sys.executable, "-m", "scripts.build_engine", *words, "--fp16", "--tf32"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "making it fp16" in done.stderr and "in 32 bits stay" in done.stderr
    assert "MB, " in done.stdout and "tensorrt_rtx --onnx=" in done.stdout
    record = read_engine_record(engine)
    assert (record.precision, record.flags, record.targets) == ("fp16", (), ("8.6",))
    record_path(engine).unlink()
    assert script.main([*words, "--record"]) == 0 and read_engine_record(engine).precision == "fp32"
    assert script.main([*words[:3], "x.txt", "--rtx"]) == 1
    assert "the name of an engine ends in" in capsys.readouterr().err


def test_bindings_have_what_is_called() -> None:
    """Names that TensorRT 10 and 11 and TensorRT for RTX share."""
    for owner, names in {
        RTX.BuilderFlag: ("TF32", *converters.tensorrt.builder.BUILDER_FLAGS.values()),
        RTX.NetworkDefinitionCreationFlag: ("STRONGLY_TYPED",),
        RTX.MemoryPoolType: ("WORKSPACE",),
        RTX.ILogger: ("ERROR", "INTERNAL_ERROR", "WARNING"),
        RTX.IExecutionContext: (
            "set_input_shape",
            "set_tensor_address",
            "execute_async_v3",
            "get_tensor_shape",
        ),
        RTX.ICudaEngine: ("num_io_tensors", "get_tensor_name", "get_tensor_mode", "get_tensor_shape"),
        RTX.TensorIOMode: ("INPUT", "OUTPUT"),
        RTX.Runtime: ("deserialize_cuda_engine",),
    }.items():
        assert not [name for name in names if not hasattr(owner, name)], owner


def test_an_engine_for_rtx_cards_compiles(synthesis_files: list[Path], tmp_path: Path) -> None:
    """By the real compiler, which needs a GPU only to run: this shows that it can, not what it gives."""
    pytest.importorskip("tensorrt_rtx_bindings")
    from converters.tensorrt.engine import build_engine

    engine = tmp_path / "x.engine"
    report = build_engine(synthesis_files[0], engine, flavour="tensorrt_rtx", precision="fp16")
    assert report.layers > 50 and engine.stat().st_size > 1e6
    assert json.loads((tmp_path / "x.engine.json").read_text())["manifest"]["task"] == "synthesis"
