"""Public graphs: pinned by tags of the registry as long as a test runs, and changed copies of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from zoo import registry
from zoo.files import sha256_of
from zoo.spec import Weights

TAG = "published"


def pin(monkeypatch: pytest.MonkeyPatch, model: str, path: Path, **known: object) -> Weights:
    """Make a file known as the public graph of a model's only weights; ``known`` is more of them."""
    fields: dict[str, object] = {
        "tag": TAG,
        "url": f"https://example.org/{path.name}",
        "sha256": sha256_of(path),
        "size": path.stat().st_size,
        "licence": "MIT",
        "training_data": "speech",
        "kind": "graph",
    }
    weights = Weights(**{**fields, **known})
    spec = replace(registry.get_spec(model), weights=(weights,))
    monkeypatch.setitem(registry._specs(), model, spec)
    return weights


def changed(path: Path, target: Path, metadata: Mapping[str, object] = {}) -> Path:
    """A copy with another hash, and metadata as others write it."""
    model = onnx.load(path)
    model.producer_version = "another"
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(model, target)
    return target
