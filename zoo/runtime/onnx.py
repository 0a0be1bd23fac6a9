"""Sessions over ONNX files by ONNX Runtime: our own artifacts, and the public repositories' graphs."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.artifact.manifest import EnhancementManifest, Form
from zoo.errors import ArtifactError, StateError
from zoo.runtime.graph import Graph
from zoo.runtime.session import State
from zoo.runtime.spectrum import Transforms
from zoo.spec import FrontEnd
from zoo.windows import synthesis_window

Array = NDArray[np.float32]


HOPS_AT_ONCE = 64  # of one call, where their number is free: more gain little and take memory


class StreamingSession:
    """Hops through a graph with states in and out.

    Args:
        graph: its first input and output are the signal, the others are states.
        form: what the signal is.
        front_end: the spectrum's geometry.
        latency: samples from an input sample to the same instant's output sample.
        hops: frames of a call, or a name where that is free.
        next_states: for every state input its index among the outputs.
        many: a graph with the same states for any number of hops, which computes where there are several.

    Attributes:
        graph, next_states: those, for callers that keep the states themselves.
    """

    backend = "onnxruntime"
    streaming = True

    def __init__(
        self,
        graph: Graph,
        form: Form,
        front_end: FrontEnd,
        *,
        latency: int,
        hops: int | str,
        next_states: Sequence[int],
        many: Graph | None = None,
    ) -> None:
        self.name = graph.path.name
        self.front_end = front_end
        self.latency = latency
        self.block_length = (1 if isinstance(hops, str) else hops) * front_end.hop_length
        free = isinstance(hops, str) or many is not None
        self._longest = HOPS_AT_ONCE * self.block_length if free else self.block_length
        self.graph, self._many = graph, many or graph
        self.next_states = next_states
        self._transforms = Transforms(front_end) if form == "spec2spec" else None
        streams = graph.inputs[0].shape[0]
        self.batched = isinstance(streams, str)
        self._copies = 1 if isinstance(streams, str) else streams  # a graph for many streams gets copies
        # a public graph may want the window's past with every hop
        samples = graph.inputs[0].shape[1]
        self._history = 0 if self._transforms or isinstance(samples, str) else samples - self.block_length
        self._zeros: dict[str, Array] = {
            spec.name: np.zeros([1 if isinstance(n, str) else n for n in spec.shape], np.float32)
            for spec in graph.inputs[1:]
        }
        if self._transforms:
            self._zeros |= self._transforms.initial_state()
        if self._history:
            self._zeros["history"] = np.zeros((1, self._history), np.float32)

    def initial_state(self) -> State:
        return dict(self._zeros)

    def run(self, hops: Array, state: State) -> tuple[Array, State]:
        """(B, K x block_length) -> the same, B of 1 unless batched; see ``Session``."""
        self._check_state(state, len(hops))
        memory = dict(state)
        enhanced = [
            self._block(hops[:, start : start + self._longest], memory)
            for start in range(0, hops.shape[1], self._longest)
        ]
        return np.concatenate(enhanced, axis=1), memory

    def whole(self, waveform: Array) -> Array:
        """(1, N) -> (1, N), aligned."""
        length = waveform.shape[1]
        padding = -(length + self.latency) % self.block_length + self.latency
        enhanced, _ = self.run(np.pad(waveform, ((0, 0), (0, padding))), self.initial_state())
        return enhanced[:, self.latency : self.latency + length]

    def _check_state(self, state: State, streams: int) -> None:
        expected = {name: (len(zeros) * streams, *zeros.shape[1:]) for name, zeros in self._zeros.items()}
        wrong = list(expected.keys() ^ state.keys())
        wrong += [name for name in expected.keys() & state.keys() if state[name].shape != expected[name]]
        if wrong:
            raise StateError(
                f"this state is not one of {self.name}: {', '.join(sorted(wrong))} missing, surplus or of "
                f"another shape; start from initial_state()"
            )

    def _block(self, block: Array, memory: dict[str, Array]) -> Array:
        signal = block
        if self._transforms:
            signal, memory["stft.past"] = self._transforms.analyse(block, memory["stft.past"])
        elif self._history:
            signal = np.concatenate([memory["history"], block], axis=1)
            memory["history"] = signal[:, signal.shape[1] - self._history :]
        states = self.graph.inputs[1:]
        if self._copies > 1:
            signal = np.repeat(signal, self._copies, axis=0)
        graph = self.graph if block.shape[1] == self.block_length else self._many
        outputs = graph(np.ascontiguousarray(signal), *(memory[spec.name] for spec in states))
        for spec, index in zip(states, self.next_states, strict=True):
            memory[spec.name] = outputs[index]
        if self._transforms:
            wave, memory["istft.overlap"] = self._transforms.synthesise(
                outputs[0][: len(block)], memory["istft.overlap"]
            )
            return wave
        return outputs[0][: len(block)]


class OfflineSession:
    """Whole recordings through a graph without states.

    A graph of fixed length gets short recordings padded with zeros and long ones cut into pieces.

    Args:
        graph: one input, one output.
        manifest: its record.
    """

    backend = "onnxruntime"
    streaming = False
    batched = False

    def __init__(self, graph: Graph, manifest: EnhancementManifest) -> None:
        self.name = graph.path.name
        self.front_end = manifest.front_end
        self.latency = manifest.latency
        self.block_length = manifest.front_end.hop_length
        self._graph = graph
        self._form = manifest.form
        axis = 2 if manifest.form == "spec2spec" else 1
        length = manifest.inputs[0].shape[axis]
        self._axis, self._length = axis, None if isinstance(length, str) else length

    def initial_state(self) -> State:
        raise ArtifactError(f"{self.name} takes whole recordings and has no stream; {_STREAMING_ADVICE}")

    def run(self, hops: Array, state: State) -> tuple[Array, State]:
        raise ArtifactError(f"{self.name} takes whole recordings and has no stream; {_STREAMING_ADVICE}")

    def whole(self, waveform: Array) -> Array:
        """(1, N) -> (1, N), aligned."""
        if self._form == "wav2wav":
            return self._pieces(waveform)
        delay, length = self.front_end.delay, waveform.shape[1]
        padding = self.front_end.padding(length, self.latency)
        transforms = Transforms(self.front_end)
        state = transforms.initial_state()
        spectrum, _ = transforms.analyse(np.pad(waveform, ((0, 0), (0, padding))), state["stft.past"])
        enhanced, _ = transforms.synthesise(self._pieces(spectrum), state["istft.overlap"])
        return enhanced[:, delay : delay + length]

    def _pieces(self, signal: Array) -> Array:
        total = signal.shape[self._axis]
        if not total:
            return signal
        length = self._length or max(total, 1)
        padding = [(0, 0)] * signal.ndim
        padding[self._axis] = (0, -total % length)
        pieces = np.split(np.pad(signal, padding), -(-total // length), axis=self._axis)
        enhanced = [self._graph(np.ascontiguousarray(piece))[0] for piece in pieces]
        return np.take(np.concatenate(enhanced, axis=self._axis), np.arange(total), axis=self._axis)


_STREAMING_ADVICE = (
    "export it with streaming=True for streams, if the model has a streaming form, or call the enhancer on "
    "the whole waveform"
)


def open_session(
    path: str | os.PathLike[str], *, many: str | os.PathLike[str] | None = None, threads: int = 1
) -> StreamingSession | OfflineSession:
    """Load one of our artifacts.

    Args:
        path: ONNX file with our manifest.
        many: another one of the same weights and form for any number of hops, which is slower for one hop and
            faster for several; each call then goes to the better of the two.
        threads: of one call.

    Raises:
        ArtifactError: damaged, without our manifest, or two that do not belong together.
    """
    graph = Graph(path, threads=threads)
    manifest = enhancement_manifest(graph)
    if not manifest.streaming:
        return OfflineSession(graph, manifest)
    return StreamingSession(
        graph,
        manifest.form,
        manifest.front_end,
        latency=manifest.latency,
        hops=manifest.hops,
        next_states=range(1, len(graph.outputs)),
        many=None if many is None else _companion(graph, manifest, Graph(many, threads=threads)),
    )


def enhancement_manifest(graph: Graph) -> EnhancementManifest:
    """The record of a graph of ours for enhancement.

    Raises:
        ArtifactError: it has none, or one of another task.
    """
    manifest = graph.manifest
    if manifest is None:
        raise ArtifactError(
            f"{graph.path}: it has no speechzoo manifest, so its sample rate and window are unknown; export "
            f"it with speechzoo, or run it with scripts.test_onnx and --sample-rate, --hop-size, --win-type"
        )
    if not isinstance(manifest, EnhancementManifest):
        raise ArtifactError(f"{graph.path}: it is for {manifest.task}, not for {EnhancementManifest.task}")
    return manifest


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


def open_foreign_session(
    path: str | os.PathLike[str],
    *,
    sample_rate: int = 16000,
    hop_length: int | None = None,
    window: str = "hann",
    threads: int = 1,
) -> StreamingSession:
    """Load a streaming graph that has no manifest of ours, as the public repositories export them.

    The first input is the signal, a spectrum (1, F, 1, 2) or a waveform (1, N); the others are states,
    which start from zeros and come back as the outputs that bear their name (``cache_in_0`` as
    ``cache_out_0``, ``h`` as ``h_out``), or in the same order.

    Args:
        path: ONNX file.
        sample_rate: in Hz.
        hop_length: samples; by default what the waveform output holds, or half the window.
        window: ``hann``, ``sqrt_hann`` or ``sine``.
        threads: of one call.

    Raises:
        ArtifactError: the signal has neither of those shapes, hop and window do not fit it, an input is not
            float32, or a state does not come back.
    """
    graph = Graph(path, threads=threads)
    others = [f"{spec.name} ({spec.dtype})" for spec in graph.inputs if spec.dtype != "float32"]
    if others:
        raise ArtifactError(f"{graph.path}: float32 inputs are expected; others are {', '.join(others)}")
    signal, answer = graph.inputs[0], graph.outputs[0]
    if len(signal.shape) == 4 and signal.shape[2:] == (1, 2) and isinstance(signal.shape[1], int):
        form: Form = "spec2spec"
        n_fft = 2 * (signal.shape[1] - 1)
        hop = hop_length or n_fft // 2
    elif len(signal.shape) == 2 and isinstance(signal.shape[1], int):
        form = "wav2wav"
        length = answer.shape[1] if len(answer.shape) == 2 else 0
        hop = 0 if isinstance(length, str) else length
        if not 0 < hop <= signal.shape[1]:
            raise ArtifactError(
                f"{graph.path}: its output {answer.name} has shape {answer.shape}; expected a hop of the "
                f"waveform (1, N), N up to {signal.shape[1]}"
            )
        if hop_length not in (None, hop):
            raise ArtifactError(f"{graph.path}: its output holds {hop} samples a call, not {hop_length}")
        n_fft = _wave_window(graph, hop)
    else:
        raise ArtifactError(
            f"{graph.path}: its first input {signal.name} has shape {signal.shape}; expected a spectrum "
            f"(1, F, 1, 2) or a waveform (1, N)"
        )
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
