"""FastEnhancer's ablations: every size against the public facts, and the smallest of each form as graphs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

import zoo
from converters.subjects.enhancement import whole_waveform
from converters.targets.tracing import FORBIDDEN
from tests.contract import ONE_A_NETWORK
from tests.data import ORACLES
from zoo.arrays import Array
from zoo.artifact.parity import compare
from zoo.checkpoint import read_parameters
from zoo.registry import get_spec
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance

Exported = Callable[..., Path]

PUBLISHED = get_spec("fastenhancer_t").network
NAMES = [
    name
    for name in ONE_A_NETWORK
    if get_spec(name).family == "fastenhancer" and get_spec(name).network != PUBLISHED
]
TRANSFORMER = "fastenhancer_transformer_t"
SIZES = {  # layers of the encoder after the first, blocks, their channels and frequencies
    "t": (2, 2, 20, 16),
    "b": (2, 3, 36, 24),
    "s": (3, 3, 48, 36),
    "m": (3, 4, 72, 48),
    "l": (4, 5, 96, 64),
}
PARAMETERS = {  # of the public training forms
    "fastenhancer_t": 22_451,
    "fastenhancer_b": 93_087,
    "fastenhancer_s": 196_819,
    "fastenhancer_m": 495_987,
    "fastenhancer_l": 1_111_907,
    "fastenhancer_dprnn_t": 23_691,
    "fastenhancer_dprnn_b": 99_027,
    "fastenhancer_dprnn_s": 206_755,
    "fastenhancer_dprnn_m": 526_227,
    "fastenhancer_dprnn_l": 1_179_203,
    "fastenhancer_transformer_t": 19_819,
    "fastenhancer_transformer_b": 80_579,
    "fastenhancer_transformer_s": 174_915,
    "fastenhancer_transformer_m": 431_315,
    "fastenhancer_layernorm_b": 93_411,
    "fastenhancer_time_kernel_b": 148_383,
}


def public_keys(name: str) -> set[str]:
    """Keys of a public checkpoint: those of an oracle of its form, with as many layers as this size has."""
    layers, blocks, *_ = SIZES[name[-1]]
    oracle = name[:-1] + "b"
    if oracle not in ORACLES:  # forms without one: another kernel has no other keys, for recurrence see below
        oracle = "fastenhancer_t"
    keys = set()
    for key in read_parameters(ORACLES[oracle]):
        stem, _, rest = key.partition(".")
        repeated = blocks if stem.endswith("_block") else layers if stem in ("encoder", "decoder") else 0
        tail = rest.partition(".")[2]
        keys |= {f"{stem}.{i}.{tail}" for i in range(repeated)} if repeated and tail != "pe" else {key}
    if "dprnn" in name:  # in each block over frequency too, both ways, in place of attention and position
        keys = {
            re.sub("^rf_", "dprnn_", key) for key in keys if "attn" not in key and not key.endswith(".pe")
        }
        for key in [key for key in keys if ".rnn" in key]:
            over_time, over_frequency = key.replace(".rnn", ".trnn"), key.replace(".rnn", ".frnn")
            keys -= {key}
            keys |= {over_time, over_frequency, over_frequency.replace("_l0", "_l0_reverse")}
    return keys


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_size_is_the_public_one(name: str, shared: Path) -> None:
    """Keys, and so many parameters."""
    model = zoo.create_model(name)
    assert model.state_dict().keys() == public_keys(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_states_of_every_size(name: str) -> None:
    """For each block the GRU's memory, or keys and values of 31 frames; kernels over time keep two."""
    layers, blocks, channels, bins = SIZES[name[-1]]
    shapes = list(zoo.to_streaming(zoo.create_model(name)).state_shapes().values())
    expected: list[tuple[int, ...]] = [(bins, channels)] * blocks
    if "transformer" in name:
        expected = [(31,), *[(bins, 4, 31, channels // 4)] * 2 * blocks]
    elif "time_kernel" in name:
        past = [(48, 2, 64)] * layers
        expected = [*past, *expected, *past]
    assert shapes == expected


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
    assert count(TRANSFORMER, "Log") == 3  # of the mask and of two powers
    assert count(TRANSFORMER, "Where") + count(TRANSFORMER, "Gather") == 0


def test_states_of_attention_and_convolutions(exported: Exported) -> None:
    def states(name: str) -> dict[str, tuple[int | str, ...]]:
        manifest = OnnxGraph(exported(name, "spec2spec")).manifest
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
