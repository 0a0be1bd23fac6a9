"""Reads the configuration file of a public LiSenNet training folder."""

from __future__ import annotations

from typing import Any

from zoo.errors import CheckpointError
from zoo.spec import FrontEnd

# settings that this family reproduces with one value only, as the released configuration has them
_FIXED = {"window": "hann", "normalized": False}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], FrontEnd]:
    """Options of the network and its front end from a parsed ``config.yaml``.

    Args:
        config: with ``model``, ``model_kwargs`` and ``data.sampling_rate``.
        where: the folder, for errors.

    Raises:
        CheckpointError: another model, a setting that is missing, or one that is not supported.
    """
    try:
        if config["model"] != "lisennet":
            raise CheckpointError(f"{where}: its config says model {config['model']}, not lisennet")
        model = config["model_kwargs"]
        n_fft, hop = int(model["n_fft"]), int(model["hop_size"])
        fixed = {**_FIXED, "win_size": n_fft, "hop_size": n_fft // 2}
        for name, value in fixed.items():
            if model.get(name, value) != value:
                raise CheckpointError(f"{where}: {name} is {model[name]!r}; only {value!r} is supported")
        options = {
            "channels": int(model["num_channels"]),
            "blocks": int(model["n_blocks"]),
            "compression": float(model["input_compression"]),
        }
        return options, FrontEnd(int(config["data"]["sampling_rate"]), n_fft, hop)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: its config lacks a setting or has a wrong one: {error!r}") from error
