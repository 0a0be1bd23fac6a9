"""Text to speech: the record of the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import SynthesisManifest
from zoo.artifact.parity import ParityReport
from zoo.runtime.comparison import compare_calls
from zoo.runtime.graph import Graph
from zoo.spec import SynthesisSpec, Tolerance
from zoo.tasks.public import Told
from zoo.tasks.synthesis.feeds import make_feeds
from zoo.tasks.synthesis.golden import verify_synthesis
from zoo.tasks.synthesis.graph import GraphSynthesis, synthesis_manifest
from zoo.tasks.synthesis.plugins import register_plugins
from zoo.tasks.synthesis.session import SynthesisSession
from zoo.tasks.task import Feeds, Task


class Synthesis(Task[SynthesisSpec, SynthesisManifest]):
    """Text in, speech out."""

    spec = SynthesisSpec
    manifest = SynthesisManifest
    marks = ("run", "buckets")
    noun = "a synthesizer"
    artifact = "exported .onnx graphs"

    def forms(self, spec: SynthesisSpec) -> tuple[str, ...]:
        return ("training", "ONNX of fixed sizes")

    def open_files(
        self,
        paths: Sequence[Path],
        *,
        threads: int = 1,
        providers: Sequence[str] = (),
        trust: bool = False,
        told: Told | None = None,
    ) -> SynthesisSession:
        """See ``Task``; several files are of several sizes, and nobody publishes such graphs."""
        return GraphSynthesis(paths, threads=threads, providers=providers, trust=trust)

    def verify(self, graph: Graph) -> ParityReport:
        return verify_synthesis(graph, synthesis_manifest(graph), str(graph.path))

    def feeds(
        self,
        graph: Graph,
        count: int,
        recordings: Sequence[Array] = (),
        *,
        exact: bool = False,
        shapes: Mapping[str, tuple[int, ...]] = {},
    ) -> list[dict[str, NDArray[Any]]]:
        """See ``Task``; the network reads text, so recordings are of no use to it."""
        return make_feeds(graph, exact=exact, shapes=shapes)[:count]

    def compare(self, graph: Graph, candidate: Graph, feeds: Feeds, tolerance: Tolerance) -> ParityReport:
        return compare_calls(graph, candidate, feeds, tolerance)

    def register_plugins(self) -> None:
        register_plugins()

    def columns(self, spec: SynthesisSpec) -> dict[str, str]:
        return {"sizes": ", ".join(_sizes(spec))}

    def facts(self, spec: SynthesisSpec) -> dict[str, str]:
        frames = spec.front_end
        return {
            "frames": f"{frames.mels} log mel filters, {frames.n_fft} samples every {frames.hop_length}",
            "symbols": f"{len(spec.symbols)}, padding included",
            "sizes": f"{', '.join(_sizes(spec))} (tokens/frames)",
        }

    def record(self, spec: SynthesisSpec) -> dict[str, Any]:
        return {
            "mels": spec.front_end.mels,
            "n_fft": spec.front_end.n_fft,
            "hop_length": spec.front_end.hop_length,
            "symbols": len(spec.symbols),
            "sizes": _sizes(spec),
        }


def _sizes(spec: SynthesisSpec) -> list[str]:
    """Sizes of the graphs that are exported by default, as repositories name them."""
    return [f"{tokens}/{frames}" for tokens, frames in spec.buckets]


TASK = Synthesis()
