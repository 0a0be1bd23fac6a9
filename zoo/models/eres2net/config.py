"""Sizes of ERes2Net, and how a public training folder names them."""

from __future__ import annotations

from typing import Any

from zoo.configs import wespeaker
from zoo.spec import Filterbank


def options(channels: int) -> dict[str, Any]:
    """Keyword arguments of the network."""
    return {"channels": channels, "embedding": 512, "second_layer": False}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], Filterbank]:
    """Options and features from ``config.yaml``.

    Raises:
        CheckpointError: it is not one of an ERes2Net.
    """
    return wespeaker.read_config(
        config,
        where,
        classes={"ERes2Net34_Base": options(32), "ERes2Net34_Large": options(64)},
        arguments={"embed_dim": "embedding", "two_emb_layer": "second_layer"},
        pooling="TSTP",
    )
