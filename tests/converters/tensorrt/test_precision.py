"""Graphs in 16 and 8 bits: what stays in 32, and the gate."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import converters.tensorrt.precision
from converters.tensorrt.precision import fragile, own_feeds, reduce_precision
from zoo.arrays import Array
from zoo.artifact.engine import TOLERANCES
from zoo.builtin import packaged_artifact
from zoo.errors import ArtifactError, ParityError
from zoo.registry import get_spec
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance


def packaged(name: str) -> Path:
    path = packaged_artifact(get_spec(name))
    assert path is not None
    return path


@pytest.mark.parametrize("name", ["fastenhancer_t", "gtcrn"])
def test_16_bits(name: str, tmp_path: Path) -> None:
    source, out = packaged(name), tmp_path / "half.onnx"
    kept, report = reduce_precision(source, out, "fp16")
    assert 45 < report.snr_db < 90 and report.tolerance == TOLERANCES["fp16"] == Tolerance(40.0, 3e-2)
    assert [what.partition(":")[0] for what in kept] == [
        "Fourier transform", "inverse Fourier transform", "states", "statistics, powers and logarithms"
    ]  # fmt: skip
    whole, half = onnx.load(source), onnx.load(out)
    types = {t.name: t.data_type for t in half.graph.initializer}
    transforms = [name for name in types if ".stft." in f".{name}" or ".istft." in f".{name}"]
    assert transforms and all(types[name] == TensorProto.FLOAT for name in transforms)
    weights = [
        t for t in half.graph.initializer if t.data_type == TensorProto.FLOAT16 and np.prod(t.dims) > 1
    ]
    assert len(weights) > 10
    values = [*half.graph.input, *half.graph.output]
    assert {value.type.tensor_type.elem_type for value in values} == {TensorProto.FLOAT}
    assert [v.name for v in values] == [v.name for v in (*whole.graph.input, *whole.graph.output)]
    assert {p.key: p.value for p in half.metadata_props} == {p.key: p.value for p in whole.metadata_props}
    casts = [node for node in half.graph.node if node.op_type == "Cast"]
    assert 0 < len(casts) < len(whole.graph.node) / 2 and len({c.output[0] for c in casts}) == len(casts)
    narrow = {c.output[0] for c in casts if c.attribute[0].i == TensorProto.FLOAT16}
    assert not [c.name for c in casts if c.input[0] in narrow], "rounded for nothing"


def test_8_bits(tmp_path: Path) -> None:
    """Symmetric values in pairs of nodes, as TensorRT reads them; here they lose too much."""
    source, out = packaged("gtcrn"), tmp_path / "int8.onnx"
    with pytest.raises(ParityError, match=r"reduced graph: SNR 2\d\.\d dB.* allowed are SNR >= 40 dB"):
        reduce_precision(source, out, "int8")
    assert os.listdir(tmp_path) == []
    kept, report = reduce_precision(source, out, "int8", tolerance=Tolerance(20.0, 0.3))
    assert 20 < report.snr_db < 40 and "all but 3" in kept[0]
    graph = onnx.load(out).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    zeros = [constants[n.input[2]] for n in graph.node if n.op_type == "QuantizeLinear"]
    assert len(zeros) > 20 and all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
    assert not any(value.dtype == np.int32 for value in constants.values()), "biases stay in full"


def test_what_is_calibrated_on() -> None:
    graph = OnnxGraph(packaged("gtcrn"))
    feeds = own_feeds(graph, 16)
    assert len(feeds) == 16 and all(feed.keys() == {s.name for s in graph.inputs} for feed in feeds)
    assert max(np.abs(feed["wav_in"]).max() for feed in feeds) > 0.05, "speech"
    assert any(np.any(feed[graph.inputs[-1].name]) for feed in feeds), "states of a running stream"


def test_recordings_of_ones_own(speech_16k: Array) -> None:
    """An enhancer's calls are taken from them, and a speaker's are pieces of them."""
    graph = OnnxGraph(packaged("gtcrn"))
    feeds = own_feeds(graph, 8, [speech_16k[:16000], speech_16k[16000:32000]])
    hops = speech_16k[:32000].reshape(-1, 256)
    assert len(feeds) == 8 and all((hops == feed["wav_in"]).all(1).any() for feed in feeds)


def test_speaker_graphs(speaker_graph: Callable[[str], Path], tmp_path: Path) -> None:
    """Both forms are fed with speech, and 16 bits pass on it."""
    for name in ("resnet18", "resnet18-wav"):
        feeds = own_feeds(OnnxGraph(speaker_graph(name)))
        assert feeds and all(np.isfinite(value).all() for feed in feeds for value in feed.values())
    kept, report = reduce_precision(speaker_graph("resnet18"), tmp_path / "x.onnx", "fp16")
    assert kept and 40 < report.snr_db < 90


def test_what_a_model_asks_for_stays(tmp_path: Path) -> None:
    graph = onnx.load(packaged("gtcrn")).graph
    part = next(t.name for t in graph.initializer if "dpgrnn1" in t.name).split(".")[0]
    names = fragile(graph, ["dpgrnn1"])["dpgrnn1"]
    readers = {n.name for n in graph.node if any("dpgrnn1" in name for name in n.input)}
    assert readers and readers <= set(names) and part
    with pytest.raises(ArtifactError, match="no parameter of the graph has 'durations' in its name"):
        reduce_precision(packaged("gtcrn"), tmp_path / "x.onnx", "fp16", keep=["durations"])
    assert os.listdir(tmp_path) == []


def test_a_tool_that_slips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of the reduced graph that are 2 % larger: the gate holds."""
    tidy = converters.tensorrt.precision._tidy_casts

    def faulty(graph: onnx.GraphProto, own: set[str]) -> None:
        tidy(graph, own)
        for weight in graph.initializer:
            if weight.data_type == TensorProto.FLOAT16:
                values = numpy_helper.to_array(weight) * np.float16(1.02)
                weight.CopyFrom(numpy_helper.from_array(values, weight.name))

    monkeypatch.setattr(converters.tensorrt.precision, "_tidy_casts", faulty)
    with pytest.raises(ParityError, match="waveform of the reduced graph: SNR"):
        reduce_precision(packaged("gtcrn"), tmp_path / "x.onnx", "fp16")
    assert os.listdir(tmp_path) == []


def other_graph(path: Path, *, recurrent: bool = False, rows: int | str = 5) -> Path:
    """A small graph of another task: two layers, or an LSTM between them."""
    random = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"a": (8, 16), "b": (16, 4)}
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["r"], "r"),
    ]
    if recurrent:
        shapes |= {"w": (1, 64, 16), "u": (1, 64, 16)}
        nodes.append(helper.make_node("LSTM", ["r", "w", "u"], ["", "l"], "lstm", hidden_size=16))
    nodes.append(helper.make_node("MatMul", ["l" if recurrent else "r", "b"], ["y"], "last"))
    weights = [
        numpy_helper.from_array(random.standard_normal(shape).astype(np.float32) / 4, name)
        for name, shape in shapes.items()
    ]
    values: list[Any] = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", (rows, 1, 8)), ("y", (1, 1, 4) if recurrent else (rows, 1, 4)))
    ]
    graph = helper.make_graph(nodes, "other", values[:1], values[1:], weights)
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), path)
    return path


def test_a_graph_of_another_task(tmp_path: Path) -> None:
    """Fed with what its owner has; recurrent layers stay in full where there are no states to tell."""
    source, out = other_graph(tmp_path / "other.onnx", recurrent=True), tmp_path / "half.onnx"
    with pytest.raises(ArtifactError, match="what it is fed with is not known here; pass feeds"):
        reduce_precision(source, out, "fp16")
    feeds = [{"x": np.random.default_rng(i).standard_normal((5, 1, 8)).astype(np.float32)} for i in range(4)]
    kept, report = reduce_precision(source, out, "fp16", feeds=feeds)
    assert kept == ("recurrent layers: 1 nodes",) and report.tensor == "y" and 50 < report.snr_db < 100
    kept, _ = reduce_precision(source, out, "fp16", feeds=feeds, recurrent=False)
    assert kept == ()
    kept, _ = reduce_precision(other_graph(source), out, "int8", feeds=feeds, tolerance=Tolerance(25.0, 0.1))
    assert kept == ("all but 2 products with constant weights",)
