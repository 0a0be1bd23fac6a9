"""Configuration files of public training folders: one module a public repository, for all its families."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import CheckpointError


class OtherClassError(CheckpointError):
    """A configuration names a class that the family does not have; another family may have it."""


def class_name(config: Mapping[str, Any]) -> str:
    """The class that a configuration names, in wespeaker's and FastEnhancer's way or in 3D-Speaker's.

    Empty if it names none.
    """
    network = config.get("embedding_model")
    named = network.get("obj") if isinstance(network, Mapping) else config.get("model")
    return "" if named is None else str(named)[:80]
