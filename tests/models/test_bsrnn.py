"""What only BSRNN has: sizes without a reference, training folders, bands joined in the streaming form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import zoo
from converters.subjects.enhancement import Reference
from tests.contract import difference
from zoo.checkpoint import read_parameters
from zoo.create import model_of_config
from zoo.errors import CheckpointError, ParityError
from zoo.models.bsrnn.model import BANDS, WIDTHS, MaskDecoder
from zoo.registry import get_spec
from zoo.tasks.enhancement.torch import TorchSession

NAMES = ["bsrnn_xxt", "bsrnn_xt", "bsrnn_t", "bsrnn_s"]
OFFICIAL = {"num_channels": 16, "num_layers": 2, "bias": True, "affine": True, "n_fft": 512}
OFFICIAL |= {"hop_size": 256, "win_size": 512, "window": "hann", "input_compression": 0.3}

CHANNEL_AXES = {  # of the tensors whose names match, first come
    r"band_split\.norm": (),  # over a band's bins
    r"band_split\.fc": (0,),
    r"mlp_\w+\.\d+\.3\.": (1,),
    "": (0, 1),
}


def config(**changes: object) -> dict[str, Any]:
    """As the public repository's training folders have it, with some settings changed."""
    kwargs = {**OFFICIAL, **changes}
    return {"model": "bsrnn", "model_kwargs": kwargs, "wrapper": "ns", "data": {"sampling_rate": 16000}}


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_those_of_the_public_checkpoint(name: str, shared: Path) -> None:
    """The reference's names, with as many layers and channels as this size has."""
    public = read_parameters(shared / "oracles/enhancement/bsrnn_xxt.pt")
    options, own = get_spec(name).options, zoo.create_model(name).state_dict()
    layer = re.compile(r"((?:norm|rnn|fc)_(?:time|freq))\.0\.(.+)")
    expected = {}
    for key, value in public.items():
        if match := layer.fullmatch(key):
            expected |= {f"{match[1]}.{i}.{match[2]}": value for i in range(options["layers"])}
        elif not re.match(r"(norm|rnn|fc)_(time|freq)\.", key):
            expected[key] = value
    assert own.keys() == expected.keys()
    wider = options["channels"] // 16
    for key, value in expected.items():
        axes = next(axes for start, axes in CHANNEL_AXES.items() if re.search(start, key))
        shape = [size * wider if axis in axes else size for axis, size in enumerate(value.shape)]
        assert list(own[key].shape) == shape, key


def test_bands_cover_the_spectrum() -> None:
    assert sum(WIDTHS) == 257
    assert BANDS == 31
    assert list(WIDTHS) == sorted(WIDTHS)


@torch.inference_mode()
def test_each_bin_comes_from_its_own_band() -> None:
    """In the joined form too, what enters one band comes out in that band's bins and in no others."""
    torch.manual_seed(0)
    decoder = MaskDecoder(4).eval()
    twin = decoder.streaming_twin()
    folded = {key: value for key, value in decoder.state_dict().items() if not re.search(r"\.0\.\w+$", key)}
    twin.load_state_dict(decoder.streaming_parameters(folded))
    x = torch.randn(3, BANDS, 4)
    before, start = twin(x), 0
    for band, width in enumerate(WIDTHS):
        changed = x.clone()
        changed[:, band] += 1
        for kind, other in zip(before, twin(changed), strict=True):
            bins = (kind != other).any(0).any(0).nonzero().flatten().tolist()
            assert bins == list(range(start, start + width))
        start += width


@torch.inference_mode()
def test_band_split_reads_every_bin() -> None:
    """The joined form reads each bin in exactly one band, the one with the same place and width."""
    split = zoo.to_streaming(zoo.create_model("bsrnn_xxt")).get_submodule("band_split")
    x = torch.randn(1, 2, 257)
    before, read = split(x), []
    for i in range(257):
        changed = x.clone()
        changed[:, :, i] += 1
        read += (split(changed) != before).any(2)[0].nonzero().flatten().tolist()
    assert read == [band for band, width in enumerate(WIDTHS) for _ in range(width)]


@torch.inference_mode()
def test_streaming_form_has_one_operator_for_all_bands() -> None:
    """Few tensors, whatever the number of bands, and hardly more weights than the training form."""
    twin = zoo.to_streaming(zoo.create_model("bsrnn_xxt"))
    split, decoder = twin.get_submodule("band_split"), twin.get_submodule("mask_decoder")
    assert (len(list(split.parameters())), len(list(decoder.parameters()))) == (2, 4)
    size = sum(parameter.numel() for parameter in twin.parameters())
    assert size < 1.2 * get_spec("bsrnn_xxt").parameters


@pytest.mark.parametrize("name", NAMES)
def test_configurations_are_recognised(name: str) -> None:
    options = get_spec(name).options
    changed = config(num_channels=options["channels"], num_layers=options["layers"])
    assert model_of_config(changed, "here") == name


def test_a_folder_decides_the_sizes(tmp_path: Path) -> None:
    """The folder of a larger model loads under any name of the family, as the public scripts leave it."""
    params = zoo.create_model("bsrnn_xt").state_dict()
    torch.save({"model": params, "optim": {}, "epoch": 20}, tmp_path / "00020.pth")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config(num_layers=6)))
    model = zoo.create_model("bsrnn_xxt", tmp_path)
    assert len(model.get_submodule("rnn_time")) == 6
    assert all(torch.equal(value, params[key]) for key, value in model.state_dict().items())
    with pytest.raises(CheckpointError, match="surplus"):
        zoo.create_model("bsrnn_xxt", tmp_path / "00020.pth")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({**config(), "model": "fspen"}, "model fspen, not bsrnn"),
        (config(affine=False), "affine is False; only True"),
        (config(n_fft=1024), "n_fft is 1024; only 512"),
        (config(window="hamming"), "window is 'hamming'"),
        (config(num_layers="many"), "sets num_layers to 'many'; expected a whole number"),
        ({"model": "bsrnn"}, "lacks a setting"),
    ],
    ids=["family", "affine", "n_fft", "window", "layers", "short"],
)
def test_configurations_that_do_not_fit(changed: dict[str, Any], says: str, tmp_path: Path) -> None:
    torch.save({"model": zoo.create_model("bsrnn_xxt").state_dict()}, tmp_path / "00001.pth")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(changed))
    with pytest.raises(CheckpointError, match=says):
        zoo.create_model("bsrnn_xxt", tmp_path)


def test_every_weight_counts(shared: Path) -> None:
    """0.1 % of any tensor of the streaming form is more than exports of this family are allowed."""
    training = zoo.create_model("bsrnn_xxt", shared / "oracles/enhancement/bsrnn_xxt.pt")
    reference, streaming = Reference(training, 16000), zoo.to_streaming(training, "wav2wav")
    session = TorchSession(streaming, hops=16)
    reference.check(session, "streaming form")
    missed = []
    for name, values in list(streaming.named_parameters())[::3]:
        kept = values.data.clone()
        values.data *= 1.001
        try:
            reference.check(session, "streaming form")
            missed.append(name)
        except ParityError:
            pass
        values.data.copy_(kept)
    assert not missed


@torch.inference_mode()
def test_residual_and_mask_both_matter(shared: Path) -> None:
    """The output is mask times input plus residual: silence still gives the residual, as in public."""
    path = shared / "oracles/enhancement/bsrnn_xxt.pt"
    model = zoo.create_model("bsrnn_xxt", path)
    spectrum = torch.load(path, weights_only=True)["S"]
    enhanced, _ = model(spectrum)
    silent, _ = model(torch.zeros_like(spectrum))
    assert silent.abs().max() > 0
    assert difference(enhanced, silent)[1] > 1e-2
