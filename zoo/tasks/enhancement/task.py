"""Speech enhancement: the record of the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import EnhancementManifest
from zoo.artifact.parity import ParityReport
from zoo.runtime.graph import Graph
from zoo.spec import EnhancementSpec, Tolerance
from zoo.speeds import speeds
from zoo.tasks.enhancement.feeds import compare_on_speech, make_feeds
from zoo.tasks.enhancement.golden import verify_session
from zoo.tasks.enhancement.graph import enhancement_manifest, session_over
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.session import Session
from zoo.tasks.public import Told
from zoo.tasks.task import Feeds, Task


class Enhancement(Task[EnhancementSpec, EnhancementManifest]):
    """Noisy speech in, enhanced speech out."""

    spec = EnhancementSpec
    manifest = EnhancementManifest
    marks = ("run", "whole", "block_length")
    noun = "an enhancer"
    artifact = "an exported .onnx artifact"

    def forms(self, spec: EnhancementSpec) -> tuple[str, ...]:
        if not spec.streaming:
            return ("training", "ONNX offline, in both forms")
        streaming = ("streaming spec2spec", "streaming wav2wav")
        return ("training", *streaming, "ONNX streaming and offline, in both forms")

    def open_files(
        self,
        paths: Sequence[Path],
        *,
        threads: int = 1,
        providers: Sequence[str] = (),
        trust: bool = False,
        told: Told | None = None,
    ) -> Session:
        """See ``Task``; a second file is for many hops, as of ``open_session``."""
        first, *others = paths
        many = others[0] if others else None
        return open_session(first, many=many, threads=threads, providers=providers, trust=trust, told=told)

    def verify(self, graph: Graph) -> ParityReport:
        manifest, session = enhancement_manifest(graph), session_over(graph)
        tensor = manifest.outputs[0].name
        return verify_session(session, manifest.golden, manifest.tolerance, str(graph.path), tensor=tensor)

    def feeds(
        self,
        graph: Graph,
        count: int,
        recordings: Sequence[Array] = (),
        *,
        exact: bool = False,
        shapes: Mapping[str, tuple[int, ...]] = {},
    ) -> list[dict[str, NDArray[Any]]]:
        """See ``Task``; a stream's calls are of one size, and ``compare`` takes none of them."""
        return make_feeds(graph, count, recordings)

    def compare(self, graph: Graph, candidate: Graph, feeds: Feeds, tolerance: Tolerance) -> ParityReport:
        """See ``Task``; on the package's speech, a stream at a time, since errors add up over states."""
        return compare_on_speech(graph, candidate, tolerance)

    def columns(self, spec: EnhancementSpec) -> dict[str, str]:
        factor = speeds().real_time_factor.get(spec.name)
        return {
            "hop": f"{1e3 * spec.front_end.hop_length / spec.front_end.sample_rate:.2f} ms",
            "latency": f"{_latency_ms(spec):.1f} ms" if spec.streaming else "offline",
            "RTF": f"{factor:.3f}" if factor else "-",
        }

    def facts(self, spec: EnhancementSpec) -> dict[str, str]:
        front_end, factor = spec.front_end, speeds().real_time_factor.get(spec.name)
        latency = "offline: it reads the whole recording first"
        if spec.streaming:
            latency = (
                f"{round(_latency_ms(spec), 2)} ms in a stream at this rate: "
                f"{front_end.delay} samples of window, {spec.look_ahead} frames of look-ahead, "
                f"up to {front_end.hop_length - 1} samples until a hop is full"
            )
        return {
            "window, hop": f"{front_end.n_fft}, {front_end.hop_length} samples ({front_end.window})",
            "latency": latency,
            "real-time factor": f"{factor:.3f} in {speeds()}" if factor else "not measured",
        }

    def record(self, spec: EnhancementSpec) -> dict[str, Any]:
        return {
            "n_fft": spec.front_end.n_fft,
            "hop_length": spec.front_end.hop_length,
            "window": spec.front_end.window,
            "look_ahead_frames": spec.look_ahead,
            "streaming": spec.streaming,
            "latency_ms": round(_latency_ms(spec), 2) if spec.streaming else None,
            "real_time_factor": speeds().real_time_factor.get(spec.name),
        }


def _latency_ms(spec: EnhancementSpec) -> float:
    """Most that a stream at the model's rate lags: window, look-ahead and the wait for a whole hop."""
    return 1e3 * (spec.latency + spec.front_end.hop_length - 1) / spec.front_end.sample_rate


TASK = Enhancement()
