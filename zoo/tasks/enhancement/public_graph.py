"""Sessions over the public implementations' graphs, which have no manifest of ours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.arrays import Array
from zoo.artifact.manifest import Form
from zoo.errors import ArtifactError
from zoo.hub.recognition import Recognised
from zoo.runtime.graph import Graph
from zoo.runtime.onnx import OnnxGraph
from zoo.signal.windows import synthesis_window
from zoo.spec import EnhancementSpec, FrontEnd
from zoo.tasks.enhancement.graph import StreamingSession
from zoo.tasks.enhancement.session import Session, State
from zoo.tasks.enhancement.two_stages import open_two_stages, session_of_stages
from zoo.tasks.public import WINDOWS, Told, from_metadata, spec_of, unknown


def open_foreign_session(
    path: str | os.PathLike[str],
    *,
    sample_rate: int = 16000,
    hop_length: int | None = None,
    window: str = "hann",
    threads: int = 1,
    providers: Sequence[str] = (),
) -> StreamingSession:
    """Load a streaming graph that has no manifest of ours, framed as the caller says.

    The first input is the signal, a spectrum (1, F, 1, 2) or a waveform (1, N); the others are states,
    which start from zeros and come back as the outputs that bear their name (``cache_in_0`` as
    ``cache_out_0``, ``h`` as ``h_out``), or in the same order.

    Args:
        path: ONNX file.
        sample_rate: in Hz.
        hop_length: samples; by default what the waveform output holds, or half the window.
        window: ``hann``, ``sqrt_hann``, ``sine`` or ``rectangular``.
        threads: of one call.
        providers: of ONNX Runtime, as of ``OnnxGraph``.

    Raises:
        ArtifactError: the signal has neither of those shapes, hop and window do not fit it, an input is not
            float32, or a state does not come back.
    """
    graph = OnnxGraph(path, threads=threads, providers=providers)
    form, n_fft, hop = _geometry(graph, hop_length)
    return _session(graph, form, FrontEnd(sample_rate, n_fft, hop, window), 0)


def open_public_session(
    graph: Graph, known: Recognised | None, told: Told, *, assumed: Told | None = None
) -> StreamingSession:
    """Open a session over a public graph, framed as its hash, its metadata or the caller tell.

    Args:
        graph: without manifest.
        known: whose it is, by its hash.
        told: what the caller says of it.
        assumed: what holds where nothing else tells; by default nothing does.

    Raises:
        ArtifactError: as ``open_foreign_session``; or its rate or window is not known, or is another than
            what was told; or it is no graph of the model that it is said to be of.
    """
    spec = spec_of(graph.path, known, told, EnhancementSpec)
    said = from_metadata(graph.path, getattr(graph, "metadata", {}))
    if spec is not None:
        form, front_end = _form_of(graph, spec), spec.front_end
        source = _source(known, spec)
    else:
        form, front_end, source = _framed(graph, said, told, assumed or Told())
    for statement in (said, told):
        statement.check(str(graph.path), front_end)
    session = _session(graph, form, front_end, spec.look_ahead if spec else 0)
    _describe(session, graph, known, source, form)
    return session


def open_public_pair(first: Graph, second: Graph, known: Recognised | None, told: Told) -> StreamingSession:
    """Open a session over two public graphs of which the second refines what the first gives.

    Args:
        first, second: without manifest.
        known, told: as of ``open_public_session``.

    Raises:
        ArtifactError: as ``open_two_stages``; or whose they are is not known.
    """
    spec = spec_of(first.path, known, told, EnhancementSpec)
    if spec is None:
        raise ArtifactError(
            f"{first.path}, {second.path}: they have no speechzoo manifest, and the first one's hash is none "
            f"that is known, so that of two graphs nothing tells how they are framed"
        )
    told.check(str(first.path), spec.front_end)
    session = session_of_stages(first, second, spec.front_end)
    _describe(session, first, known, _source(known, spec), "wav2wav")
    return session


def _source(known: Recognised | None, spec: EnhancementSpec) -> str:
    """How the model of a public graph is known."""
    return "known by its hash" if known else f"taken for one of {spec.name}"


def _describe(
    session: StreamingSession, graph: Graph, known: Recognised | None, source: str, form: Form
) -> None:
    """Give a session over a public graph its name and the line about it."""
    front_end = session.front_end
    geometry = f"hop {front_end.hop_length} of {front_end.n_fft}"
    window = "" if form == "wav2wav" else f", window {front_end.window}"
    session.name = known.name if known else graph.path.name
    session.public = f"{source}; {front_end.sample_rate} Hz, {geometry}{window}"


class StreamByStream:
    """Several streams through a session that takes one at a time, for ``StreamBatcher``.

    States get an axis in front, the stream, since a public graph's own axes may mean anything.

    Args:
        session: that takes one.
    """

    batched = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self.name, self.backend, self.streaming = session.name, session.backend, session.streaming
        self.front_end, self.latency = session.front_end, session.latency
        self.block_length = session.block_length

    def initial_state(self) -> State:
        return {name: np.asarray(value)[None] for name, value in self._session.initial_state().items()}

    def run(self, hops: Array, state: State) -> tuple[Array, State]:
        """(B, K x block_length) -> the same, a stream after the other; see ``Session``."""
        outputs, states = [], []
        for row in range(len(hops)):
            own = {name: value[row] for name, value in state.items()}
            output, after = self._session.run(hops[row : row + 1], own)
            outputs.append(output)
            states.append(after)
        return np.concatenate(outputs), {name: np.stack([s[name] for s in states]) for name in state}

    def whole(self, waveform: Array) -> Array:
        """(1, N) -> (1, N), aligned."""
        return self._session.whole(waveform)


def _form_of(graph: Graph, spec: EnhancementSpec) -> Form:
    """The form of a graph, once its shapes are those of a model."""
    form, n_fft, hop = _geometry(graph, None)
    front_end = spec.front_end
    if form == "spec2spec":  # whose shapes do not tell the hop
        hop = front_end.hop_length
    if (n_fft, hop) != (front_end.n_fft, front_end.hop_length):
        raise ArtifactError(
            f"{graph.path}: its window and hop are {n_fft} and {hop} samples, and those of {spec.name} are "
            f"{front_end.n_fft} and {front_end.hop_length}; it is a graph of another model"
        )
    return form


def _framed(graph: Graph, said: Told, told: Told, assumed: Told) -> tuple[Form, FrontEnd, str]:
    """Form and front end of a graph whose model is not known, and who tells them.

    Raises:
        ArtifactError: nobody does.
    """

    def first(name: str) -> object:
        values = (getattr(source, name) for source in (said, told, assumed))
        return next((value for value in values if value is not None), None)

    form, n_fft, hop = _geometry(graph, said.hop_length or told.hop_length)
    needed = ["sample_rate"] + (["window"] if form == "spec2spec" else [])
    missing = [name for name in needed if first(name) is None]
    if missing:
        raise unknown(graph.path, missing)
    window = str(first("window") or "hann")
    front_end = FrontEnd(int(str(first("sample_rate"))), n_fft, hop, WINDOWS.get(window, window))
    source = "as its metadata say" if said.sample_rate else "as was given"
    if form == "spec2spec" and not (said.hop_length or told.hop_length):
        source += ", with a hop of half the window, since none was"
    return form, front_end, source


def _session(graph: Graph, form: Form, front_end: FrontEnd, look_ahead: int) -> StreamingSession:
    others = [f"{spec.name} ({spec.dtype})" for spec in graph.inputs if spec.dtype != "float32"]
    if others:
        raise ArtifactError(f"{graph.path}: float32 inputs are expected; others are {', '.join(others)}")
    try:
        if form == "spec2spec" and not 0 < front_end.hop_length < front_end.n_fft:
            raise ValueError(
                f"a hop of {front_end.hop_length} samples does not fit a window of {front_end.n_fft}"
            )
        if form == "spec2spec":
            synthesis_window(front_end)
    except ValueError as error:
        raise ArtifactError(f"{graph.path}: {error}; pass another hop or window") from error
    session = StreamingSession(
        graph,
        form,
        front_end,
        latency=front_end.delay + look_ahead * front_end.hop_length,
        hops=1,
        next_states=[_next_state(graph, i) for i in range(1, len(graph.inputs))],
    )
    session.batched = False  # of its states nobody says which axis is the stream
    return session


def open_published(paths: Sequence[Path], spec: EnhancementSpec) -> StreamingSession:
    """Load the public graph of a model, as the model's record has the front end.

    Args:
        paths: the file alone, or two of stages.
        spec: of the model.

    Raises:
        ArtifactError: as ``open_public_session`` or ``open_two_stages``.
    """
    if len(paths) == 2:
        return open_two_stages(paths, spec.front_end)
    return open_public_session(OnnxGraph(paths[0]), None, Told(model=spec))


def _geometry(graph: Graph, hop_length: int | None) -> tuple[Form, int, int]:
    """Form, window and hop, as the signal's shape tells them.

    Raises:
        ArtifactError: it is of neither form, or of another hop than the one given.
    """
    signal, answer = graph.inputs[0], graph.outputs[0]
    if len(signal.shape) == 4 and signal.shape[2:] == (1, 2) and isinstance(signal.shape[1], int):
        n_fft = 2 * (signal.shape[1] - 1)
        if not answer.fits(signal.shape):
            raise ArtifactError(
                f"{graph.path}: its output {answer.name} has shape {answer.shape}; expected that of "
                f"{signal.name}, {signal.shape}"
            )
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


def _wave_window(graph: Graph, hop: int) -> int:
    """Window of a public waveform graph: its input if that is longer than a hop, else its memories tell."""
    samples = int(graph.inputs[0].shape[1])
    if samples > hop:
        return samples
    lengths = [s.shape[1] for s in graph.inputs[1:] if len(s.shape) == 2]
    memories = [length for length in lengths if isinstance(length, int) and length >= hop]
    return hop + memories[0] if memories else 2 * hop


def _next_state(graph: Graph, index: int) -> int:
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
