"""Sizes of SimAM-ResNet, and how a public training folder names them."""

from __future__ import annotations

from typing import Any

from zoo.configs import wespeaker
from zoo.spec import Filterbank

BLOCKS = {34: (3, 4, 6, 3), 100: (6, 16, 24, 3)}  # by depth, of each stage


def options(depth: int) -> dict[str, Any]:
    """Keyword arguments of the network."""
    return {"blocks": BLOCKS[depth], "channels": 64, "embedding": 256}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], Filterbank]:
    """Options and features from ``config.yaml``.

    Raises:
        CheckpointError: it is not one of a SimAM-ResNet.
    """
    return wespeaker.read_config(
        config,
        where,
        classes={f"SimAM_ResNet{depth}_ASP": options(depth) for depth in BLOCKS},
        arguments={"in_planes": "channels", "embed_dim": "embedding"},
        pooling="ASP",
        bins="acoustic_dim",
        training=("dropout",),
    )
