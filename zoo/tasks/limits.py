"""What an artifact may say of itself: the limits are those of the registered model, not the file's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from zoo.artifact.engine import TOLERANCES
from zoo.artifact.manifest import Manifest
from zoo.errors import ArtifactError
from zoo.registry import get_spec, list_models
from zoo.runtime.artifact import ENGINES, load_artifact
from zoo.runtime.graph import Graph
from zoo.runtime.torch_files import TORCH_TENSORRT
from zoo.spec import Tolerance


def load_within_limits(path: str | os.PathLike[str], **options: Any) -> Graph:
    """Load an artifact as ``load_artifact`` does, and hold what it says of itself against its model.

    Raises:
        ArtifactError, MissingExtraError, ValueError: as ``load_artifact`` and ``check_limits``.
    """
    graph = load_artifact(path, **options)
    if graph.manifest is not None:
        check_limits(graph.manifest, graph.path)
    return graph


def check_limits(manifest: Manifest, path: Path) -> None:
    """Hold a manifest against what is registered of its model.

    Raises:
        ArtifactError: it allows a larger difference than exports of the model, or of its precision, or is for
            another sample rate.
    """
    allowed, limit = manifest.tolerance, _limit(manifest, path)
    if allowed.snr_db < limit.snr_db or allowed.max_error > limit.max_error:
        raise ArtifactError(
            f"{path}: its manifest allows an SNR of {allowed.snr_db:g} dB and a difference of "
            f"{allowed.max_error:g}; what is made of {manifest.model} is held to {limit.snr_db:g} dB and "
            f"{limit.max_error:g}: export it again"
        )
    if manifest.model not in list_models():
        return
    found = manifest.front_end.sample_rate
    expected = get_spec(manifest.model).front_end.sample_rate
    if found != expected:
        raise ArtifactError(
            f"{path}: its manifest says {found} Hz, and {manifest.model} runs at {expected} Hz; export or "
            f"download it again"
        )


def _limit(manifest: Manifest, path: Path) -> Tolerance:
    """The loosest that a manifest may be."""
    precision = manifest.toolchain.get("precision", "fp32")
    if path.suffix in ENGINES:  # whose record has the precision, and decides
        return manifest.tolerance
    if TORCH_TENSORRT in manifest.toolchain:
        return TOLERANCES.get(precision, TOLERANCES["fp32"])
    return get_spec(manifest.model).tolerance if manifest.model in list_models() else Tolerance()
