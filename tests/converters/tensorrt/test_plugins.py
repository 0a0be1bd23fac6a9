"""Plugins of TensorRT without it and without a GPU: graphs with them, their kernels, what is registered.

Not here: an engine with them, which takes a GPU: python -m scripts.gpu_check.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from converters import build_engine, export_synthesis
from converters.tensorrt import plugin_nodes
from converters.tensorrt.builder import Job, build
from converters.tensorrt.engine import command_line, describe
from converters.tensorrt.plugin_nodes import insert_plugins
from converters.tensorrt.plugins import SOURCE, compile_kernels
from converters.tensorrt.precision import reduce_precision
from scripts import build_engine as script
from tests.converters.tensorrt.bindings import empty_libraries, packaged
from tests.converters.tensorrt.plugin_process import FRAMES, SHAPES
from tests.data import ROOT
from zoo.artifact.engine import TOLERANCES
from zoo.errors import ArtifactError, MissingExtraError, ParityError
from zoo.layers.length import AddPositions, Repeat, length_mask, repeat_counts
from zoo.models.fastspeech.model import FastSpeech
from zoo.registry import get_spec
from zoo.spec import SynthesisSpec
from zoo.tasks.synthesis.plugins import register_plugins

EXACT, HALF = TOLERANCES["fp32"], TOLERANCES["fp16"]


# Graphs


@pytest.fixture(scope="session")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network for two texts, with random weights."""
    torch.manual_seed(0)
    spec = get_spec("fastspeech")
    assert isinstance(spec, SynthesisSpec)
    sizes = {"phoneme_layers": 1, "mel_layers": 1, "heads": 1, "head_channels": 8, "filters": 16, "kernel": 3}
    sizes |= {"duration_filters": 8, "duration_kernel": 3, "longest": 64, "channels": 16, "symbols": 149}
    model = FastSpeech(spec, mels=spec.front_end.mels, **sizes).eval()
    path = tmp_path_factory.mktemp("plugins") / "small.onnx"
    export_synthesis(model, path, tokens=12, frames=40, batch=2)
    return path


def test_a_graph_with_plugins(graph: Path, tmp_path: Path) -> None:
    """It is the same to the last bit with functions in their place; else it is as it was."""
    out = tmp_path / "plugins.onnx"
    report = insert_plugins(graph, out, "aot", tolerance=EXACT)
    assert report.snr_db == np.inf
    before, after = onnx.load(graph), onnx.load(out)
    found = [node for node in after.graph.node if node.domain]
    assert Counter(node.op_type for node in found) == {"AddPosEnc": 2, "Repeat": 1}
    for node in found:
        told = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        frames = {"frames": 40} if node.op_type == "Repeat" else {}
        assert told == {"plugin_namespace": b"speechzoo", "aot": 1, **frames}
    assert not after.functions and len(after.graph.node) == len(before.graph.node) - 10
    kept = {node.name: node for node in before.graph.node}
    assert all(kept[node.name] == node for node in after.graph.node if not node.domain)
    assert before.metadata_props == after.metadata_props and before.graph.output == after.graph.output
    insert_plugins(graph, out, "jit", tolerance=EXACT)
    assert {a.i for node in onnx.load(out).graph.node for a in node.attribute if a.name == "aot"} == {0}


def test_a_graph_in_sixteen_bits(graph: Path, tmp_path: Path) -> None:
    """The plugin reads half precision, and the counts in 32 bits."""
    half, out = tmp_path / "half.onnx", tmp_path / "plugins.onnx"
    reduce_precision(graph, half, "fp16")
    assert insert_plugins(half, out, "aot", tolerance=HALF).snr_db > 60
    proto = onnx.load(out)
    (node,) = [node for node in proto.graph.node if node.op_type == "Repeat"]
    casts = {n.output[0]: n.attribute[0].i for n in proto.graph.node if n.op_type == "Cast"}
    made = {n.output[0]: n.op_type for n in proto.graph.node}
    assert made[node.input[1]] == "Round" and node.input[1] not in casts
    codes = {node.input[1] for node in proto.graph.node if node.op_type == "AddPosEnc"}
    kinds = {tensor.data_type for tensor in proto.graph.initializer if tensor.name in codes}
    assert onnx.TensorProto.FLOAT16 in kinds


def test_a_function_that_is_another_fails(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    positions, repeat = plugin_nodes.FUNCTIONS
    for functions in (
        (positions.replace("CastLike (own", "CastLike (mask"), repeat),
        (positions.replace("Mul (code", "Add (code"), repeat),
        (positions, repeat.replace("LessOrEqual", "Less")),
    ):
        assert functions != plugin_nodes.FUNCTIONS
        monkeypatch.setattr(plugin_nodes, "FUNCTIONS", functions)
        with pytest.raises((ParityError, ArtifactError)):
            insert_plugins(graph, tmp_path / "x.onnx", "aot", tolerance=EXACT)


def test_graphs_without_a_length_regulator(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"gtcrn.*\.onnx: it has no length regulator"):
        insert_plugins(packaged("gtcrn"), tmp_path / "x.onnx", "aot", tolerance=EXACT)
    assert not (tmp_path / "x.onnx").exists()


# Kernels

HARNESS = """
static struct { int x, y, z; } threadIdx, blockIdx, blockDim, gridDim;
#define KERNEL static void
static T sum(T a, T b) { return a + b; }
#include "plugins.cu"
#define LAUNCH(kernel) \\
  gridDim.x = grid_x; gridDim.y = grid_y; blockDim.x = block_x; \\
  for (blockIdx.y = 0; blockIdx.y < grid_y; blockIdx.y++) \\
    for (blockIdx.x = 0; blockIdx.x < grid_x; blockIdx.x++) \\
      for (threadIdx.x = 0; threadIdx.x < block_x; threadIdx.x++) kernel
void run_add_positions(int grid_x, int grid_y, int block_x, const T* x, const T* code,
                       const unsigned char* mask, int tokens, int channels, int elements, T* y) {
  LAUNCH(add_positions(x, code, mask, tokens, channels, elements, y);)
}
void run_repeat(int grid_x, int grid_y, int block_x, const T* x, const float* counts, int tokens,
                int channels, T* y) {
  LAUNCH(repeat(x, counts, tokens, channels, y);)
}
"""


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ctypes.CDLL]:
    """The kernels' own source, compiled for the processor, by type."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc: for kernels on the processor")
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "harness.c").write_text(HARNESS)
    libraries = {}
    for kind, own in (("float32", "float"), ("float16", "_Float16")):
        command = ["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", f"-DT={own}", f"-I{SOURCE.parent}"]
        path = folder / f"{kind}.so"
        subprocess.run([*command, "-o", str(path), str(folder / "harness.c")], check=True)
        libraries[kind] = ctypes.CDLL(str(path))
    return libraries


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What TensorRT's own package makes of the plugins."""
    folder = tmp_path_factory.mktemp("told")
    libraries = empty_libraries(folder)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.converters.tensorrt.plugin_process",
            str(libraries),
            str(folder / "told.json"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "told.json").read_text())


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_what_is_registered(told: dict[str, Any], kind: str) -> None:
    """Types, shapes and attributes; that Python's calls compute the same is checked where they are made."""
    own = {"float32": "FLOAT", "float16": "HALF"}[kind]
    added, repeated = told[f"AddPosEnc {kind}"], told[f"Repeat {kind}"]
    assert (added["types"], added["shape"], added["fields"]) == ([own], [3, 7, 70], [])
    assert (repeated["types"], repeated["shape"], repeated["fields"]) == ([own], [3, FRAMES, 70], ["frames"])
    assert added["supported"] == [[t, t, "BOOL", t] for t in ("FLOAT", "HALF")]
    assert repeated["supported"] == [[t, "FLOAT", t] for t in ("FLOAT", "HALF")]
    for plugin in (added, repeated):
        assert "none" in plugin["ptx"] or f".entry {plugin['kernel']}(" in plugin["ptx"]
        assert "none" in plugin["ptx"] or ("add.rn.f16" in plugin["ptx"]) == (kind == "float16")


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_kernels_compute_what_the_layers_do(
    told: dict[str, Any], kernels: dict[str, ctypes.CDLL], kind: str
) -> None:
    """With the grids and numbers that the builder is given, on cases with zeros, ties, overflow, padding."""
    random = np.random.default_rng(3)
    (rows, tokens, channels), library = SHAPES["Repeat"][0], kernels[kind]
    layer, half_way = AddPositions(channels, tokens), np.arange(0, 4, 0.5)
    for case in range(40):
        x = torch.from_numpy(random.normal(size=(rows, tokens, channels)).astype(kind))
        mask = length_mask(torch.from_numpy(random.integers(0, tokens + 1, rows)), tokens)
        code = layer.weight[1 : tokens + 1].to(x.dtype)
        y = launch(library, told[f"AddPosEnc {kind}"], [x, code, mask], x.shape)
        assert torch.equal(y, layer(x, mask))

        durations = torch.from_numpy(random.choice(half_way, (rows, tokens)).astype(np.float32)) * mask
        counts = repeat_counts(durations, torch.tensor(0.5 + case % 5))
        y = launch(library, told[f"Repeat {kind}"], [x, counts], (rows, FRAMES, channels))
        assert torch.equal(y, Repeat()(x, counts, FRAMES))
    seen = counts.sum(1)  # the last case: at alpha 4.5, some of it is cut off
    assert seen.max() > FRAMES


def launch(
    library: ctypes.CDLL, plugin: dict[str, Any], values: list[torch.Tensor], shape: tuple[int, ...]
) -> torch.Tensor:
    """Run a kernel as TensorRT would: inputs, its numbers, output."""
    grid = [plugin["launch"][key] for key in ("grid_x", "grid_y", "block_x")]
    assert [plugin["launch"][key] for key in ("grid_z", "block_y", "block_z", "shared_mem")] == [1, 1, 1, 0]
    y = torch.full(shape, torch.nan, dtype=values[0].dtype)
    arrays = [np.ascontiguousarray(value.detach().numpy()) for value in values]
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
    run = getattr(library, f"run_{plugin['kernel']}")
    run(*grid, *pointers, *plugin["numbers"], ctypes.c_void_p(y.data_ptr()))
    return y


@pytest.mark.parametrize("half", [False, True])
def test_nvrtc_compiles_them(half: bool) -> None:
    """Without a GPU, to what runs on cards from Turing on."""
    try:
        ptx = compile_kernels(half=half).decode()
    except MissingExtraError as absent:
        pytest.skip(f"needs NVRTC: {absent}")
    assert ptx.count(".visible .entry ") == 2 and ".target sm_75" in ptx and "\0" not in ptx
    inputs = ptx.partition(".entry repeat(")[2].partition(")")[0]
    assert [line.split()[1] for line in inputs.strip().splitlines()] == [
        ".u64",
        ".u64",
        ".u32",
        ".u32",
        ".u64",
    ]


# What is refused, and what the record says


def test_without_nvrtc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(MissingExtraError, match=r"NVRTC .*pip install .*\[plugins\]\".*--plugins jit"):
        compile_kernels.__wrapped__(half=False)


def test_a_kernel_that_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="needs cuda-bindings and nvidia-cuda-nvrtc")
    (tmp_path / "wrong.cu").write_text("KERNEL")
    monkeypatch.setattr("converters.tensorrt.plugins.SOURCE", tmp_path / "wrong.cu")
    with pytest.raises(ArtifactError, match=r"wrong\.cu: NVRTC does not compile it .*error"):
        compile_kernels.__wrapped__(half=False)


@pytest.mark.skipif(find_spec("tensorrt") is not None, reason="needs an environment without tensorrt")
def test_without_tensorrt() -> None:
    with pytest.raises(MissingExtraError, match=r"plugins need TensorRT 10\.6 .*docs/nvidia\.md"):
        register_plugins()


def test_tensorrt_for_rtx_has_none(graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own parser says so; asked for, they are refused before anything is done."""
    with pytest.raises(ValueError, match=r"plugins are for TensorRT \(without --rtx\)"):
        build_engine(graph, tmp_path / "x.engine", flavour="tensorrt_rtx", plugins="aot")
    words = ["--onnx", str(graph), "--engine", str(tmp_path / "x.engine"), "--rtx", "--plugins"]
    assert script.main(words) == 1 and "plugins are for TensorRT" in capsys.readouterr().err
    pytest.importorskip("tensorrt_rtx_bindings")
    insert_plugins(graph, tmp_path / "plugins.onnx", "aot", tolerance=EXACT)
    job = Job("tensorrt_rtx", str(tmp_path / "plugins.onnx"), "x", str(tmp_path / "x"), {}, targets=("8.6",))
    with pytest.raises(ArtifactError, match=r"refuses it: .*Plugin not found"):
        build(job)
    assert os.listdir(tmp_path) == ["plugins.onnx"]


@pytest.fixture
def version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of TensorRT, which is all that is asked of it before the builder starts."""
    library = type("library", (), {"__version__": "11"})
    monkeypatch.setattr("converters.tensorrt.engine.load_library", lambda flavour: library)


@pytest.mark.usefixtures("version")
@pytest.mark.skipif(find_spec("tensorrt") is not None, reason="needs an environment without tensorrt")
def test_up_to_the_builder(graph: Path, tmp_path: Path) -> None:
    """Everything is ready when TensorRT is found to be missing; nothing is left."""
    pytest.importorskip("cuda.bindings", reason="needs cuda-bindings and nvidia-cuda-nvrtc")
    lines: list[str] = []
    with pytest.raises(MissingExtraError, match="TensorRT is not installed"):
        build_engine(graph, tmp_path / "x.engine", plugins="aot", progress=lines.append)
    assert any("with plugins, mel: SNR inf dB" in line for line in lines) and os.listdir(tmp_path) == []


@pytest.mark.usefixtures("version")
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs PyTorch without CUDA")
def test_without_cuda_for_python(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match="needs an NVIDIA GPU and PyTorch with CUDA"):
        build_engine(graph, tmp_path / "x.engine", plugins="jit")


@pytest.mark.usefixtures("version")
def test_the_record(graph: Path) -> None:
    """Engines with plugins are others, and none of them is one of trtexec's."""
    records = [describe(graph, plugins=how) for how in (None, "aot", "jit")]
    assert [record.flags[1:] for record in records] == [(), ("aot_plugins",), ("jit_plugins",)]
    assert len({record.key() for record in records}) == 3
    lines = [command_line(record, graph, Path("x.engine")) for record in records]
    assert lines[0].startswith("trtexec ") and lines[1:] == ["", ""]
