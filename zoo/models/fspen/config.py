"""Reads the configuration file of a public FSPEN training folder."""

from __future__ import annotations

from typing import Any

from zoo.configs.fastenhancer import model_settings, sample_rate
from zoo.configs.sizes import whole
from zoo.spec import FrontEnd

# settings that are reproduced with one value only
_FIXED = {"stride": [2, 2, 2], "n_fft": 512, "win_size": 512, "window": "hann"}
_NORMS = {  # the public names of the blocks' norms
    "LayerNorm-FreqChannels": "frame",
    "LayerNorm-Channels": "channels",
    "CustomLayerNorm": "centred",
}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], FrontEnd]:
    """Read options of the network and its front end from a parsed ``config.yaml``.

    Args, Raises: as ``model_settings``.
    """
    with model_settings(config, where, "fspen", _FIXED) as model:
        block = model["dpe_kwargs"]
        options = {
            "channels": tuple(model["channels"]),
            "kernel_sizes": tuple(model["kernel_size"]),
            "block_channels": whole(block["channels"], "channels", where),
            "block_bins": whole(block["freq"], "freq", where),
            "blocks": whole(block["num_blocks"], "num_blocks", where),
            "groups": whole(block["groups"], "groups", where),
            "norm": _NORMS[block["norm"]],
            "compression": float(model["input_compression"]),
        }
        return options, FrontEnd(
            sample_rate(config, where),
            whole(model["n_fft"], "n_fft", where),
            whole(model["hop_size"], "hop_size", where),
        )
