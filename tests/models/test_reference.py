"""Against the public implementations: their outputs for the same weights, and their trained weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor
from torch.nn import functional

import zoo
from converters.subjects.enhancement import whole_waveform
from tests.contract import difference
from tests.data import ORACLES
from zoo.arrays import Array
from zoo.layers.stft import centred_istft, centred_stft
from zoo.registry import get_spec
from zoo.streaming.waveform import WaveformModel
from zoo.tasks.enhancement.torch import TorchSession

Record = Callable[[str, object], None]

STEP = 2**-15  # of 16-bit audio


def load(name: str) -> dict[str, Any]:
    """An oracle: weights and input, and what the public implementation gives for them."""
    return torch.load(ORACLES[name], weights_only=True, mmap=True)


NOT_HERE = ["gtcrn"]  # where there is no ../shared, whose fixture then skips
SPECTRA = list(ORACLES) or NOT_HERE
WAVEFORMS = [name for name in ORACLES if "y_wav" in load(name)] or NOT_HERE
SAME_WAVEFORMS = [name for name in WAVEFORMS if name != "lisennet"]  # see test_lisennet_waveform


def test_every_oracle_is_of_a_model(shared: Path) -> None:
    assert ORACLES, f"{shared} has none"
    assert set(ORACLES) <= set(zoo.list_models())


def read(path: Path, **options: Any) -> tuple[Array, int]:
    return soundfile.read(path, dtype="float32", **options)


def si_sdr(clean: Array, estimate: Array) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019), means removed."""
    target, estimate = clean.astype(np.float64), estimate.astype(np.float64)
    target, estimate = target - target.mean(), estimate - estimate.mean()
    target = target * (estimate @ target) / (target @ target)
    return float(10 * np.log10(target @ target / np.square(estimate - target).sum()))


def snr(reference: Array, candidate: Array) -> float:
    return difference(torch.from_numpy(reference), torch.from_numpy(candidate))[0]


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("form", ["training", "streaming"])
@torch.inference_mode()
def test_spectra(name: str, form: str, shared: Path, record_testsuite_property: Record) -> None:
    """The linear spectrum from the same weights, from a whole recording and frame by frame."""
    oracle = load(name)
    model = zoo.create_model(name, ORACLES[name])
    x, expected = (oracle["x"], oracle["y"]) if "y" in oracle else (oracle["S"], oracle["Y_spec"])
    if form == "training":
        y, _ = model(x)
    else:
        twin = zoo.to_streaming(model)
        state, frames = twin.initial_state(len(x)), []
        for frame in x.split(1, dim=2):
            enhanced, state = twin(frame, state)
            frames.append(enhanced)
        y = torch.cat(frames, dim=2)
    ratio, largest = difference(expected, y)
    record_testsuite_property(f"{name} {form}", f"SNR {ratio:.1f} dB, largest difference {largest:.1e}")
    assert largest < 1e-5
    assert ratio > 110


def on_stream_grid(wave: Tensor, name: str) -> Tensor:
    """A waveform long enough for its last sample to come out, in whole hops."""
    front_end = get_spec(name).front_end
    padding = -(wave.shape[1] + front_end.delay) % front_end.hop_length + front_end.delay
    return functional.pad(wave, (0, padding))


@pytest.mark.parametrize("name", SAME_WAVEFORMS)
@torch.inference_mode()
def test_waveforms(name: str, shared: Path, record_testsuite_property: Record) -> None:
    """The public stream's output, through the streaming form hop by hop, to the last sample."""
    oracle = load(name)
    front_end = get_spec(name).front_end
    twin = zoo.to_streaming(zoo.create_model(name, ORACLES[name]), "wav2wav")
    state, hops = twin.initial_state(), []
    for hop in on_stream_grid(oracle["x"], name).split(front_end.hop_length, dim=1):
        enhanced, state = twin(hop, state)
        hops.append(enhanced)
    y = torch.cat(hops, dim=1)[:, front_end.delay :][:, : oracle["x"].shape[1]]
    ratio, largest = difference(oracle["y_wav"], y)
    record_testsuite_property(f"{name} waveform", f"SNR {ratio:.1f} dB, largest difference {largest:.1e}")
    assert largest < 1e-5
    assert ratio > 110


@pytest.mark.parametrize("name", WAVEFORMS)
@pytest.mark.parametrize("twin", [False, True], ids=["training", "streaming"])
@torch.inference_mode()
def test_public_front_end(name: str, twin: bool, shared: Path) -> None:
    """Our transform of the waveform is the spectrum that the public network was given."""
    oracle = load(name)
    wave, model = on_stream_grid(oracle["x"], name), zoo.create_model(name)
    whole = zoo.to_streaming(model, "wav2wav") if twin else WaveformModel(model)
    spectrum, _ = whole.stft(wave, whole.initial_state())
    frames = min(spectrum.shape[2], oracle["S"].shape[2])
    assert frames >= oracle["S"].shape[2] - 1
    assert difference(oracle["S"][:, :, :frames], spectrum[:, :, :frames])[0] > 110


@pytest.mark.parametrize("name", SAME_WAVEFORMS)
@torch.inference_mode()
def test_public_offline_call(name: str, shared: Path) -> None:
    """The centred call is another frame grid unless the hop is half the window, and is matched on its own."""
    oracle = load(name)
    front_end, model = get_spec(name).front_end, zoo.create_model(name, ORACLES[name])
    y = centred_istft(model(centred_stft(oracle["x"], front_end))[0], front_end)
    assert difference(oracle["y_wav_offline_center"], y)[1] < 1e-5
    same_grid = 2 * front_end.hop_length == front_end.n_fft
    middle = slice(front_end.n_fft, -front_end.n_fft)  # the ends are padded otherwise
    assert (difference(oracle["y_wav"][:, middle], y[:, middle])[0] > 100) == same_grid


@torch.inference_mode()
def test_lisennet_waveform(shared: Path, record_testsuite_property: Record) -> None:
    """The public output, once what the signs of silent zeros left at its start has faded.

    The recording begins with silence. In the public transform its zeros have either sign, as the library
    happens to leave them, and phases to match; ours have no sign, so that the first words differ.
    """
    oracle = load("lisennet")
    assert not oracle["x"][:, :768].any()
    assert oracle["S"][:, :, :3].signbit().any()
    model = zoo.create_model("lisennet", ORACLES["lisennet"])
    enhanced = centred_istft(model(oracle["S"])[0], model.spec.front_end)[:, : oracle["x"].shape[1]]
    assert difference(oracle["y_wav"], enhanced)[0] > 110, "from the public spectrum"
    wave = TorchSession(model).whole(oracle["x"].numpy())
    ratios = [snr(oracle["y_wav"].numpy()[:, begin:], wave[:, begin:]) for begin in (0, 8000)]
    record_testsuite_property("lisennet waveform", f"SNR in dB, and after half a second: {ratios}")
    assert ratios[0] > 30
    assert ratios[1] > 110


@pytest.mark.parametrize("name", zoo.list_models("enhancement"))
def test_parameter_counts(name: str) -> None:
    """What the papers and the public code count."""
    model = zoo.create_model(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == get_spec(name).parameters


@pytest.fixture(scope="module")
def gtcrn_mix(shared: Path) -> Array:
    noisy, rate = read(shared / "data/real/gtcrn_mix_16k.wav")
    assert (rate, len(noisy)) == (16000, 156302)
    return noisy


@pytest.fixture(scope="module")
def gtcrn_public(shared: Path) -> Array:
    enhanced, rate = read(shared / "data/real/gtcrn_enh_16k.wav")
    assert (rate, len(enhanced)) == (16000, 156160)
    return enhanced


@pytest.fixture(scope="module")
def gtcrn_streamed(shared: Path, gtcrn_mix: Array) -> Array:
    model = zoo.create_model("gtcrn", shared / "data/checkpoints/gtcrn_dns3_stream.tar")
    return TorchSession(model).whole(gtcrn_mix[None])[0]


@torch.inference_mode()
def test_gtcrn_reproduces_the_public_file(
    shared: Path, gtcrn_mix: Array, gtcrn_public: Array, record_testsuite_property: Record
) -> None:
    """Offline and centred, to one step of the file's 16 bits; the public script drops the tail."""
    model = zoo.create_model("gtcrn", shared / "data/checkpoints/gtcrn_dns3_stream.tar")
    spectrum = centred_stft(torch.from_numpy(gtcrn_mix[None]), model.spec.front_end)
    enhanced = centred_istft(model(spectrum)[0], model.spec.front_end)[0].numpy()
    assert enhanced.shape == gtcrn_public.shape
    worst = float(np.abs(enhanced - gtcrn_public).max())
    record_testsuite_property("gtcrn public file", f"{worst:.2e}")
    assert worst <= 1.02 * STEP


def test_gtcrn_stream_is_the_training_form(
    shared: Path, gtcrn_mix: Array, gtcrn_streamed: Array, record_testsuite_property: Record
) -> None:
    model = zoo.create_model("gtcrn", shared / "data/checkpoints/gtcrn_dns3_stream.tar")
    ratio = snr(whole_waveform(model, gtcrn_mix[None])[0], gtcrn_streamed)
    record_testsuite_property("gtcrn stream, training form", f"SNR {ratio:.1f} dB")
    assert ratio >= 110


def test_gtcrn_stream_comes_near_the_public_file(
    gtcrn_public: Array, gtcrn_streamed: Array, record_testsuite_property: Record
) -> None:
    """The stream starts from zeros where the public script reflects, and recurrent memory fades slowly."""
    ratios = {}
    for second, least in ((2, 50), (4, 60)):
        part = slice(second * 16000, len(gtcrn_public) - 512)
        ratios[second] = snr(gtcrn_public[part], gtcrn_streamed[part])
        assert ratios[second] >= least
    record_testsuite_property("gtcrn stream, public file", f"SNR in dB from second {ratios}")


@pytest.mark.parametrize("file", ["gtcrn_dns3.tar", "gtcrn_vctk.tar"])
def test_other_released_weights(file: str, shared: Path, gtcrn_mix: Array, gtcrn_public: Array) -> None:
    """They load strictly, stream exactly, and are other weights than those of the public file."""
    model = zoo.create_model("gtcrn", shared / "data/checkpoints" / file)
    wave = gtcrn_mix[None, :64000]
    enhanced = TorchSession(model, hops=16).whole(wave)
    assert snr(whole_waveform(model, wave), enhanced) >= 110
    assert 1e-3 < np.abs(enhanced[0] - gtcrn_public[:64000]).max() < 0.5
    tag = file.removeprefix("gtcrn_").removesuffix(".tar")
    assert tag in {weights.tag for weights in model.spec.weights}


@pytest.mark.parametrize(("size", "least"), [("t", 5.9), ("b", 5.5), ("s", 5.8)])
def test_fastenhancer_48k_enhances(
    size: str, least: float, shared: Path, record_testsuite_property: Record
) -> None:
    """Trained weights on half a minute of real noisy speech, streamed."""
    clean, rate = read(shared / "data/real/speech_48k_clean.flac")
    noisy, _ = read(shared / "data/real/speech_48k_noisy_10dB.flac")
    assert rate == 48000
    assert clean.shape == noisy.shape
    model = zoo.create_model(
        f"fastenhancer_48k_{size}", shared / f"data/checkpoints/fastenhancer_48k_{size}.safetensors"
    )
    enhanced = TorchSession(model, hops=64).whole(noisy[None])
    before, after = si_sdr(clean, noisy), si_sdr(clean, enhanced[0])
    ratio = snr(whole_waveform(model, noisy[None]), enhanced)
    record_testsuite_property(
        f"fastenhancer_48k_{size}", f"SI-SDR {before:.2f} to {after:.2f} dB, SNR of the stream {ratio:.1f} dB"
    )
    assert before < 0
    assert after >= least
    assert ratio >= 110
