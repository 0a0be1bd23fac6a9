"""Reads the configuration file of a public LiSenNet training folder."""

from __future__ import annotations

from typing import Any

from zoo.configs.fastenhancer import model_settings, require, sample_rate
from zoo.spec import FrontEnd

# settings that this family reproduces with one value only, as the released configuration has them
_FIXED = {"window": "hann", "normalized": False}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], FrontEnd]:
    """Read options of the network and its front end from a parsed ``config.yaml``.

    Args, Raises: as ``model_settings``.
    """
    with model_settings(config, where, "lisennet", _FIXED) as model:
        n_fft = int(model["n_fft"])
        require(model, {"win_size": n_fft, "hop_size": n_fft // 2}, where)
        options = {
            "channels": int(model["num_channels"]),
            "blocks": int(model["n_blocks"]),
            "compression": float(model["input_compression"]),
        }
        return options, FrontEnd(sample_rate(config), n_fft, int(model["hop_size"]))
