"""Knows the public graphs that the registry pins: by tag, and by hash wherever they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    """

    spec: ModelSpec
    tag: str

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
            if found in _hashes(weights):
                return Recognised(spec, weights.tag)
    return None


def published(spec: ModelSpec, weights: str | os.PathLike[str]) -> Weights | None:
    """The descriptor of a tag that has a public graph; None of other tags, and of paths."""
    return next((w for w in spec.weights if w.tag == os.fspath(weights) and any(_hashes(w))), None)


def _hashes(weights: Weights) -> Iterator[str]:
    """Of the files of the public graph of some weights."""
    if weights.kind == "graph":
        yield weights.sha256
        yield from (file.sha256 for file in weights.more)
    elif weights.graph is not None:
        yield weights.graph.sha256
