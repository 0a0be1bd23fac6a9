"""Two public graphs in a row as one session, as DTLN has them: a mask of magnitudes, frames to frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import ArtifactError
from zoo.runtime.graph import Graph
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import FrontEnd, TensorSpec
from zoo.tasks.enhancement.graph import StreamingSession


def open_two_stages(paths: Sequence[Path], front_end: FrontEnd, *, threads: int = 1) -> StreamingSession:
    """Load two streaming graphs of which the second refines what the first gives.

    Each takes its signal and a state, and gives what it makes of the signal and the state for the next frame:
    the first magnitudes (1, 1, F) and a mask for them, the second frames (1, 1, n_fft) of the masked spectrum
    and frames to be added up.

    Args:
        paths: two ONNX files, in this order.
        front_end: with a rectangular window.
        threads: of one call.

    Raises:
        ArtifactError: a graph cannot be loaded or has other tensors, as where the two are swapped.
    """
    first, second = (OnnxGraph(path, threads=threads) for path in paths)
    return session_of_stages(first, second, front_end)


def session_of_stages(first: Graph, second: Graph, front_end: FrontEnd) -> StreamingSession:
    """The session of two loaded graphs; see ``open_two_stages``."""
    graph = TwoStages(first, second, front_end)
    session = StreamingSession(
        graph, "wav2wav", front_end, latency=front_end.delay, hops=1, next_states=range(1, len(graph.inputs))
    )
    session.batched = False  # both graphs take one stream
    return session


class TwoStages:
    """Two graphs with transforms between them as one: see ``Graph``.

    Args:
        first, second: see ``open_two_stages``.
        front_end: the spectrum's geometry.

    Raises:
        ArtifactError: a graph has other tensors.
    """

    manifest = None

    def __init__(self, first: Graph, second: Graph, front_end: FrontEnd) -> None:
        self.first, self.second, self.front_end = first, second, front_end
        self.path, self.backend = first.path, first.backend
        for graph, length, what in (
            (first, front_end.bins, "magnitudes, which the first stage takes"),
            (second, front_end.n_fft, "samples, which the second stage takes"),
        ):
            _check_stage(graph, length, what)
        states = [
            TensorSpec(f"{name}.{graph.inputs[1].name}", graph.inputs[1].shape)
            for name, graph in (("first", first), ("second", second))
        ]
        overlap = TensorSpec("overlap", (1, front_end.delay))
        self.inputs = (TensorSpec("wav_in", (1, front_end.n_fft)), overlap, *states)
        self.outputs = (TensorSpec("wav_out", (1, front_end.hop_length)), overlap, *states)

    def __call__(self, *values: NDArray[Any]) -> list[Array]:
        """A window (1, n_fft), the overlap (1, n_fft - hop) and two states, to a hop (1, hop) and those."""
        frame, overlap, before_first, before_second = values
        spectrum = np.fft.rfft(frame)
        mask, after_first = self.first(np.abs(spectrum).astype(np.float32)[None], before_first)
        masked = np.fft.irfft(spectrum * mask[0], n=self.front_end.n_fft).astype(np.float32)
        refined, after_second = self.second(masked[None], before_second)
        added = refined[0].copy()
        added[:, : self.front_end.delay] += overlap
        hop = self.front_end.hop_length
        return [added[:, :hop], added[:, hop:], after_first, after_second]


def _check_stage(graph: Graph, length: int, what: str) -> None:
    signal = (1, 1, length)
    fits = len(graph.inputs) == len(graph.outputs) == 2 and all(
        spec.dtype == "float32" for spec in (*graph.inputs, *graph.outputs)
    )
    if fits:
        fits = all(tensors[0].fits(signal) for tensors in (graph.inputs, graph.outputs))
        fits = fits and graph.outputs[1].fits(graph.inputs[1].shape)
    if not fits:
        told = ", ".join(f"{spec.name} {spec.shape}" for spec in (*graph.inputs, *graph.outputs))
        raise ArtifactError(
            f"{graph.path}: expected a signal {signal} of {length} {what}, and a state, and both again as "
            f"outputs; its tensors are {told}; pass both graphs, in their order"
        )
