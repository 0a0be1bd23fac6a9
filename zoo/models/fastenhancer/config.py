"""Reads the configuration file of a public FastEnhancer training folder."""

from __future__ import annotations

from typing import Any

from zoo.errors import CheckpointError
from zoo.spec import FrontEnd

# settings that this family reproduces with one value only, as the released configurations have them
_FIXED = {
    "activation": "SiLU",
    "mask": None,
    "resnet": False,
    "weight_norm": True,
    "normalize_final_conv": True,
    "stft_normalized": False,
    "window": "hann",
}
_FIXED_BLOCK = {
    "positional_embedding": "train",
    "attn_bias": False,
    "post_act": False,
    "pre_norm": False,
    "eps": 1e-5,
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
        if config["model"] != "fastenhancer.default":
            raise CheckpointError(
                f"{where}: its config says model {config['model']}, not fastenhancer.default"
            )
        model, block = config["model_kwargs"], config["model_kwargs"]["rnnformer_kwargs"]
        _require(model, _FIXED, where)
        _require(block, _FIXED_BLOCK, where)
        if model["win_size"] != model["n_fft"]:
            raise CheckpointError(
                f"{where}: win_size {model['win_size']} differs from n_fft {model['n_fft']}"
            )
        options = {
            "channels": int(model["channels"]),
            "kernel_sizes": tuple(model["kernel_size"]),
            "stride": int(model["stride"]),
            "block_channels": int(block["channels"]),
            "block_bins": int(block["freq"]),
            "blocks": int(block["num_blocks"]),
            "heads": int(block["num_heads"]),
            "trained_filters": {"linear": True, "linear_fixed": False}[model["pre_post_init"]],
            "compression": float(model["input_compression"]),
        }
        rate = int(config["data"]["sampling_rate"])
        return options, FrontEnd(rate, int(model["n_fft"]), int(model["hop_size"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: its config lacks a setting or has a wrong one: {error!r}") from error


def _require(settings: dict[str, Any], fixed: dict[str, Any], where: str) -> None:
    for name, value in fixed.items():
        if settings.get(name, value) != value:
            raise CheckpointError(f"{where}: {name} is {settings[name]!r}; only {value!r} is supported")
