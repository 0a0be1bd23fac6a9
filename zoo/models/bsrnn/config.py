"""Reads the configuration file of a public BSRNN training folder."""

from __future__ import annotations

from typing import Any

from zoo.errors import CheckpointError
from zoo.spec import FrontEnd

# settings that this family reproduces with one value only, as the released configurations have them
_FIXED = {"bias": True, "affine": True, "n_fft": 512, "win_size": 512, "window": "hann"}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], FrontEnd]:
    """Options of the network and its front end from a parsed ``config.yaml``.

    Args:
        config: with ``model``, ``model_kwargs`` and ``data.sampling_rate``.
        where: the folder, for errors.

    Raises:
        CheckpointError: another model, a setting that is missing, or one that is not supported.
    """
    try:
        if config["model"] != "bsrnn":
            raise CheckpointError(f"{where}: its config says model {config['model']}, not bsrnn")
        model = config["model_kwargs"]
        for name, value in _FIXED.items():
            if model[name] != value:
                raise CheckpointError(f"{where}: {name} is {model[name]!r}; only {value!r} is supported")
        options = {
            "channels": int(model["num_channels"]),
            "layers": int(model["num_layers"]),
            "compression": float(model["input_compression"]),
        }
        return options, FrontEnd(int(config["data"]["sampling_rate"]), 512, int(model["hop_size"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: its config lacks a setting or has a wrong one: {error!r}") from error
