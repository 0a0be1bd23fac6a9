"""Vocos: the contract, pieces and the whole, its graph and its C, files of others, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import converters
import zoo
from tests.contract import Signal, verify_contract
from zoo.arrays import Array
from zoo.cli import main
from zoo.create import build
from zoo.errors import ArtifactError, ParityError, ShapeError, UnknownModelError
from zoo.models.vocos.model import Envelope, Vocos
from zoo.registry import get_spec, list_models
from zoo.runtime.compiler import build as compile_library
from zoo.runtime.native import NativeGraph
from zoo.signal.mel import istft, stft, to_log_mel
from zoo.spec import MelSpectrum, VocoderSpec
from zoo.streaming.conversion import to_streaming
from zoo.tasks import load
from zoo.tasks.vocoder.feeds import speech_frames
from zoo.tasks.vocoder.graph import GraphVocoder, vocoder_manifest
from zoo.tasks.vocoder.open import find_vocoder
from zoo.tasks.vocoder.torch import TorchVocoder

NAME = "vocos_small"
FRONT_END = MelSpectrum()
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model() -> Vocos:
    """Random weights whose blocks matter as much as what goes by them."""
    torch.manual_seed(0)
    model = build(get_spec(NAME)).eval()
    assert isinstance(model, Vocos)
    with torch.no_grad():
        for block in model.blocks:
            block.pwconv2.gamma.copy_(torch.rand_like(block.pwconv2.gamma) + 0.5)
        model.head.weight.mul_(4)
    return model


@pytest.fixture(scope="module")
def graph(model: Vocos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vocos") / "vocoder.onnx"
    assert converters.export(model, path).snr_db > 100
    return path


@pytest.fixture(scope="module")
def mel() -> Array:
    return speech_frames(FRONT_END)[:150]


def test_the_contract(model: Vocos, mel: Array) -> None:
    x = torch.from_numpy(np.stack([mel[:30], mel[60:90]]))
    target = Signal(time=1, frame=FRONT_END.hop_length)
    verify_contract(model, to_streaming(model), x, Signal(time=1), target)


@pytest.mark.parametrize("name", list_models("vocoder"))
def test_sizes(name: str) -> None:
    """Parameters and multiply-adds are those that its record says; so is how far it looks ahead."""
    spec = get_spec(name, VocoderSpec)
    with torch.device("meta"):
        model = build(spec)
    assert isinstance(model, Vocos)
    assert sum(value.numel() for value in model.parameters()) == spec.parameters
    weights = sum(value.numel() for name, value in model.named_parameters() if value.ndim > 1)
    weights += model.envelope.shares.numel() if model.envelope else 0
    rate = spec.front_end.sample_rate / spec.front_end.hop_length
    assert weights * rate == pytest.approx(spec.macs_per_second, rel=0.01)
    assert spec.look_ahead == spec.options["future"] * (spec.options["blocks"] + 1)


def test_it_looks_as_far_ahead_as_it_says(model: Vocos, mel: Array) -> None:
    """A sample depends on the last frame that its latency lets it, and on none after it."""
    changed = mel.copy()
    changed[100] += 1
    one, other = (TorchVocoder(model).waveform(x) for x in (mel, changed))
    first = int(np.flatnonzero(one != other)[0])
    assert first >= 100 * 256 - model.spec.latency
    assert first < 100 * 256 - model.spec.latency + 256


def test_the_envelope_follows_the_frames(mel: Array) -> None:
    """From the frames of speech come its magnitudes, near enough to have those frames again."""
    state = {"past": torch.zeros(1, 2, 80)}
    silence = float(np.log(FRONT_END.floor))
    found, _ = Envelope(FRONT_END, 2)(torch.from_numpy(mel)[None] - silence, state)
    assert found.shape == (1, 513, len(mel))
    again = to_log_mel(found[0].T.numpy(), FRONT_END)
    np.testing.assert_allclose(again[:2], np.log(FRONT_END.floor), atol=0.6)  # two frames late
    assert np.abs(again[2:] - mel[:-2]).mean() < 0.6
    above = found[0, 400:]  # where no filter is, it is as at 8 kHz
    assert torch.equal(above[0], above[-1]) and (found > 0).all()


def test_pieces_give_what_the_whole_gives(graph: Path, model: Vocos, mel: Array) -> None:
    vocoder = find_vocoder(graph, FRONT_END)
    assert isinstance(vocoder, GraphVocoder)
    whole = vocoder(mel)
    assert whole.shape == (len(mel) * 256,) and whole.dtype == np.float32 and np.abs(whole).max() > 0.01
    np.testing.assert_allclose(whole, TorchVocoder(model).waveform(mel), atol=1e-5 * np.abs(whole).max())
    stream = vocoder.stream()
    for _ in range(2):  # after a flush everything begins anew
        waves = [stream.push(piece) for piece in np.split(mel, [0, 1, 3, 60])]
        assert len(waves[0]) == len(waves[1]) == 0 < len(waves[-1])
        found = np.concatenate([*waves, stream.flush()])
        np.testing.assert_allclose(found, whole, atol=1e-5 * np.abs(whole).max())
    assert len(stream.flush()) == len(vocoder(mel[:0])) == 0
    assert [len(vocoder(mel[:n])) for n in (1, 2, 22, 24)] == [256, 512, 22 * 256, 24 * 256]


def test_the_graph_is_verified_and_told(graph: Path, mel: Array, tmp_path: Path, capsys: Capture) -> None:
    assert zoo.verify(graph).passed
    manifest = vocoder_manifest(load(graph))
    assert (manifest.task, manifest.form, manifest.hops, manifest.latency) == (
        "vocoder",
        "mel2wav",
        "hops",
        5888,
    )
    with pytest.raises(ArtifactError, match="it is for vocoder, not for enhancement"):
        zoo.Enhancer(graph)
    assert main(["speak", "Hello.", "--vocoder", str(graph), "-o", str(tmp_path / "x.wav")]) == 0
    assert main(["verify", str(graph)]) == 0
    capsys.readouterr()


def test_a_changed_weight_is_seen(model: Vocos, graph: Path, tmp_path: Path) -> None:
    """By 0.1 %, in the file: what it carries is no longer what it makes."""
    proto = onnx.load(graph)
    weight = next(t for t in proto.graph.initializer if t.dims and np.prod(t.dims) > 100_000)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.001), weight.name))
    onnx.save(proto, tmp_path / "x.onnx")
    with pytest.raises(ParityError, match="wav_out: SNR"):
        zoo.verify(tmp_path / "x.onnx")


def test_c(model: Vocos, mel: Array, tmp_path: Path) -> None:
    """Eight frames a call; the C holds its gate, and makes the same waveform."""
    source = tmp_path / "vocoder.c"
    report = converters.export(model, source, "c", hops=8)
    assert report.snr_db > 100 and "mel magnitudes" in source.with_suffix(".h").read_text()
    compile_library(source, tmp_path / "vocoder.so")
    native = NativeGraph(tmp_path / "vocoder.so")
    assert zoo.tasks.verify_graph(native).passed
    expected = TorchVocoder(model).waveform(mel)
    found = GraphVocoder(native, vocoder_manifest(native)).waveform(mel)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_a_public_graph(tmp_path: Path, mel: Array) -> None:
    """Three outputs: magnitudes, cosines and sines of a centred transform; here of one frame everywhere."""
    spectrum = stft(np.sin(np.arange(4096) / 9).astype(np.float32), FRONT_END)[8]
    parts = {"mag": np.abs(spectrum), "x": np.cos(np.angle(spectrum)), "y": np.sin(np.angle(spectrum))}
    shape = [1, 513, None]
    nodes, constants = [], [numpy_helper.from_array(np.zeros((1, 80, 1), np.float32), "zeros")]
    nodes.append(helper.make_node("Conv", ["mels", "zeros"], ["silent"]))
    for name, values in parts.items():
        constants.append(numpy_helper.from_array(values.astype(np.float32)[None, :, None], f"{name}.values"))
        nodes.append(helper.make_node("Add", ["silent", f"{name}.values"], [name]))
    graph = helper.make_graph(
        nodes,
        "vocos",
        [helper.make_tensor_value_info("mels", TensorProto.FLOAT, [1, 80, None])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in parts],
        constants,
    )
    path = tmp_path / "vocos.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    vocoder = find_vocoder(path, FRONT_END)
    expected = istft(np.tile(spectrum, (len(mel), 1)), FRONT_END)
    np.testing.assert_allclose(vocoder(mel), expected, atol=1e-5)


def test_what_is_refused(model: Vocos, graph: Path, tmp_path: Path, capsys: Capture) -> None:
    with pytest.raises(ShapeError, match=r"expected log-mel frames \(B, T, 80\), got \(1, 80, 9\)"):
        model(torch.zeros(1, 80, 9))
    with pytest.raises(ArtifactError, match=r"and the frames are .* take a vocoder for those"):
        find_vocoder(graph, MelSpectrum(sample_rate=24000))
    with pytest.raises(UnknownModelError, match="gtcrn is a model for enhancement"):
        find_vocoder("gtcrn", FRONT_END)
    with pytest.raises(ValueError, match="form 'wav2wav' is none of mel2wav"):
        converters.export(model, tmp_path / "x.onnx", form="wav2wav")
    with pytest.raises(ValueError, match='hops is a number from 1, or "hops"'):
        converters.export(model, tmp_path / "x.onnx", hops=-1)
    assert main(["speak", "Hello.", "--vocoder", "nothing.onnx", "-o", str(tmp_path / "x.wav")]) == 1
    assert "nothing.onnx" in capsys.readouterr().err and not list(tmp_path.iterdir())
