"""Reads the configuration files of FastEnhancer's training folders, for the families that come from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from zoo.configs import OtherClassError
from zoo.configs.sizes import whole
from zoo.errors import CheckpointError

Settings = Mapping[str, Any]


@contextmanager
def model_settings(config: Settings, where: str, model: str, fixed: Settings) -> Iterator[Settings]:
    """Give the settings of a model; whatever cannot be read inside becomes one error.

    Args:
        config: parsed ``config.yaml``, with ``model`` and ``model_kwargs``.
        where: the folder, for errors.
        model: the name that it must have.
        fixed: settings that are reproduced with one value only.

    Raises:
        OtherClassError: another model.
        CheckpointError: a setting that is missing, or one that is not supported.
    """
    if "model" not in config:
        raise OtherClassError(f"{where}: its config names no model")
    try:
        if config["model"] != model:
            raise OtherClassError(f"{where}: its config says model {config['model']}, not {model}")
        require(config["model_kwargs"], fixed, where)
        yield config["model_kwargs"]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: its config lacks a setting or has a wrong one: {error!r}") from error


def require(settings: Settings, fixed: Settings, where: str) -> None:
    """Refuse settings with another value than the one that is reproduced; what is not set has it.

    Raises:
        CheckpointError: names the first.
    """
    for name, value in fixed.items():
        if settings.get(name, value) != value:
            raise CheckpointError(f"{where}: {name} is {settings[name]!r}; only {value!r} is supported")


def sample_rate(config: Settings, where: str) -> int:
    """Give the rate of the training data, in Hz.

    Raises:
        CheckpointError: it is no whole number.
    """
    return whole(config["data"]["sampling_rate"], "sampling_rate", where)
