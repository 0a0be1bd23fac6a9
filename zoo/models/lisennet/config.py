"""Reads the configuration file of a public LiSenNet training folder."""

from __future__ import annotations

from typing import Any

from zoo.configs.fastenhancer import model_settings, require, sample_rate
from zoo.configs.sizes import whole
from zoo.spec import FrontEnd

# settings that this family reproduces with one value only, as the released configuration has them
_FIXED = {"window": "hann", "normalized": False}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], FrontEnd]:
    """Read options of the network and its front end from a parsed ``config.yaml``.

    Args, Raises: as ``model_settings``.
    """
    with model_settings(config, where, "lisennet", _FIXED) as model:
        n_fft = whole(model["n_fft"], "n_fft", where)
        require(model, {"win_size": n_fft, "hop_size": n_fft // 2}, where)
        options = {
            "channels": whole(model["num_channels"], "num_channels", where),
            "blocks": whole(model["n_blocks"], "n_blocks", where),
            "compression": float(model["input_compression"]),
        }
        return options, FrontEnd(
            sample_rate(config, where), n_fft, whole(model["hop_size"], "hop_size", where)
        )
