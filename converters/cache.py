"""Exports that are made once and kept: what the command line runs when it is given a checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from zoo.extras import extra
from zoo.files import sha256_of, temporary_folder
from zoo.hub import client
from zoo.hub.folder import files_of
from zoo.hub.recognition import way_without_torch
from zoo.hub.weights import locate
from zoo.registry import get_spec
from zoo.spec import EnhancementSpec
from zoo.version import __version__


def cached_export(
    name: str,
    weights: str,
    *,
    hops: Literal["hops", 1] = "hops",
    progress: Callable[[str], None] | None = None,
) -> Path:
    """A wav2wav artifact of a model with these weights, exported on first use.

    It is streaming if the model is. Once it is in the cache neither torch nor the network is needed. A file
    there that is not as it was made is exported again.

    Args:
        name: registered model.
        weights: tag or path of a checkpoint.
        hops: of a call of a streaming artifact: any number, which files are fastest with, or one.
        progress: called with a line for each step of an export.

    Raises:
        MissingExtraError: it is not in the cache and torch or onnx are not installed.
        ArtifactError: the cache cannot be written.
    """
    spec = get_spec(name, EnhancementSpec)
    hops = hops if spec.streaming else 1
    if any(w.tag == weights and not client.cached(w.file).is_file() for w in spec.weights):
        _need_exporters(spec)  # before anything is fetched
    located = locate(spec, weights)
    key = hashlib.sha256(f"{__version__} {spec} {_versions()} {hops}".encode())
    for file in (*files_of(located.path), *located.more):
        key.update(file.read_bytes())
    folder, stem = client.cache_folder() / "exports", f"{name}-{key.hexdigest()[:16]}"
    return _kept(folder, stem, progress) or _export(spec, weights, hops, folder / stem, progress)


def _kept(folder: Path, stem: str, progress: Callable[[str], None] | None) -> Path | None:
    """The export as it was made; one that has changed since goes. Its name ends in the hash of its bytes."""
    for path in sorted(folder.glob(f"{stem}-*.onnx")):
        if path.stem == _name(stem, path):
            return path
        if progress is not None:
            progress(f"{path}: it was changed or cut short after it was made; exporting it again")
        path.unlink(missing_ok=True)
    return None


def _export(
    spec: EnhancementSpec,
    weights: str,
    hops: Literal["hops", 1],
    target: Path,
    progress: Callable[[str], None] | None,
) -> Path:
    """Export to the place that the target, with a hash and an ending behind it, names."""
    folder, stem = target.parent, target.name
    _need_exporters(spec)
    from converters.targets.onnx import export_onnx
    from zoo.create import create_model

    model = create_model(spec.name, weights)
    with temporary_folder(target) as place:
        made = place / f"{stem}.onnx"
        export_onnx(model, made, "wav2wav", streaming=spec.streaming, hops=hops, progress=progress)
        return made.replace(folder / f"{_name(stem, made)}.onnx")


def _need_exporters(spec: EnhancementSpec) -> None:
    need = f"weights of {spec.name} must be exported once, which"
    with extra("onnx", need, way_without_torch(spec)):
        import converters.targets.onnx  # noqa: F401
        import zoo.create  # noqa: F401


def _name(stem: str, path: Path) -> str:
    return f"{stem}-{sha256_of(path)[:16]}"


def _versions() -> str:
    found = []
    for package in ("torch", "onnx"):
        try:
            found.append(version(package))
        except PackageNotFoundError:
            return ""  # whatever made the file, it is what can be had here
    return " ".join(found)
