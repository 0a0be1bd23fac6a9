"""Sizes of ECAPA-TDNN, and how a public training folder names them."""

from __future__ import annotations

from typing import Any

from zoo.configs import wespeaker
from zoo.spec import Filterbank


def options(channels: int, context: bool) -> dict[str, Any]:
    """Keyword arguments of the network."""
    return {"channels": channels, "context": context, "embedding": 192, "final_norm": False}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], Filterbank]:
    """Options and features from ``config.yaml``.

    Raises:
        CheckpointError: it is not one of an ECAPA-TDNN.
    """
    return wespeaker.read_config(
        config,
        where,
        classes={
            f"ECAPA_TDNN{'_GLOB' if context else ''}_c{channels}": options(channels, context)
            for channels in (512, 1024)
            for context in (False, True)
        },
        arguments={"embed_dim": "embedding", "emb_bn": "final_norm"},
        pooling="ASTP",
    )
