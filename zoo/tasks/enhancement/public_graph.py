"""Sessions over ONNX files by ONNX Runtime: our own artifacts, and the public implementations' graphs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from zoo.artifact.manifest import Form
from zoo.errors import ArtifactError
from zoo.runtime.onnx import OnnxGraph
from zoo.signal.windows import synthesis_window
from zoo.spec import EnhancementSpec, FrontEnd
from zoo.tasks.enhancement.graph import StreamingSession
from zoo.tasks.enhancement.two_stages import open_two_stages


def open_foreign_session(
    path: str | os.PathLike[str],
    *,
    sample_rate: int = 16000,
    hop_length: int | None = None,
    window: str = "hann",
    threads: int = 1,
) -> StreamingSession:
    """Load a streaming graph that has no manifest of ours, as the public implementations export them.

    The first input is the signal, a spectrum (1, F, 1, 2) or a waveform (1, N); the others are states,
    which start from zeros and come back as the outputs that bear their name (``cache_in_0`` as
    ``cache_out_0``, ``h`` as ``h_out``), or in the same order.

    Args:
        path: ONNX file.
        sample_rate: in Hz.
        hop_length: samples; by default what the waveform output holds, or half the window.
        window: ``hann``, ``sqrt_hann``, ``sine`` or ``rectangular``.
        threads: of one call.

    Raises:
        ArtifactError: the signal has neither of those shapes, hop and window do not fit it, an input is not
            float32, or a state does not come back.
    """
    graph = OnnxGraph(path, threads=threads)
    others = [f"{spec.name} ({spec.dtype})" for spec in graph.inputs if spec.dtype != "float32"]
    if others:
        raise ArtifactError(f"{graph.path}: float32 inputs are expected; others are {', '.join(others)}")
    form, n_fft, hop = _geometry(graph, hop_length)
    front_end = FrontEnd(sample_rate, n_fft, hop, window)
    try:
        if form == "spec2spec" and not 0 < hop < n_fft:
            raise ValueError(f"a hop of {hop} samples does not fit a window of {n_fft}")
        if form == "spec2spec":
            synthesis_window(front_end)
    except ValueError as error:
        raise ArtifactError(f"{graph.path}: {error}; pass another hop or window") from error
    return StreamingSession(
        graph,
        form,
        front_end,
        latency=front_end.delay,
        hops=1,
        next_states=[_next_state(graph, i) for i in range(1, len(graph.inputs))],
    )


def open_published(paths: Sequence[Path], spec: EnhancementSpec) -> StreamingSession:
    """Load the public graph of a model, as the model's record has the front end.

    Args:
        paths: the file alone, or two of stages.
        spec: of the model.

    Raises:
        ArtifactError: as ``open_foreign_session`` or ``open_two_stages``, or it is of another window or hop.
    """
    front_end = spec.front_end
    if len(paths) == 2:
        return open_two_stages(paths, front_end)
    session = open_foreign_session(
        paths[0],
        sample_rate=front_end.sample_rate,
        hop_length=front_end.hop_length,
        window=front_end.window,
    )
    if session.front_end != front_end:
        raise ArtifactError(
            f"{paths[0]}: its window has {session.front_end.n_fft} samples, and {spec.name} has "
            f"{front_end.n_fft}; is it a graph of another model?"
        )
    return session


def _geometry(graph: OnnxGraph, hop_length: int | None) -> tuple[Form, int, int]:
    """Form, window and hop, as the signal's shape tells them.

    Raises:
        ArtifactError: it is of neither form, or of another hop than the one given.
    """
    signal, answer = graph.inputs[0], graph.outputs[0]
    if len(signal.shape) == 4 and signal.shape[2:] == (1, 2) and isinstance(signal.shape[1], int):
        n_fft = 2 * (signal.shape[1] - 1)
        return "spec2spec", n_fft, hop_length or n_fft // 2
    if len(signal.shape) != 2 or not isinstance(signal.shape[1], int):
        raise ArtifactError(
            f"{graph.path}: its first input {signal.name} has shape {signal.shape}; expected a spectrum "
            f"(1, F, 1, 2) or a waveform (1, N)"
        )
    length = answer.shape[1] if len(answer.shape) == 2 else 0
    hop = 0 if isinstance(length, str) else length
    if not 0 < hop <= signal.shape[1]:
        raise ArtifactError(
            f"{graph.path}: its output {answer.name} has shape {answer.shape}; expected a hop of the "
            f"waveform (1, N), N up to {signal.shape[1]}"
        )
    if hop_length not in (None, hop):
        raise ArtifactError(f"{graph.path}: its output holds {hop} samples a call, not {hop_length}")
    return "wav2wav", _wave_window(graph, hop), hop


def _wave_window(graph: OnnxGraph, hop: int) -> int:
    """Window of a public waveform graph: its input if that is longer than a hop, else its memories tell."""
    samples = int(graph.inputs[0].shape[1])
    if samples > hop:
        return samples
    lengths = [s.shape[1] for s in graph.inputs[1:] if len(s.shape) == 2]
    memories = [length for length in lengths if isinstance(length, int) and length >= hop]
    return hop + memories[0] if memories else 2 * hop


def _next_state(graph: OnnxGraph, index: int) -> int:
    state = graph.inputs[index]
    names = {state.name.replace("_in_", "_out_"), f"{state.name}_out", f"{state.name}.next"}
    for i, output in enumerate(graph.outputs):
        if output.name in names and output.fits(state.shape):
            return i
    if index < len(graph.outputs) and graph.outputs[index].fits(state.shape):
        return index
    raise ArtifactError(
        f"{graph.path}: no output continues the state {state.name} {state.shape}; the outputs are "
        f"{', '.join(f'{o.name} {o.shape}' for o in graph.outputs)}"
    )
