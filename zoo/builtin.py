"""Weights that come with the package, and the artifacts made from them.

They lie beside their model, in ``zoo/models/<family>/packaged``: for each model a record
``<name>.json``, the parameters ``<name>.safetensors`` (or a recipe for them, see ``zoo.parts``), a streaming
wav2wav graph ``<name>.onnx`` for one hop a call, another ``<name>.many.onnx`` for many hops and streams, and
a model card ``<name>.md``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from zoo.errors import ArtifactError
from zoo.files import sha256_of
from zoo.parts import ENDING
from zoo.spec import DEFAULT, PACKAGE_SCHEME, ModelSpec, Weights

TAG = "speechzoo"
_ROOT = Path(__file__).parent
_Spec = TypeVar("_Spec", bound=ModelSpec)


def folder(spec: ModelSpec) -> Path:
    """Where a family's files are."""
    return _ROOT / "models" / spec.family / "packaged"


def with_packaged_weights(spec: _Spec) -> _Spec:
    """The record of a model, with the weights that come with the package first among its tags.

    Raises:
        ArtifactError: their record is damaged.
    """
    record = folder(spec) / f"{spec.name}.json"
    if not record.is_file():
        return spec
    try:
        own = Weights(**json.loads(record.read_text()))
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{record}: it is damaged ({error}); install speechzoo again") from error
    return replace(spec, weights=(own, *spec.weights))


def packaged_artifact(spec: ModelSpec, tag: str | None = None, *, many: bool = False) -> Path | None:
    """The streaming wav2wav artifact of some weights, if one comes with the package.

    Args:
        spec: of the model.
        tag: of the weights, or ``default`` for the first; None for whichever come with the package.
        many: that for many hops and streams a call, in place of that for one.

    Raises:
        ArtifactError: the file is not the one that was packaged.
    """
    for weights in spec.weights[:1] if tag == DEFAULT else spec.weights:
        if tag not in (None, DEFAULT, weights.tag):
            continue
        if many and weights.many:
            return packaged_file(weights.many, weights.many_sha256)
        if not many and weights.artifact:
            return packaged_file(weights.artifact, weights.artifact_sha256)
    return None


def packaged_artifacts(spec: ModelSpec, tag: str | None = None) -> list[Path]:
    """What ``packaged_artifact`` gives, and behind it what it gives for many; none where none come along."""
    found = (packaged_artifact(spec, tag), packaged_artifact(spec, tag, many=True))
    return [path for path in found if path is not None]


def packaged_file(address: str, sha256: str) -> Path:
    """The path behind an address inside the package.

    Raises:
        ArtifactError: the file is absent, or its bytes are not those that were packaged.
    """
    path = _ROOT / address.removeprefix(PACKAGE_SCHEME)
    found = sha256_of(path) if path.is_file() else "no file"
    if found != sha256:
        raise ArtifactError(
            f"{path}: it should have the sha256 {sha256}, found {found}; install speechzoo again"
        )
    return path


def packaged_recipe(address: str) -> Path | None:
    """What a file inside the package is put together from, if it does not lie there as it is."""
    path = _ROOT / address.removeprefix(PACKAGE_SCHEME)
    recipe = path.with_name(path.name + ENDING)
    return recipe if recipe.is_file() and not path.is_file() else None


def address_of(path: Path) -> str:
    """The address of a file inside the package."""
    return PACKAGE_SCHEME + path.relative_to(_ROOT).as_posix()
