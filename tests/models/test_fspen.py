"""What is FSPEN's own: masks of zero, the norms of its blocks, and its training folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

import zoo
from tests.contract import Signal, difference, perturb, verify_contract, verify_exact
from zoo.arrays import Array
from zoo.create import build, model_of_config
from zoo.errors import CheckpointError
from zoo.layers.norm import CentredNorm
from zoo.models.fspen.config import read_config
from zoo.models.fspen.layers import FullbandDecoder
from zoo.networks.streaming import StreamingModule
from zoo.registry import get_spec

Speech = Callable[[int, float, float], Array]

NORMS = {  # public name: ours, and what the network then counts
    "LayerNorm-FreqChannels": ("frame", 81_722),
    "LayerNorm-Channels": ("channels", 78_746),
    "CustomLayerNorm": ("centred", 78_746),
}
CONFIG = {  # as the public implementation ships it
    "model": "fspen",
    "model_kwargs": {
        "channels": [4, 16, 32],
        "kernel_size": [6, 8, 6],
        "stride": [2, 2, 2],
        "dpe_kwargs": {
            "num_blocks": 3,
            "channels": 16,
            "freq": 32,
            "groups": 8,
            "norm": "LayerNorm-FreqChannels",
        },
        "n_fft": 512,
        "hop_size": 256,
        "win_size": 512,
        "window": "hann",
        "input_compression": 0.3,
    },
    "data": {"sampling_rate": 16000},
}


def config(block: dict[str, Any] | None = None, **model: Any) -> dict[str, Any]:
    """The configuration with other settings of the network or of its blocks."""
    kwargs = {**CONFIG["model_kwargs"], **model}
    return {**CONFIG, "model_kwargs": {**kwargs, "dpe_kwargs": {**kwargs["dpe_kwargs"], **(block or {})}}}


def with_norm(norm: str) -> StreamingModule:
    """A network with random weights and one of the norms, whose parameters are off their initial values."""
    spec = get_spec("fspen")
    torch.manual_seed(0)
    model = perturb(build(replace(spec, options={**spec.options, "norm": norm})))
    for module in model.modules():
        if isinstance(module, CentredNorm):
            torch.nn.init.uniform_(module.weight, 0.6, 1.5)
    return model.eval()


@pytest.fixture
def spectrum(speech: Speech) -> Tensor:
    """Two streams of speech, (2, 257, 12, 2)."""
    waves = torch.from_numpy(np.stack([speech(16000, start, 0.208)[:3328] for start in (0.8, 2.0)]))
    spectrum = torch.stft(waves, 512, 256, window=torch.hann_window(512), center=False, return_complex=True)
    return torch.view_as_real(spectrum)


@pytest.mark.parametrize("form", ["training", "streaming"])
@torch.no_grad()
def test_masks_of_zero(form: str, spectrum: Tensor) -> None:
    """A complex mask of 0 has no phase that the other magnitude could be given; the result is 0, not NaN."""
    model = with_norm("frame")
    last = model.fullband_decoder[-1][1]
    last.weight.zero_()
    last.bias.zero_()
    y, _ = (model if form == "training" else zoo.to_streaming(model))(spectrum)
    assert y.shape == spectrum.shape
    assert not y.any()


def test_masks_of_zero_have_gradients(spectrum: Tensor) -> None:
    model = with_norm("frame")
    torch.nn.init.zeros_(model.fullband_decoder[-1][1].weight)
    torch.nn.init.zeros_(model.fullband_decoder[-1][1].bias)
    y, _ = model(spectrum)
    y.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("scale", [1.0, 1e-5, 1e-9])
@torch.no_grad()
def test_the_magnitude_is_a_mean(scale: float) -> None:
    """X m / |m| (|m| + s) / 2, as published, for every mask m that is not zero."""
    random = torch.Generator().manual_seed(0)
    decoder = perturb(FullbandDecoder((2, 4), (6,))).double()
    for parameter in decoder[-1][1].parameters():
        parameter.mul_(scale)
    shapes = (3, 4, 128), (3, 4, 128), (3, 2, 257), (3, 1, 257)
    x, skip, spectrum, given = (torch.randn(s, generator=random, dtype=torch.double) for s in shapes)
    mask = torch.complex(*decoder[-1](torch.cat([x, skip], 1)).unbind(1))
    assert scale * 1e-3 < mask.abs().min() < mask.abs().max() < scale * 10
    enhanced = torch.complex(*spectrum.unbind(1)) * mask / mask.abs() * (mask.abs() + given[:, 0]) / 2
    twin = decoder.streaming_twin().double()
    twin.load_state_dict(decoder.streaming_parameters(decoder.state_dict()))
    for layer in (decoder, twin):
        y = layer(x, [skip], spectrum, given)
        assert difference(torch.stack([enhanced.real, enhanced.imag], 1), y)[1] < 1e-10


@torch.no_grad()
def test_the_centred_norm_keeps_the_deviation() -> None:
    """The public code's slip: the input's deviation is left as it is, and scales the bias alone."""
    norm = CentredNorm(3)
    norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    norm.bias.copy_(torch.tensor([0.1, -0.2, 0.3]))
    x = torch.randn(2, 5, 4, 3) * 7 + 1
    y = norm(x)
    for frame, normed in zip(x.flatten(0, 1), y.flatten(0, 1), strict=True):
        deviation = (frame.var(unbiased=False) + 1e-5).sqrt()
        torch.testing.assert_close(normed, frame - frame.mean() + norm.weight * norm.bias / deviation)
    assert y.std().item() == pytest.approx(x.std().item(), rel=0.1), "a layer norm would make it about 1"


@pytest.mark.parametrize("norm", ["channels", "centred"])
def test_contract_of_other_norms(norm: str, spectrum: Tensor) -> None:
    model = with_norm(norm)
    verify_contract(model, zoo.to_streaming(model), spectrum, Signal(stream=0, time=2))
    verify_exact(model, spectrum[:1])


def test_norms_differ(spectrum: Tensor) -> None:
    """The same parameters under the two norms with one scale a channel are different networks."""
    channels, centred = with_norm("channels"), with_norm("centred")
    channels.load_state_dict(centred.state_dict())
    with torch.no_grad():
        assert difference(channels(spectrum)[0], centred(spectrum)[0])[1] > 1e-2


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="frame, channels, centred"):
        with_norm("batch")


def test_the_bands_need_their_bins() -> None:
    spec = get_spec("fspen")
    with pytest.raises(ValueError, match="257 bins, not 513"):
        build(replace(spec, front_end=replace(spec.front_end, n_fft=1024)))


def test_the_public_configuration_is_the_registered_model() -> None:
    spec = get_spec("fspen")
    assert read_config(CONFIG, "here") == (dict(spec.options), spec.front_end)
    assert model_of_config(CONFIG, "here") == "fspen"


@pytest.mark.parametrize("norm", NORMS)
def test_a_folder_decides_the_norm(norm: str, tmp_path: Path) -> None:
    ours, parameters = NORMS[norm]
    params = with_norm(ours).state_dict()
    torch.save({"model": params}, tmp_path / "00001.pth")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config({"norm": norm})))
    model = zoo.create_model("fspen", tmp_path)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert all(torch.equal(value, params[name]) for name, value in model.state_dict().items())
    assert isinstance(model.dpe_blocks[0].intra_ln, CentredNorm) == (norm == "CustomLayerNorm")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({**CONFIG, "model": "bsrnn"}, "model bsrnn, not fspen"),
        (config(stride=[2, 2, 4]), r"stride is \[2, 2, 4\]; only \[2, 2, 2\]"),
        (config(window="hamming"), "window is 'hamming'"),
        (config({"norm": "BatchNorm"}), "BatchNorm"),
        ({"model": "fspen"}, "lacks a setting"),
    ],
    ids=["model", "stride", "window", "norm", "short"],
)
def test_configurations_that_do_not_fit(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        read_config(changed, "here")
