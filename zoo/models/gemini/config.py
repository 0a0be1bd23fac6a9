"""Sizes of Gemini DF-ResNet, and how a public training folder names them."""

from __future__ import annotations

from typing import Any

from zoo.configs import wespeaker
from zoo.spec import Filterbank

BLOCKS = {60: (3, 3, 9, 3), 114: (3, 3, 27, 3), 183: (3, 8, 45, 3), 237: (3, 8, 63, 3)}  # of each stage


def options(depth: int) -> dict[str, Any]:
    """Keyword arguments of the network."""
    return {"blocks": BLOCKS[depth], "embedding": 256, "second_layer": False}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], Filterbank]:
    """Options and features from ``config.yaml``.

    Raises:
        CheckpointError: it is not one of a Gemini DF-ResNet.
    """
    return wespeaker.read_config(
        config,
        where,
        classes={f"Gemini_DF_ResNet{depth}": options(depth) for depth in BLOCKS},
        arguments={"embed_dim": "embedding", "two_emb_layer": "second_layer"},
        pooling="TSTP",
    )
