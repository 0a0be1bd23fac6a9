"""What an artifact may say of itself: the limits are those of the registered model, not the file's own."""

from __future__ import annotations

from pathlib import Path

from zoo.artifact.engine import TOLERANCES
from zoo.artifact.manifest import Manifest
from zoo.errors import ArtifactError
from zoo.registry import get_spec, list_models
from zoo.runtime.artifact import ENGINES
from zoo.runtime.graph import Graph, Record, manifest_of
from zoo.runtime.torch_files import TORCH_TENSORRT
from zoo.spec import Tolerance


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
    check_rate(manifest, path)


def record_of(graph: Graph, kind: type[Record], unknown: str) -> Record:
    """The record of a graph for one task, as ``manifest_of``, once it has the sample rate of its model.

    Raises:
        ArtifactError: it has none, one of another task, or another rate.
    """
    manifest = manifest_of(graph, kind, unknown)
    check_rate(manifest, graph.path)
    return manifest


def check_rate(manifest: Manifest, path: Path) -> None:
    """Hold the sample rate that a manifest says against that of the registered model.

    Raises:
        ArtifactError: it is another one.
    """
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
