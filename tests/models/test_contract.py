"""Every registered enhancement model that streams: the contract in both forms, and running streams."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

import zoo
from tests.contract import (
    ONE_A_FAMILY,
    ONE_A_NETWORK,
    STREAMING,
    Signal,
    assert_same,
    check_states,
    perturb,
    random_model,
    verify_contract,
    verify_exact,
)
from zoo.arrays import Array
from zoo.artifact.parity import compare
from zoo.networks.streaming import StreamingModule
from zoo.registry import get_spec
from zoo.signal.windows import analysis_window
from zoo.spec import Tolerance
from zoo.streaming.waveform import WaveformModel

Speech = Callable[[int, float, float], Array]

STARTS = (0.8, 2.0)  # seconds into the speech: somebody speaks
# Deviation of noise added to the waveforms. In bins that hold next to nothing a spectrum is the transform's
# rounding, which compression raises and a layer over all frequencies carries to those that matter.
NOISE = 0.001


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest) -> StreamingModule:
    return random_model(request.param, request.getfixturevalue("speech"))


def frame_count(model: StreamingModule) -> int:
    """More than the longest memory of convolutions and attention; fewer for the large models."""
    memories = [getattr(layer, name, 0) for layer in model.modules() for name in ("context", "past")]
    return max(max(memories) + 6, 16 if model.spec.parameters < 300_000 else 8)


def waves(model: StreamingModule, speech: Speech) -> torch.Tensor:
    """Two streams of speech of whole hops, (2, T x hop)."""
    front_end = model.spec.front_end
    seconds = frame_count(model) * front_end.hop_length / front_end.sample_rate
    streams = np.stack([speech(front_end.sample_rate, start, seconds) for start in STARTS])
    noise = NOISE * np.random.default_rng(0).standard_normal(streams.shape, np.float32)
    return torch.from_numpy(streams + noise)


def spectra(model: StreamingModule, speech: Speech) -> torch.Tensor:
    """Two streams of spectra of speech, (2, F, T, 2)."""
    front_end = model.spec.front_end
    padded = torch.nn.functional.pad(waves(model, speech), (front_end.delay, 0))
    window = torch.from_numpy(analysis_window(front_end)).float()
    spectrum = torch.stft(
        padded, front_end.n_fft, front_end.hop_length, window=window, center=False, return_complex=True
    )
    return torch.view_as_real(spectrum)


@pytest.mark.parametrize("model", STREAMING, indirect=True)
@pytest.mark.parametrize("form", ["spec2spec", "wav2wav"])
def test_contract(
    model: StreamingModule,
    form: str,
    speech: Speech,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    name, hop = model.spec.name, model.spec.front_end.hop_length
    twin = zoo.to_streaming(model, form)
    assert not model.training
    assert not twin.training
    assert twin.form == form
    if form == "spec2spec":
        whole, x, signal = model, spectra(model, speech), Signal(stream=0, time=2)
    else:
        whole, x, signal = WaveformModel(model), waves(model, speech), Signal(stream=0, time=1, frame=hop)
    snr, largest = verify_contract(whole, twin, x, signal, signal)
    record_testsuite_property(f"{name} {form}", f"SNR {snr:.1f} dB, largest difference {largest:.1e}")


@pytest.mark.parametrize("model", STREAMING, indirect=True)
def test_conversion_is_exact(model: StreamingModule, speech: Speech) -> None:
    verify_exact(model, spectra(model, speech)[:1])


@pytest.mark.parametrize("name", STREAMING)
def test_nothing_is_left_to_fold(name: str) -> None:
    """The streaming form holds no norm of weights or batches, and its state is what it says."""
    model = perturb(zoo.create_model(name))
    twin = zoo.to_streaming(model)
    left = {
        type(module).__name__
        for module in twin.modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
        or torch.nn.utils.parametrize.is_parametrized(module)
        or isinstance(module, torch.nn.modules.conv._ConvTransposeNd)
    }
    assert not left
    assert not any(parameter.requires_grad for parameter in twin.parameters())
    assert twin.state_shapes().keys() == model.state_shapes().keys()
    check_states(twin, 3)


@pytest.mark.parametrize("name", ONE_A_NETWORK)
def test_training_form_learns(name: str, speech: Speech) -> None:
    """Gradients reach every trainable parameter, and none comes out as NaN, silence included."""
    model = random_model(name, speech)
    x = spectra(model, speech)[:1]
    x[:, :, :3] = 0
    y, _ = model(x)
    y.square().sum().backward()
    for path, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, path
            assert parameter.grad.isfinite().all(), path
            assert parameter.grad.any(), path


@pytest.fixture(scope="module")
def enhancer(request: pytest.FixtureRequest, weights_for: Callable[[str], object]) -> zoo.Enhancer:
    return zoo.Enhancer(zoo.create_model(request.param, weights_for(request.param)))


def cuts(length: int, largest: int, seed: int) -> list[int]:
    random, edges = np.random.default_rng(seed), [0]
    while edges[-1] < length:
        edges.append(min(length, edges[-1] + int(random.integers(1, largest + 1))))
    return edges


@pytest.mark.parametrize("enhancer", ONE_A_FAMILY, indirect=True)
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_any_block_size_equals_any_other(enhancer: zoo.Enhancer, rate: int, speech: Speech) -> None:
    noisy = speech(rate, 0.8, 0.4)
    stream = enhancer.stream(rate)
    expected = np.concatenate([stream.push(noisy), stream.flush()])
    assert len(expected) == len(noisy)
    assert np.abs(expected).max() > 1e-6
    for largest, seed in ((5000, 1), (600, 2), (3, 3)):
        stream.reset()
        edges = cuts(len(noisy), largest, seed)
        pieces = [stream.push(noisy[begin:end]) for begin, end in pairwise(edges)]
        joined = np.concatenate([*pieces, stream.flush()])
        compare(expected, joined, tensor=f"blocks up to {largest}", tolerance=Tolerance(110, 1e-5))
    compare(expected, enhancer(noisy, rate), tensor="in one call", tolerance=Tolerance(110, 1e-5))


@pytest.mark.parametrize("enhancer", ONE_A_FAMILY, indirect=True)
def test_streams_of_one_session_do_not_touch(enhancer: zoo.Enhancer, speech: Speech) -> None:
    """Two streams take turns and one of them begins anew; each gives what it gives alone."""
    rate = enhancer.sample_rate
    noisy = [speech(rate, start, 0.3) for start in STARTS]
    alone = [enhancer(channel) for channel in noisy]
    streams = [enhancer.stream() for _ in noisy]
    for edge in range(0, 3000, 500):  # what the second stream forgets again
        streams[0].push(noisy[0][edge : edge + 500][:0])
        streams[1].push(noisy[0][edge : edge + 500])
    streams[1].reset()
    pieces: list[list[Array]] = [[], []]
    for begin, end in pairwise(cuts(len(noisy[0]), 700, 4)):
        for stream, channel, output in zip(streams, noisy, pieces, strict=True):
            output.append(stream.push(channel[begin:end]))
    for stream, output, expected in zip(streams, pieces, alone, strict=True):
        joined = np.concatenate([*output, stream.flush()])
        compare(expected, joined, tensor="a stream among others", tolerance=Tolerance(110, 1e-5))


@pytest.mark.parametrize("enhancer", ONE_A_FAMILY, indirect=True)
def test_latency_is_what_it_says(enhancer: zoo.Enhancer, speech: Speech) -> None:
    """An input sample changes no output sample that came out before it."""
    front_end = get_spec(enhancer.name).front_end
    noisy = speech(enhancer.sample_rate, 0.8, 12 * front_end.hop_length / enhancer.sample_rate)
    latency = enhancer.latency()
    assert latency.window == front_end.n_fft - front_end.hop_length
    assert latency.look_ahead == latency.resampling == 0
    assert latency.buffering == front_end.hop_length - 1
    changed = noisy.copy()
    at = 6 * front_end.hop_length
    changed[at:] = -3 * changed[at:][::-1]
    past, future = enhancer(noisy), enhancer(changed)
    first = int(np.flatnonzero(np.abs(past - future) > 1e-6 * np.abs(past).max())[0])
    assert at - latency.window <= first < at, "the window reaches back, and nothing else does"


def test_forms_share_their_numbers(speech: Speech) -> None:
    """spec2spec between the transforms is wav2wav."""
    model = random_model("gtcrn", speech)
    wave = waves(model, speech)
    with torch.inference_mode():
        expected, _ = zoo.to_streaming(model, "wav2wav")(wave)
        composed, _ = WaveformModel(zoo.to_streaming(model, "spec2spec"))(wave)
    assert_same(expected, composed, "spec2spec between transforms")
