"""Finds the files behind ``weights=``: a tag, a checkpoint or a training folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from zoo.builtin import packaged_artifact, packaged_file
from zoo.errors import CheckpointError
from zoo.hub import client
from zoo.registry import find_weights, get_spec, list_models
from zoo.spec import LOCAL_SCHEME, PACKAGE_SCHEME, ModelSpec, Pinned, Weights

_NUMBERED = r"(?:checkpoint_)?(\d+)\.pth?"  # a training run's checkpoints
_CONFIG_NAMES = ("config.yaml", "config.yml", "config.json")
_AVERAGED = ("avg_model.pt", "models/avg_model.pt")  # of wespeaker's releases and training folders


@dataclass(frozen=True)
class Located:
    """A checkpoint file or training folder, and what is known of it.

    Attributes:
        path: where it is.
        provenance: source, and licence and training data if they are known.
        renames: regular expressions and what takes their place in the names of its parameters.
        more: further files that belong to it.
        reader: of a graph or binary; see ``Weights``.
    """

    path: Path
    provenance: dict[str, str]
    renames: Mapping[str, str] = field(default_factory=dict)
    more: tuple[Path, ...] = ()
    reader: str = ""


def locate(spec: ModelSpec, weights: str | os.PathLike[str]) -> Located:
    """The local path of some weights of a model; a tag is downloaded on first use.

    A file that has the hash of one of the model's tags is known as that.

    Raises:
        UnknownModelError: neither a path nor one of the model's tags.
        CheckpointError: a tag cannot be downloaded.
        ArtifactError: weights that come with the package are damaged.
    """
    path = Path(weights)
    if path.exists():
        same = next((w for w in spec.weights if client.has(path, w.size, w.sha256)), None)
        return _known(path, same) if same else Located(path, {"source": path.name})
    known = find_weights(spec, str(weights))
    if known.url.startswith(PACKAGE_SCHEME):
        return _known(packaged_file(known.url, known.sha256), known)
    return _known(client.download(known), known)


def _known(path: Path, weights: Weights) -> Located:
    provenance = {
        "source": weights.tag,
        "licence": weights.licence,
        "training_data": weights.training_data,
    }
    more = tuple(_further(path, file, weights) for file in weights.more)
    return Located(path, provenance, weights.renames, more, weights.reader)


def _further(path: Path, file: Pinned, weights: Weights) -> Path:
    """A file that belongs to another one: beside it, whatever its name is there, or else downloaded."""
    beside = (other for other in path.parent.iterdir() if client.has(other, file.size, file.sha256))
    found = next(beside, None)
    if found is None:
        found = client.download(replace(weights, url=file.url, sha256=file.sha256, size=file.size))
    return found


def weights_advice(spec: ModelSpec) -> str:
    """What can be done about a model whose weights do not come with the package."""
    ready = [name for name in list_models(spec.task) if packaged_artifact(get_spec(name))]
    tags = ", ".join(w.tag for w in spec.weights if not w.url.startswith(LOCAL_SCHEME))
    known = f"a tag ({tags}) or the path of a checkpoint" if tags else "the path of a checkpoint"
    return f"Take a model that has some ({', '.join(ready)}), or pass as weights {known}"


def files_of(path: Path) -> list[Path]:
    """The files that decide a model: the checkpoint, and a training folder's configuration."""
    if not path.is_dir():
        return [path]
    config = config_file(path)
    return [newest_checkpoint(path), *([config] if config else [])]


def config_file(folder: Path) -> Path | None:
    """The configuration file of a training folder, or None if it has none."""
    return next((folder / name for name in _CONFIG_NAMES if (folder / name).is_file()), None)


def newest_checkpoint(folder: Path) -> Path:
    """The checkpoint with the highest number among ``NNNNN.pth`` or ``checkpoint_NNNNNN.pt``, else
    ``avg_model.pt``, else the only one.

    Raises:
        CheckpointError: no checkpoint, or several without numbers.
    """
    numbered = [(int(match[1]), f) for f in folder.iterdir() if (match := re.fullmatch(_NUMBERED, f.name))]
    if numbered:
        return max(numbered)[1]
    for averaged in _AVERAGED:
        if (folder / averaged).is_file():
            return folder / averaged
    files = sorted(f for f in folder.iterdir() if f.suffix in (".pth", ".pt", ".tar", ".safetensors"))
    if len(files) == 1:
        return files[0]
    found = ", ".join(f.name for f in files) or "none"
    raise CheckpointError(
        f"{folder}: expected a training folder with checkpoints named 00001.pth and so on, avg_model.pt, or "
        f"one checkpoint; found {found}"
    )
