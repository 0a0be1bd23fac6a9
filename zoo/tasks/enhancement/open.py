"""Opens enhancers' artifacts of every kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from zoo.artifact.manifest import EnhancementManifest
from zoo.errors import ArtifactError
from zoo.hub.recognition import Recognised
from zoo.hub.weights import locate
from zoo.runtime.artifact import ENGINES, load_artifact
from zoo.runtime.graph import Graph
from zoo.tasks.enhancement.graph import (
    OfflineSession,
    StreamingSession,
    enhancement_manifest,
    session_over,
)
from zoo.tasks.enhancement.public_graph import open_public_pair, open_public_session
from zoo.tasks.public import Told, load_known


def open_session(
    path: str | os.PathLike[str],
    *,
    many: str | os.PathLike[str] | None = None,
    threads: int = 1,
    providers: Sequence[str] = (),
    trust: bool = False,
    told: Told | None = None,
    assumed: Told | None = None,
) -> StreamingSession | OfflineSession:
    """Open an artifact: ONNX, TorchScript, an exported program, an engine, or others' public ONNX graph.

    Args:
        path: the file.
        many: another one of the same weights and form for any number of hops, which is slower for one hop and
            faster for several; each call then goes to the better of the two. Of a public graph its second
            stage, which is found beside a first one that is known by its hash.
        threads: of one call, in ONNX Runtime.
        providers: of ONNX Runtime, as of ``OnnxGraph``.
        trust: as of ``load_artifact``.
        told, assumed: what the caller says of a public graph; see ``open_public_session``.

    Raises:
        ArtifactError: damaged, of another task, a provider that is not there, or two files that do not belong
            together; or a public graph that is not known and of which too little is told.
        MissingExtraError: what runs it is not installed.
    """
    told = told or Told()
    graph, known = load_known(Path(path), told, threads=threads, providers=providers, trust=trust)
    if graph.manifest is None:
        second = many or _second_of(graph.path, known)
        if second is None:
            return open_public_session(graph, known, told, assumed=assumed)
        refining = load_artifact(second, threads=threads, providers=providers, trust=trust)
        return open_public_pair(graph, refining, known, told)
    manifest = enhancement_manifest(graph)
    other = None
    if many is not None:
        other = _companion(
            graph, manifest, load_artifact(many, threads=threads, providers=providers, trust=trust)
        )
    session = session_over(graph, other)
    if Path(path).suffix in ENGINES:
        _keep_off_batches(session)
    return session


def open_engine(
    path: str | os.PathLike[str], *others: str | os.PathLike[str], graphs: bool = True
) -> StreamingSession | OfflineSession:
    """Open an engine, or several of one graph for different sizes; ``graphs`` as of ``Engine``.

    Raises:
        ArtifactError, MissingExtraError: as ``Engine`` and ``Bucketed``.
    """
    from zoo.runtime.tensorrt import Bucketed, Engine

    loaded = Bucketed([path, *others], graphs=graphs) if others else Engine(path, graphs=graphs)
    session = session_over(loaded)
    _keep_off_batches(session)
    return session


def _second_of(path: Path, known: Recognised | None) -> Path | None:
    """The second stage of a public graph that is known by its hash to have one: beside it, or downloaded.

    Raises:
        ArtifactError: it is a second stage itself.
    """
    if known is None:
        return None
    if known.part:
        raise ArtifactError(
            f"{path}: it is file {known.part + 1} of {known.name}, which refines what the first one gives; "
            f"pass that, with this one beside it"
        )
    more = locate(known.spec, path).more
    return more[0] if more else None


def _keep_off_batches(session: StreamingSession | OfflineSession) -> None:
    """A StreamBatcher keeps states in the host's memory; of an engine, ``Loop`` takes many streams."""
    session.batched = False


def _companion(graph: Graph, manifest: EnhancementManifest, many: Graph) -> Graph:
    """The second graph, once it is known to continue what the first began."""
    other = enhancement_manifest(many)
    differing = [
        name
        for name in ("form", "front_end", "latency", "weights")
        if getattr(manifest, name) != getattr(other, name)
    ]
    if not isinstance(other.hops, str):
        differing.append("hops, which must be free")
    if len(graph.inputs) != len(many.inputs) or not all(
        a.name == b.name and a.fits(b.shape) for a, b in zip(graph.inputs[1:], many.inputs[1:], strict=True)
    ):
        differing.append("states")
    if differing:
        raise ArtifactError(
            f"{many.path}: it does not go with {graph.path} ({', '.join(differing)}); export both from the "
            f'same weights, this one with hops="hops"'
        )
    return many
