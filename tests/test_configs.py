"""Configuration files of public training folders: every setting followed or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import zoo
from tests.checkpoints import CONFIG
from zoo.checkpoint import read_config
from zoo.create import build, load_attribute, model_of, model_of_config
from zoo.errors import CheckpointError
from zoo.networks.base import Network
from zoo.registry import get_spec
from zoo.spec import Filterbank
from zoo.tasks.speaker.features import filterbank

PLAIN = {"num_mel_bins": 80, "frame_shift": 10, "frame_length": 25, "dither": 1.0}


def wespeaker(name: str = "ResNet18", data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A configuration as wespeaker's recipes write it."""
    given = {"fbank_args": PLAIN, "resample_rate": 16000, "num_frms": 200, "aug_prob": 0.6, **(data or {})}
    sizes = {"feat_dim": 80, "embed_dim": 256}
    return {"model": name, "model_args": sizes, "dataset_args": given, "num_avg": 10, **more}


def read(config: dict[str, Any], name: str = "resnet18") -> tuple[dict[str, Any], Filterbank]:
    options, front_end = load_attribute(get_spec(name).config_reader)(config, "here")
    return options, front_end


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, Filterbank()),
        ({"cmvn": True, "cmvn_args": {"norm_mean": True, "norm_var": False}}, Filterbank()),
        ({"fbank_args": {**PLAIN, "frame_shift": 12.5}}, Filterbank(hop_length=200)),
        ({"fbank_args": {**PLAIN, "frame_length": 32.0}}, Filterbank(win_length=512)),
        ({"fbank_args": {**PLAIN, "window_type": "povey"}}, Filterbank(window="povey")),
        ({"window_type": "povey"}, Filterbank(window="povey")),
        ({"fbank_args": {**PLAIN, "low_freq": 20, "high_freq": 8000}}, Filterbank()),
        ({"fbank_args": {**PLAIN, "high_freq": 0, "use_energy": False}}, Filterbank()),
        ({"resample_rate": 8000}, Filterbank(8000, 80, 200, 80)),
    ],
)
def test_settings_that_are_followed(data: dict[str, Any], expected: Filterbank) -> None:
    assert read(wespeaker(data=data))[1] == expected


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"cmvn": False}, "sets cmvn to False; the features are here with True only"),
        ({"cmvn_args": {"norm_mean": False}}, "sets norm_mean to False"),
        ({"cmvn_args": {"norm_var": True}}, "sets norm_var to True"),
        ({"norm_var": True}, "sets norm_var to True"),
        ({"fbank_args": {"window_type": "hanning"}}, "sets window_type to 'hanning'; .* hamming or povey"),
        ({"fbank_args": {"low_freq": 40}}, "sets low_freq to 40; the features are here with 20 only"),
        ({"fbank_args": {"high_freq": -400}}, "high_freq is '-400'"),
        ({"fbank_args": {"high_freq": 7600}}, "sets high_freq to 7600; features end here at 8000 Hz"),
        ({"fbank_args": {"use_energy": True}}, "sets use_energy to True"),
        ({"fbank_args": {"warp": 1}}, "sets warp of its features; known are"),
        ({"vad": True, "fbank_args": {}}, "sets vad of its features"),
        ({"fbank_args": {"num_mel_bins": 80.5}}, "sets num_mel_bins to '80.5'; expected a whole number"),
        ({"fbank_args": {"frame_shift": 1e18}}, "frame_shift is '1e[+]18'"),
        ({"fbank_args": {"frame_shift": 0}}, "sets frame_shift in samples to '0'"),
        ({"resample_rate": -8000}, "sets resample_rate to '-8000'"),
    ],
)
def test_settings_that_are_refused(data: dict[str, Any], says: str) -> None:
    with pytest.raises(CheckpointError, match=f"here: its config .*{says}"):
        read(wespeaker(data=data))


def test_settings_of_older_folders() -> None:
    """At the top level, or under another name."""
    older = {"feature_args": {"raw_wav": True, "num_frms": 200, "num_mel_bins": 40, "dither": 0.0}}
    config = wespeaker(data={"fbank_args": None}, model_args={"feat_dim": 40}, **older)
    assert read(config)[1] == Filterbank(bins=40)
    for change in ({"cmvn": False}, {"cmvn_args": {"norm_var": True}}, {"window_type": "rectangular"}):
        with pytest.raises(CheckpointError, match=f"sets {'|'.join(['norm_var', *change])} to"):
            read(wespeaker(**change))


@pytest.mark.parametrize("size", [-1, 0, 1.5, 1e18, float("inf"), [256], "256", True, None, 1 << 40])
def test_sizes_beyond_reason(size: object) -> None:
    config = wespeaker(model_args={"feat_dim": 80, "embed_dim": size})
    with pytest.raises(CheckpointError, match=r"sets embed_dim to .*expected a whole number from 1 to 65536"):
        read(config)
    with pytest.raises(CheckpointError, match="sets two_emb_layer to 1; expected true or false"):
        read(wespeaker(model_args={"two_emb_layer": 1}))


def test_features_are_those_that_the_configuration_asks_for(speech_16k: np.ndarray) -> None:
    """A frame every 200 samples, where 12 ms were read before."""
    front_end = read(wespeaker(data={"fbank_args": {**PLAIN, "frame_shift": 12.5}}))[1]
    whole = filterbank(speech_16k[:16000], Filterbank(hop_length=40), subtract_mean=False)
    feats = filterbank(speech_16k[:16000], front_end, subtract_mean=False)
    assert feats.shape == (79, 80)
    np.testing.assert_allclose(feats, whole[::5], atol=1e-4)


@pytest.mark.parametrize("name", ["REPVGG_TINY_A0", "Res2Net34_Base", "W2VBert_Adapter_MFA", "XVEC", "?"])
def test_a_class_that_is_not_in_the_zoo(name: str) -> None:
    """One reason, the true one."""
    with pytest.raises(CheckpointError) as caught:
        model_of_config(wespeaker(name), "exp/mine")
    assert str(caught.value) == (
        f"exp/mine: its config names the model {name!r}, a class that is not in the zoo; speechzoo list "
        f"shows what is"
    )


def test_one_reason_for_a_class_that_is_in_the_zoo() -> None:
    """The setting that is not supported, and nothing about other families."""
    with pytest.raises(CheckpointError) as caught:
        model_of_config(wespeaker("ECAPA_TDNN_c512", {"cmvn": False}), "x")
    assert str(caught.value) == "x: its config sets cmvn to False; the features are here with True only"
    kwargs = {**CONFIG["model_kwargs"], "activation": "ReLU"}
    with pytest.raises(CheckpointError) as caught:
        model_of_config({**CONFIG, "model_kwargs": kwargs}, "x")
    assert str(caught.value) == "x: activation is 'ReLU'; only 'SiLU' is supported"
    with pytest.raises(CheckpointError, match=r"^x: its config names no model$"):
        model_of_config({}, "x")


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[dict[str, Any], Network], Path]:
    def make(config: dict[str, Any], model: Network) -> Path:
        torch.save(model.state_dict(), tmp_path / "avg_model.pt")
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("public", "bins", "name"),
    [("ResNet34", 64, "resnet34_8k"), ("ResNet18", 40, "resnet18_8k"), ("ECAPA_TDNN_c512", 80, "ecapa_c512")],
)
def test_telephone_speech(
    folder: Callable[..., Path], public: str, bins: int, name: str, speech: Callable[..., np.ndarray]
) -> None:
    """A folder at 8 kHz, as wespeaker's recipe for it: the rate comes from the folder."""
    sizes = {"feat_dim": bins, "embed_dim": get_spec(name).options["embedding"]}
    data = {"resample_rate": 8000, "fbank_args": {**PLAIN, "num_mel_bins": bins}}
    front_end = Filterbank(8000, bins, 200, 80)
    source = build(replace(get_spec(name), front_end=front_end)).eval()
    path = folder(wespeaker(public, data, model_args=sizes), source)
    assert model_of(path) == name
    embedder = zoo.Embedder(path)
    assert (embedder.sample_rate, embedder.session.front_end) == (8000, front_end)
    wave = speech(8000, 1.0, 1.0)
    expected = source(torch.from_numpy(filterbank(wave, front_end))[None])[0].detach().numpy()
    assert np.abs(embedder(wave) - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("rate", [8000, 24000])
def test_a_causal_fastenhancer_at_another_rate(folder: Callable[..., Path], rate: int) -> None:
    n_fft = rate * 512 // 16000
    sizes = {"n_fft": n_fft, "win_size": n_fft, "hop_size": n_fft // 2, "stride": 4}
    config = {
        **CONFIG,
        "data": {"sampling_rate": rate},
        "model_kwargs": {**CONFIG["model_kwargs"], **sizes},
    }
    spec = get_spec("fastenhancer_t")
    options, front_end = load_attribute(spec.config_reader)(config, "here")
    source = build(replace(spec, options=options, front_end=front_end)).eval()
    path = folder(config, source)
    name = model_of(path)
    assert get_spec(name).config_reader == spec.config_reader
    enhancer = zoo.Enhancer(name, path)
    assert enhancer.sample_rate == rate
    noise = np.random.default_rng(0).normal(0, 0.1, rate).astype(np.float32)
    enhanced = enhancer(noise)
    assert enhanced.shape == noise.shape and np.isfinite(enhanced).all()


def test_a_simam_resnet(folder: Callable[..., Path]) -> None:
    """Its arguments have names of their own, one of which only training reads."""
    spec = get_spec("simam_resnet34")
    source = build(replace(spec, options={**spec.options, "channels": 8, "embedding": 32})).eval()
    sizes = {"in_planes": 8, "embed_dim": 32, "acoustic_dim": 80, "dropout": 0.5}
    path = folder(wespeaker("SimAM_ResNet34_ASP", model_args=sizes), source)
    assert model_of(path) == "simam_resnet34"
    feats = torch.randn(1, 40, 80, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(zoo.create_model("simam_resnet34", path)(feats), source(feats))


def speakerlab(network: dict[str, Any] | None = None, **features: Any) -> dict[str, Any]:
    """A configuration as 3D-Speaker's recipe for ERes2NetV2 writes it."""
    return {
        "fbank_dim": 80,
        "m_channels": 64,
        "embedding_size": 192,
        "feature_extractor": {
            "obj": "speakerlab.process.processor.FBank",
            "args": {"n_mels": "<fbank_dim>", "sample_rate": 16000, "mean_nor": True, **features},
        },
        "embedding_model": {
            "obj": "speakerlab.models.eres2net.ERes2NetV2.ERes2NetV2",
            "args": {
                "feat_dim": "<fbank_dim>",
                "embedding_size": "<embedding_size>",
                "m_channels": "<m_channels>",
                **(network or {}),
            },
        },
    }


def test_a_folder_of_3d_speaker(folder: Callable[..., Path], speech_16k: np.ndarray) -> None:
    """Values in angle brackets are other settings; features of another window, of samples in [-1, 1]."""
    wide = speakerlab({"baseWidth": 24, "scale": 4, "expansion": 4})
    assert model_of_config(speakerlab(), "x") == "eres2netv2"
    assert model_of_config(wide, "x") == "eres2netv2_w24s4ep4"
    spec = get_spec("eres2netv2")
    source = build(replace(spec, options={**spec.options, "channels": 8, "embedding": 16})).eval()
    path = folder({**speakerlab(), "m_channels": 8, "embedding_size": 16}, source)
    embedder = zoo.Embedder(path)
    assert embedder.session.front_end == Filterbank(window="povey", full_scale=1.0)
    feats = filterbank(speech_16k[:16000], embedder.session.front_end)
    expected = source(torch.from_numpy(feats)[None])[0].detach().numpy()
    assert np.abs(embedder(speech_16k[:16000]) - expected).max() < 1e-3 * np.abs(expected).max()
    assert np.abs(feats - filterbank(speech_16k[:16000], Filterbank())).max() > 0.1


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (speakerlab(mean_nor=False), "sets mean_nor to False, not True"),
        (speakerlab(sample_rate=8000), "sets sample_rate to 8000, not 16000"),
        (speakerlab(n_mels=40), "features of 40 bins, and a network for 80"),
        (speakerlab(dither=1), "sets dither of its features"),
        (speakerlab({"pooling_func": "ASTP"}), "pools by ASTP"),
        (speakerlab({"depth": 3}), "sets depth of speakerlab.models"),
        (speakerlab({"scale": 1.5}), "sets scale to '1.5'; expected a whole number"),
        (
            speakerlab({"baseWidth": 30}),
            "no model of the zoo has the sizes of its config: .*'base_width': 30",
        ),
        ({**speakerlab(), "embedding_model": {"obj": "speakerlab.models.rdino.X"}}, "'speakerlab.models.rdi"),
    ],
)
def test_folders_of_3d_speaker_that_are_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises(CheckpointError, match=f"^here: .*{says}"):
        model_of_config(config, "here")


LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 30)
)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (LAUGHS.encode() + b"model: *a29\n", "more than 10000 settings"),
        (b"model: " + b"{a: " * 10000 + b"}" * 10000, "nested beyond reason"),
        ("model: Gr\u00f6\u00dfe".encode("latin-1"), "not a YAML file .*UTF-8"),
        (b"model: \x1b[31mred", "not a YAML file"),
        (b'model: ResNet18\nmodel_args: {pooling_func: "\\e[31mred"}', "a setting holds control characters"),
        (b"#" * (1 << 20) + b"\n", "at most 1 MB"),
    ],
    ids=["laughs", "nested", "latin-1", "escape", "escaped", "long"],
)
def test_files_beyond_reason(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(CheckpointError, match=says) as caught:
        read_config(tmp_path)
    assert str(caught.value).isprintable()


def test_utf_16(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(yaml.safe_dump(wespeaker()).encode("utf-16"))
    assert read_config(tmp_path) == wespeaker()
