"""Sessions that enhance, over graphs with their states as inputs and outputs, whatever computes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.arrays import Array
from zoo.artifact.manifest import EnhancementManifest, Form
from zoo.errors import ArtifactError, StateError
from zoo.runtime.graph import Graph
from zoo.spec import FrontEnd
from zoo.tasks.enhancement.loop import Bind, Loop
from zoo.tasks.enhancement.session import State
from zoo.tasks.enhancement.spectrum import Transforms
from zoo.tasks.limits import record_of

HOPS_AT_ONCE = 64  # of one call, where their number is free: more gain little and take memory


def session_over(graph: Graph, many: Graph | None = None) -> StreamingSession | OfflineSession:
    """The session of one of our own files; ``many`` as in ``StreamingSession``.

    Raises:
        ArtifactError: it has no manifest, or one of another task.
    """
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
        many=many,
    )


def enhancement_manifest(graph: Graph) -> EnhancementManifest:
    """The record of a graph of ours for enhancement.

    Raises:
        ArtifactError: it has none, or one of another task.
    """
    return record_of(
        graph,
        EnhancementManifest,
        "its sample rate and window are unknown; export it with speechzoo, or run it with speechzoo test "
        "and --sample-rate, --hop-size, --win-type",
    )


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
        public: what is known of a public graph, in a line; empty for ours.
    """

    streaming = True
    public = ""

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
        self.name, self.backend = graph.path.name, graph.backend
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
        self._shapes = {name: zeros.shape for name, zeros in self._zeros.items()}

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
        return enhanced[0] if len(enhanced) == 1 else np.concatenate(enhanced, axis=1), memory

    def loop(self) -> Loop | None:
        """What takes a stream's blocks one by one with the least effort; None where only ``run`` does."""
        bind: Bind | None = getattr(self.graph, "bind_arrays", None)
        others = self.graph.manifest is None  # a file made by others, with states that may change their shape
        if bind is None or self.backend != "onnxruntime" or others or self._transforms or self._copies > 1:
            return None
        return Loop(bind, self.graph.inputs[1:], self.next_states, self.block_length)

    def whole(self, waveform: Array) -> Array:
        """(1, N) -> (1, N), aligned."""
        length = waveform.shape[1]
        padding = -(length + self.latency) % self.block_length + self.latency
        enhanced, _ = self.run(np.pad(waveform, ((0, 0), (0, padding))), self.initial_state())
        return enhanced[:, self.latency : self.latency + length]

    def _check_state(self, state: State, streams: int) -> None:
        if streams == 1 and {name: value.shape for name, value in state.items()} == self._shapes:
            return  # at once, since every block of a stream comes here
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

    A graph of fixed length gets short recordings padded with zeros, and long ones in pieces. A piece begins
    with what the one before it ended with, half its length, so that the network has heard something when the
    part that is kept begins; that takes twice the time.

    Args:
        graph: one input, one output.
        manifest: its record.

    Attributes:
        graph: that.
    """

    streaming = False
    batched = False

    def __init__(self, graph: Graph, manifest: EnhancementManifest) -> None:
        self.name, self.backend = graph.path.name, graph.backend
        self.front_end = manifest.front_end
        self.latency = manifest.latency
        self.block_length = manifest.front_end.hop_length
        self.graph = graph
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
        """All of a signal; through a graph of fixed length in pieces that overlap, each with its context."""
        axis, total = self._axis, signal.shape[self._axis]
        if not total:
            return signal
        length = self._length or total
        unit = 1 if self._form == "spec2spec" else self.front_end.hop_length
        after = min(_CONTEXT_AFTER * unit, length // 4 // unit * unit)
        step = (length - after) // 2 // unit * unit or length  # the first half of a piece is what went before
        before = 0 if step == length else length - after - step
        starts = [0, *range(step, max(total - before - after, 1), step)] if total > length else [0]
        padding = [(0, 0)] * signal.ndim
        padding[axis] = (0, max(0, starts[-1] + length - total))
        padded, parts = np.pad(signal, padding), []
        for number, start in enumerate(starts):
            piece = np.take(padded, np.arange(start, start + length), axis=axis)
            enhanced = self.graph(np.ascontiguousarray(piece))[0]
            begin = before if number else 0
            end = length if number == len(starts) - 1 else before + step
            parts.append(np.take(enhanced, np.arange(begin, end), axis=axis))
        return np.take(np.concatenate(parts, axis=axis), np.arange(total), axis=axis)


_CONTEXT_AFTER = 8  # hops behind each piece that are computed and not kept
_STREAMING_ADVICE = (
    "export it with streaming=True for streams, if the model has a streaming form, or call the enhancer on "
    "the whole waveform"
)
