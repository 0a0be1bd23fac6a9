"""Speaker embeddings: the record of the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import SpeakerManifest
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError
from zoo.runtime.comparison import compare_calls
from zoo.runtime.graph import Graph
from zoo.spec import SpeakerSpec, Tolerance
from zoo.tasks.public import Told, load_known
from zoo.tasks.speaker.feeds import make_feeds
from zoo.tasks.speaker.golden import verify_graph
from zoo.tasks.speaker.graph import GraphSpeakerSession, speaker_manifest
from zoo.tasks.speaker.public_graph import open_public_session
from zoo.tasks.speaker.session import SpeakerSession
from zoo.tasks.task import Feeds, Task


class Speaker(Task[SpeakerSpec, SpeakerManifest]):
    """A recording in, an embedding of its speaker out."""

    spec = SpeakerSpec
    manifest = SpeakerManifest
    marks = ("run", "least_frames")
    noun = "an embedder"
    artifact = "an exported .onnx artifact"

    def forms(self, spec: SpeakerSpec) -> tuple[str, ...]:
        return ("training", "deployment", "ONNX from features and from waveforms")

    def open_files(
        self,
        paths: Sequence[Path],
        *,
        threads: int = 1,
        providers: Sequence[str] = (),
        trust: bool = False,
        told: Told | None = None,
    ) -> SpeakerSession:
        """See ``Task``; there is one file."""
        if len(paths) != 1:
            raise ArtifactError(f"one artifact is expected, got {len(paths)}: {', '.join(map(str, paths))}")
        told = told or Told()
        graph, known = load_known(paths[0], told, threads=threads, providers=providers, trust=trust)
        if graph.manifest is None:
            return open_public_session(graph, known, told)
        return GraphSpeakerSession(graph, speaker_manifest(graph))

    def verify(self, graph: Graph) -> ParityReport:
        return verify_graph(graph)

    def feeds(
        self,
        graph: Graph,
        count: int,
        recordings: Sequence[Array] = (),
        *,
        exact: bool = False,
        shapes: Mapping[str, tuple[int, ...]] = {},
    ) -> list[dict[str, NDArray[Any]]]:
        return make_feeds(graph, count, recordings, shapes)

    def compare(self, graph: Graph, candidate: Graph, feeds: Feeds, tolerance: Tolerance) -> ParityReport:
        return compare_calls(graph, candidate, feeds, tolerance)

    def columns(self, spec: SpeakerSpec) -> dict[str, str]:
        return {"embedding": str(spec.embedding), "shortest": f"{_least_seconds(spec):.3f} s"}

    def facts(self, spec: SpeakerSpec) -> dict[str, str]:
        features = spec.front_end
        return {
            "features": f"{features.bins} log mel filters, {features.win_length} samples every "
            f"{features.hop_length}",
            "embedding": f"{spec.embedding} values",
            "shortest": f"{_least_seconds(spec):g} s, {spec.least_frames} frames",
        }

    def record(self, spec: SpeakerSpec) -> dict[str, Any]:
        return {
            "embedding": spec.embedding,
            "least_seconds": _least_seconds(spec),
            "least_frames": spec.least_frames,
            "bins": spec.front_end.bins,
            "win_length": spec.front_end.win_length,
            "hop_length": spec.front_end.hop_length,
        }


def _least_seconds(spec: SpeakerSpec) -> float:
    """The shortest recording that a network embeds."""
    return spec.front_end.samples(spec.least_frames) / spec.front_end.sample_rate


TASK = Speaker()
