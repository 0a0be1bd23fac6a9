"""What strangers made is verified in a process of its own, which ends."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import zoo
from tests.data import ROOT
from zoo.artifact.manifest import METADATA_KEY
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import ArtifactError, ParityError
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.apart import verify_apart


@pytest.fixture(scope="module")
def gtcrn() -> Path:
    path = packaged_artifact(zoo.get_spec("gtcrn"))
    assert path is not None
    return path


def constant(name: str, value: object) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(np.array(value)))


def with_nodes(gtcrn: Path, path: Path, nodes: list[onnx.NodeProto], result: str) -> Path:
    """The graph, to whose output something is added."""
    model = onnx.load(gtcrn)
    output = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["before" if name == output else name for name in node.output]
    model.graph.node.extend([*nodes, helper.make_node("Add", ["before", result], [output])])
    onnx.save(model, path)
    return path


def endless(gtcrn: Path, path: Path, *, ours: bool = True) -> Path:
    """With a loop of 2^62 turns."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Sin", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, []),
        ],
    )
    nodes = [
        constant("turns", np.int64(2**62)),
        constant("true", np.bool_(True)),
        constant("start", np.float32(0.5)),
        helper.make_node("Loop", ["turns", "true", "start"], ["last"], body=body),
    ]
    with_nodes(gtcrn, path, nodes, "last")
    if not ours:
        model = onnx.load(path)
        del model.metadata_props[:]
        onnx.save(model, path)
    return path


def large(gtcrn: Path, path: Path) -> Path:
    """With eight gigabytes of ones, of which the sum is taken; no size is known before it runs."""
    nodes = [
        helper.make_node("Shape", ["before"], ["shape"]),
        constant("many", np.array([2**23, 1], np.int64)),
        helper.make_node("Mul", ["shape", "many"], ["sizes"]),
        helper.make_node(
            "ConstantOfShape", ["sizes"], ["ones"], value=onnx.numpy_helper.from_array(np.ones(1, np.float32))
        ),
        helper.make_node("ReduceSum", ["ones"], ["last"], keepdims=0),
    ]
    return with_nodes(gtcrn, path, nodes, "last")


def test_it_is_what_is_verified_here(gtcrn: Path) -> None:
    report, manifest = verify_apart(gtcrn)
    assert report == zoo.verify(gtcrn) and report.passed
    assert dataclasses.asdict(manifest) == dataclasses.asdict(OnnxGraph(gtcrn).manifest)


def test_errors_are_the_same(gtcrn: Path, tmp_path: Path) -> None:
    model = onnx.load(gtcrn)
    weights = next(value for value in model.graph.initializer if len(value.raw_data) > 400)
    weights.raw_data = bytes(len(weights.raw_data))
    onnx.save(model, tmp_path / "zeros.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"bad")
    for name, kind in (
        ("zeros.onnx", ParityError),
        ("bad.onnx", ArtifactError),
        ("none.onnx", ArtifactError),
    ):
        with pytest.raises(kind) as here:
            zoo.verify(tmp_path / name)
        with pytest.raises(kind) as apart:
            verify_apart(tmp_path / name)
        assert str(here.value) == str(apart.value)


def test_loops_are_none_of_ours(gtcrn: Path, tmp_path: Path) -> None:
    """With our manifest they are refused before they run, at every door."""
    path = endless(gtcrn, tmp_path / "endless.onnx")
    for door in (zoo.verify, zoo.Enhancer, OnnxGraph, verify_apart):
        started = time.perf_counter()
        with pytest.raises(ArtifactError, match="it holds subgraphs, as loops and branches have them"):
            door(path)
        assert time.perf_counter() - started < 10


def test_operators_of_others_are_none_of_ours(gtcrn: Path, tmp_path: Path) -> None:
    node = helper.make_node("Gelu", ["before"], ["last"], domain="com.microsoft")
    with pytest.raises(ArtifactError, match=r"it holds operators of 'com\.microsoft'"):
        OnnxGraph(with_nodes(gtcrn, tmp_path / "x.onnx", [node], "last"))


def test_what_takes_too_much_memory_is_ended(gtcrn: Path, tmp_path: Path) -> None:
    path = large(gtcrn, tmp_path / "large.onnx")
    with pytest.raises(
        ArtifactError, match=r"could not be verified: it took more than 5\d\d MB|cannot run it"
    ):
        verify_apart(path, memory=500 << 20)
    assert main(["verify", str(path)]) == 1


def test_what_takes_too_long_is_ended(gtcrn: Path, tmp_path: Path) -> None:
    """Nobody can say of a graph without loops that it is slow; a chain of products is."""
    nodes = [
        constant("sizes", np.array([3000, 3000], np.int64)),
        helper.make_node("ConstantOfShape", ["sizes"], ["x0"]),
    ]
    chain = [helper.make_node("MatMul", [f"x{n}", f"x{n}"], [f"x{n + 1}"]) for n in range(100)]
    last = helper.make_node("ReduceSum", ["x100"], ["last"], keepdims=0)
    path = with_nodes(gtcrn, tmp_path / "slow.onnx", [*nodes, *chain, last], "last")
    started = time.perf_counter()
    with pytest.raises(
        ArtifactError, match=r"could not be verified: it (took more than 2 s|did not end in time)"
    ):
        verify_apart(path, seconds=2)
    assert time.perf_counter() - started < 30


def test_a_process_that_dies_is_told(gtcrn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(ArtifactError, match=r"it could not be verified: the process died \(1\)"):
        verify_apart(gtcrn)


FOREIGN = """
import sys
from zoo.runtime.onnx import OnnxGraph
graph = OnnxGraph(sys.argv[1])
import numpy as np
print("running", flush=True)
graph(*(np.zeros([n if isinstance(n, int) else 1 for n in spec.shape], np.float32) for spec in graph.inputs))
"""


def test_a_loop_of_others_can_be_interrupted(gtcrn: Path, tmp_path: Path) -> None:
    """A graph without our manifest may hold one; Ctrl-C ends it."""
    path = endless(gtcrn, tmp_path / "endless.onnx", ours=False)
    words = [sys.executable, "-c", FOREIGN, str(path)]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "running\n"
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in told
    assert METADATA_KEY not in told
