"""FastEnhancer's ablations as graphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import zoo
from converters.base import whole_waveform
from converters.onnx import FORBIDDEN
from zoo.artifact.parity import compare
from zoo.registry import get_spec
from zoo.runtime.onnx import Graph
from zoo.spec import Tolerance

Array = NDArray[np.float32]
Exported = Callable[..., Path]

NAMES = [
    "fastenhancer_dprnn_t",
    "fastenhancer_transformer_t",
    "fastenhancer_layernorm_b",
    "fastenhancer_time_kernel_b",
]
TRANSFORMER = "fastenhancer_transformer_t"


def test_every_ablation_is_here() -> None:
    networks = {
        get_spec(name).network
        for name in zoo.list_models()
        if get_spec(name).family == "fastenhancer" and get_spec(name).streaming
    }
    assert networks == {get_spec(name).network for name in (*NAMES, "fastenhancer_t")}


@pytest.mark.parametrize("form", ["spec2spec", "wav2wav"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "offline"])
def test_graphs(
    name: str,
    form: str,
    streaming: bool,
    exported: Exported,
    weights_for: Callable[[str], Path],
    speech_16k: Array,
) -> None:
    path = exported(name, form) if streaming else exported(name, form, streaming=False)
    assert not {node.op_type for node in onnx.load(path).graph.node} & FORBIDDEN
    assert zoo.verify(path).passed
    noisy = speech_16k[16000:48000]
    expected = whole_waveform(zoo.create_model(name, weights_for(name)), noisy[None])[0]
    compare(expected, zoo.Enhancer(path)(noisy), tensor="enhanced", tolerance=Tolerance())


def test_few_operators(exported: Exported) -> None:
    """One operator for each recurrence over frequency, each attention over it and each norm.

    One step of the recurrence over time is in matrix products; no mask is made that is known beforehand.
    """

    def count(name: str, operator: str) -> int:
        graph = onnx.load(exported(name, "spec2spec")).graph
        return sum(node.op_type == operator for node in graph.node)

    assert count("fastenhancer_dprnn_t", "GRU") == 2
    assert count("fastenhancer_transformer_t", "Attention") == 2
    assert count("fastenhancer_layernorm_b", "LayerNormalization") == 10
    assert count("fastenhancer_layernorm_b", "InstanceNormalization") == 0
    assert count(TRANSFORMER, "Log") == 1
    assert count(TRANSFORMER, "Where") + count(TRANSFORMER, "Gather") == 0


def test_states_of_attention_and_convolutions(exported: Exported) -> None:
    def states(name: str) -> dict[str, tuple[int | str, ...]]:
        manifest = Graph(exported(name, "spec2spec")).manifest
        assert manifest is not None
        return {state.name: state.shape for state in manifest.states}

    cache = (1, 16, 4, 31, 5)
    assert states(TRANSFORMER) == {
        "window.seen": (1, 31),
        **{f"dpt_block.{i}.time_attn.{kind}": cache for i in range(2) for kind in ("key", "value")},
    }
    past, hidden = (1, 48, 2, 64), (1, 24, 36)
    assert states("fastenhancer_time_kernel_b") == {
        **{f"encoder.{i}.0.past": past for i in range(2)},
        **{f"rf_block.{i}.rnn.hidden": hidden for i in range(3)},
        **{f"decoder.{i}.3.past": past for i in range(2)},
    }


@pytest.mark.parametrize("options", [{"streams": "streams"}, {"hops": 5}, {"hops": 40}], ids=str)
def test_attention_over_many_streams_and_hops(options: dict, exported: Exported, speech_16k: Array) -> None:
    """40 hops are more than it looks back, so that they go in pieces."""
    noisy = speech_16k[16000:48000]
    one = zoo.Enhancer(exported(TRANSFORMER, "wav2wav"))(noisy)
    many = zoo.Enhancer(exported(TRANSFORMER, "wav2wav", **options))(noisy)
    compare(one, many, tensor="enhanced", tolerance=Tolerance())


@pytest.mark.parametrize("frames", [3, 30, 31, 32, 33, 61, 62, 63, 64, 125])
def test_attention_over_any_length(
    frames: int, exported: Exported, weights_for: Callable[[str], Path], speech_16k: Array
) -> None:
    """Around the ends of the pieces of 31 frames."""
    noisy = speech_16k[16000:][: 256 * frames - 512]
    path = exported(TRANSFORMER, "spec2spec", streaming=False)
    expected = whole_waveform(zoo.create_model(TRANSFORMER, weights_for(TRANSFORMER)), noisy[None])[0]
    compare(expected, zoo.Enhancer(path)(noisy), tensor="enhanced", tolerance=Tolerance())
