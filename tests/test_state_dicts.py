"""Checkpoints in the wild: what wraps the parameters, and what stands before their names."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import zoo
from zoo.checkpoint import digest, plain_names
from zoo.errors import CheckpointError

NAME = "fastenhancer_t"
Params = dict[str, Tensor]


@pytest.fixture(scope="module")
def params() -> Params:
    return zoo.create_model(NAME, None).state_dict()


def before(word: str, params: Params) -> Params:
    return {word + name: value for name, value in params.items()}


def without_counters(params: Params) -> Params:
    return {name: value for name, value in params.items() if not name.endswith("num_batches_tracked")}


def compiled_inside(params: Params) -> Params:
    return {name.replace(".", "._orig_mod.", 1): value for name, value in params.items()}


LEFT_OUT = "best, epoch, norm are no parameters"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: before("_orig_mod.", p), "names are read without _orig_mod."),
        (compiled_inside, "names are read without _orig_mod."),
        (lambda p: {"model": before("module._orig_mod.", p)}, "names are read without _orig_mod."),
        (lambda p: {"state_dict": before("model.", p)}, "names are read without model."),
        (
            lambda p: {"state_dict": {**before("model.", p), "loss.weight": torch.ones(3)}},
            "names are read without model.; loss is of training and left out",
        ),
        (
            lambda p: {"state_dict": {**before("generator.", p), "discriminator.0.w": torch.ones(3)}},
            "names are read without generator.; discriminator is of training and left out",
        ),
        (lambda p: before("net.model.", p), "names are read without net.; names are read without model."),
        (lambda p: {"ema": p, "step": 3}, "the parameters are those of ema"),
        (lambda p: {"params": p}, "the parameters are those of params"),
        (lambda p: {"net": {"state_dict": p}}, "the parameters are those of net/state_dict"),
        (
            lambda p: {"checkpoint": {"model": {"state_dict": p}}},
            "the parameters are those of checkpoint/model/state_dict",
        ),
        (
            lambda p: {"model": p, "ema": {"x": torch.ones(1)}},
            "the parameters are those of model, not of ema",
        ),
        (without_counters, "counters of batch norms are missing, which only training reads"),
        (lambda p: {**p, "best": np.float64(2.9), "epoch": 3, "norm": np.ones(4)}, LEFT_OUT),
    ],
)
def test_what_training_tools_leave(
    change: Callable[[Params], Any], told: str, params: Params, tmp_path: Path
) -> None:
    torch.save(change(params), tmp_path / "x.pt")
    with pytest.warns(UserWarning, match="x.pt: ") as caught:
        model = zoo.create_model(NAME, tmp_path / "x.pt")
    assert told in " ".join(str(warning.message) for warning in caught)
    assert digest(model.state_dict()) == digest(params)


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p,
        lambda p: before("module.", p),
        lambda p: {"model": p, "optim": {}, "best": np.float64(2.9), "lr": np.float32(1), "x": np.arange(3)},
    ],
)
def test_what_is_usual_needs_no_word(change: Callable[[Params], Any], params: Params, tmp_path: Path) -> None:
    torch.save(change(params), tmp_path / "x.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert digest(zoo.create_model(NAME, tmp_path / "x.pt").state_dict()) == digest(params)


def test_nothing_of_numpy_is_run(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's numbers are passed over, also one that claims gigabytes."""
    import pickle

    torch.save({"model": params, "best": np.zeros(1, "V64")[0]}, tmp_path / "x.pt")
    assert digest(zoo.create_model(NAME, tmp_path / "x.pt").state_dict()) == digest(params)
    for value in (np.array([print], object), pickle.PickleBuffer):
        torch.save({"model": params, "best": value}, tmp_path / "x.pt")
        with pytest.raises(CheckpointError, match="pickled objects, which are not loaded"):
            zoo.create_model(NAME, tmp_path / "x.pt")


def test_messages_hold_no_terminal_escapes(params: Params, tmp_path: Path) -> None:
    for content in (
        {**params, "\x1b[31mred\x1b[0m\r\n": torch.ones(1)},
        {"\x1b]0;title\x07": 3},
        {**params, "\x1b[2J": np.float64(1), "surplus": torch.ones(1)},
    ):
        torch.save(content, tmp_path / "x.pt")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with pytest.raises(CheckpointError) as error:
                zoo.create_model(NAME, tmp_path / "x.pt")
        told = [str(error.value), *(str(warning.message) for warning in caught)]
        assert all(text.isprintable() for text in told)
        assert any("\N{REPLACEMENT CHARACTER}" in text for text in told)


@pytest.mark.parametrize("name", zoo.list_models())
def test_no_network_has_names_that_would_be_changed(name: str) -> None:
    with torch.device("meta"):
        names = zoo.create_model(name, None).state_dict()
    assert list(plain_names(names)) == list(names)
