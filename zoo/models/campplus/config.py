"""How a public training folder names CAM++."""

from __future__ import annotations

from typing import Any

from zoo.configs import wespeaker
from zoo.spec import Filterbank

OPTIONS = {"embedding": 512}


def read_config(config: dict[str, Any], where: str) -> tuple[dict[str, Any], Filterbank]:
    """Options and features from ``config.yaml``.

    Raises:
        CheckpointError: it is not one of CAM++.
    """
    return wespeaker.read_config(
        config,
        where,
        classes={"CAMPPlus": OPTIONS},
        arguments={"embed_dim": "embedding"},
        pooling="TSTP",
    )
