"""Finds the files behind ``weights=``: a tag, a checkpoint, a training folder, or a repository of the Hub."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from zoo.builtin import packaged_artifact
from zoo.errors import CheckpointError
from zoo.files import sha256_of
from zoo.hub import client
from zoo.hub.archive import unpacked
from zoo.hub.packaged import packaged_parameters
from zoo.hub.repository import fetched_folder, is_repository
from zoo.registry import find_weights, get_spec, list_models
from zoo.spec import (
    DEFAULT,
    PACKAGE_SCHEME,
    Filterbank,
    FrontEnd,
    MelSpectrum,
    ModelSpec,
    Pinned,
    Weights,
)


def tell(line: str) -> None:
    """Say something on standard error that is no result."""
    print(f"speechzoo: {line}", file=sys.stderr)


@dataclass(frozen=True)
class Located:
    """What holds the parameters, and what is known of it.

    Attributes:
        path: a checkpoint or training folder; or a public graph or another port's file.
        provenance: source; licence, training data and restriction if they are known.
        renames: regular expressions and what takes their place in the names of its parameters.
        more: further files that belong to it.
        reader: of a graph or binary; see ``Weights``.
        front_end: what the network reads with them, where that is other than the model's.
    """

    path: Path
    provenance: dict[str, str]
    renames: Mapping[str, str] = field(default_factory=dict)
    more: tuple[Path, ...] = ()
    reader: str = ""
    front_end: FrontEnd | Filterbank | MelSpectrum | None = None


def locate(spec: ModelSpec, weights: str | os.PathLike[str]) -> Located:
    """The local path of some weights of a model; a tag is downloaded on first use.

    A file that has the hash of one of the model's tags is known as that.

    Args:
        spec: of the model.
        weights: the path of a checkpoint or training folder; a tag, or ``default`` for the one that the model
            recommends; or ``ORG/NAME`` or ``ORG/NAME@REVISION``, a repository of the Hub with a training
            folder.

    Raises:
        UnknownModelError: neither a path nor one of the model's tags.
        CheckpointError: a tag cannot be downloaded.
        HubError: a repository of the Hub cannot be had.
        ArtifactError: weights that come with the package are damaged.
    """
    path = Path(weights)
    if path.exists():
        found = sha256_of(path) if path.is_file() and spec.weights else ""
        same = next((w for w in spec.weights if found in (w.sha256, *w.same)), None)
        if same is None:
            return Located(path, {"source": path.name})
        return _known(path, same if found == same.sha256 else replace(same, kind="checkpoint", reader=""))
    if isinstance(weights, str) and is_repository(weights):
        folder = fetched_folder(weights, tell)
        return Located(folder.path, folder.provenance)
    known = find_weights(spec, str(weights))
    return _known(fetch(spec, known), known)


def _known(path: Path, weights: Weights) -> Located:
    more = tuple(_further(path, file, weights) for file in weights.more)
    if weights.kind == "folder" and path.is_file():
        path = _unpacked(weights, path)
    known = {"source": weights.tag, **weights.terms}
    return Located(path, known, weights.renames, more, weights.reader, weights.front_end)


def _further(path: Path, file: Pinned, weights: Weights) -> Path:
    """A file that belongs to another one: beside it, whatever its name is there, or else downloaded."""
    beside = (other for other in path.parent.iterdir() if client.has(other, file.size, file.sha256))
    return next(beside, None) or _cached_file(file, weights)


def default_tag(spec: ModelSpec) -> str | None:
    """The tag that a model recommends; None if it has none."""
    return spec.weights[0].tag if spec.weights else None


def chosen_weights(weights: str | os.PathLike[str] | None, pretrained: bool) -> str | os.PathLike[str] | None:
    """The weights, or ``default`` where ``pretrained`` asks for those that the model recommends.

    Raises:
        CheckpointError: others were named beside it.
    """
    if not pretrained:
        return weights
    if weights not in (None, DEFAULT):
        raise CheckpointError(
            f"pretrained=True takes the weights that the model recommends, and "
            f"weights={str(weights)!r} names others; leave one of them out"
        )
    return DEFAULT


def fetch(spec: ModelSpec, weights: Weights) -> Path:
    """The file of a tag on this machine: in the package or the cache, else downloaded.

    A download says once what it is and on what terms.

    Raises:
        CheckpointError: it cannot be downloaded.
        ArtifactError: weights that come with the package are damaged.
    """
    if weights.url.startswith(PACKAGE_SCHEME):
        return packaged_parameters(weights)
    return _downloaded(spec, weights, weights.file)


def fetch_graphs(spec: ModelSpec, weights: Weights) -> list[Path]:
    """The public graphs of a tag on this machine, its own file first; none where none are known.

    Raises:
        CheckpointError: they cannot be downloaded.
    """
    if weights.kind == "graph":
        return [fetch(spec, weights), *(_cached_file(file, weights) for file in weights.more)]
    return [] if weights.graph is None else [_downloaded(spec, weights, weights.graph)]


def fetch_all(spec: ModelSpec, weights: Weights) -> list[Path]:
    """Every file of a tag on this machine, so that nothing that uses it needs a network.

    Raises:
        CheckpointError: one cannot be downloaded, or a zip is none.
        ArtifactError: weights that come with the package are damaged.
    """
    path = fetch(spec, weights)
    if weights.kind == "folder":
        _unpacked(weights, path)
    return [path, *(_cached_file(file, weights) for file in weights.files[1:])]


def _downloaded(spec: ModelSpec, weights: Weights, file: Pinned) -> Path:
    """A file of a tag in the cache, after a line with its terms if it was not there."""
    if not client.cached(file).is_file() and not client.offline():
        size = "" if file.size is None else f" ({file.size / 1e6:.1f} MB)"
        terms = f"licence {weights.licence}; trained on {weights.training_data}"
        told = "; ".join(filter(None, [f"{file.name}{size}", terms, weights.restriction]))
        tell(f"downloading {spec.name}, weights {weights.tag}; {told}")
    return _cached_file(file, weights)


def _cached_file(file: Pinned, weights: Weights) -> Path:
    """A file of a tag in the cache."""
    return client.download(file, f"weights {weights.tag}", tell)


def _unpacked(weights: Weights, path: Path) -> Path:
    """The training folder of a zip; one in the cache that holds none goes."""
    kept, where = client.cached(weights.file), f"weights {weights.tag}: {path.name}"
    try:
        return unpacked(
            path, kept.with_suffix(".folder"), where, lambda: client.exclusive(client.item_of(weights.file))
        )
    except CheckpointError:
        kept.unlink(missing_ok=True)
        raise


def weights_advice(spec: ModelSpec) -> str:
    """What can be done about a model whose weights do not come with the package."""
    models = list_models(spec.task)
    ready = [name for name in models if packaged_artifact(get_spec(name))]
    ready = ready or [name for name in models if get_spec(name).weights]
    tags = ", ".join(w.tag for w in spec.weights)
    known = f"a tag ({tags}) or the path of a checkpoint" if tags else "the path of a checkpoint"
    return f"Take a model that has some ({', '.join(ready)}), or pass as weights {known}"
