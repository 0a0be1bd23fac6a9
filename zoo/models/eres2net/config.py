"""Sizes of ERes2Net, and how public training folders name them."""

from __future__ import annotations

from typing import Any

from zoo.configs import speakerlab, wespeaker
from zoo.spec import Filterbank

_ARGUMENTS = {"embed_dim": "embedding", "two_emb_layer": "second_layer"}
_BLOCKS = {"baseWidth": "base_width", "scale": "splits", "expansion": "expansion"}


def options(
    channels: int, base_width: int = 32, splits: int = 2, expansion: int = 2, embedding: int = 512
) -> dict[str, Any]:
    """Keyword arguments of the network."""
    return {
        "channels": channels,
        "embedding": embedding,
        "second_layer": False,
        "base_width": base_width,
        "splits": splits,
        "expansion": expansion,
    }


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], Filterbank]:
    """Options and features from wespeaker's ``config.yaml``.

    Raises:
        CheckpointError: it is not one of an ERes2Net.
    """
    named = str(config.get("model"))
    return wespeaker.read_config(
        config,
        where,
        classes={
            "ERes2Net34_Base": options(32),
            "ERes2Net34_Large": options(64),
            "ERes2Net34_aug": options(64, 24, 3, 4),
        },
        arguments={**_ARGUMENTS, **(_BLOCKS if named == "ERes2Net34_aug" else {})},
        pooling="TSTP",
    )


def read_version2(config: dict[str, Any], where: str) -> tuple[dict[str, Any], Filterbank]:
    """Options and features of an ERes2NetV2 from 3D-Speaker's ``config.yaml``.

    Raises:
        CheckpointError: it is not one of an ERes2NetV2.
    """
    return speakerlab.read_config(
        config,
        where,
        classes={"speakerlab.models.eres2net.ERes2NetV2.ERes2NetV2": options(64, 26, 2, 2, 192)},
        arguments={
            "m_channels": "channels",
            "embedding_size": "embedding",
            "two_emb_layer": "second_layer",
            **_BLOCKS,
        },
        pooling="TSTP",
    )
