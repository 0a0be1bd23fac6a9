"""Vocoders: the record of the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import VocoderManifest
from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError
from zoo.runtime.graph import Graph
from zoo.spec import MelSpectrum, Tolerance, VocoderSpec
from zoo.tasks.public import Told, load_known, spec_of
from zoo.tasks.task import Feeds, Task
from zoo.tasks.vocoder.feeds import compare_on_speech, make_feeds
from zoo.tasks.vocoder.golden import verify_graph
from zoo.tasks.vocoder.graph import GraphVocoder, vocoder_manifest
from zoo.tasks.vocoder.session import VocoderSession
from zoo.vocoder.onnx import OnnxVocoder


class VocoderTask(Task[VocoderSpec, VocoderManifest]):
    """Log-mel frames in, a waveform out."""

    spec = VocoderSpec
    manifest = VocoderManifest
    marks = ("waveform", "front_end")
    noun = "a vocoder"
    artifact = "an exported .onnx artifact"

    def forms(self, spec: VocoderSpec) -> tuple[str, ...]:
        return ("training", "mel2wav streaming")

    def open_files(
        self,
        paths: Sequence[Path],
        *,
        threads: int = 1,
        providers: Sequence[str] = (),
        trust: bool = False,
        told: Told | None = None,
    ) -> VocoderSession:
        """See ``Task``; there is one file, ours or anybody's that takes log-mel frames."""
        if len(paths) != 1:
            raise ArtifactError(f"one artifact is expected, got {len(paths)}: {', '.join(map(str, paths))}")
        told = told or Told()
        graph, known = load_known(paths[0], told, threads=threads, providers=providers, trust=trust)
        if isinstance(graph.manifest, VocoderManifest):
            return GraphVocoder(graph, vocoder_manifest(graph))
        spec = spec_of(paths[0], known, told, VocoderSpec)
        return OnnxVocoder(graph, MelSpectrum() if spec is None else spec.front_end)

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
        return make_feeds(graph, count, recordings)

    def compare(self, graph: Graph, candidate: Graph, feeds: Feeds, tolerance: Tolerance) -> ParityReport:
        return compare_on_speech(graph, candidate, tolerance)

    def columns(self, spec: VocoderSpec) -> dict[str, str]:
        return {"frames": _frames(spec), "latency": f"{_milliseconds(spec):.0f} ms"}

    def facts(self, spec: VocoderSpec) -> dict[str, str]:
        return {
            "frames": _frames(spec),
            "latency": f"{spec.latency} samples, {_milliseconds(spec):g} ms, {spec.look_ahead} frames of "
            "it ahead",
        }

    def record(self, spec: VocoderSpec) -> dict[str, Any]:
        return {
            "mels": spec.front_end.mels,
            "n_fft": spec.front_end.n_fft,
            "hop_length": spec.front_end.hop_length,
            "latency": spec.latency,
            "look_ahead": spec.look_ahead,
        }


def _frames(spec: VocoderSpec) -> str:
    frames = spec.front_end
    return f"{frames.mels} log mel filters, {frames.n_fft} samples every {frames.hop_length}"


def _milliseconds(spec: VocoderSpec) -> float:
    return round(1000 * spec.latency / spec.front_end.sample_rate, 1)


TASK = VocoderTask()
