"""What is DTLN's own: its public graphs as the public script runs them, and ends without transforms."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

import zoo
from converters.subjects.enhancement import whole_waveform
from converters.targets.onnx import export_onnx
from tests.contract import difference
from tests.data import SHARED
from zoo import published
from zoo.arrays import Array
from zoo.create import build
from zoo.errors import ArtifactError, AudioError, CheckpointError
from zoo.layers.stft import ISTFT
from zoo.networks.streaming import StreamingModule
from zoo.registry import get_spec
from zoo.tasks.enhancement.two_stages import open_two_stages

Record = Callable[[str, object], None]

SPEC = get_spec("dtln")
HOP, DELAY = 128, 384
LEAST_DB = 100
PUBLIC = [SHARED / f"data/public/dtln_model_{stage}.onnx" for stage in (1, 2)]

needs_public = pytest.mark.skipif(
    not all(path.is_file() for path in PUBLIC), reason="needs ../shared/data/public: the graphs of DTLN"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamingModule]:
    """From the first graph, beside which the second lies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield zoo.create_model("dtln", PUBLIC[0])


@pytest.fixture(scope="module")
def noisy(speech_16k: Array) -> Array:
    return speech_16k[: len(speech_16k) // HOP * HOP]


@pytest.fixture(scope="module")
def expected(noisy: Array) -> Array:
    """What the public script for streams makes of the speech, in its order of things, before any scaling."""
    first, second = (
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in PUBLIC
    )
    states = [np.zeros((1, 2, 128, 2), np.float32) for _ in PUBLIC]
    window, added, played = np.zeros(512, np.float32), np.zeros(512, np.float32), []
    for hop in noisy.reshape(-1, HOP):
        window = np.concatenate([window[HOP:], hop])
        spectrum = np.fft.rfft(window)
        magnitude = np.abs(spectrum).astype(np.float32).reshape(1, 1, -1)
        mask, states[0] = first.run(None, {"input_2": magnitude, "input_3": states[0]})
        masked = np.fft.irfft(magnitude[0, 0] * mask[0, 0] * np.exp(1j * np.angle(spectrum)))
        frame = masked.reshape(1, 1, -1).astype(np.float32)
        refined, states[1] = second.run(None, {"input_4": frame, "input_5": states[1]})
        added = np.concatenate([added[HOP:], np.zeros(HOP, np.float32)]) + refined[0, 0]
        played.append(added[:HOP])
    return np.concatenate(played)[DELAY:]


def snr(reference: Array, candidate: Array) -> float:
    return difference(torch.from_numpy(reference), torch.from_numpy(candidate[: len(reference)]))[0]


def test_latency() -> None:
    """A frame every 8 ms; window and wait for a hop together lag as with every window of 512 samples."""
    assert (SPEC.front_end.hop_length, SPEC.look_ahead, SPEC.latency) == (HOP, 0, DELAY)
    latency = zoo.Enhancer(zoo.create_model("dtln", None)).latency()
    assert (latency.window, latency.look_ahead, latency.buffering) == (DELAY, 0, HOP - 1)
    assert (
        latency.milliseconds["total"]
        == zoo.Enhancer(zoo.create_model("gtcrn", None)).latency().milliseconds["total"]
    )


@needs_public
def test_the_public_graphs_are_reproduced(
    trained: StreamingModule, noisy: Array, expected: Array, tmp_path: Path, record_testsuite_property: Record
) -> None:
    """Training form and both streaming graphs, against the two public ones with their states carried."""
    found = {"training form": snr(expected, whole_waveform(trained, noisy[None])[0])}
    for form in ("wav2wav", "spec2spec"):
        path = tmp_path / f"{form}.onnx"
        export_onnx(trained, path, form)
        found[form] = snr(expected, zoo.Enhancer(path)(noisy))
    record_testsuite_property(
        "dtln against its public graphs, dB", {k: round(v, 1) for k, v in found.items()}
    )
    assert min(found.values()) >= LEAST_DB


@needs_public
def test_the_level_is_kept(expected: Array, noisy: Array) -> None:
    """Frames are added up as they are; with their mean in place of the sum speech would be 12 dB softer."""
    gain = float(expected @ noisy[: len(expected)] / (expected @ expected))
    assert 0.8 < gain < 1.3


@needs_public
def test_the_public_graphs_are_a_session(noisy: Array, expected: Array) -> None:
    """Without PyTorch: as a whole, and as a stream of blocks of any size."""
    enhancer = zoo.Enhancer(open_two_stages(PUBLIC, SPEC.front_end))
    latency = enhancer.latency()
    assert (latency.window, latency.look_ahead, latency.buffering) == (DELAY, 0, HOP - 1)
    assert snr(expected, enhancer(noisy)) >= LEAST_DB
    streams = [enhancer.stream() for _ in range(2)]
    edges = [0, 1, 700, 701, 5000, 5128, len(noisy)]
    parts = [[stream.push(noisy[a:b]) for a, b in pairwise(edges)] for stream in streams]
    for stream, pushed in zip(streams, parts, strict=True):
        assert snr(expected, np.concatenate([*pushed, stream.flush()])) >= LEAST_DB


@torch.inference_mode()
def test_waveforms_need_no_second_transform(speech_16k: Array) -> None:
    """The streaming wav2wav form has no inverse transform, and gives what the spectra give through one."""
    torch.manual_seed(0)
    model = zoo.create_model("dtln", None)
    wave = torch.from_numpy(speech_16k[None, 16000 : 16000 + 40 * HOP])
    waveforms, spectra = zoo.to_streaming(model, "wav2wav"), zoo.to_streaming(model, "spec2spec")
    assert not [name for name in waveforms.state_dict() if name.startswith("istft")]
    direct, _ = waveforms(wave)
    spectrum, _ = waveforms.stft(wave, waveforms.initial_state())
    inverse = ISTFT(SPEC.front_end)
    enhanced, _ = spectra(spectrum)
    through, _ = inverse(enhanced, {"overlap": torch.zeros(1, DELAY)})
    ratio, largest = difference(direct, through)
    assert ratio > 120 and largest < 1e-6


def changed(path: Path, target: Path, change: Callable[[str, Array], Array | None]) -> Path:
    """A graph whose constants are what ``change`` makes of them; those that it makes nothing of are gone."""
    proto = onnx.load(path)
    for tensor in list(proto.graph.initializer):
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32:
            new = change(tensor.name, value.copy())
            proto.graph.initializer.remove(tensor)
            if new is not None:
                proto.graph.initializer.append(numpy_helper.from_array(new, tensor.name))
    onnx.save(proto, target)
    return target


@needs_public
def test_the_training_form_is_known(
    trained: StreamingModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says whose weights it has; either graph alone is told apart."""
    assert trained.provenance["source"] == "dns1" and trained.provenance["licence"] == "MIT"
    assert trained.spec.parameters == sum(value.numel() for value in trained.state_dict().values())
    with pytest.raises(CheckpointError, match="is made of two graphs, and 1 came"):
        zoo.create_model("dtln", PUBLIC[1])
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    alone = tmp_path / "model_1.onnx"
    shutil.copy(PUBLIC[0], alone)
    with pytest.raises(CheckpointError, match=r"model_2\.onnx: it is not in the cache"):
        zoo.create_model("dtln", alone)
    shutil.copy(PUBLIC[1], tmp_path / "the other one.onnx")
    assert zoo.create_model("dtln", alone).provenance == trained.provenance


@needs_public
def test_a_parameter_that_is_off_is_refused() -> None:
    """One matrix 0.1 % larger than in the graph, or two gates in each other's place."""
    right = published.read(SPEC, PUBLIC, "graph")
    recurrent = right["basis_mask.rnn2.weight_hh_l0"]
    for name, value in (
        ("spectral_mask.dense.weight", right["spectral_mask.dense.weight"] * np.float32(1.001)),
        (
            "basis_mask.rnn2.weight_hh_l0",
            np.concatenate([recurrent[128:256], recurrent[:128], recurrent[256:]]),
        ),
    ):
        with pytest.raises(CheckpointError, match=r"does not compute what it does: .* dB"):
            published.prove(build(SPEC), {**right, name: value}, PUBLIC, "graph")


def wrong_eps(name: str, value: Array) -> Array:
    return value * 10 if name.endswith("add/y:0") else value


def without_dense(name: str, value: Array) -> Array | None:
    return None if name == "dense_2/kernel:0" else value


def with_nan(name: str, value: Array) -> Array:
    if name in ("lstm_4_W", "conv1d_3/kernel:0"):
        value.flat[0] = np.nan
    return value


def narrow(name: str, value: Array) -> Array:
    return value[:, :, :, None] if name == "lstm_5_W" else value


@needs_public
@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("one", "is made of two graphs, and 1 came"),
        ("swapped", "takes 512 values a frame, not 257; pass the graph that takes magnitudes first"),
        ("truncated", "cannot be read as an ONNX graph"),
        ("other", "takes .* values a frame, not 257|is no graph of DTLN"),
        (wrong_eps, "its norm adds 1e-06 to the variance, not 1e-07"),
        (without_dense, "cannot be read as an ONNX graph"),
        (with_nan, "lstm_4_W: it is not finite"),
        (narrow, "of another shape: spectral_mask.rnn2.weight_ih_l0"),
    ],
    ids=lambda case: getattr(case, "__name__", case),
)
def test_wrong_graphs_are_refused(
    case: str | Callable[[str, Array], Array | None], told: str, tmp_path: Path
) -> None:
    if case == "one":
        paths = PUBLIC[:1]
    elif case == "swapped":
        paths = PUBLIC[::-1]
    elif case == "truncated":
        paths = [tmp_path / "cut.onnx", PUBLIC[1]]
        paths[0].write_bytes(PUBLIC[0].read_bytes()[:-1000])
    elif case == "other":
        paths = [PUBLIC[0].with_name("ulunas_stream_simple.onnx"), PUBLIC[1]]
    else:
        assert callable(case)
        stage = 1 if case is wrong_eps else 0
        paths = list(PUBLIC)
        paths[stage] = changed(PUBLIC[stage], tmp_path / "changed.onnx", case)
    with pytest.raises(CheckpointError, match=told) as caught:
        published.prove(build(SPEC), published.read(SPEC, paths, "graph"), paths, "graph")
    assert "\n" not in str(caught.value)


@needs_public
def test_graphs_of_another_size_are_refused() -> None:
    small = replace(SPEC, options={**SPEC.options, "units": 64})
    params = published.read(SPEC, PUBLIC, "graph")
    with pytest.raises(CheckpointError, match=r"of another shape: spectral_mask\.rnn1"):
        published.prove(build(small), params, PUBLIC, "graph")


@needs_public
def test_wrong_sessions_are_refused(noisy: Array, tmp_path: Path) -> None:
    front_end = SPEC.front_end
    with pytest.raises(ArtifactError, match=r"expected a signal \(1, 1, 257\) .* in their order"):
        open_two_stages(PUBLIC[::-1], front_end)
    with pytest.raises(ArtifactError, match=r"expected a signal \(1, 1, 512\)"):
        open_two_stages([PUBLIC[0], PUBLIC[1].with_name("ulunas_stream_simple.onnx")], front_end)
    with pytest.raises(ArtifactError, match="there is no such file"):
        open_two_stages([PUBLIC[0], tmp_path / "model_2.onnx"], front_end)
    damaged = changed(PUBLIC[1], tmp_path / "nan.onnx", with_nan)
    with pytest.raises(AudioError, match="not finite"):
        zoo.Enhancer(open_two_stages([PUBLIC[0], damaged], front_end))(noisy[:4000])
