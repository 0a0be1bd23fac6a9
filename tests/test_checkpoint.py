"""Checkpoints in every format that people have, and every way in which one can be wrong."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

import zoo
from tests.checkpoints import CONFIG
from tests.contract import random_model
from zoo.checkpoint import digest, load_strictly, read_parameters, write_parameters
from zoo.create import build, load_attribute, model_of_config
from zoo.errors import CheckpointError, UnknownModelError
from zoo.registry import get_spec

NAME = "fastenhancer_t"
Params = dict[str, Tensor]


def config(block: dict[str, object] | None = None, **changes: object) -> dict[str, object]:
    """The configuration with some of its network's settings changed."""
    kwargs = {**CONFIG["model_kwargs"], **changes}
    kwargs["rnnformer_kwargs"] = {**kwargs["rnnformer_kwargs"], **(block or {})}
    return {**CONFIG, "model_kwargs": kwargs}


@pytest.fixture(scope="module")
def params(speech: Callable) -> Params:
    return random_model(NAME, speech).state_dict()


def assert_loaded(model: torch.nn.Module, params: Params) -> None:
    assert not model.training
    state = model.state_dict()
    assert state.keys() == params.keys()
    assert all(torch.equal(state[key], value) for key, value in params.items())


def save_flat(params: Params, folder: Path) -> Path:
    torch.save(params, folder / "flat.pt")
    return folder / "flat.pt"


def save_wrapped(params: Params, folder: Path) -> Path:
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
    torch.save({"epoch": 3, "optimizer": optimizer, "model": params}, folder / "model.tar")
    return folder / "model.tar"


def save_state_dict(params: Params, folder: Path) -> Path:
    torch.save({"state_dict": params, "best": 2.9}, folder / "best.pth")
    return folder / "best.pth"


def save_parallel(params: Params, folder: Path) -> Path:
    torch.save({"model": {f"module.{key}": value for key, value in params.items()}}, folder / "parallel.pth")
    return folder / "parallel.pth"


def save_safetensors(params: Params, folder: Path) -> Path:
    save_file({key: value.contiguous() for key, value in params.items()}, folder / "model.safetensors")
    return folder / "model.safetensors"


def save_training_folder(params: Params, folder: Path) -> Path:
    """The newest by number, not by name or time."""
    folder = folder / "logs" / NAME
    folder.mkdir(parents=True)
    older = {key: torch.zeros_like(value) for key, value in params.items()}
    torch.save({"model": params, "optim": {}, "epoch": 100000}, folder / "100000.pth")
    torch.save({"model": older, "optim": {}, "epoch": 10}, folder / "00010.pth")
    torch.save({"model": older, "optim": {}, "epoch": 20}, folder / "00020.pth")
    torch.save({"model": older}, folder / "discriminator.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


@pytest.mark.parametrize(
    "save",
    [save_flat, save_wrapped, save_state_dict, save_parallel, save_safetensors, save_training_folder],
)
def test_formats(save: Callable[[Params, Path], Path], params: Params, tmp_path: Path) -> None:
    path = save(params, tmp_path)
    for given in (path, str(path)):
        model = zoo.create_model(NAME, given)
        assert_loaded(model, params)
        assert model.provenance["source"] == path.name
        assert model.provenance["sha256"] == digest(params), "the same whatever the container"


def test_newest_of_a_training_folder(params: Params, tmp_path: Path) -> None:
    """00020 before 00010, and a folder with a single checkpoint needs no number."""
    older = {key: torch.ones_like(value) for key, value in params.items()}
    torch.save({"model": params}, tmp_path / "00020.pth")
    torch.save({"model": older}, tmp_path / "00010.pth")
    assert_loaded(zoo.create_model(NAME, tmp_path), params)
    (tmp_path / "00020.pth").unlink()
    assert_loaded(zoo.create_model(NAME, tmp_path), older)
    (tmp_path / "00010.pth").rename(tmp_path / "released.pth")
    assert_loaded(zoo.create_model(NAME, tmp_path), older)


def test_a_folder_decides_the_sizes(tmp_path: Path) -> None:
    """A configuration of a size that nobody registered: built, loaded and streamed by it."""
    custom = config({"num_blocks": 1, "freq": 12, "channels": 24}, channels=16, hop_size=128)
    options, front_end = load_attribute(get_spec(NAME).config_reader)(custom, "custom")
    torch.manual_seed(0)
    spec = get_spec(NAME)
    params = build(replace(spec, options=options, front_end=front_end)).state_dict()
    torch.save({"model": params}, tmp_path / "00001.pth")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(custom))
    model = zoo.create_model(NAME, tmp_path)
    assert_loaded(model, params)
    assert (model.spec.front_end.hop_length, len(model.rf_block)) == (128, 1)
    twin = zoo.to_streaming(model, "wav2wav")
    assert twin.state_shapes()["rf_block.0.rnn.hidden"] == (12, 24)
    assert twin(torch.zeros(1, 256))[0].shape == (1, 256)
    assert model_of_config(custom, "custom").startswith("fastenhancer")
    with pytest.raises(CheckpointError, match="another shape"):
        zoo.create_model(NAME, tmp_path / "00001.pth")


FORMS = {  # of FastEnhancer, by its reader: the public name, and what its configuration calls the blocks
    "read_config": ("default", "rnnformer_kwargs"),
    "read_bidirectional": ("noncausal", "rnnformer_kwargs"),
    "read_dprnn": ("dprnn", "dprnn_kwargs"),
    "read_transformer": ("dptransformer", "dpt_kwargs"),
    "read_layer_norm": ("ln", "rnnformer_kwargs"),
    "read_time_kernel": ("time_kernel", "rnnformer_kwargs"),
}
PUBLIC_NAMES = {  # of options that only some forms have
    "heads": "num_heads",
    "frequency_channels": "channels_frnn",
    "look_behind": "lookbehind",
}


def config_of(name: str) -> dict[str, object]:
    """The configuration of a registered FastEnhancer, as its public training folders have it."""
    spec = get_spec(name)
    form, block_name = FORMS[spec.config_reader.partition(":")[2]]
    options, front_end = spec.options, spec.front_end
    block = {
        **CONFIG["model_kwargs"]["rnnformer_kwargs"],
        "num_blocks": options["blocks"],
        "channels": options["block_channels"],
        "freq": options["block_bins"],
        **{public: options[own] for own, public in PUBLIC_NAMES.items() if own in options},
    }
    kwargs = {
        **{key: value for key, value in CONFIG["model_kwargs"].items() if key != "rnnformer_kwargs"},
        block_name: block,
        "channels": options["channels"],
        "kernel_size": list(options["kernel_sizes"]),
        "pre_post_init": "linear" if options["trained_filters"] else "linear_fixed",
        "n_fft": front_end.n_fft,
        "win_size": front_end.n_fft,
        "hop_size": front_end.hop_length,
    }
    if form not in ("default", "noncausal"):
        kwargs["final_scale"] = True
    if form == "time_kernel":
        kwargs["kernel_size_freq"], kwargs["kernel_size_time"] = kwargs.pop("kernel_size"), 3
    return {
        "model": f"fastenhancer.{form}",
        "model_kwargs": kwargs,
        "data": {"sampling_rate": front_end.sample_rate},
    }


FASTENHANCERS = [name for name in zoo.list_models() if get_spec(name).family == "fastenhancer"]


@pytest.mark.parametrize("name", FASTENHANCERS)
def test_configurations_are_recognised(name: str) -> None:
    """A folder's configuration leads to the registered model of its form and sizes."""
    assert model_of_config(config_of(name), "here") == name


@pytest.mark.parametrize("name", ["fastenhancer_dprnn_t", "fastenhancer_transformer_t", "fastenhancer_huge"])
def test_a_folder_decides_the_sizes_of_other_forms(name: str, tmp_path: Path) -> None:
    """Fewer blocks than any registered model: built and loaded as the folder says."""
    folder = config_of(name)
    block_name = FORMS[get_spec(name).config_reader.partition(":")[2]][1]
    folder["model_kwargs"][block_name]["num_blocks"] = 1
    options, front_end = load_attribute(get_spec(name).config_reader)(folder, "folder")
    params = build(replace(get_spec(name), options=options, front_end=front_end)).state_dict()
    torch.save({"model": params}, tmp_path / "00001.pth")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(folder))
    assert_loaded(zoo.create_model(name, tmp_path), params)
    with pytest.raises(CheckpointError, match="not a checkpoint of"):
        zoo.create_model(name, tmp_path / "00001.pth")


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("fastenhancer_dprnn_t", {"final_scale": "exp"}, "final_scale is 'exp'; only True"),
        ("fastenhancer_dprnn_t", {"final_scale": None}, "final_scale is 'exp'; only True"),
        ("fastenhancer_time_kernel_b", {"kernel_size_time": None}, "lacks a setting .*kernel_size_time"),
        ("fastenhancer_time_kernel_b", {"kernel_size_freq": None}, "lacks a setting .*kernel_size_freq"),
        ("fastenhancer_transformer_t", {"dpt_kwargs": None}, "lacks a setting .*dpt_kwargs"),
        ("fastenhancer_huge", {"activation": "ReLU"}, "activation is 'ReLU'; only 'SiLU'"),
        ("fastenhancer_t", {"channels": 24.5}, "here sets channels to '24.5'; expected a whole number"),
        ("fastenhancer_t", {"hop_size": True}, "here sets hop_size to 'True'; expected a whole number"),
    ],
)
def test_configurations_of_other_forms_that_do_not_fit(
    name: str, changes: dict[str, object], says: str
) -> None:
    """A setting that is wrong, or missing where it is None."""
    folder = config_of(name)
    kwargs = {key: value for key, value in folder["model_kwargs"].items() if key not in changes}
    kwargs |= {key: value for key, value in changes.items() if value is not None}
    with pytest.raises(CheckpointError, match=says):
        load_attribute(get_spec(name).config_reader)({**folder, "model_kwargs": kwargs}, "here")


@pytest.mark.parametrize("name", FASTENHANCERS)
def test_configurations_of_another_form(name: str) -> None:
    """No reader takes a folder of another form."""
    for other in ("fastenhancer_t", "fastenhancer_dprnn_t", "fastenhancer_layernorm_b"):
        if get_spec(other).config_reader != get_spec(name).config_reader:
            with pytest.raises(CheckpointError, match=r"its config says model fastenhancer\.\w+, not"):
                load_attribute(get_spec(name).config_reader)(config_of(other), "here")


def without(params: Params, key: str) -> Params:
    return {name: value for name, value in params.items() if name != key}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: without(p, "dec_post.3.scale"), r"1 missing: dec_post\.3\.scale"),
        (lambda p: {**p, "pe": torch.zeros(3)}, r"1 surplus: pe\b"),
        (
            lambda p: {**p, "rf_block.0.pe": torch.zeros(16, 21)},
            r"1 of another shape: rf_block\.0\.pe \(16, 21\) instead of \(16, 20\)",
        ),
        (
            lambda p: {**p, "rf_block.1.rnn_fc.weight": p["rf_block.1.rnn_fc.weight"] * float("nan")},
            r"1 not finite: rf_block\.1\.rnn_fc\.weight",
        ),
        (
            lambda p: {**p, "dec_post.3.bias": torch.full((2,), float("inf"))},
            r"not finite: dec_post\.3\.bias",
        ),
        (
            lambda p: without({**p, "a.b": torch.zeros(1)}, "rf_block.0.pe"),
            r"1 missing: rf_block\.0\.pe; 1 surplus: a\.b",
        ),
        (
            lambda p: {f"backbone.{key}": value for key, value in p.items()},
            r"106 missing: .* and 98 more; 106 surplus",
        ),
    ],
    ids=["missing", "surplus", "shape", "nan", "inf", "both", "prefix"],
)
@pytest.mark.parametrize("save", [save_flat, save_safetensors])
def test_wrong_parameters(
    change: Callable[[Params], Params],
    says: str,
    save: Callable[[Params, Path], Path],
    params: Params,
    tmp_path: Path,
) -> None:
    path = save(change(params), tmp_path)
    with pytest.raises(CheckpointError, match=says) as caught:
        zoo.create_model(NAME, path)
    assert str(path) in str(caught.value)
    assert NAME in str(caught.value)


@pytest.mark.parametrize("other", ["gtcrn", "dpcrn", "fastenhancer_b", "fastenhancer_48k_t"])
def test_another_models_checkpoint(other: str, weights_for: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match=f"not a checkpoint of {NAME}: .*another model or size"):
        zoo.create_model(NAME, weights_for(other))


def test_every_reference_checkpoint_loads(weights_for: Callable[[str], Path]) -> None:
    for name in zoo.list_models("enhancement"):
        path = weights_for(name)
        params = read_parameters(path)
        assert_loaded(zoo.create_model(name, path), params)


@pytest.mark.parametrize("save", [save_flat, save_wrapped, save_safetensors])
@pytest.mark.parametrize("kept", [0.5, 0.01, 0.0])
def test_truncated(save: Callable[[Params, Path], Path], kept: float, params: Params, tmp_path: Path) -> None:
    path = save(params, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(CheckpointError, match=f"{path.name}: .*(damaged|copy it again)"):
        zoo.create_model(NAME, path)


class Payload:
    """What a hostile checkpoint would hold."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.victim,)


@pytest.mark.parametrize("plain", [False, True], ids=["torch.save", "pickle"])
def test_pickled_objects_are_not_executed(plain: bool, params: Params, tmp_path: Path) -> None:
    victim, path = tmp_path / "executed", tmp_path / "hostile.pt"
    content = {"model": params, "args": Payload(victim)}
    if plain:
        path.write_bytes(pickle.dumps({"args": Payload(victim)}, protocol=2))
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match="pickled objects, which are not loaded"):
        zoo.create_model(NAME, path)
    assert not victim.exists()
    torch.load(path, weights_only=False) if not plain else pickle.loads(path.read_bytes())
    assert victim.exists(), "it would have been executed, had it been loaded otherwise"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "found keys"),
        ({"epoch": 3, "lr": 0.1}, "found keys epoch, lr"),
        ({"model": {}}, "state dict"),
        (torch.zeros(3), "found Tensor"),
        ([torch.zeros(3)], "found list"),
        ({"model": {"weight": "a name"}}, "state dict"),
    ],
    ids=["nothing", "no-parameters", "empty", "tensor", "list", "no-tensors"],
)
def test_files_without_parameters(content: object, says: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=says):
        zoo.create_model(NAME, tmp_path / "other.pt")


def test_not_a_checkpoint_at_all(tmp_path: Path) -> None:
    for name in ("notes.pt", "notes.tar", "notes.safetensors"):
        (tmp_path / name).write_text("these are no weights\n" * 40)
        with pytest.raises(CheckpointError, match=name):
            zoo.create_model(NAME, tmp_path / name)


@pytest.mark.parametrize("content", [b"hi\n", b"# A title\n", b"x", b""])
def test_a_text_is_told_in_words(content: bytes, tmp_path: Path) -> None:
    """Not with the number of the byte that pickle does not know, nor with advice to load unsafely."""
    path = tmp_path / "text.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"as a checkpoint of tensors( \(\D*\))?; it is damaged"):
        read_parameters(path)


def test_folders_without_a_checkpoint(params: Params, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"expected a training folder .* found none"):
        zoo.create_model(NAME, tmp_path)
    for name in ("a.pt", "b.pt"):
        torch.save(params, tmp_path / name)
    with pytest.raises(CheckpointError, match=r"found a\.pt, b\.pt"):
        zoo.create_model(NAME, tmp_path)


def test_neither_path_nor_tag() -> None:
    with pytest.raises(UnknownModelError, match="known tags: speechzoo, dns3, vctk") as caught:
        zoo.create_model("gtcrn", "dns4")
    assert "no file or folder" in str(caught.value)
    with pytest.raises(UnknownModelError, match="known tags: none"):
        zoo.create_model("dpcrn", "no/such/checkpoint.pt")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (yaml.safe_dump({**CONFIG, "model": "fastenhancer.dprnn"}), r"model fastenhancer\.dprnn"),
        (yaml.safe_dump({**CONFIG, "model": "lisennet"}), "model lisennet"),
        (yaml.safe_dump(config(activation="ReLU")), "activation is 'ReLU'; only 'SiLU'"),
        (yaml.safe_dump(config({"positional_embedding": None})), "positional_embedding is None"),
        (yaml.safe_dump(config(win_size=400)), "win_size 400 differs from n_fft 512"),
        (yaml.safe_dump(config(pre_post_init="mel")), "mel"),
        (yaml.safe_dump({"model": "fastenhancer.default"}), "lacks a setting"),
        ("- a\n- list\n", "expected a mapping"),
        ("model: [unclosed\n", "not a YAML file"),
    ],
    ids=["dprnn", "lisennet", "activation", "embedding", "window", "filters", "short", "list", "not-yaml"],
)
def test_configurations_that_do_not_fit(content: str, says: str, params: Params, tmp_path: Path) -> None:
    torch.save({"model": params}, tmp_path / "00001.pth")
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(CheckpointError, match=says):
        zoo.create_model(NAME, tmp_path)


def test_the_model_is_untouched_by_a_checkpoint_that_fails(params: Params, tmp_path: Path) -> None:
    model = zoo.create_model(NAME)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError):
        load_strictly(model, without(params, "rf_block.0.pe"), where="here", name=NAME)
    assert_loaded(model, before)


def test_parameters_that_are_not_real_numbers(params: Params, tmp_path: Path) -> None:
    name = next(name for name, value in params.items() if value.is_floating_point())
    for dtype in (torch.complex64, torch.int64, torch.bool, torch.uint8):
        torch.save({"model": {**params, name: params[name].to(dtype)}}, tmp_path / "x.pt")
        with pytest.raises(CheckpointError, match=rf"1 of another type: {name} {dtype} instead of torch.flo"):
            zoo.create_model(NAME, tmp_path / "x.pt")
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        torch.save({"model": {**params, name: params[name].to(dtype)}}, tmp_path / "x.pt")
        assert zoo.create_model(NAME, tmp_path / "x.pt").state_dict()[name].dtype == torch.float32
    counter = next(name for name, value in params.items() if not value.is_floating_point())
    torch.save({"model": {**params, counter: torch.tensor(7.0)}}, tmp_path / "x.pt")
    assert zoo.create_model(NAME, tmp_path / "x.pt").state_dict()[counter] == 7
    torch.save({"model": {**params, counter: torch.tensor(7.5)}}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=rf"1 of another type: {counter} torch\.float32 instead"):
        zoo.create_model(NAME, tmp_path / "x.pt")


@pytest.mark.parametrize("half", [False, True])
def test_parameters_that_are_not_those_of_their_header(tmp_path: Path, half: bool) -> None:
    import json

    from safetensors.torch import load_file, save_file

    path = tmp_path / "x.safetensors"
    model = zoo.create_model(NAME)
    write_parameters(model, model.spec, {"licence": "MIT"}, path, half=half)
    assert zoo.create_model(NAME, path).provenance["licence"] == "MIT"
    length = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]
    params = load_file(path)
    name = max(params, key=lambda key: params[key].numel())
    params[name].view(-1)[3] += 0.5
    save_file(params, path, header)
    with pytest.raises(
        CheckpointError, match=r"x\.safetensors: its parameters have the sha256 \w+, and its h"
    ):
        zoo.create_model(NAME, path)
