"""Reads the configuration file of a public FSPEN training folder."""

from __future__ import annotations

from typing import Any

from zoo.errors import CheckpointError
from zoo.spec import FrontEnd

# settings that are reproduced with one value only
_FIXED = {"stride": [2, 2, 2], "n_fft": 512, "win_size": 512, "window": "hann"}
_NORMS = {  # the public names of the blocks' norms
    "LayerNorm-FreqChannels": "frame",
    "LayerNorm-Channels": "channels",
    "CustomLayerNorm": "centred",
}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], FrontEnd]:
    """Options of the network and its front end from a parsed ``config.yaml``.

    Args:
        config: with ``model``, ``model_kwargs`` and ``data.sampling_rate``.
        where: the folder, for errors.

    Raises:
        CheckpointError: another model, a setting that is missing, or one that is not supported.
    """
    try:
        if config["model"] != "fspen":
            raise CheckpointError(f"{where}: its config says model {config['model']}, not fspen")
        model, block = config["model_kwargs"], config["model_kwargs"]["dpe_kwargs"]
        for name, value in _FIXED.items():
            if model[name] != value:
                raise CheckpointError(f"{where}: {name} is {model[name]!r}; only {value!r} is supported")
        options = {
            "channels": tuple(model["channels"]),
            "kernel_sizes": tuple(model["kernel_size"]),
            "block_channels": int(block["channels"]),
            "block_bins": int(block["freq"]),
            "blocks": int(block["num_blocks"]),
            "groups": int(block["groups"]),
            "norm": _NORMS[block["norm"]],
            "compression": float(model["input_compression"]),
        }
        rate = int(config["data"]["sampling_rate"])
        return options, FrontEnd(rate, int(model["n_fft"]), int(model["hop_size"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: its config lacks a setting or has a wrong one: {error!r}") from error
