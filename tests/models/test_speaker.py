"""Speaker networks: the public implementation's outputs, sizes and checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

import zoo
from zoo.create import build, model_of
from zoo.errors import CheckpointError, ShapeError
from zoo.layers.pooling import AttentivePooling
from zoo.networks.speaker import SpeakerNetwork
from zoo.registry import get_spec
from zoo.spec import SpeakerSpec
from zoo.streaming.conversion import fold

Folder = Callable[[str], Path]

NAMES = zoo.list_models("speaker")
SIZES = {  # of the public implementation: embedding, parameters, keys of the state dict, shortest recording
    "resnet18": (256, 4_105_440, 122, 9),
    "resnet34": (256, 6_634_336, 218, 9),
    "resnet50": (256, 11_131_360, 320, 9),
    "resnet101": (256, 15_892_448, 626, 9),
    "resnet152": (256, 19_814_880, 932, 9),
    "resnet221": (256, 23_792_224, 1346, 9),
    "resnet293": (256, 28_626_016, 1778, 9),
    "resnet18_8k": (256, 3_843_296, 122, 9),
    "resnet34_8k": (256, 6_372_192, 218, 9),
    "resnet50_8k": (256, 10_082_784, 320, 9),
    "resnet101_8k": (256, 14_843_872, 626, 9),
    "resnet152_8k": (256, 18_766_304, 932, 9),
    "resnet221_8k": (256, 22_743_648, 1346, 9),
    "resnet293_8k": (256, 27_577_440, 1778, 9),
    "ecapa_c512_glob": (192, 6_190_720, 221, 2),
    "ecapa_c1024_glob": (192, 14_657_088, 221, 2),
    "ecapa_c512": (192, 5_797_504, 221, 1),
    "ecapa_c1024": (192, 14_263_872, 221, 1),
    "campplus": (512, 7_176_224, 937, 3),
    "eres2net_base": (512, 9_887_808, 587, 9),
    "eres2net_large": (512, 29_016_704, 587, 9),
    "eres2net_aug": (512, 68_272_544, 809, 9),
    "eres2netv2": (192, 17_859_632, 557, 9),
    "eres2netv2_w24s4ep4": (192, 53_513_632, 1001, 9),
    "simam_resnet34": (256, 25_213_760, 227, 1),
    "simam_resnet100": (256, 50_232_896, 623, 1),
    "gemini_dfresnet60": (256, 4_047_840, 356, 3),
    "gemini_dfresnet114": (256, 6_531_552, 680, 3),
    "gemini_dfresnet183": (256, 9_196_384, 1094, 3),
    "gemini_dfresnet237": (256, 11_680_096, 1418, 3),
}
ORACLES = {"resnet18": "ResNet18", "ecapa_c512_glob": "ECAPA_c512", "campplus": "CAMPPlus"}
SHAPES = ("1x200", "4x200", "3x137", "1x598", "2x99", "1x33", "8x198")
TOLERANCE = 1e-4  # of the reference's largest value
ONE_A_FAMILY = (
    *("resnet18", "resnet50", "ecapa_c512", "ecapa_c512_glob", "campplus", "eres2net_base"),
    *("eres2netv2", "simam_resnet34", "gemini_dfresnet60"),
)
NARROW = {"eres2netv2": {"channels": 16}, "simam_resnet34": {"channels": 16}}  # that tests are short


def random_speaker(name: str) -> SpeakerNetwork:
    """A model whose norms are no identities, so that each of them matters."""
    torch.manual_seed(1)
    spec = get_spec(name)
    model = build(replace(spec, options={**spec.options, **NARROW.get(name, {})})).eval()
    assert isinstance(model, SpeakerNetwork)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            if module.affine:
                nn.init.normal_(module.weight, 1, 0.2)
                nn.init.normal_(module.bias, 0, 0.2)
    return model


def features(batch: int, frames: int) -> Tensor:
    return torch.randn(batch, frames, 80, generator=torch.Generator().manual_seed(frames)) * 3


def error(candidate: Tensor, reference: Tensor) -> float:
    """Largest difference over the reference's largest magnitude."""
    assert candidate.shape == reference.shape and candidate.isfinite().all()
    return float((candidate - reference).abs().max() / reference.abs().max())


def test_every_model_is_in_the_table() -> None:
    assert set(SIZES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_sizes(name: str) -> None:
    spec = get_spec(name, SpeakerSpec)
    with torch.device("meta"):
        model = zoo.create_model(name)
    parameters = sum(value.numel() for value in model.parameters())
    assert (spec.embedding, parameters, len(model.state_dict()), spec.least_frames) == SIZES[name]
    assert parameters == spec.parameters


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_multiply_adds(name: str) -> None:
    count = 0

    def add(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        nonlocal count
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            count += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            count += output.numel() * module.in_features
        elif isinstance(module, AttentivePooling):  # its first layer is not called as one
            rows = inputs[0].shape[2] + (2 if module.context else 0)
            count += rows * module.channels * module.linear1.out_channels

    with torch.device("meta"):
        model = zoo.create_model(name)
        for module in model.modules():
            module.register_forward_hook(add)
        model(torch.empty(1, 200, get_spec(name, SpeakerSpec).front_end.bins))
    assert count / 2 == pytest.approx(get_spec(name, SpeakerSpec).macs_per_second, rel=0.01)


@pytest.mark.parametrize("name", ORACLES)
@torch.inference_mode()
def test_the_public_implementation(name: str, speaker_folder: Folder) -> None:
    folder = speaker_folder(ORACLES[name])
    model, reference = zoo.create_model(name, folder), np.load(folder / "ref.npz")
    assert model.provenance["source"] == ORACLES[name] and len(model.provenance["sha256"]) == 64
    folded = fold(model)
    for shape in SHAPES:
        feats, expected = (torch.from_numpy(reference[f"{kind}_{shape}"]) for kind in ("feats", "emb"))
        assert error(folded(feats), expected) < TOLERANCE, shape
        if f"solo_{shape}" in reference:
            expected = torch.from_numpy(reference[f"solo_{shape}"])
        assert error(model(feats[:1]), expected[:1]) < TOLERANCE, shape
        if shape in ("3x137", "2x99"):
            padded = nn.functional.pad(feats, (0, 0, 0, 123), value=7.0)
            frames = torch.full((len(feats),), feats.shape[1])
            assert error(folded(padded, frames), expected) < TOLERANCE, shape
    exact = model.double()(torch.from_numpy(reference["feats_4x200"]).double())
    assert error(exact, torch.from_numpy(reference["emb64_4x200"])) < 1e-6


@pytest.mark.parametrize("name", ONE_A_FAMILY)
@torch.inference_mode()
def test_folding_is_exact(name: str) -> None:
    model = random_speaker(name).double()
    folded, feats = fold(model), features(2, 41).double()
    assert error(folded(feats), model(feats)) < 1e-12
    assert folded.converted_from == (model,) and not folded.training
    norms = [module for module in folded.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    kept = {"campplus": 12 + 24 + 16 + 3, "ecapa_c512": 28, "ecapa_c512_glob": 28}  # behind a ReLU, or before
    assert len(norms) == kept.get(name, 0)
    with pytest.raises(ValueError, match="is a deployment form already"):
        fold(folded)


@pytest.mark.parametrize("name", ONE_A_FAMILY)
@torch.inference_mode()
def test_rows_of_several_lengths(name: str) -> None:
    """A padded row gives what it gives alone, whatever the padding holds; a NaN there as well."""
    model, least = random_speaker(name), get_spec(name, SpeakerSpec).least_frames
    frames = torch.tensor([least, 120, 47, 207])
    feats = features(4, 207)
    alone = torch.cat([model(row[None, :count]) for row, count in zip(feats, frames, strict=True)])
    for row, count in zip(feats, frames, strict=True):
        row[count:] = float("nan")
    assert error(model(feats, frames), alone) < 1e-5


@pytest.mark.parametrize("name", ONE_A_FAMILY)
@torch.inference_mode()
def test_the_shortest_recording(name: str) -> None:
    model, least = random_speaker(name), get_spec(name, SpeakerSpec).least_frames
    assert model(features(2, least)).isfinite().all()
    if least > 1:
        with pytest.raises(ShapeError, match=f"{name}: at least {least} frames are needed"):
            model(features(1, least - 1))
        with pytest.raises(ShapeError, match=f"at least {least} frames"):
            model(features(2, 50), torch.tensor([50, least - 1]))


@pytest.mark.parametrize(
    ("shape", "frames", "message"),
    [
        ((2, 50, 40), None, r"expected features \(B, T, 80\), got \(2, 50, 40\)"),
        ((50, 80), None, "expected features"),
        ((1, 0, 80), None, "there are 0"),
        ((2, 50, 80), [50], "a whole number of frames for each of 2 rows"),
        ((2, 50, 80), [50.0, 50.0], "torch.float32"),
        ((2, 50, 80), [50, 51], "51 frames does not fit into 50"),
    ],
)
def test_wrong_shapes(shape: tuple[int, ...], frames: list | None, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        zoo.create_model("resnet18")(torch.zeros(shape), None if frames is None else torch.tensor(frames))


@torch.inference_mode()
def test_pooling_is_what_it_says() -> None:
    """Attention with global context, written out: the context expanded to every frame."""
    torch.manual_seed(0)
    pool, x = AttentivePooling(6, 4, context=True), torch.randn(2, 6, 9)
    mean, deviation = x.mean(2, keepdim=True), (x.var(2, keepdim=True) + 1e-7).sqrt()
    context = torch.cat([x, mean.expand_as(x), deviation.expand_as(x)], dim=1)
    weights = pool.linear2(pool.linear1(context).tanh()).softmax(2)
    mean = (weights * x).sum(2)
    deviation = ((weights * x**2).sum(2) - mean**2).clamp(min=1e-7).sqrt()
    torch.testing.assert_close(pool(x), torch.cat([mean, deviation], 1))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """``folder(name, model, wrap, **model_args)``: a training folder as wespeaker leaves one."""

    def make(name: str, model: nn.Module, wrap: str = "", inside: str = "", **arguments: object) -> Path:
        content = {key: value.float() for key, value in model.state_dict().items()}  # counters as well
        content["projection.weight"] = torch.randn(30, 4)
        arguments = {"feat_dim": 80, **arguments}
        config = {"model": name, "model_args": arguments, "dataset_args": {"fbank_args": {"dither": 1.0}}}
        (tmp_path / inside).mkdir(exist_ok=True)
        torch.save({wrap: content} if wrap else content, tmp_path / inside / "avg_model.pt")
        torch.save({}, tmp_path / inside / "model_1.pt")
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("name", "public", "arguments", "options"),
    [
        ("resnet34", "ResNet34", {"embed_dim": 128, "two_emb_layer": True}, {"second_layer": True}),
        ("ecapa_c512", "ECAPA_TDNN_c512", {"embed_dim": 64, "emb_bn": True}, {"final_norm": True}),
        ("campplus", "CAMPPlus", {"embed_dim": 192, "pooling_func": "TSTP"}, {}),
        (
            "eres2net_base",
            "ERes2Net34_Base",
            {"embed_dim": 192, "two_emb_layer": True},
            {"second_layer": True},
        ),
        (
            "gemini_dfresnet60",
            "Gemini_DF_ResNet60",
            {"embed_dim": 128, "two_emb_layer": True},
            {"second_layer": True},
        ),
    ],
)
@pytest.mark.parametrize(("wrap", "inside"), [("", ""), ("state_dict", ""), ("model", "models")])
@torch.inference_mode()
def test_variants_come_from_the_folder(
    folder: Callable[..., Path],
    name: str,
    public: str,
    arguments: dict,
    options: dict,
    wrap: str,
    inside: str,
) -> None:
    spec = get_spec(name, SpeakerSpec)
    options = {**spec.options, **options, "embedding": arguments["embed_dim"]}
    source = build(replace(spec, options=options)).eval()
    path = folder(public, source, wrap, inside, **arguments)
    model = zoo.create_model(name, path)
    assert model_of(path) == name
    assert isinstance(model.spec, SpeakerSpec) and model.spec.embedding == arguments["embed_dim"]
    feats = features(1, 30)
    torch.testing.assert_close(model(feats), source(feats))
    assert model(feats).shape == (1, arguments["embed_dim"])
    torch.testing.assert_close(fold(model)(feats), source(feats), atol=1e-4, rtol=1e-4)


def test_a_second_embedding_layer_reads_the_first() -> None:
    spec = get_spec("resnet18", SpeakerSpec)
    model = build(replace(spec, options={**spec.options, "second_layer": True}))
    assert {"seg_bn_1.running_mean", "seg_2.weight"} <= set(model.state_dict())
    assert "seg_bn_1.weight" not in model.state_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "ResNet34"}, "not one of resnet18, but of resnet34"),
        ({"model": "ReDimNetB0"}, "names the model 'ReDimNetB0'; expected ResNet18"),
        ({"model_args": {"pooling_func": "ASTP"}}, "pools by ASTP"),
        ({"model_args": {"feat_dim": 40}}, "features of 80 bins, and a network for 40"),
        ({"model_args": {"depth": 3}}, "sets depth of ResNet18"),
        ({"dataset_args": {"frontend": "s3prl"}}, "reads features by 's3prl'"),
        ({"dataset_args": {"fbank_args": {"frame_shift": "x"}}}, "features that are no numbers"),
        ({"dataset_args": {"resample_rate": 8000}}, "for 8000 Hz, but resnet18 runs at 16000 Hz"),
        ({"dataset_args": {"resample_rate": 8000}}, "create one of the models at that rate, as resnet18_8k"),
        ({"model_args": 3}, "expected a mapping under model_args"),
    ],
)
def test_folders_of_something_else(folder: Callable[..., Path], change: dict, message: str) -> None:
    path = folder("ResNet18", zoo.create_model("resnet18"), embed_dim=256)
    config = yaml.safe_load((path / "config.yaml").read_text())
    (path / "config.yaml").write_text(yaml.safe_dump({**config, **change}))
    with pytest.raises(CheckpointError, match=message):
        zoo.create_model("resnet18", path)


def test_other_keys_are_errors(tmp_path: Path) -> None:
    model = zoo.create_model("resnet18")
    params = copy.deepcopy(model.state_dict())
    path = tmp_path / "model.pt"
    for extra, missing, message in (
        ({"projections.weight": torch.ones(1)}, "", "1 surplus: projections.weight"),
        ({}, "seg_1.bias", "1 missing: seg_1.bias"),
        ({"seg_1.bias": torch.ones(3)}, "", r"seg_1.bias \(3,\) instead of \(256,\)"),
        ({"bn1.weight": torch.full((32,), float("nan"))}, "", "not finite: bn1.weight"),
    ):
        torch.save({key: v for key, v in {**params, **extra}.items() if key != missing}, path)
        with pytest.raises(CheckpointError, match=message):
            zoo.create_model("resnet18", path)
    wrapped = {f"module.{key}": value for key, value in params.items()}
    torch.save({**wrapped, "module.projection.bias": torch.ones(2)}, path)
    assert zoo.create_model("resnet18", path).provenance["source"] == "model.pt"
