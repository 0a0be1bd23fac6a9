"""Graphs in 16 and 8 bits: what stays in 32, and the gate."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

import converters.tensorrt.precision
from converters.tensorrt.precision import fragile, own_feeds, reduce_precision
from tests.converters.tensorrt.bindings import other_graph, packaged
from zoo.arrays import Array
from zoo.artifact.engine import TOLERANCES
from zoo.errors import ArtifactError, ParityError
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance
from zoo.tasks.synthesis.session import Utterance, inputs
from zoo.tasks.synthesis.synthesizer import Synthesizer


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


def test_sixteen_bits_keep_the_durations(synthesis_files: list[Path], tmp_path: Path) -> None:
    """The path of the durations stays in 32 bits, so that every token has as many frames as before."""
    half = tmp_path / "half.onnx"
    kept, report = reduce_precision(synthesis_files[0], half, "fp16")
    assert any("rounded" in group for group in kept) and 50 < report.snr_db < 80
    types = {t.name: t.data_type for t in onnx.load(half).graph.initializer}
    for part in (
        "word_emb.weight",
        "phoneme_side.layer_stack.1.pos_ffn.w_2.weight",
        "conv1d_1.weight",
        "triu",
    ):
        assert [kind for name, kind in types.items() if name.endswith(part)] == [onnx.TensorProto.FLOAT]
    assert types["model.mel_side.layer_stack.0.pos_ffn.w_1.weight"] == onnx.TensorProto.FLOAT16
    random, full, reduced = np.random.default_rng(1), OnnxGraph(synthesis_files[0]), OnnxGraph(half)
    for _ in range(20):
        values = inputs([Utterance(tuple(random.integers(0, 148, 16).tolist()))], 16)
        (_, lengths, durations), (_, other_lengths, others) = full(*values), reduced(*values)
        np.testing.assert_array_equal(lengths, other_lengths)
        np.testing.assert_array_equal(durations, others)
    assert len(Synthesizer(half)("hello").mel) == len(Synthesizer(synthesis_files[0])("hello").mel)
