"""Builds a model's artifact repository: every form of it with some weights, proved, with index and card."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch

from converters.publish.card import card
from converters.subjects import get_subject
from converters.subjects.subject import Planned, Progress
from converters.targets import PUBLISHED, get_target
from zoo.artifact.engine import read_engine_record, record_path
from zoo.artifact.manifest import Manifest
from zoo.builtin import TAG, packaged_artifact
from zoo.checkpoint import digest, write_parameters
from zoo.create import create_model
from zoo.download import prove
from zoo.errors import ArtifactError, CheckpointError
from zoo.files import atomic_folder, sha256_of
from zoo.hub.index import CARD, GOLDEN, HELPERS, INDEX, PARAMETERS, RECORD, File, Index
from zoo.hub.weights import locate
from zoo.networks.base import Network
from zoo.registry import get_spec
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import ModelSpec, Weights
from zoo.version import __version__


def build_repository(
    name: str,
    folder: Path,
    *,
    weights: str | os.PathLike[str] | None = None,
    licence: str = "",
    training_data: str = "",
    also: Sequence[str] = (),
    engines: Sequence[Path] = (),
    repo: str = "ORG/NAME",
    progress: Progress | None = None,
) -> Index:
    """Make the artifact repository of a model in a new folder; it appears whole and proved, or not at all.

    Args:
        name: registered model.
        folder: that does not exist yet, or is empty.
        weights: tag or checkpoint; by default those that come with the package.
        licence, training_data: of weights of which that is not known.
        also: formats besides ONNX, of ``PUBLISHED``.
        engines: that were built before, beside each its record, ``<engine>.json``.
        repo: where it will be, for the card.
        progress: called with a line for each step.

    Returns:
        the index.

    Raises:
        CheckpointError: no weights, or their licence is not known.
        ArtifactError, ParityError: a file that does not pass, no folder is left; or a format that there is
            not for such a model.
    """
    spec = get_spec(name)
    say = progress or (lambda line: None)
    if missing := [format for format in also if format not in PUBLISHED]:
        raise ArtifactError(
            f"{name} is a model for {spec.task}, and there is no {' or '.join(missing)} export of those; "
            f"leave --also out"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArtifactError(f"{folder}: it exists and is not empty; name a new folder, or remove it")
    model, known = _model(spec, weights, licence, training_data)
    try:
        with atomic_folder(folder) as temporary:
            spec = _sized(model, spec)
            files = [_parameters(temporary, spec, model, known), *_graphs(temporary, model, known, also, say)]
            files.append(_golden(temporary, files))
            files += [file for path in engines for file in _engine(temporary, path)]
            index = Index(name, spec.task, dict(model.provenance), tuple(files), _toolchain())
            (temporary / CARD).write_text(card(spec, index, known, repo))
            index = replace(index, files=(*files, _file(temporary, CARD, "card")))
            (temporary / INDEX).write_text(index.to_json())
            check_repository(temporary, say)
    except ValueError as error:
        raise ArtifactError(f"{folder}: it cannot be built: {error}") from error
    return index


def check_repository(folder: Path, progress: Progress | None = None) -> Index:
    """Prove every file of a repository's folder, as those who pull it will.

    Raises:
        ArtifactError: no index, a file that is missing, surplus, changed or a link, or one that does not hold
            what the index says.
        ParityError: a file that does not compute what it should.
    """
    say = progress or (lambda line: None)
    path = folder / INDEX
    if not path.is_file():
        raise ArtifactError(f"{folder}: it has no {INDEX}, so it is no repository of speechzoo")
    index = Index.from_json(path.read_bytes(), str(path))
    expected = {INDEX, *(file.path for file in index.files)}
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()}
    if expected != found:
        odd = ", ".join(sorted(expected ^ found))
        raise ArtifactError(f"{folder}: its files are not those of its {INDEX}: {odd} missing or surplus")
    for file in index.files:
        one = folder / file.path
        if any(part.is_symlink() for part in (one, *one.parents) if part.is_relative_to(folder)):
            raise ArtifactError(f"{one}: it is a link; a repository holds files")
        if (size := one.stat().st_size) != file.size or sha256_of(one) != file.sha256:
            raise ArtifactError(
                f"{one}: it has {size:,} bytes and sha256 {sha256_of(one)}, in {INDEX} are {file.size:,} and "
                f"{file.sha256}; build the folder again"
            )
    for file in index.files:
        if file.format not in HELPERS:
            prove(folder / file.path, file, index, folder / GOLDEN, str(folder), trust=True)
            say(f"{file.path}: verified")
    return index


def _model(
    spec: ModelSpec, weights: str | os.PathLike[str] | None, licence: str, training_data: str
) -> tuple[Network, Weights | None]:
    """The network with its weights, and their descriptor if they have one."""
    if weights is None:
        if not packaged_artifact(spec, TAG):
            raise CheckpointError(f"--weights is missing: none of {spec.name} come with the package")
        weights = TAG
    model = create_model(spec.name, weights)
    given = {"licence": licence, "training_data": training_data}
    model.provenance = {**model.provenance, **{key: text for key, text in given.items() if text}}
    if not model.provenance.get("licence"):
        raise CheckpointError(
            f"{weights}: under which licence may these weights be passed on? Pass --licence SPDX and, for "
            f"the card, --training-data TEXT"
        )
    source = locate(spec, weights).provenance["source"]
    return model, next((known for known in spec.weights if known.tag == source), None)


def _sized(model: Network, registered: ModelSpec) -> ModelSpec:
    """A network's record; where it has other sizes than the registered one, its parameters are counted."""
    if model.spec.options == registered.options:
        return model.spec
    return replace(model.spec, parameters=sum(value.numel() for value in model.parameters()))


def _parameters(folder: Path, spec: ModelSpec, model: Network, known: Weights | None) -> File:
    """The parameters, as they are in the package or written anew."""
    path = folder / f"model.{PARAMETERS}"
    if known is not None and known.tag == TAG and known.terms.items() <= model.provenance.items():
        shutil.copyfile(locate(spec, TAG).path, path)
    else:
        write_parameters(model, model.spec, model.provenance, path)
    return _file(folder, path.name, PARAMETERS)


def _graphs(
    folder: Path, model: Network, known: Weights | None, also: Sequence[str], say: Progress
) -> list[File]:
    """What the task's subject plans, each exported, or taken from the package if it is there."""
    spec = model.spec
    ready = packaged_artifact(spec, TAG) if known is not None and known.tag == TAG else None
    files = []
    for planned in get_subject(spec.task).planned(model, also):
        path = folder / planned.path
        path.parent.mkdir(exist_ok=True)
        if ready is not None and _same(ready, planned, model):
            shutil.copyfile(ready, path)
            say(f"{planned.path}: as it is in the package")
        else:
            get_target(planned.format).export(model, path, progress=say, **planned.options)
        about = {"form": planned.form, "streaming": planned.streaming}
        files.append(_file(folder, planned.path, planned.format, **about))
    return files


def _same(ready: Path, planned: Planned, model: Network) -> bool:
    """Whether a graph of the package is the one planned, of the same parameters under the same terms."""
    manifest = OnnxGraph(ready).manifest
    return (
        manifest is not None
        and planned.format == "onnx"
        and _kind(manifest) == {"form": planned.form, "streaming": planned.streaming}
        and dict(manifest.weights) == model.provenance
        and manifest.weights["sha256"] == digest(model.state_dict())
    )


def _kind(manifest: Manifest) -> dict[str, Any]:
    """What the index says of the kind of a graph."""
    return {
        "form": getattr(manifest, "form", ""),
        "streaming": getattr(manifest, "streaming", None),
    }


def _golden(folder: Path, files: Sequence[File]) -> File:
    """The recording of the first graph as a file of its own, by which the parameters are verified."""
    first = next(file for file in files if file.format == "onnx")
    golden = getattr(OnnxGraph(folder / first.path).manifest, "golden", None)
    assert golden is not None  # every export carries one
    (folder / GOLDEN).write_text(json.dumps(asdict(golden), indent=2) + "\n")
    return _file(folder, GOLDEN, "golden", form=first.form)


def _engine(folder: Path, path: Path) -> list[File]:
    """An engine that was built before, in the folder of its target, and the record beside it."""
    beside = record_path(path)
    try:
        record = read_engine_record(path)
        target = record.target
        about = _kind(Manifest.from_json(json.dumps(record.manifest), str(beside)))
    except ValueError as error:
        raise ArtifactError(
            f"{beside}: it should say what {path.name} is and was built for ({error}); build the engine with "
            f"speechzoo"
        ) from error
    place = f"{record.flavour}/{target.folder}/{path.name}"
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / place)
    shutil.copyfile(beside, folder / f"{place}.json")
    return [
        _file(folder, place, record.flavour, engine=target, **about),
        _file(folder, f"{place}.json", RECORD),
    ]


def _file(folder: Path, path: str, format: str, **about: Any) -> File:
    content = folder / path
    return File(path, format, content.stat().st_size, sha256_of(content), **about)


def _toolchain() -> dict[str, str]:
    return {
        "speechzoo": __version__,
        "torch": torch.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
