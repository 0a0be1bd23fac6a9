"""Sizes of the ResNets, and how a public training folder names them."""

from __future__ import annotations

from typing import Any

from zoo.configs import wespeaker
from zoo.spec import Filterbank

BLOCKS = {  # of each stage, by depth
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    221: (6, 16, 48, 3),
    293: (10, 20, 64, 3),
}


def options(depth: int) -> dict[str, Any]:
    """Keyword arguments of the network."""
    return {"blocks": BLOCKS[depth], "bottleneck": depth >= 50, "embedding": 256, "second_layer": False}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], Filterbank]:
    """Options and features from ``config.yaml``.

    Raises:
        CheckpointError: it is not one of a ResNet.
    """
    return wespeaker.read_config(
        config,
        where,
        classes={f"ResNet{depth}": options(depth) for depth in BLOCKS},
        arguments={"embed_dim": "embedding", "two_emb_layer": "second_layer"},
        pooling="TSTP",
    )
