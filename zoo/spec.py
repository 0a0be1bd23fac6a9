"""Frozen records that describe models: what the registry holds and what manifests repeat.

Nothing here imports torch, so that listing models and running artifacts works without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class FrontEnd:
    """How a waveform becomes the spectrum that a network reads, and how it is put together again.

    Attributes:
        sample_rate: in Hz.
        n_fft: length of the transform in samples.
        hop_length: samples between two frames.
        window: ``hann`` (periodic), ``sqrt_hann`` (square root of a periodic Hann window),
            ``sine`` (sin(pi (n + 1/2) / n_fft)), or ``rectangular`` (ones; the inverse is then the mean of
            the frames that cover a sample); as long as the transform.
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    window: str = "hann"

    @property
    def bins(self) -> int:
        """Frequencies of a frame, from 0 Hz to half the sample rate."""
        return self.n_fft // 2 + 1

    @property
    def delay(self) -> int:
        """Samples by which a streamed output lags its input: the part of the window that overlaps."""
        return self.n_fft - self.hop_length

    def padding(self, samples: int, latency: int) -> int:
        """Zeros behind a whole recording, so that whole hops give back all of it, ``latency`` late."""
        return ((samples + latency) // self.hop_length + 1) * self.hop_length - samples


@dataclass(frozen=True)
class MelSpectrum:
    """How speech is described by log-mel frames, as Tacotron 2 and its successors do.

    Frames are centred, with the signal mirrored at its ends; periodic Hann window; magnitudes, not powers;
    Slaney's filters, each of unit area; natural logarithm with a floor.

    Attributes:
        sample_rate: in Hz.
        n_fft: length of transform and window in samples.
        hop_length: samples between two frames.
        mels: filters, the bands of a frame.
        low, high: where the filters begin and end, in Hz.
        floor: least magnitude.
    """

    sample_rate: int = 22050
    n_fft: int = 1024
    hop_length: int = 256
    mels: int = 80
    low: float = 0.0
    high: float = 8000.0
    floor: float = 1e-5


WINDOWS = ("hann", "sqrt_hann", "sine", "rectangular")  # of spectra
KALDI_WINDOWS = ("hamming", "povey")  # of filterbanks


@dataclass(frozen=True)
class Filterbank:
    """How a waveform becomes log mel filterbank energies, as Kaldi computes them.

    Fixed are: no dither, frames without padding, the mean of each frame taken out, pre-emphasis 0.97, power
    spectrum, filters from 20 Hz to half the sample rate, natural logarithm with a floor at float32's epsilon;
    then the mean of the recording taken out.

    Attributes:
        sample_rate: in Hz.
        bins: filters, the features of a frame.
        win_length: samples of a frame.
        hop_length: samples between two frames.
        window: ``hamming`` as in wespeaker, or ``povey`` as in Kaldi and 3D-Speaker.
        full_scale: value of the largest sample: 32768, as in Kaldi and wespeaker, or 1, as in 3D-Speaker; it
            decides how near the floor a quiet recording is.

    Raises:
        ValueError: another window, or a scale that is none.
    """

    sample_rate: int = 16000
    bins: int = 80
    win_length: int = 400
    hop_length: int = 160
    window: str = "hamming"
    full_scale: float = 32768.0

    def __post_init__(self) -> None:
        if self.window not in KALDI_WINDOWS:
            raise ValueError(f"window {self.window!r} is none of {', '.join(KALDI_WINDOWS)}")
        if not self.full_scale > 0:
            raise ValueError(f"full_scale {self.full_scale!r} is no value of a sample")

    @property
    def n_fft(self) -> int:
        """Length of the transform: the next power of two."""
        return 1 << (self.win_length - 1).bit_length()

    def frames(self, samples: int) -> int:
        """Frames that fit into so many samples."""
        return max(0, 1 + (samples - self.win_length) // self.hop_length)

    def samples(self, frames: int) -> int:
        """Samples that so many frames need."""
        return self.win_length + (frames - 1) * self.hop_length

    def shortage(self, frames: int, least: int) -> str:
        """What is wrong with a recording of so many frames where ``least`` are needed; else empty."""
        if frames >= least:
            return ""
        seconds = self.samples(least) / self.sample_rate
        return (
            f"at least {least} frames are needed, {seconds:g} s of audio, and there are {frames}; "
            f"pass a longer recording"
        )


@dataclass(frozen=True)
class Tolerance:
    """How far two forms of a model may differ.

    Attributes:
        snr_db: least ratio of the reference to the difference, in dB, over the whole signal.
        max_error: largest difference allowed, relative to the reference's largest magnitude.
    """

    snr_db: float = 110.0
    max_error: float = 1e-5


@dataclass(frozen=True)
class TensorSpec:
    """A named tensor of a graph. A dimension is a number, or the name of a free one."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str = "float32"

    def fits(self, shape: tuple[int | str, ...]) -> bool:
        """Whether a shape agrees with this tensor's wherever both are numbers."""
        return len(shape) == len(self.shape) and all(
            isinstance(m, str) or isinstance(n, str) or m == n for m, n in zip(self.shape, shape, strict=True)
        )


PACKAGE_SCHEME = "package:"  # of an address, before a path inside the folder of the package ``zoo``
HUB_SCHEME = "hf://"  # before ORG/NAME@COMMIT/FILE
_ADDRESS = re.compile(
    rf"{PACKAGE_SCHEME}[^\s]+|https://[^\s/]+/[^\s]+|http://127\.0\.0\.1:\d+/[^\s]+"
    rf"|{HUB_SCHEME}(?P<repo>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{{40}})/(?P<file>[^\s]+)"
)


KINDS = ("checkpoint", "folder", "graph", "binary")  # of the files that weights come as
DEFAULT = "default"  # in place of a tag: the one that the model recommends, its first


@dataclass(frozen=True)
class Pinned:
    """A file that is known by its hash wherever it is.

    Attributes:
        url: its address, as that of weights.
        sha256: hex digest.
        size: bytes; None where nobody has told.

    Raises:
        ValueError: no such address, or no sha256.
    """

    url: str
    sha256: str
    size: int | None = None

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.url):
            raise ValueError(f"{self.url!r} is no address of a file")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"{self.url}: {self.sha256!r} is no sha256")

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]

    def location(self) -> tuple[str, str, str]:
        """Repository, commit and file of an ``hf://`` address.

        Raises:
            ValueError: it is another.
        """
        match = _ADDRESS.fullmatch(self.url)
        if match is None or match["repo"] is None:
            raise ValueError(f"{self.url} is not on the Hub")
        return match["repo"], match["commit"], match["file"]


@dataclass(frozen=True)
class Weights:
    """Where trained weights come from and on what terms; a descriptor without a hash does not exist.

    Attributes:
        tag: the name used in ``create_model(name, weights=tag)``.
        url: https address of the file; ``hf://ORG/NAME@COMMIT/FILE`` on the Hub; or ``package:`` and a path
            inside the package.
        sha256: hex digest of the file.
        size: bytes; None where nobody has told.
        licence: SPDX identifier.
        training_data: what the weights were trained on.
        kind: what the file is: ``checkpoint``; ``folder``, a zip of a training folder; ``graph``, a public
            ONNX graph, which ONNX Runtime runs as it is; or ``binary``, a file of another port.
        reader: ``module:function`` that reads the training form's parameters from a graph or binary:
            (paths, spec) -> NumPy arrays by name. Empty where that is not possible.
        more: further files that belong to this one, as DTLN's second graph.
        graph: a public ONNX graph of the same weights, where the file itself is none.
        front_end: what the network reads with these weights, where that is other than the model's.
        restriction: what the weights may not be used for, and behind a colon why, as far as somebody said;
            else empty.
        seen: whether this project had the file, so that what is said of it was tried.
        datasets: the public sets among that, as the Hub's cards name them.
        metrics: published or measured figures, each with the test set in its name.
        renames: regular expressions and what takes their place in the names of the file's parameters.
        same: hex digests of checkpoints with the same weights, which are known by them wherever they are.
        artifact: ``package:`` and the path of a graph with these weights (of an enhancer, streaming wav2wav),
            if one comes with the package.
        artifact_sha256: hex digest of that file.
        many: the same of a graph that takes any number of hops and streams a call.
        many_sha256: hex digest of that file.

    Raises:
        ValueError: without hash, size, terms or training data, or an address that does not pin the file.
    """

    tag: str
    url: str
    sha256: str
    size: int | None
    licence: str
    training_data: str
    kind: str = "checkpoint"
    reader: str = ""
    more: tuple[Pinned, ...] = ()
    graph: Pinned | None = None
    front_end: FrontEnd | Filterbank | MelSpectrum | None = None
    restriction: str = ""
    seen: bool = True
    datasets: Sequence[str] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    same: Sequence[str] = ()
    artifact: str = ""
    artifact_sha256: str = ""
    many: str = ""
    many_sha256: str = ""

    def __post_init__(self) -> None:
        where = f"weights {self.tag!r}"
        if not _ADDRESS.fullmatch(self.url):
            raise ValueError(
                f"{where}: {self.url!r} is no address of the kinds https://, {HUB_SCHEME}ORG/NAME@COMMIT/FILE"
                f" with all 40 digits of the commit, or {PACKAGE_SCHEME}PATH"
            )
        hashes = [self.sha256, *self.same]
        hashes += [
            h for h, of in ((self.artifact_sha256, self.artifact), (self.many_sha256, self.many)) if of
        ]
        for text in hashes:
            if not re.fullmatch(r"[0-9a-f]{64}", text):
                raise ValueError(f"{where}: {text!r} is no sha256; without one there is no descriptor")
        if self.size is not None and (type(self.size) is not int or self.size < 1):
            raise ValueError(f"{where}: {self.size!r} is no size in bytes")
        if self.kind not in KINDS:
            raise ValueError(f"{where}: {self.kind!r} is no kind of file; known are {', '.join(KINDS)}")
        if self.kind == "graph" and self.graph is not None:
            raise ValueError(f"{where}: the file is a graph itself, and needs none beside it")
        if not all((self.tag, self.licence, self.training_data)):
            raise ValueError(f"{where}: tag, licence and training data must be given")
        if self.tag == DEFAULT:
            raise ValueError(f"{where}: that word stands for a model's first tag")

    @property
    def file(self) -> Pinned:
        """The file alone, without what is known of it."""
        return Pinned(self.url, self.sha256, self.size)

    @property
    def files(self) -> tuple[Pinned, ...]:
        """The file, what belongs to it, and the public graph beside it, if there is one."""
        return (self.file, *self.more, *([self.graph] if self.graph else []))

    @property
    def terms(self) -> dict[str, str]:
        """Licence, training data and restriction, if there is one: what goes wherever the weights go."""
        terms = {
            "licence": self.licence,
            "training_data": self.training_data,
            "restriction": self.restriction,
        }
        return {name: text for name, text in terms.items() if text}

    def location(self) -> tuple[str, str, str]:
        """Repository, commit and file of an ``hf://`` address."""
        return self.file.location()


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """All that is known of a model without building it; what is particular to a task is in a subclass.

    Attributes:
        task: what it is for.
        entry: the class that runs such models.
        name: registered name.
        family: folder under ``zoo/models``.
        title: what it is called in its paper.
        paper: citation in one line.
        url: address of the paper or project.
        licence: SPDX identifier of the public implementation that its checkpoints come from.
        front_end: what the network reads.
        network: ``module:Class`` of the training form.
        options: keyword arguments of that class.
        parameters: elements of the training form's parameters and buffers that are saved by its
            public implementation as parameters.
        macs_per_second: multiply-accumulate operations of convolutions, recurrent and linear layers and
            attention in the training form for a second of audio, transforms and features excluded, three
            digits; of speaker networks for a recording of 200 frames, of text to speech from 128 tokens to
            1024 frames.
        weights: trained weights by tag.
        config_reader: ``module:function`` that turns the parsed configuration file of a public
            training folder into (options, front end); empty where the family has no such folders.
        shapes_reader: ``module:function`` that finds the options in the shapes of a public checkpoint's
            parameters; empty where a family's sizes come from a configuration file.
        readers: ``module:function`` by kind of file, ``graph`` or ``binary``, that reads the training form's
            parameters from any such file of the family, as ``Weights.reader`` does from one.
        tolerance: what its exports are held to.
    """

    task: ClassVar[str]
    entry: ClassVar[str]

    name: str
    family: str
    title: str
    paper: str
    url: str
    licence: str
    front_end: FrontEnd | Filterbank | MelSpectrum
    network: str
    options: Mapping[str, Any]
    parameters: int
    macs_per_second: int
    weights: tuple[Weights, ...] = ()
    config_reader: str = ""
    shapes_reader: str = ""
    readers: Mapping[str, str] = field(default_factory=dict)
    tolerance: Tolerance = Tolerance()

    def covers(self, options: Mapping[str, Any]) -> bool:
        """Whether a network with these options is one of this model, if perhaps of another size."""
        return True


@dataclass(frozen=True, kw_only=True)
class EnhancementSpec(ModelSpec):
    """A network that maps a noisy spectrum to an enhanced one.

    Attributes:
        front_end: the spectrum's geometry.
        look_ahead: frames of the future that an output frame needs.
        streaming: False for a network that reads the whole recording before its first output: it has no
            state, no stream and no streaming graph.
    """

    task = "enhancement"
    entry = "zoo.Enhancer"

    front_end: FrontEnd
    look_ahead: int = 0
    streaming: bool = True

    @property
    def latency(self) -> int:
        """Samples from an input sample to the output sample of the same instant, apart from buffering."""
        return self.front_end.delay + self.look_ahead * self.front_end.hop_length


@dataclass(frozen=True, kw_only=True)
class SynthesisSpec(ModelSpec):
    """A network that maps the tokens of a text to log-mel frames of speech.

    Attributes:
        front_end: the frames' geometry.
        symbols: what the token ids stand for; index 0 is padding.
        buckets: sizes of the graphs that are exported by default: tokens and frames, ascending.
        vocoder: what makes its frames audible where the caller does not say: a vocoder of ours that learned
            the same voice, or ``griffin-lim``.
    """

    task = "synthesis"
    entry = "zoo.Synthesizer"

    front_end: MelSpectrum
    symbols: tuple[str, ...]
    buckets: tuple[tuple[int, int], ...]
    vocoder: str = "griffin-lim"


@dataclass(frozen=True, kw_only=True)
class VocoderSpec(ModelSpec):
    """A network that makes a waveform of log-mel frames.

    Attributes:
        front_end: the frames' geometry.
        look_ahead: frames of the future that a frame of the spectrum inside needs.
    """

    task = "vocoder"
    entry = "zoo.Synthesizer"
    streaming: ClassVar[bool] = True

    front_end: MelSpectrum
    look_ahead: int

    @property
    def inverse(self) -> FrontEnd:
        """The transform from the spectrum inside to the waveform: that of the frames."""
        return FrontEnd(self.front_end.sample_rate, self.front_end.n_fft, self.front_end.hop_length)

    @property
    def latency(self) -> int:
        """Samples by which the waveform is late: frames are centred, and each sample waits for the last one
        that covers it."""
        return self.look_ahead * self.front_end.hop_length + self.front_end.n_fft // 2


@dataclass(frozen=True, kw_only=True)
class SpeakerSpec(ModelSpec):
    """A network that maps the features of a recording to an embedding of its speaker.

    Attributes:
        front_end: the features' geometry.
        least_frames: of the shortest recording with a finite embedding.
        variable: options that a training folder may set to other values than the record's.
    """

    task = "speaker"
    entry = "zoo.Embedder"

    front_end: Filterbank
    least_frames: int
    variable: tuple[str, ...] = ("embedding",)
    tolerance: Tolerance = Tolerance(snr_db=80.0, max_error=1e-4)

    @property
    def embedding(self) -> int:
        """Elements of an embedding."""
        return int(self.options["embedding"])

    def covers(self, options: Mapping[str, Any]) -> bool:
        own, other = dict(self.options), dict(options)
        for name in self.variable:
            own.pop(name, None)
            other.pop(name, None)
        return own == other
