"""What is LiSenNet's own: phases on the edge, silence, and its configuration files."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor
from torch.nn import functional

import zoo
from converters import export_onnx
from converters.subjects.enhancement import whole_waveform
from tests.contract import assert_same, random_model
from zoo.arrays import Array
from zoo.create import build, load_attribute, model_of_config
from zoo.errors import CheckpointError
from zoo.models.lisennet.model import PhaseDifferences, mish
from zoo.networks.streaming import StreamingModule
from zoo.registry import get_spec
from zoo.tasks.enhancement.enhancer import Enhancer

Speech = Callable[[int, float, float], Array]

BINS = 257
REAL_BINS = (0, -1)  # 0 Hz and half the sample rate


@pytest.fixture(scope="module")
def phase() -> PhaseDifferences:
    return PhaseDifferences(get_spec("lisennet").front_end)


@pytest.fixture(scope="module")
def model(speech: Speech) -> StreamingModule:
    return random_model("lisennet", speech)


def by_angles(spectrum: Tensor) -> Tensor:
    """Both differences from angles in float32, as defined for training: (T, 2, F) -> (T, 2, F)"""
    angle = torch.atan2(spectrum[:, 1], spectrum[:, 0])
    bins = angle - functional.pad(angle[:, :-1], (1, 0))
    frames = angle - functional.pad(angle[:-1], (0, 0, 1, 0)) - math.pi * torch.arange(BINS)
    both = torch.stack([bins, frames], dim=1)
    return torch.atan2(both.sin(), both.cos()) / math.pi


def differences(phase: PhaseDifferences, spectrum: Tensor) -> Tensor:
    """(T, 2, F) -> (T, 2, F)"""
    state = {phase.state_name("past"): torch.zeros(1, 1, BINS)}
    return phase(spectrum, state)[0]


def random_spectrum(frames: int) -> Tensor:
    spectrum = torch.randn(frames, 2, BINS, generator=torch.Generator().manual_seed(0))
    spectrum[:, 1, REAL_BINS] = 0
    return spectrum


def test_phase_differences_are_those_of_angles(phase: PhaseDifferences) -> None:
    spectrum = random_spectrum(300)
    expected, computed = by_angles(spectrum), differences(phase, spectrum)
    assert (expected - computed).abs().max() < 3e-5, "the angles' sum is as large as 800 in float32"
    assert computed.abs().max() < 1 + 2e-6


def test_real_numbers_come_to_lie_on_the_same_side(phase: PhaseDifferences) -> None:
    """Every bin, every pair of signs, zeros with either sign: differences of half a turn."""
    spectrum = random_spectrum(400)
    spectrum[:, 1] = 0
    spectrum[::3, 0] *= 0.0
    assert spectrum[::3, 0].signbit().any()
    expected, computed = by_angles(spectrum), differences(phase, spectrum)
    assert (expected.abs() > 0.999).float().mean() > 0.4, "half of them are on the edge"
    assert (expected - computed).abs().max() < 3e-5


@pytest.mark.parametrize("rounding", [-1e-9, -0.0, 1e-9])
def test_rounding_in_real_bins_does_nothing(phase: PhaseDifferences, rounding: float) -> None:
    spectrum = random_spectrum(100)
    rounded = spectrum.clone()
    rounded[:, 1, REAL_BINS] = rounding
    assert (by_angles(spectrum) - by_angles(rounded)).abs().max() > 1.9 or rounding > 0
    assert torch.equal(differences(phase, spectrum), differences(phase, rounded))


def test_any_number_is_finite(phase: PhaseDifferences) -> None:
    """Zeros, the smallest and the largest numbers in all combinations."""
    values = torch.tensor([0.0, 1e-45, 1e-38, 1e-20, 1.0, 1e20, 3e38])
    values = torch.cat([values, -values])
    pairs = torch.cartesian_prod(values, values).T  # (2, 196)
    spectrum = functional.pad(pairs, (0, BINS - pairs.shape[1]))
    for frames in (spectrum[None], torch.stack([spectrum, spectrum.roll(1, 1), 0 * spectrum])):
        assert differences(phase, frames).isfinite().all()


def test_mish() -> None:
    x = torch.cat([torch.linspace(-100, 100, 2001), torch.tensor([0.0, 1e30, -1e30])])
    torch.testing.assert_close(mish(x), functional.mish(x.double()).float(), rtol=3e-7, atol=1e-30)
    assert_same(functional.mish(x), mish(x), "against PyTorch's")


@pytest.mark.parametrize("form", ["spec2spec", "wav2wav"])
def test_silence_before_and_between_words(
    model: StreamingModule, form: str, speech: Speech, tmp_path: Path
) -> None:
    """Graph, streaming and training form agree on digital silence, where all phases are on the edge."""
    words, silence = speech(16000, 0.8, 0.4), np.zeros(2000, np.float32)
    noisy = np.concatenate([silence, words, silence, words])
    expected = torch.from_numpy(whole_waveform(model, noisy[None])[0])
    export_onnx(model, tmp_path / "model.onnx", form)
    graph = Enhancer(tmp_path / "model.onnx")
    assert_same(expected, torch.from_numpy(graph(noisy)), "graph")
    stream = graph.stream()
    parts = [stream.push(block) for block in np.array_split(noisy, 50)]
    assert_same(expected, torch.from_numpy(np.concatenate([*parts, stream.flush()])), "stream")


CONFIG = {  # as the public repository has it
    "model": "lisennet",
    "model_kwargs": {
        "num_channels": 16,
        "n_blocks": 2,
        "n_fft": 512,
        "hop_size": 256,
        "win_size": 512,
        "input_compression": 0.3,
    },
    "wrapper": "ns",
    "data": {"dataset": "NoiseSuppression", "sampling_rate": 16000},
}


def changed(**settings: object) -> dict[str, object]:
    return {**CONFIG, "model_kwargs": {**CONFIG["model_kwargs"], **settings}}  # type: ignore[dict-item]


def test_a_training_folder(tmp_path: Path) -> None:
    """Recognised by its configuration, which decides the sizes."""
    assert model_of_config(CONFIG, "here") == "lisennet"
    custom = changed(num_channels=8, n_blocks=1)
    spec = get_spec("lisennet")
    options, front_end = load_attribute(spec.config_reader)(custom, "here")
    torch.save({"model": build(replace(spec, options=options)).state_dict()}, tmp_path / "00001.pth")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(custom))
    loaded = zoo.create_model("lisennet", tmp_path)
    assert (front_end, len(loaded.blocks)) == (spec.front_end, 1)
    x = torch.randn(1, BINS, 4, 2)
    assert_same(loaded(x)[0], zoo.to_streaming(loaded)(x)[0], "another size")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({**CONFIG, "model": "fspen"}, "model fspen, not lisennet"),
        (changed(hop_size=128), "hop_size is 128; only 256"),
        (changed(win_size=400), "win_size is 400; only 512"),
        (changed(window="hamming"), "window is 'hamming'; only 'hann'"),
        ({"model": "lisennet"}, "lacks a setting"),
    ],
)
def test_configurations_that_do_not_fit(config: dict[str, object], says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        load_attribute(get_spec("lisennet").config_reader)(config, "here")


def test_other_frames_are_refused() -> None:
    spec = get_spec("lisennet")
    with pytest.raises(ValueError, match="half a window apart"):
        build(replace(spec, front_end=replace(spec.front_end, hop_length=128)))
