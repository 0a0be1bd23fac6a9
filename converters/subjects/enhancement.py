"""Exports enhancers: streaming graphs, states as inputs and outputs, and graphs of whole recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from converters.subjects import sherpa
from converters.subjects.subject import Calls, Exportable, Planned, Progress, Subject, Traceable
from zoo.arrays import Array
from zoo.artifact import golden
from zoo.artifact.manifest import EnhancementManifest, Form, Golden
from zoo.artifact.parity import ParityReport, compare
from zoo.hub.index import ENDINGS
from zoo.networks.streaming import StreamingModule
from zoo.runtime.graph import Graph, as_array
from zoo.spec import EnhancementSpec, FrontEnd, TensorSpec, Tolerance
from zoo.streaming.conversion import to_deployment
from zoo.streaming.waveform import WaveformModel
from zoo.tasks.enhancement.graph import session_over
from zoo.tasks.enhancement.session import Session
from zoo.tasks.enhancement.spectrum import Transforms
from zoo.tasks.enhancement.torch import TorchSession

TORCH_HOPS = 16  # frames that PyTorch takes at once while it makes references
GRAPH_CHECK_CALLS = 64
UNROLLED = "torch.export cannot leave the {what} free, since it unrolls recurrent layers; {advice}"
SPOKEN = 100  # calls of a streaming graph, or frames of an offline one, whose layers are compared


@dataclass(frozen=True)
class Layout:
    """Which graph of a model.

    Attributes:
        form: ``spec2spec`` or ``wav2wav``.
        streaming: with states, or a whole recording at once.
        streams: B of a streaming graph; "streams" leaves it free.
        hops: K of a streaming graph; "hops" leaves it free.
        frames: fixes the length of an offline graph; None leaves it free.
        reader: ``sherpa-onnx``, whose denoisers then read the graph; None for no one in particular.
    """

    form: Form = "spec2spec"
    streaming: bool = True
    streams: int | Literal["streams"] = 1
    hops: int | Literal["hops"] = 1
    frames: int | None = None
    reader: str | None = None

    def check(self, spec: EnhancementSpec) -> None:
        """Refuse what contradicts itself or the model.

        Raises:
            ValueError: that.
        """
        front_end = spec.front_end
        if self.streaming and not spec.streaming:
            raise ValueError(
                f"{spec.name} reads the whole recording and has no streaming graph; export it offline "
                f"(streaming=False, --offline)"
            )
        if self.reader is not None:
            self._check_reader(spec)
        if self.streaming and self.frames is not None:
            raise ValueError("frames fixes the length of an offline graph; a streaming graph takes hops")
        if not self.streaming and (self.streams != 1 or self.hops != 1):
            raise ValueError("streams and hops are for streaming graphs; an offline graph takes frames")
        numbers = (self.streams, self.hops, self.frames)
        if any(isinstance(number, int) and number < 1 for number in numbers):
            raise ValueError("streams, hops and frames must be at least 1")
        for name, value in (("streams", self.streams), ("hops", self.hops)):
            if isinstance(value, str) and value != name:
                raise ValueError(f'{name} is a number, or "{name}" to leave it free, not {value!r}')
        if self.frames is not None and samples_of(self.frames, front_end) < front_end.hop_length:
            least = -(-front_end.n_fft // front_end.hop_length) + 1
            raise ValueError(
                f"{self.frames} frames hold no hop of audio besides the window; at least {least} do"
            )

    def _check_reader(self, spec: EnhancementSpec) -> None:
        """Refuse a reader that there is not, or a graph that it does not take.

        Raises:
            ArtifactError: the model's transform is not the reader's.
            ValueError: that.
        """
        if self.reader != sherpa.READER:
            raise ValueError(f"{self.reader!r} is no reader of graphs that is known; {sherpa.READER} is")
        if self != Layout(reader=self.reader):
            raise ValueError(
                f"{self.reader} takes a streaming graph of spectra, of one stream and one hop; leave form, "
                f"streams, hops, frames and offline out"
            )
        sherpa.check_readable(spec)


class EnhancerGraph(Exportable):
    """A graph of an enhancer.

    Args:
        model: training form, or a streaming form made from it.
        layout: which graph.
    """

    def __init__(self, model: StreamingModule, layout: Layout) -> None:
        training = model.converted_from[0] if model.converted_from else model
        layout.check(training.spec)
        if training.training:
            raise ValueError(
                f"this {training.spec.name} is in training mode; call model.eval() before exporting"
            )
        if model.form not in ("training", layout.form):
            raise ValueError(
                f"the streaming form given is {model.form}, not {layout.form}; pass the training form"
            )
        self.training: StreamingModule = training
        self.name = training.spec.name
        self.kind = f"{layout.form}, {'streaming' if layout.streaming else 'offline'}"
        self._model, self._layout = model, layout

    def prepare(self, say: Progress) -> Traceable:
        """See ``Exportable``; the streaming form is run beside the training form."""
        say(f"{self.name}: computing the reference")
        layout, spec = self._layout, self.training.spec
        frames = layout.frames
        self._reference = Reference(
            self.training, None if frames is None else samples_of(frames, spec.front_end)
        )
        made = self._model.form == "training"
        self._core = to_deployment(self._model, layout.form) if made else self._model
        self._reference.check_converted(self._core)
        given = traceable(self._core, layout)
        if layout.reader is not None:
            shapes = [tuple(value.shape) for value in given.arguments[1:]]
            self.metadata = sherpa.metadata_of(spec, shapes)
        return given

    def manifest(
        self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], **common: Any
    ) -> EnhancementManifest:
        layout, spec = self._layout, self.training.spec
        return EnhancementManifest(
            form=layout.form,
            streaming=layout.streaming,
            front_end=spec.front_end,
            latency=spec.latency,
            inputs=inputs[:1],
            outputs=outputs[:1],
            states=inputs[1:],
            hops=layout.hops if layout.streaming else "frames",
            streams=layout.streams,
            **common,
        )

    def check(self, graph: Graph, tolerance: Tolerance) -> ParityReport:
        """See ``Exportable``; a streaming graph is run beside the streaming form first."""
        if self._layout.streaming:
            _check_beside(graph, self._core, self._reference, self._layout, tolerance)
        tensor = f"waveform of the {self._layout.form} graph"
        return self._reference.check(session_over(graph), tensor, tolerance)

    def recording(self) -> Golden:
        return self._reference.recording()


def traceable(core: StreamingModule, layout: Layout) -> Traceable:
    """A deployment form as ``layout`` wants it, with an example."""
    front_end, form = core.spec.front_end, layout.form
    signal = "spec" if form == "spec2spec" else "wav"
    graph: nn.Module
    free: tuple[Any, ...]
    if layout.streaming:
        batch = 3 if isinstance(layout.streams, str) else layout.streams  # free ones are traced with several
        count = 5 if isinstance(layout.hops, str) else layout.hops
        memory = core.initial_state(batch)
        graph, names = _StreamingGraph(core), tuple(memory)
        example = _example(front_end, form, batch, count)
        stream_axis = {0: torch.export.Dim("streams")} if isinstance(layout.streams, str) else {}
        time_axis: dict[int, Any] = {}
        if isinstance(layout.hops, str):
            dim = torch.export.Dim("hops", min=2)  # an ONNX graph takes a single one all the same
            time_axis = {2: dim} if form == "spec2spec" else {1: front_end.hop_length * dim}
        free = ({**stream_axis, **time_axis}, (stream_axis,) * len(memory))
        shape: tuple[int | str, ...] = (layout.streams, front_end.bins, layout.hops, 2)
        if form == "wav2wav":
            samples = "samples" if isinstance(layout.hops, str) else layout.hops * front_end.hop_length
            shape = (layout.streams, samples)
        if layout.reader is not None:
            packed = sherpa.ThreeStates(graph, [tuple(value.shape) for value in memory.values()])
            graph, memory, names = packed, packed.initial, sherpa.STATES
            free = ({}, ({},) * len(memory))
    else:
        graph, names, memory = _OfflineGraph(core), (), {}
        example = _example(front_end, form, 1, layout.frames or 100, streaming=False)
        name, axis = ("frames", 2) if form == "spec2spec" else ("samples", 1)
        free = ({axis: torch.export.Dim(name, min=2)} if layout.frames is None else None,)
        shape = tuple(name if layout.frames is None and i == axis else n for i, n in enumerate(example.shape))
    states = tuple(TensorSpec(name, (layout.streams, *memory[name].shape[1:])) for name in names)
    following = tuple(TensorSpec(f"{state.name}.next", state.shape) for state in states)
    return Traceable(
        core.spec.name,
        graph.eval(),
        (example, *memory.values()),
        free,
        (TensorSpec(f"{signal}_in", shape), *states),
        (TensorSpec(f"{signal}_out", shape), *following),
        _unrolled(core.spec.name, layout),
    )


def _unrolled(name: str, layout: Layout) -> str:
    """What to say where torch.export cannot leave free what the layout does."""
    if layout.streaming and isinstance(layout.hops, str):
        what, advice = f"number of {name}'s hops", "give a number (--hops), or export ONNX or TorchScript"
    elif not layout.streaming and layout.frames is None:
        what = f"length of {name}'s recordings"
        advice = "pass frames (--frames), or export it streaming, or as ONNX or TorchScript"
    else:
        return ""
    return UNROLLED.format(what=what, advice=advice)


class _StreamingGraph(nn.Module):
    """A streaming form whose state is a list of tensors, as a graph has them."""

    def __init__(self, core: StreamingModule) -> None:
        super().__init__()
        self.core = core
        self.names = list(core.state_shapes())

    def forward(self, signal: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        signal, after = self.core(signal, dict(zip(self.names, states, strict=True)))
        return signal, *(after[name] for name in self.names)


class _OfflineGraph(nn.Module):
    """A converted model over a whole recording from zeros, its delay compensated."""

    def __init__(self, core: StreamingModule) -> None:
        super().__init__()
        self.core = core

    def forward(self, signal: Tensor) -> Tensor:
        """(1, F, T, 2) -> the same, or (1, N) -> (1, N)"""
        if self.core.form == "spec2spec":
            return self.core(signal)[0]
        front_end, samples = self.core.spec.front_end, signal.shape[1]
        padded = functional.pad(signal, (0, front_end.n_fft))
        whole_hops = (samples + front_end.n_fft) // front_end.hop_length * front_end.hop_length
        wave = self.core(padded[:, :whole_hops])[0]
        return wave[:, front_end.delay : front_end.delay + samples]


def samples_of(frames: int, front_end: FrontEnd) -> int:
    """Samples of a recording that takes so many frames, the window's delay included."""
    return frames * front_end.hop_length - front_end.n_fft


def _example(front_end: FrontEnd, form: Form, batch: int, frames: int, *, streaming: bool = True) -> Tensor:
    """A signal of the graph's shape."""
    if form == "spec2spec":
        return torch.randn(batch, front_end.bins, frames, 2)
    return torch.randn(batch, frames * front_end.hop_length if streaming else samples_of(frames, front_end))


@torch.inference_mode()
def _check_beside(
    graph: Graph, core: StreamingModule, reference: Reference, layout: Layout, tolerance: Tolerance
) -> None:
    """Run graph and streaming form side by side, every stream on another stretch of the speech."""
    front_end, hops = core.spec.front_end, layout.hops
    batch = 2 if isinstance(layout.streams, str) else layout.streams
    stretch = np.concatenate(
        [np.roll(reference.noisy, -i * front_end.sample_rate // 2) for i in range(batch)]
    )
    sizes = [1, 7, 2, 16]  # hops of a call, where they are free
    if isinstance(hops, int):
        most = stretch.shape[1] // (hops * front_end.hop_length)
        sizes = [hops] * max(2, min(GRAPH_CHECK_CALLS, most))  # two show whether states come back
    length = sum(sizes) * front_end.hop_length
    signal = np.tile(stretch, -(-length // stretch.shape[1]))[:, :length]
    if core.form == "spec2spec":
        transforms = Transforms(front_end)
        past = transforms.initial_state()["stft.past"]
        signal = np.concatenate([transforms.analyse(row[None], past)[0] for row in signal])
    axis, unit = (2, 1) if core.form == "spec2spec" else (1, front_end.hop_length)
    state = core.initial_state(batch)
    shapes = ([batch, *(n for n in spec.shape[1:] if isinstance(n, int))] for spec in graph.inputs[1:])
    memory = [np.zeros(shape, np.float32) for shape in shapes]
    expected, computed = [], []
    for call in np.split(signal, np.cumsum(sizes[:-1]) * unit, axis=axis):
        call = np.ascontiguousarray(call)
        y, state = core(torch.from_numpy(call), state)
        got, *memory = graph(call, *memory)
        expected.append(as_array(y))
        computed.append(got)
    compare(
        np.concatenate(expected, axis),
        np.concatenate(computed, axis),
        tensor=graph.outputs[0].name,
        tolerance=tolerance,
        frame_length=unit,
        axis=axis,
    )


class Reference:
    """The training form's output for the package's own speech: what every artifact must reproduce.

    Args:
        training: a network in training form.
        length: samples of a graph of fixed length, to which the speech is cut, or padded with silence.
    """

    def __init__(self, training: StreamingModule, length: int | None = None) -> None:
        self.spec, self._training, self._length = training.spec, training, length
        self.noisy = self._fitted(golden.parity_speech(self.spec.front_end.sample_rate)[None])  # (1, N)
        self.enhanced = whole_waveform(training, self.noisy)  # (1, N)

    def check(self, session: Session, tensor: str, tolerance: Tolerance | None = None) -> ParityReport:
        """Compare what a session makes of the speech; by default with the model's tolerance.

        Raises:
            ParityError: it differs by more than that.
        """
        return compare(
            self.enhanced,
            session.whole(self.noisy),
            tensor=tensor,
            tolerance=tolerance or self.spec.tolerance,
            frame_length=self.spec.front_end.hop_length,
        )

    def check_graph(self, graph: Graph, tensor: str, tolerance: Tolerance) -> ParityReport:
        """The same of a loaded file."""
        return self.check(session_over(graph), tensor, tolerance)

    def check_converted(self, converted: StreamingModule) -> ParityReport:
        """Compare a streaming form, or what takes its place, run in PyTorch."""
        form = "streaming form" if converted.spec.streaming else "folded form"
        return self.check(TorchSession(converted, hops=TORCH_HOPS), f"waveform of the {form}")

    def recording(self) -> Golden:
        """The recording for an artifact, at most a second."""
        rate = self.spec.front_end.sample_rate
        noisy = self.noisy[:, :rate]
        enhanced = whole_waveform(self._training, self._fitted(noisy))[:, : noisy.shape[1]]
        return golden.pack(noisy[0], enhanced[0], rate)

    def _fitted(self, noisy: Array) -> Array:
        """(1, N) -> (1, length), or as it is if any length will do."""
        if self._length is None:
            return noisy
        return np.pad(noisy[:, : self._length], ((0, 0), (0, max(0, self._length - noisy.shape[1]))))


@torch.inference_mode()
def whole_waveform(training: StreamingModule, waveform: Array) -> Array:
    """Training form on a whole recording, on the stream's frame grid and aligned: (1, N) -> (1, N)."""
    model = WaveformModel(training)
    latency, length = model.spec.latency, waveform.shape[1]
    padding = model.spec.front_end.padding(length, latency)
    wave, _ = model(torch.from_numpy(np.pad(waveform, ((0, 0), (0, padding)))))
    return wave[:, latency : latency + length].numpy()


class Enhancement(Subject[StreamingModule, Layout]):
    """Noisy speech in, enhanced speech out."""

    task = "enhancement"
    networks = "enhancers"
    options = Layout
    words = ("form", "streams", "hops", "offline", "frames", "for")
    forms = EnhancementManifest.forms
    pipeline = "audio-to-audio"
    tags = ("speech-enhancement",)

    def graph(self, model: StreamingModule, options: Layout) -> EnhancerGraph:
        return EnhancerGraph(model, options)

    def wanted(
        self, model: StreamingModule, out: Path | None, words: Mapping[str, Any], ending: str
    ) -> dict[Path, dict[str, Any]]:
        """See ``Subject``; 0 leaves a number free."""
        assert out is not None, "a configuration is for text to speech"
        reader = words.get("for")
        options = {"form": self.forms[0], "streaming": not words.get("offline"), **words}
        if reader is not None:
            options |= {"form": words.get("form", "spec2spec"), "reader": options.pop("for")}
        options.pop("offline", None)
        for name in ("streams", "hops"):
            if options.get(name) == 0:
                options[name] = name
        return {out: options}

    def planned(self, model: StreamingModule, also: Sequence[str]) -> Iterator[Planned]:
        """ONNX in both forms, streaming if the model is and offline; others streaming if the model is."""
        spec = model.spec
        for streaming in (True, False) if spec.streaming else (False,):
            for form in EnhancementManifest.forms:
                for format in ("onnx", *(also if streaming == spec.streaming else ())):
                    name = f"{spec.name}.{form}{'' if streaming else '.offline'}{ENDINGS[format]}"
                    options = {"form": form, "streaming": streaming}
                    yield Planned(f"{format}/{name}", format, form, streaming, options)

    def reference(self, model: StreamingModule) -> Reference:
        return Reference(model)

    def purpose(self, spec: EnhancementSpec) -> str:
        return f"Removes noise from speech at {spec.front_end.sample_rate} Hz."

    def use(self, name: str, repo: str, graph: str) -> str:
        return f"""```sh
speechzoo pull {name} --repo {repo} -o .
speechzoo enhance noisy.wav --artifact {graph} -o clean.wav
```

```python
import zoo

enhancer = zoo.Enhancer(zoo.pull("{name}", repo="{repo}"))
```"""

    def calls(  # type: ignore[override]  # by its own options
        self,
        model: StreamingModule,
        say: Progress,
        *,
        form: Form = "wav2wav",
        streaming: bool | None = None,
        frames: int = SPOKEN,
        calls: int = SPOKEN,
    ) -> Calls:
        """Give calls on the package's speech.

        Args:
            model, say: see ``Subject``.
            form, streaming: of the graph; by default streaming if the model is.
            frames: of a call of an offline graph.
            calls: at most so many.
        """
        streaming = model.spec.streaming if streaming is None else streaming
        layout = Layout(form, streaming, frames=None if streaming else frames)
        layout.check(model.spec)
        given, front_end = traceable(to_deployment(model, form), layout), model.spec.front_end
        signal = golden.parity_speech(front_end.sample_rate)[None]
        axis, length = 1, given.arguments[0].shape[-1]
        if form == "spec2spec":
            hops = signal[:, : signal.shape[1] // front_end.hop_length * front_end.hop_length]
            signal = Transforms(front_end).analyse(hops, np.zeros((1, front_end.delay), np.float32))[0]
            axis, length = 2, given.arguments[0].shape[2]
        starts = range(0, signal.shape[axis] - length + 1, length)[:calls]
        if not starts:
            raise ValueError(f"{frames} frames are more than the speech of the package has")
        described = {
            "inputs": [spec.name for spec in given.inputs],
            "outputs": [spec.name for spec in given.outputs],
            "states": len(given.inputs) - 1,
        }
        pieces = [(np.take(signal, np.arange(at, at + length), axis=axis),) for at in starts]
        return Calls(given.module, pieces, described)


SUBJECT = Enhancement()
