"""Knows the public graphs that the registry pins: by tag, and by hash wherever they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zoo.files import sha256_of
from zoo.registry import get_spec, list_models
from zoo.spec import ModelSpec, Weights


@dataclass(frozen=True)
class Recognised:
    """A public graph that is known by its hash.

    Attributes:
        spec: of the model.
        tag: of the weights.
        part: which of their graphs it is, from 0.
    """

    spec: ModelSpec
    tag: str
    part: int = 0

    @property
    def name(self) -> str:
        """Model and tag."""
        return f"{self.spec.name}:{self.tag}"


def recognise(path: Path) -> Recognised | None:
    """Whose public graph a file is, by its hash; None if no tag of any model pins it."""
    found = sha256_of(path)
    for name in list_models():
        spec = get_spec(name)
        for weights in spec.weights:
            hashes = _hashes(weights)
            if found in hashes:
                return Recognised(spec, weights.tag, hashes.index(found))
    return None


def published(spec: ModelSpec, weights: str | os.PathLike[str]) -> Weights | None:
    """The descriptor of a tag that has a public graph; None of other tags, and of paths."""
    return next((w for w in spec.weights if w.tag == os.fspath(weights) and _hashes(w)), None)


def way_without_torch(spec: ModelSpec) -> str:
    """What to say to somebody who has no PyTorch, of a model's weights that need none; perhaps nothing."""
    tags = [weights.tag for weights in spec.weights if weights.artifact or _hashes(weights)]
    return f"take weights that run without it ({', '.join(tags)})" if tags else ""


def _hashes(weights: Weights) -> list[str]:
    """Of the files of the public graph of some weights."""
    if weights.kind == "graph":
        return [weights.sha256, *(file.sha256 for file in weights.more)]
    return [] if weights.graph is None else [weights.graph.sha256]
