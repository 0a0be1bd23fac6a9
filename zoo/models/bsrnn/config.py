"""Reads the configuration file of a public BSRNN training folder."""

from __future__ import annotations

from typing import Any

from zoo.configs.fastenhancer import model_settings, sample_rate
from zoo.configs.sizes import whole
from zoo.spec import FrontEnd

# settings that this family reproduces with one value only, as the released configurations have them
_FIXED = {"bias": True, "affine": True, "n_fft": 512, "win_size": 512, "window": "hann"}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], FrontEnd]:
    """Read options of the network and its front end from a parsed ``config.yaml``.

    Args, Raises: as ``model_settings``.
    """
    with model_settings(config, where, "bsrnn", _FIXED) as model:
        options = {
            "channels": whole(model["num_channels"], "num_channels", where),
            "layers": whole(model["num_layers"], "num_layers", where),
            "compression": float(model["input_compression"]),
        }
        return options, FrontEnd(sample_rate(config, where), 512, whole(model["hop_size"], "hop_size", where))
