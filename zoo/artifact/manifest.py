"""The record that every artifact carries: in an ONNX file's own metadata, as JSON under one key."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from zoo.errors import ArtifactError
from zoo.limits import HIGHEST_RATE, LARGEST_TENSOR, check_fields, check_front_end, parse_json
from zoo.spec import Filterbank, FrontEnd, MelSpectrum, TensorSpec, Tolerance

if TYPE_CHECKING:
    from typing_extensions import Self

METADATA_KEY = "speechzoo"
VERSION = 1
RANDOM = "random"  # the source of weights that nobody trained
_DTYPES = ("float32", "float16", "int64", "int32", "bool")
FREE = "free"  # the form of a graph of any size
_SIZE = re.compile(r"[1-9]\d*/[1-9]\d*")  # TOKENS/FRAMES

Form = Literal["spec2spec", "wav2wav"]
SpeakerForm = Literal["feats", "wav"]


@dataclass(frozen=True)
class Golden:
    """A recording inside the artifact, with the training form's output for it.

    Attributes:
        noisy: FLAC file, base64: 16-bit mono at the model's rate, at most a second.
        enhanced: FLAC file, base64: the expected output of the same length, divided by ``peak``.
        peak: largest magnitude of the expected output.
    """

    noisy: str
    enhanced: str
    peak: float


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is needed to run an artifact and to judge it; what is particular to a task is in a subclass.

    Attributes:
        task: which subclass this is, under the same name in the JSON.
        forms: that graphs of the task have; the first is meant where none is named. Empty for graphs of fixed
            sizes, whose form is their size.
        streamable: whether graphs of the task are either streaming or offline.
        recording: the class of golden recordings.
        model: registered name.
        front_end: what the model reads, or makes.
        inputs, outputs: tensors in the graph's order, without the states.
        weights: sha256 of the training form's parameters; source (``RANDOM`` if nobody trained them), licence
            and training data if known.
        tolerance: what the export was held to.
        toolchain: versions of the packages that made the artifact.
    """

    task: ClassVar[str]
    forms: ClassVar[tuple[str, ...]]
    streamable: ClassVar[bool] = False
    recording: ClassVar[type[Golden | GoldenEmbedding | GoldenSpeech]]

    model: str
    front_end: FrontEnd | Filterbank | MelSpectrum
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    weights: Mapping[str, str] = field(default_factory=dict)
    tolerance: Tolerance = Tolerance()
    toolchain: Mapping[str, str] = field(default_factory=dict)
    version: int = VERSION

    @classmethod
    def has_form(cls, form: str) -> bool:
        """Whether a graph of the task can be of a form."""
        return form in cls.forms

    @staticmethod
    def of_task(task: str) -> type[Manifest]:
        """The task's class of records.

        Raises:
            ValueError: there is no such task.
        """
        kinds = [*Manifest.__subclasses__(), *StreamManifest.__subclasses__()]
        known = {kind.task: kind for kind in kinds if not kind.__subclasses__()}
        if task not in known:
            raise ValueError(f"there is no task {str(task)[:40]!r}; tasks are {', '.join(known)}")
        return known[task]

    @property
    def warning(self) -> str:
        """What everyone who runs the graph should know; empty if there is nothing."""
        if self.weights.get("source") != RANDOM:
            return ""
        return f"its weights are random, as {self.model} was exported without trained ones: it is of no use"

    @property
    def graph_inputs(self) -> tuple[TensorSpec, ...]:
        """All that the graph takes, in its order."""
        return self.inputs

    @property
    def graph_outputs(self) -> tuple[TensorSpec, ...]:
        """All that the graph gives, in its order."""
        return self.outputs

    @property
    def ranges(self) -> Mapping[str, tuple[int, int, int]]:
        """Least, best and most of every free dimension, for compilers that want to know."""
        return {}

    @property
    def no_engine(self) -> str:
        """Why no engine can be built of the graph, and the way out; empty if one can."""
        return ""

    def contradiction(self) -> str:
        """What in the record cannot be true at once; empty if there is nothing."""
        return ""

    def check(self) -> None:
        """Hold every field against its type and its limits.

        Raises:
            ValueError: names the first that is something else than it can be.
        """
        golden = getattr(self, "golden", None)
        if golden is not None:
            try:
                check_fields(golden, "golden ")
            except ValueError as error:
                raise ValueError(f"its golden recording is damaged: {error}") from error
        check_fields(self)
        check_front_end(self.front_end)
        for spec in (*self.graph_inputs, *self.graph_outputs):
            if spec.dtype not in _DTYPES:
                raise ValueError(f"{spec.name} has dtype {spec.dtype[:60]!r}; expected {', '.join(_DTYPES)}")
            sizes = [n for n in spec.shape if isinstance(n, int)]
            if not all(n > 0 for n in sizes) or math.prod(sizes) > LARGEST_TENSOR:
                raise ValueError(
                    f"{spec.name} has shape {spec.shape}; expected at most {LARGEST_TENSOR} elements"
                )

    def to_json(self) -> str:
        return json.dumps({"task": self.task, **dataclasses.asdict(self)}, sort_keys=True)

    @staticmethod
    def from_json(text: str, where: str) -> Manifest:
        """Parse a manifest of any task; ``where`` names its artifact in errors.

        Raises:
            ArtifactError: not JSON, a field missing or unknown, or a newer version than this package's.
        """
        try:
            data = parse_json(text)
            if data["version"] != VERSION:
                raise ArtifactError(
                    f"{where}: its manifest has version {data['version']}, this package reads version "
                    f"{VERSION}; use the speechzoo that made it, or export it again"
                )
            found = Manifest.of_task(data.pop("task", EnhancementManifest.task))._from_fields(data)
            found.check()
            return found
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArtifactError(
                f"{where}: its manifest cannot be read ({type(error).__name__}: {error}); "
                f"export or download the artifact again"
            ) from error

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        """A manifest from its JSON's fields; a subclass turns its own into what they were."""
        return cls(
            **{
                **data,
                "inputs": _tensors(data["inputs"]),
                "outputs": _tensors(data["outputs"]),
                "tolerance": Tolerance(**data["tolerance"]),
            }
        )


@dataclass(frozen=True, kw_only=True)
class StreamManifest(Manifest):
    """The record of a graph with one signal in, one out, and states: what C and its like can be made of.

    Attributes:
        form: what the signals are.
        streaming: frames with states in and out, or a whole recording at once.
        latency: samples from an input sample to the same instant's output sample.
        states: tensors that go in as ``<name>`` and come out as ``<name>.next``; zeros at the start.
        hops: frames of a call, or "hops" where that is free; "frames" of an offline graph.
        streams: streams of a call, or "streams" where that is free.
        golden: recording for ``verify``; None only while an artifact is being made.
    """

    task = "what runs as a stream"
    recording = Golden

    form: str
    streaming: bool = True
    latency: int
    states: tuple[TensorSpec, ...]
    hops: int | str
    streams: int | str
    golden: Golden | None = None

    def __post_init__(self) -> None:
        if self.form not in self.forms:
            raise ValueError(f"form {self.form!r} is none of {', '.join(self.forms)}")
        fixed = type(self.hops) is int and 0 < self.hops <= HIGHEST_RATE
        if not (fixed or self.hops == "hops" if self.streaming else self.hops == "frames"):
            raise ValueError(f"hops {self.hops!r} with streaming {self.streaming}")
        if type(self.latency) is not int or not 0 <= self.latency <= HIGHEST_RATE:
            raise ValueError(f"latency {self.latency!r}")
        if not len(self.inputs) == len(self.outputs) == 1:
            raise ValueError(f"{len(self.inputs)} inputs and {len(self.outputs)} outputs, besides the states")

    @property
    def graph_inputs(self) -> tuple[TensorSpec, ...]:
        return (*self.inputs, *self.states)

    @property
    def graph_outputs(self) -> tuple[TensorSpec, ...]:
        return (*self.outputs, *(replace(state, name=f"{state.name}.next") for state in self.states))

    @property
    def samples(self) -> int | str:
        """Of a call's waveform."""
        assert not isinstance(self.front_end, Filterbank), "which no stream has"
        return "samples" if isinstance(self.hops, str) else self.hops * self.front_end.hop_length

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        golden = data["golden"]
        return super()._from_fields(
            {
                **data,
                "states": _tensors(data["states"]),
                "golden": None if golden is None else Golden(**golden),
            }
        )

    def _mismatch(self, specs: Sequence[TensorSpec], shape: tuple[int | str, ...], what: str) -> str:
        """Name the first tensor of another shape than ``what`` of the manifest make; empty if all have it."""
        for spec in specs:
            if not spec.fits(shape):
                return f"its {spec.name} has shape {spec.shape} where {what} of its manifest make {shape}"
        return ""


@dataclass(frozen=True, kw_only=True)
class EnhancementManifest(StreamManifest):
    """The record of an enhancer's graph.

    Attributes:
        form: ``spec2spec`` (B, F, T, 2) or ``wav2wav`` (B, N).
        front_end: the spectrum's geometry.
    """

    task = "enhancement"
    forms = ("wav2wav", "spec2spec")
    streamable = True

    form: Form
    streaming: bool
    front_end: FrontEnd

    @property
    def ranges(self) -> Mapping[str, tuple[int, int, int]]:
        rate, hop = self.front_end.sample_rate, self.front_end.hop_length
        return {
            "streams": (1, 8, 32),
            "hops": (1, 16, 64),
            "frames": (2, 10 * rate // hop, 30 * rate // hop),
            "samples": (hop, 10 * rate, 30 * rate),
        }

    def contradiction(self) -> str:
        signal: tuple[int | str, ...] = (self.streams, self.front_end.bins, self.hops, 2)
        if self.form == "wav2wav":
            signal = (self.streams, self.samples)
        return self._mismatch((*self.inputs, *self.outputs), signal, "window, hop and streams")

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        return super()._from_fields({**data, "front_end": FrontEnd(**data["front_end"])})


@dataclass(frozen=True, kw_only=True)
class VocoderManifest(StreamManifest):
    """The record of a vocoder's graph: ``mel_in`` (B, hops, mels) to ``wav_out`` (B, hops x hop).

    Its recording is speech whose log-mel frames go in, and the waveform that comes out.

    Attributes:
        front_end: the frames' geometry.
    """

    task = "vocoder"
    forms = ("mel2wav",)
    streamable = True

    front_end: MelSpectrum

    @property
    def ranges(self) -> Mapping[str, tuple[int, int, int]]:
        hop = self.front_end.hop_length
        return {"streams": (1, 4, 16), "hops": (1, 128, 1024), "samples": (hop, 128 * hop, 1024 * hop)}

    def contradiction(self) -> str:
        wrong = "" if self.streaming else "it is of a vocoder, which streams, and says that it does not"
        frames = (self.streams, self.hops, self.front_end.mels)
        wrong = wrong or self._mismatch(self.inputs, frames, "frames and streams")
        return wrong or self._mismatch(self.outputs, (self.streams, self.samples), "hop and streams")

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        return super()._from_fields({**data, "front_end": MelSpectrum(**data["front_end"])})


@dataclass(frozen=True)
class GoldenEmbedding:
    """A recording inside the artifact, with the training form's embedding of it, the mean subtracted if the
    graph does that.

    Attributes:
        signal: FLAC file, base64: 16-bit mono of a second at most, for a graph that takes a waveform; else
            base64 of its features (T, F), little-endian float16.
        embedding: base64 of (E,) little-endian float32.
    """

    signal: str
    embedding: str


@dataclass(frozen=True, kw_only=True)
class SpeakerManifest(Manifest):
    """The record of a graph that embeds recordings.

    Attributes:
        form: ``feats`` (B, T, F), less their mean over the recording; or ``wav`` (B, N) with ``lengths``
            (B,), the samples of each row.
        front_end: the features' geometry.
        embedding: elements of an embedding.
        least_frames: of the shortest recording with a finite embedding.
        mean_subtracted: whether the graph subtracts the mean of a cohort, so that nothing else must.
        golden: recording for ``verify``; None only while an artifact is being made.
    """

    task = "speaker"
    forms = ("wav", "feats")
    recording = GoldenEmbedding

    form: SpeakerForm
    front_end: Filterbank
    embedding: int
    least_frames: int
    mean_subtracted: bool
    golden: GoldenEmbedding | None = None

    def __post_init__(self) -> None:
        if self.form not in get_args(SpeakerForm):
            raise ValueError(f"form {self.form!r} is none of {', '.join(get_args(SpeakerForm))}")
        if type(self.least_frames) is not int or self.least_frames < 1:
            raise ValueError(f"least_frames {self.least_frames!r}")
        if type(self.mean_subtracted) is not bool:
            raise ValueError(f"mean_subtracted {self.mean_subtracted!r}")

    def contradiction(self) -> str:
        shapes: tuple[tuple[int | str, ...], ...] = (("B", "T", self.front_end.bins),)
        if self.form == "wav":
            shapes = (("B", "N"), ("B",))
        found = [spec.shape for spec in (*self.inputs, *self.outputs)]
        expected = [*shapes, ("B", self.embedding)]
        specs = (*self.inputs, *self.outputs)
        if len(specs) == len(expected) and all(a.fits(b) for a, b in zip(specs, expected, strict=True)):
            return ""
        return f"its tensors have shapes {found} where form and features of its manifest make {expected}"

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        golden = data["golden"]
        return super()._from_fields(
            {
                **data,
                "front_end": Filterbank(**data["front_end"]),
                "golden": None if golden is None else GoldenEmbedding(**golden),
            }
        )


def _tensors(items: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(i["name"], tuple(i["shape"]), i["dtype"]) for i in items)


@dataclass(frozen=True)
class GoldenSpeech:
    """A text inside the artifact, with the frames that the training form, padded to the same size, makes of
    it.

    Attributes:
        ids: tokens of the text.
        durations: predicted frames of each token, before rounding.
        forced: frames of each token for which ``mel`` holds.
        mel: base64 of (F, mels) little-endian int16, the valid frames divided by ``peak``.
        peak: largest magnitude of the frames, over the largest int16.
    """

    ids: tuple[int, ...]
    durations: tuple[float, ...]
    forced: tuple[float, ...]
    mel: str
    peak: float


@dataclass(frozen=True, kw_only=True)
class SynthesisManifest(Manifest):
    """The record of a graph from tokens to log-mel frames, of one size or of all up to one.

    Inputs: ``ids`` (B, tokens) int64; ``lengths`` (B,) int64, tokens of each row; ``alpha`` (B,), how slowly
    to speak; ``forced`` (B, tokens), frames of each token, or a negative number for the predicted ones.
    Outputs: ``mel`` (B, frames, mels); ``mel_lengths`` (B,) int64, more than ``frames`` if those are too few;
    ``durations`` (B, tokens), as predicted.

    Attributes:
        front_end: the frames' geometry.
        symbols: what the ids stand for; 0 is padding.
        tokens, frames: the graph's size; where that is free, the most.
        free: a call is as long as its text, and gives as many frames as the speech has.
        batch: texts of a call, or "batch" where that is free.
        golden: text for ``verify``; None only while an artifact is being made.
    """

    task = "synthesis"
    forms = ()
    recording = GoldenSpeech

    front_end: MelSpectrum
    symbols: tuple[str, ...]
    tokens: int
    frames: int
    batch: int | str
    free: bool = False
    golden: GoldenSpeech | None = None

    def __post_init__(self) -> None:
        if type(self.free) is not bool:
            raise ValueError(f"free {self.free!r}")
        for name in ("tokens", "frames"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)!r}")
        if not (self.batch == "batch" or (type(self.batch) is int and self.batch > 0)):
            raise ValueError(f"batch {self.batch!r}")

    @property
    def ranges(self) -> Mapping[str, tuple[int, int, int]]:
        return {"batch": (1, 4, 16)}

    @property
    def no_engine(self) -> str:
        return (
            "its sizes are free, and engines have fixed ones: export it with --buckets" if self.free else ""
        )

    def width(self, longest: int) -> int:
        """The tokens of a call whose longest text has so many."""
        return longest if self.free else self.tokens

    @classmethod
    def has_form(cls, form: str) -> bool:
        return form == FREE or _SIZE.fullmatch(form) is not None

    @property
    def form(self) -> str:
        """The size, as repositories name it: ``32/256``, or ``free``."""
        return FREE if self.free else f"{self.tokens}/{self.frames}"

    def contradiction(self) -> str:
        tokens, frames = ("tokens", "frames") if self.free else (self.tokens, self.frames)
        batch, wide = self.batch, (self.batch, tokens)
        expected = {
            "ids": wide, "lengths": (batch,), "alpha": (batch,), "forced": wide,
            "mel": (batch, frames, self.front_end.mels), "mel_lengths": (batch,), "durations": wide,
        }  # fmt: skip
        found = {spec.name: spec for spec in (*self.inputs, *self.outputs)}
        if found.keys() == expected.keys() and all(found[n].fits(s) for n, s in expected.items()):
            return ""
        return f"its tensors are {[(n, s.shape) for n, s in found.items()]}, and should be {expected}"

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        golden = data["golden"]
        if golden is not None:
            lists = {name: tuple(golden[name]) for name in ("ids", "durations", "forced")}
            golden = GoldenSpeech(**{**golden, **lists})
        front_end, symbols = MelSpectrum(**data["front_end"]), tuple(data["symbols"])
        return super()._from_fields({**data, "front_end": front_end, "symbols": symbols, "golden": golden})
