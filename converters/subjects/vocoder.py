"""Exports vocoders: streaming graphs from log-mel frames to a waveform, states as inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from converters.subjects.subject import Calls, Exportable, Planned, Progress, Subject, Traceable
from zoo.arrays import Array
from zoo.artifact import golden
from zoo.artifact.manifest import Golden, VocoderManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.hub.index import ENDINGS
from zoo.networks.vocoder import VocoderNetwork
from zoo.runtime.graph import Graph
from zoo.signal.mel import log_mel
from zoo.spec import TensorSpec, Tolerance, VocoderSpec
from zoo.streaming.conversion import to_streaming
from zoo.tasks.vocoder.feeds import speech_frames
from zoo.tasks.vocoder.graph import GraphVocoder, vocoder_manifest
from zoo.tasks.vocoder.torch import TorchVocoder

SPOKEN = 40  # calls whose layers are compared


@dataclass(frozen=True)
class VocoderOptions:
    """Which graph of a vocoder.

    Attributes:
        form: ``mel2wav``, the only one.
        hops: frames of a call; "hops" leaves them free.
        streams: of a call; "streams" leaves them free.

    Raises:
        ValueError: another form, or a number that is none from 1.
    """

    form: str = "mel2wav"
    hops: int | Literal["hops"] = "hops"
    streams: int | Literal["streams"] = 1

    def __post_init__(self) -> None:
        if self.form not in VocoderManifest.forms:
            raise ValueError(f"form {self.form!r} is none of {', '.join(VocoderManifest.forms)}")
        for name in ("hops", "streams"):
            value = getattr(self, name)
            if value != name and not (type(value) is int and value > 0):
                raise ValueError(f'{name} is a number from 1, or "{name}" to leave it free, not {value!r}')


class VocoderGraph(Exportable):
    """A vocoder for so many frames and streams.

    Args:
        model: training form, in eval mode.
        options: frames and streams.
    """

    def __init__(self, model: VocoderNetwork, options: VocoderOptions) -> None:
        if model.form != "training":
            raise ValueError(f"this {model.spec.name} is a streaming form already; pass the training form")
        self.training: VocoderNetwork = model
        self.name, self.kind = model.spec.name, f"{options.form}, streaming"
        self._options = options
        self._reference = Reference(model)

    def prepare(self, say: Progress) -> Traceable:
        core = to_streaming(self.training)
        self._reference.check_session(TorchVocoder(core), "waveform of the streaming form")  # type: ignore[arg-type]
        return traceable(core, self._options)  # type: ignore[arg-type]

    def manifest(
        self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], **common: Any
    ) -> VocoderManifest:
        spec, options = self.training.spec, self._options
        return VocoderManifest(
            form=options.form,
            front_end=spec.front_end,
            latency=spec.latency,
            inputs=inputs[:1],
            outputs=outputs[:1],
            states=inputs[1:],
            hops=options.hops,
            streams=options.streams,
            **common,
        )

    def check(self, graph: Graph, tolerance: Tolerance) -> ParityReport:
        return self._reference.check_graph(graph, "waveform of the graph", tolerance)

    def recording(self) -> Golden:
        return self._reference.recording()


class Reference:
    """What the training form makes of the package's own speech: what every artifact must reproduce.

    Args:
        training: a network in training form.
    """

    def __init__(self, training: VocoderNetwork) -> None:
        self.spec: VocoderSpec = training.spec
        self._training = training
        self._mel = speech_frames(self.spec.front_end)
        self._wave = whole_waveform(training, self._mel)

    def check_graph(self, graph: Graph, tensor: str, tolerance: Tolerance) -> ParityReport:
        """Hold a loaded file against it, as a stream in pieces of several lengths.

        Raises:
            ParityError: it makes something else.
        """
        return self.check_session(GraphVocoder(graph, vocoder_manifest(graph)), tensor, tolerance)

    def check_session(
        self, session: GraphVocoder | TorchVocoder, tensor: str, tolerance: Tolerance | None = None
    ) -> ParityReport:
        """The same of what computes; by default with the model's tolerance."""
        stream = session.stream()
        pieces = np.split(self._mel, np.cumsum([1, 2, 7, 16, 40]))
        wave = np.concatenate([*map(stream.push, pieces), stream.flush()])
        return compare(
            self._wave,
            wave,
            tensor=tensor,
            tolerance=tolerance or self.spec.tolerance,
            frame_length=self.spec.front_end.hop_length,
        )

    def recording(self) -> Golden:
        """The recording for an artifact, a second."""
        front_end = self.spec.front_end
        speech = golden.parity_speech(front_end.sample_rate)[: front_end.sample_rate]
        made = whole_waveform(self._training, log_mel(speech, front_end))[: len(speech)]
        return golden.pack(speech, made, front_end.sample_rate)


@torch.inference_mode()
def whole_waveform(training: VocoderNetwork, mel: Array) -> Array:
    """Training form on whole frames, silence behind them, aligned: (F, mels) -> (F x hop,)."""
    front_end, latency = training.spec.front_end, training.spec.latency
    padding = -(-latency // front_end.hop_length)
    padded = np.pad(mel, ((0, padding), (0, 0)), constant_values=np.log(front_end.floor)).astype(np.float32)
    wave, _ = training(torch.from_numpy(padded)[None])
    return wave[0, latency:][: len(mel) * front_end.hop_length].numpy()


def traceable(core: VocoderNetwork, options: VocoderOptions) -> Traceable:
    """A streaming form for so many frames and streams, with an example."""
    hops, streams, front_end = options.hops, options.streams, core.spec.front_end
    batch = 3 if isinstance(streams, str) else streams  # free ones are traced with several
    count = 9 if isinstance(hops, str) else hops
    memory = core.initial_state(batch)
    stream_axis = {0: torch.export.Dim("streams")} if isinstance(streams, str) else {}
    time_axis = {1: torch.export.Dim("hops", min=2)} if isinstance(hops, str) else {}
    states = tuple(TensorSpec(name, (streams, *value.shape[1:])) for name, value in memory.items())
    samples = "samples" if isinstance(hops, str) else hops * front_end.hop_length
    return Traceable(
        core.spec.name,
        _StreamingGraph(core).eval(),
        (torch.randn(batch, count, front_end.mels) - 5, *memory.values()),
        ({**stream_axis, **time_axis}, (stream_axis,) * len(memory)),
        (TensorSpec("mel_in", (streams, hops, front_end.mels)), *states),
        (
            TensorSpec("wav_out", (streams, samples)),
            *(TensorSpec(f"{state.name}.next", state.shape) for state in states),
        ),
    )


class _StreamingGraph(nn.Module):
    """A streaming form whose state is a list of tensors, as a graph has them."""

    def __init__(self, core: VocoderNetwork) -> None:
        super().__init__()
        self.core, self.names = core, list(core.state_shapes())

    def forward(self, mel: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        wave, after = self.core(mel, dict(zip(self.names, states, strict=True)))
        return wave, *(after[name] for name in self.names)


class Vocoding(Subject[VocoderNetwork, VocoderOptions]):
    """Log-mel frames in, a waveform out."""

    task = "vocoder"
    networks = "vocoders"
    options = VocoderOptions
    words = ("hops",)
    forms = VocoderManifest.forms
    pipeline = "audio-to-audio"
    tags = ("vocoder", "text-to-speech")

    def graph(self, model: VocoderNetwork, options: VocoderOptions) -> VocoderGraph:
        return VocoderGraph(model, options)

    def wanted(
        self, model: VocoderNetwork, out: Path | None, words: Mapping[str, Any], ending: str
    ) -> dict[Path, dict[str, Any]]:
        """See ``Subject``; 0 leaves a number free, and so does saying nothing of the frames of an ONNX
        file."""
        assert out is not None, "a configuration is for text to speech"
        return {out: {name: name if value == 0 else value for name, value in words.items()}}

    def planned(self, model: VocoderNetwork, also: Sequence[str]) -> Iterator[Planned]:
        """One file a format, of any number of frames."""
        for format in ("onnx", *also):
            name = f"{model.spec.name}{ENDINGS[format]}"
            yield Planned(f"{format}/{name}", format, VocoderOptions().form, True, {})

    def reference(self, model: VocoderNetwork) -> Reference:
        return Reference(model)

    def purpose(self, spec: VocoderSpec) -> str:
        return f"Makes a waveform at {spec.front_end.sample_rate} Hz of log-mel frames."

    def use(self, name: str, repo: str, graph: str) -> str:
        return f"""```sh
speechzoo pull {name} --repo {repo} -o .
speechzoo speak "Hello." --vocoder {graph} -o hello.wav
```

```python
import zoo

speak = zoo.Synthesizer(vocoder=zoo.pull("{name}", repo="{repo}"))
```"""

    def calls(  # type: ignore[override]  # by its own options
        self, model: VocoderNetwork, say: Progress, *, calls: int = SPOKEN
    ) -> Calls:
        """Give calls on the package's speech.

        Args:
            model, say: see ``Subject``.
            calls: at most so many, of eight frames.
        """
        given = traceable(to_streaming(model), VocoderOptions(hops=8))  # type: ignore[arg-type]
        mel = speech_frames(model.spec.front_end)
        pieces = [(mel[at : at + 8][None],) for at in range(0, len(mel) - 7, 8)][:calls]
        described = {
            "inputs": [spec.name for spec in given.inputs],
            "outputs": [spec.name for spec in given.outputs],
            "states": len(given.inputs) - 1,
        }
        return Calls(given.module, pieces, described)


SUBJECT = Vocoding()
