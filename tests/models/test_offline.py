"""Models that read the whole recording: right at once, and no stream anywhere."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import zoo
from converters.cache import cached_export
from converters.subjects.enhancement import whole_waveform
from converters.targets.onnx import export_onnx
from converters.targets.tracing import FORBIDDEN
from tests.contract import (
    OFFLINE,
    assert_same,
    difference,
    enliven,
    random_model,
    shift_statistics,
    smallest_of_each,
)
from zoo.arrays import Array
from zoo.artifact.parity import compare
from zoo.cli import main
from zoo.create import build
from zoo.errors import ArtifactError, ParityError, StateError
from zoo.networks.streaming import StreamingModule
from zoo.registry import get_spec
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance
from zoo.streaming.conversion import to_deployment
from zoo.streaming.waveform import WaveformModel
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.stream import Stream
from zoo.tasks.enhancement.torch import TorchSession

Speech = Callable[[int, float, float], Array]

FORMS = ["spec2spec", "wav2wav"]
FRAMES = 12


@pytest.fixture(scope="module")
def small(speech: Speech) -> StreamingModule:
    """A network of that kind that is quick."""
    spec = get_spec("fastenhancer_huge")
    sizes = {"channels": 16, "kernel_sizes": (8, 3), "block_channels": 12, "block_bins": 8, "blocks": 2}
    torch.manual_seed(0)
    return enliven(build(replace(spec, options={**spec.options, **sizes})), speech)


@pytest.fixture(scope="module")
def large(request: pytest.FixtureRequest) -> StreamingModule:
    return random_model(request.param, request.getfixturevalue("speech"))


def waves(model: StreamingModule, speech: Speech, frames: int = FRAMES) -> torch.Tensor:
    """Two recordings, (2, frames x hop)."""
    front_end = model.spec.front_end
    seconds = frames * front_end.hop_length / front_end.sample_rate
    return torch.from_numpy(np.stack([speech(front_end.sample_rate, start, seconds) for start in (0.8, 2.0)]))


def spectra(model: StreamingModule, speech: Speech) -> torch.Tensor:
    transforms = WaveformModel(model)
    with torch.no_grad():
        return transforms.stft(waves(model, speech), transforms.initial_state(2))[0]


# What it computes


@pytest.mark.parametrize("large", OFFLINE, indirect=True)
@torch.inference_mode()
def test_what_is_folded_is_exact(large: StreamingModule, speech: Speech) -> None:
    x = spectra(large, speech)
    assert_same(large(x)[0], to_deployment(large)(x)[0], "the folded form")
    training = copy.deepcopy(large).double()
    snr, _ = difference(training(x.double())[0], to_deployment(training)(x.double())[0])
    assert snr > 250


@pytest.mark.parametrize("name", OFFLINE)
def test_nothing_is_left_to_fold_and_no_state(name: str) -> None:
    model = shift_statistics(zoo.create_model(name))
    for form in FORMS:
        deployed = to_deployment(model, form)
        assert deployed.form == form
        assert deployed.converted_from == (model,)
        for module in deployed.modules():
            assert not isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
            assert not isinstance(module, torch.nn.modules.conv._ConvTransposeNd)
            assert not torch.nn.utils.parametrize.is_parametrized(module)
    assert model.state_shapes() == {}
    with pytest.raises(ValueError, match=f"{name} is a spec2spec streaming form already"):
        to_deployment(to_deployment(model), "wav2wav")


@torch.inference_mode()
def test_the_past_hears_the_future(small: StreamingModule, speech: Speech) -> None:
    """Which is why there is no stream."""
    x = spectra(small, speech)
    changed = x.clone()
    changed[:, :, FRAMES // 2 :] *= 3
    past = slice(0, FRAMES // 2)
    assert difference(small(x)[0][:, :, past], small(changed)[0][:, :, past])[1] > 1e-3


@pytest.mark.parametrize("converted", [False, True])
@torch.inference_mode()
def test_recordings_do_not_touch_each_other(small: StreamingModule, speech: Speech, converted: bool) -> None:
    model, x = to_deployment(small) if converted else small, spectra(small, speech)
    together, _ = model(x)
    assert difference(together[:1], together[1:])[1] > 1e-2
    for i in range(2):
        assert_same(together[i : i + 1], model(x[i : i + 1])[0], f"recording {i} alone")


@torch.inference_mode()
def test_silence(small: StreamingModule, speech: Speech) -> None:
    x = spectra(small, speech)
    for model in (small, to_deployment(small)):
        for part in (torch.zeros_like(x), torch.cat([x, torch.zeros_like(x), x], dim=2)):
            assert model(part)[0].isfinite().all()


def test_the_training_form_learns(small: StreamingModule, speech: Speech) -> None:
    model = copy.deepcopy(small)
    model(spectra(small, speech))[0].square().sum().backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), path


def test_the_enhancer_takes_recordings(small: StreamingModule, speech: Speech) -> None:
    enhancer = zoo.Enhancer(small)
    assert not enhancer.streaming
    for length in (1, 88, 99, 100, 101, 511, 512, 513, 4088):
        noisy = speech(16000, 0.8, 0.5)[:length]
        expected = whole_waveform(small, noisy[None])[0]
        compare(expected, enhancer(noisy), tensor=f"{length} samples", tolerance=Tolerance())
    assert enhancer(np.zeros(0, np.float32)).shape == (0,)
    assert enhancer(speech(48000, 0.8, 0.3), 48000).shape == (14400,)


# What there is not


@pytest.mark.parametrize("name", OFFLINE)
@pytest.mark.parametrize("form", FORMS)
def test_no_streaming_form(name: str, form: str) -> None:
    with pytest.raises(ValueError, match=f"{name} reads the whole recording and has no streaming form"):
        zoo.to_streaming(zoo.create_model(name), form)


@pytest.mark.parametrize("form", ["training", *FORMS])
def test_no_state(small: StreamingModule, form: str) -> None:
    """Going on from a state would be silently wrong, even from an empty one."""
    model = small if form == "training" else to_deployment(small, form)
    x = torch.zeros(1, 1000) if form == "wav2wav" else torch.zeros(1, 257, 4, 2)
    _, state = model(x)
    with pytest.raises(StateError, match="cannot go on from a state; pass the recording at once"):
        model(x, state)


def test_no_stream(small: StreamingModule) -> None:
    enhancer = zoo.Enhancer(small)
    for ask in (enhancer.stream, enhancer.latency):
        with pytest.raises(ArtifactError, match="fastenhancer_huge takes whole recordings and has no stream"):
            ask()
    session = TorchSession(small)
    with pytest.raises(ArtifactError, match="has no stream"):
        Stream(session)
    with pytest.raises(StateError, match="cannot go on from a state"):
        session.run(np.zeros((1, 1000), np.float32), {})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [{}, {"streams": 2}, {"hops": 4}])
def test_no_streaming_graph(small: StreamingModule, form: str, options: dict, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no streaming graph; export it offline \(streaming=False"):
        export_onnx(small, tmp_path / "x.onnx", form, **options)
    assert not list(tmp_path.iterdir())


# Graphs


@pytest.fixture(scope="module")
def graphs(small: StreamingModule, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("graphs")

    def export(form: str, frames: int | None = None) -> Path:
        path = folder / f"{form}-{frames}.onnx"
        if not path.is_file():
            assert export_onnx(small, path, form, streaming=False, frames=frames).snr_db >= 110
        return path

    return export


@pytest.mark.parametrize("form", FORMS)
def test_graphs_of_any_length(
    small: StreamingModule, graphs: Callable[..., Path], form: str, speech: Speech
) -> None:
    path = graphs(form)
    manifest, operators = OnnxGraph(path).manifest, {node.op_type for node in onnx.load(path).graph.node}
    assert manifest is not None and not manifest.streaming and not manifest.states
    assert "GRU" in operators and not operators & FORBIDDEN
    assert zoo.verify(path).passed
    enhancer = zoo.Enhancer(path)
    for length in (1, 88, 99, 100, 101, 511, 512, 513, 4000, 8088):
        noisy = speech(16000, 0.8, 0.6)[:length]
        expected = whole_waveform(small, noisy[None])[0]
        compare(expected, enhancer(noisy), tensor=f"{length} samples", tolerance=Tolerance())
    with pytest.raises(ArtifactError, match="has no stream"):
        enhancer.stream()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("frames", [60, 400])
def test_graphs_of_fixed_length(
    small: StreamingModule, graphs: Callable[..., Path], form: str, frames: int, speech: Speech
) -> None:
    """Shorter recordings are followed by silence, which the network hears."""
    samples = frames * 100 - 512
    path = graphs(form, frames)
    assert zoo.verify(path).passed
    noisy = speech(16000, 0.8, 0.3)[None, :samples]
    padded = np.pad(noisy, ((0, 0), (0, samples - noisy.shape[1])))
    expected = whole_waveform(small, padded)[:, : noisy.shape[1]]
    compare(expected, open_session(path).whole(noisy), tensor="enhanced", tolerance=Tolerance())


def test_a_slip_in_the_conversion_is_told(small: StreamingModule, tmp_path: Path) -> None:
    deployed = to_deployment(small, "wav2wav")
    deployed.get_parameter("core.rf_block.0.rnn.weight_hh_l0_reverse").data *= 1.01
    with pytest.raises(ParityError, match="waveform of the folded form: SNR"):
        export_onnx(deployed, tmp_path / "x.onnx", "wav2wav", streaming=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("large", smallest_of_each(lambda spec: spec.network, OFFLINE), indirect=True)
def test_a_registered_model_exports(large: StreamingModule, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    assert export_onnx(large, path, "wav2wav", streaming=False).passed
    assert zoo.verify(path).passed


# The command line


def test_list_and_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert {name for name, line in lines.items() if "offline" in line} == set(OFFLINE)
    assert main(["list", "--json"]) == 0
    told = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {name for name, entry in told.items() if entry.get("streaming") is False} == set(OFFLINE)
    enhancers = [entry for entry in told.values() if entry["task"] == "enhancement"]
    assert all((entry["latency_ms"] is None) != entry["streaming"] for entry in enhancers)
    assert main(["info", OFFLINE[0]]) == 0
    text = capsys.readouterr().out
    assert "offline: it reads the whole recording first" in text and "streaming" not in text
    assert main(["info", OFFLINE[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["forms"] == ["training", "ONNX offline, in both forms"]
    assert main(["info", "gtcrn"]) == 0
    assert "streaming wav2wav" in capsys.readouterr().out


def test_a_checkpoint_is_exported_offline(
    small: StreamingModule, speech: Speech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``speechzoo enhance --model NAME --weights PATH`` runs."""
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path))
    monkeypatch.setattr("zoo.create.create_model", lambda name, weights: small)
    torch.save(small.state_dict(), tmp_path / "x.pt")
    path = cached_export("fastenhancer_huge", str(tmp_path / "x.pt"))
    noisy = speech(16000, 0.8, 0.5)
    enhancer = zoo.Enhancer(path)
    assert not enhancer.streaming
    expected = whole_waveform(small, noisy[None])[0]
    compare(expected, enhancer(noisy), tensor="enhanced", tolerance=Tolerance())


@pytest.mark.parametrize("form", FORMS)
def test_a_fixed_length_does_not_begin_anew(form: str, tmp_path: Path, speech_16k: Array) -> None:
    """A recording in pieces of 100 frames is nearly what the stream makes of the whole: trained weights."""
    export_onnx(
        zoo.create_model("gtcrn", "speechzoo"), tmp_path / "x.onnx", form, streaming=False, frames=100
    )
    whole = zoo.Enhancer("gtcrn")(speech_16k, 16000)
    pieces = zoo.Enhancer(tmp_path / "x.onnx")
    enhanced = pieces(speech_16k, 16000)
    assert enhanced.shape == whole.shape
    snr = 10 * np.log10(np.sum(whole**2) / np.sum((whole - enhanced) ** 2))
    assert snr > 25, snr  # cut without context it is 21 to 22 dB
    for length in (1, 255, 256, 25600, 25601, 38400, 51199, 51200, 51201):
        assert pieces(speech_16k[:length], 16000).shape == (length,)
