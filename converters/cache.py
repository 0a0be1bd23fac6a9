"""Exports that are made once and kept: what the command line runs when it is given a checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from zoo.extras import extra
from zoo.hub.client import cache_folder
from zoo.hub.weights import files_of, locate
from zoo.registry import get_spec
from zoo.spec import EnhancementSpec
from zoo.version import __version__


def cached_export(name: str, weights: str, *, progress: Callable[[str], None] | None = None) -> Path:
    """A wav2wav artifact of a model with these weights, exported on first use.

    It is streaming if the model is, and then takes any number of hops, since files are what it is for.
    Once it is in the cache neither torch nor the network is needed.

    Args:
        name: registered model.
        weights: tag or path of a checkpoint.
        progress: called with a line for each step of an export.

    Raises:
        MissingExtraError: it is not in the cache and torch or onnx are not installed.
    """
    spec = get_spec(name, EnhancementSpec)
    located = locate(spec, weights)
    key = hashlib.sha256(f"{__version__} {spec} {_versions()} hops".encode())
    for file in files_of(located.path):
        key.update(file.read_bytes())
    path = cache_folder() / "exports" / f"{name}-{key.hexdigest()[:16]}.onnx"
    if not path.is_file():
        with extra("onnx", f"weights of {name} must be exported once, which"):
            from converters.targets.onnx import export_onnx
            from zoo.create import create_model
        hops: Literal["hops", 1] = "hops" if spec.streaming else 1
        export_onnx(
            create_model(name, weights),
            path,
            "wav2wav",
            streaming=spec.streaming,
            hops=hops,
            progress=progress,
        )
    return path


def _versions() -> str:
    found = []
    for package in ("torch", "onnx"):
        try:
            found.append(version(package))
        except PackageNotFoundError:
            return ""  # whatever made the file, it is what can be had here
    return " ".join(found)
