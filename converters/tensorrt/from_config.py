"""Builds the engines that a configuration file asks for, each from a graph that lies beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converters.subjects.synthesis import is_export_of
from converters.targets.onnx import export_or_keep
from converters.tensorrt.engine import EngineReport, Progress, build_engine, describe
from zoo.artifact.engine import EngineRecord, read_engine_record
from zoo.errors import ArtifactError
from zoo.networks.synthesis import SynthesisNetwork
from zoo.runtime.artifact import ENGINES
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.synthesis.engine_config import EngineConfig
from zoo.tasks.synthesis.graph import synthesis_manifest


def build_from_config(
    config: EngineConfig,
    *,
    model: SynthesisNetwork | None = None,
    force: bool = False,
    described: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[Path, EngineReport | None]:
    """Build every engine at its path, in the precision, the batch and the workspace that are asked for.

    An engine that is there is kept if it is the same in all that decides: weights, size, batch, precision,
    library, GPU and flags.

    Args:
        config: what is asked for.
        model: in eval mode; its graphs are exported where they are missing. Without it they must be there.
        force: build engines, and replace graphs of other weights or sizes, even where files are there.
        described: more for ``describe``: flavour, targets, refit, version_compatible, tf32.
        progress: called with a line for each step.
        options: more for ``build_engine``.

    Returns:
        what was built, by path; None for an engine that was kept.

    Raises:
        ArtifactError: a file is there that is something else, and nothing says that it may be replaced, or a
            graph is missing; nothing is built then. Or as ``build_engine``.
        MissingExtraError, ParityError: as ``build_engine``.
        ValueError: no engines are asked for, or under names that are none.
    """
    if not config.use_engines:
        raise ValueError(f"{config.source}: it asks for no engines, since use_trt is False")
    for path in config.paths:
        if path.suffix not in ENGINES:
            raise ValueError(f"{path}: the name of an engine ends in {', '.join(ENGINES)}")
    force = force or config.force_build
    asked = {
        "precision": config.precision,
        "workspace": round(config.workspace * 2**30),
        **(described or {}),
    }
    kept = []
    for path, graph, (tokens, frames) in zip(config.paths, config.graphs, config.buckets, strict=True):
        size = {"tokens": tokens, "frames": frames, "batch": config.batch}
        _prepare(graph, size, model, force, progress)
        if path.exists() and not force:
            _check_same(path, describe(graph, **asked))
            kept.append(path)
    return {
        path: None if path in kept else build_engine(graph, path, **asked, progress=progress, **options)
        for path, graph in zip(config.paths, config.graphs, strict=True)
    }


def _prepare(
    graph: Path,
    size: Mapping[str, int],
    model: SynthesisNetwork | None,
    force: bool,
    progress: Progress | None,
) -> None:
    """See to it that a graph is there, of a size and of a model's weights if there is one."""
    if model is not None:
        if graph.exists() and force:
            force = not _is_export_of(graph, model, size)
        export_or_keep(model, graph, **size, force=force, progress=progress)
        return
    if not graph.is_file():
        raise ArtifactError(
            f"{graph}: there is no such graph; name the weights (--weights) and it is exported, or write it "
            f"with speechzoo export --config"
        )
    manifest = synthesis_manifest(OnnxGraph(graph))
    found = {name: getattr(manifest, name) for name in size}
    if found != size:
        raise ArtifactError(
            f"{graph}: it is a graph of {_written(found)}, and {_written(size)} are asked for; export it "
            f"again with speechzoo export --config, and --force"
        )


def _is_export_of(graph: Path, model: SynthesisNetwork, size: Mapping[str, Any]) -> bool:
    try:
        return is_export_of(graph, model, **size)
    except ArtifactError:
        return False


def _check_same(engine: Path, wanted: EngineRecord) -> None:
    """Refuse an engine that is not interchangeable with the one that would be built.

    Raises:
        ArtifactError: it is not, and how it differs.
    """
    way_out = "--force replaces it, as trt_force_build: True does"
    try:
        differences = read_engine_record(engine).differences(wanted)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; {way_out}") from error
    if differences:
        raise ArtifactError(f"{engine}: it is there and is another engine: {differences}; {way_out}")


def _written(size: Mapping[str, int | str]) -> str:
    return f"{size['tokens']} tokens to {size['frames']} frames, batch {size['batch']}"
