"""What is UL-UNAS's own: the public files and graph, and layers with all their parameters moved."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch
from torch import nn

import zoo
from converters.subjects.enhancement import whole_waveform
from tests.contract import Signal, difference, random_model, uniform, verify_contract, verify_exact
from zoo.arrays import Array
from zoo.layers.erb import erb_filters
from zoo.layers.stft import centred_istft, centred_stft
from zoo.models.ulunas.layers import AffinePReLU
from zoo.networks.streaming import StreamingModule
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.enhancement.torch import TorchSession

Record = Callable[[str, object], None]
Speech = Callable[[int, float, float], Array]

STEP = 2**-15  # of 16-bit audio


@pytest.fixture(scope="module")
def public(shared: Path) -> Path:
    """The folder of what the authors published."""
    folder = shared / "data/public"
    if not (folder / "ulunas_dns3.tar").is_file():
        pytest.skip("needs ../shared/data/public: the released weights, graph and recordings of UL-UNAS")
    return folder


@pytest.fixture(scope="module")
def trained(public: Path) -> StreamingModule:
    return zoo.create_model("ulunas", public / "ulunas_dns3.tar")


def read(path: Path) -> Array:
    wave, rate = soundfile.read(path, dtype="float32")
    assert (rate, wave.shape) == (16000, (160000,))
    return wave


@torch.inference_mode()
def test_the_public_file_is_reproduced(
    public: Path, trained: StreamingModule, record_testsuite_property: Record
) -> None:
    """Offline and centred, written to 16 bits as the authors did: within one step, and hardly ever that."""
    noisy = torch.from_numpy(read(public / "ulunas_0119_noisy.wav")[None])
    spectrum = trained(centred_stft(noisy, trained.spec.front_end))[0]
    enhanced = centred_istft(spectrum, trained.spec.front_end)[0].numpy()
    file = io.BytesIO()
    soundfile.write(file, enhanced, 16000, "PCM_16", format="WAV")
    file.seek(0)
    ours, _ = soundfile.read(file, dtype="int16")
    theirs, _ = soundfile.read(public / "ulunas_0119_enhanced.wav", dtype="int16")
    steps = np.abs(ours.astype(int) - theirs)
    record_testsuite_property("ulunas public file", f"{steps.max()} steps, {(steps > 0).mean():.1e} of them")
    assert steps.max() <= 1
    assert (steps > 0).mean() < 0.01


def test_the_public_graph_is_reproduced(
    public: Path,
    trained: StreamingModule,
    exported: Callable[..., Path],
    record_testsuite_property: Record,
) -> None:
    """Our graph and the authors' streaming one from the same spectra, frame by frame over the recording."""
    noisy = torch.from_numpy(read(public / "ulunas_0119_noisy.wav")[None])
    spectrum = centred_stft(noisy, trained.spec.front_end).numpy()
    theirs = onnxruntime.InferenceSession(
        str(public / "ulunas_stream_simple.onnx"), providers=["CPUExecutionProvider"]
    )
    ours = OnnxGraph(exported("ulunas", "spec2spec"))
    signal, *caches = [value.name for value in theirs.get_inputs()]
    their_state = [np.zeros(value.shape, np.float32) for value in theirs.get_inputs()[1:]]
    our_state = [np.zeros(spec.shape, np.float32) for spec in ours.inputs[1:]]
    expected, enhanced = [], []
    for frame in np.split(spectrum, spectrum.shape[2], axis=2):
        feed = dict(zip(caches, their_state, strict=True))
        output, *their_state = theirs.run(None, {signal: frame, **feed})
        expected.append(output)
        output, *our_state = ours(np.ascontiguousarray(frame), *our_state)
        enhanced.append(output)
    reference, candidate = (torch.from_numpy(np.concatenate(x, axis=2)) for x in (expected, enhanced))
    ratio, largest = difference(reference, candidate)
    record_testsuite_property("ulunas public graph", f"SNR {ratio:.1f} dB, largest difference {largest:.1e}")
    assert ratio >= 100


def test_the_stream_of_trained_weights(
    public: Path, trained: StreamingModule, record_testsuite_property: Record
) -> None:
    """It is the training form on the stream's grid, and after a while what the public file holds.

    The public call reflects the beginning where the stream starts from zeros.
    """
    noisy, theirs = (read(public / f"ulunas_0119_{kind}.wav") for kind in ("noisy", "enhanced"))
    streamed = TorchSession(trained, hops=16).whole(noisy[None])
    ratio = difference(torch.from_numpy(whole_waveform(trained, noisy[None])), torch.from_numpy(streamed))[0]
    late = slice(32000, len(noisy) - 512)
    near = difference(torch.from_numpy(theirs[late]), torch.from_numpy(streamed[0, late]))[0]
    record_testsuite_property("ulunas stream", f"training form {ratio:.1f} dB, public file {near:.1f} dB")
    assert ratio >= 110
    assert near >= 50


def test_the_filters_are_those_of_the_weights(trained: StreamingModule) -> None:
    filters = torch.from_numpy(erb_filters(512, 16000))
    torch.testing.assert_close(trained.erb.erb_fc.weight.data, filters, rtol=0, atol=1e-7)
    torch.testing.assert_close(trained.erb.ierb_fc.weight.data, filters.T, rtol=0, atol=1e-7)


@pytest.mark.parametrize("slope", [-2.0, 0.0, 0.25, 1.0, 3.0])
@torch.no_grad()
def test_affine_prelu(slope: float) -> None:
    """a x + b + PReLU(x), also for the slopes below 0 and above 1 that the released weights have."""
    layer = AffinePReLU(3, 5)
    layer.affine_weight.normal_()
    layer.affine_bias.normal_()
    layer.slope_weight.fill_(slope)
    twin = layer.streaming_twin()
    twin.load_state_dict(layer.streaming_parameters(layer.state_dict()))
    x = torch.randn(2, 4, 5, 3)
    expected = layer.affine_weight.T * x + layer.affine_bias.T
    expected = expected + nn.functional.prelu(x.movedim(3, 1), layer.slope_weight).movedim(1, 3)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(twin(x), expected)


@torch.no_grad()
def test_contract_with_all_parameters_moved(speech: Speech) -> None:
    """Also slopes and affine maps, channel by channel: a slip in the order of shuffled channels shows."""
    model = random_model("ulunas", speech)
    random = torch.Generator().manual_seed(3)
    for layer in model.modules():
        if isinstance(layer, AffinePReLU):
            layer.affine_weight.copy_(uniform(layer.affine_weight, -1, 1.5, random))
            layer.affine_bias.copy_(uniform(layer.affine_bias, -0.5, 0.5, random))
            layer.slope_weight.copy_(uniform(layer.slope_weight, -1, 2, random))
    waves = torch.from_numpy(np.stack([speech(16000, start, 0.24) for start in (0.8, 2.0)]))
    window = torch.hann_window(512)
    spectrum = torch.stft(waves, 512, 256, window=window, center=False, return_complex=True)
    spectra = torch.view_as_real(spectrum)
    verify_contract(model, zoo.to_streaming(model), spectra, Signal(stream=0, time=2))
    verify_exact(model, spectra[:1])
