"""What is to be timed: a case for every row, made from the words of a command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal

from zoo.artifact.manifest import EnhancementManifest, Form
from zoo.benchmark.exports import Exports
from zoo.errors import SpeechZooError
from zoo.hub.weights import locate
from zoo.registry import get_spec
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import EnhancementSpec, FrontEnd
from zoo.tasks.enhancement.graph import StreamingSession
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.public_graph import open_foreign_session

Backend = Literal["onnxruntime", "torch", "native"]
Number = int | Literal["any"]


@dataclass(frozen=True)
class Case:
    """A model or a file, and one way to run it.

    Attributes:
        name: of model and weights as they were given, or of the file.
        group: the subject that it is, or that it is a reference of.
        form: ``wav2wav`` or ``spec2spec``.
        backend: what computes.
        graph: streams x hops as the graph has them, ``any`` where they are free; ``eager`` in PyTorch.
        path: the ONNX file, absolute, which native code is made of; None in PyTorch.
        threads, streams, hops: of a call.
        front_end: rate and hop, for real-time factors.
        reference: what its time is divided by; None for nothing, or for itself.
    """

    name: str
    group: str
    form: Form
    backend: Backend
    graph: str
    path: Path | None
    threads: int
    streams: int
    hops: int
    front_end: FrontEnd
    reference: Case | None = None


@dataclass(frozen=True)
class Sizes:
    """Which cases to make of a subject.

    Attributes:
        forms, backends: of models; a file has its own form and runs in ONNX Runtime.
        threads: of a call.
        streams, hops: of a call, where they are free; where a file fixes them, its own.
    """

    forms: Sequence[Form] = ("wav2wav",)
    backends: Sequence[Backend] = ("onnxruntime",)
    threads: Sequence[int] = (1,)
    streams: Sequence[int] = (1,)
    hops: Sequence[int] = (1,)


class OnnxFile:
    """A streaming graph in a file, of ours or of others.

    Args:
        path: the file.
        sample_rate: in Hz, of a file that does not tell.

    Attributes:
        name, given: without and with the folder.
        form, front_end: of the signal.
        own: whether it has a manifest of ours.
        streams, hops: of a call, ``any`` where free.

    Raises:
        ArtifactError, SpeechZooError: no such file, not ONNX, or not a streaming graph.
    """

    def __init__(self, path: Path, sample_rate: int = 16000) -> None:
        self.path, self.name, self.given = path.absolute(), path.name, str(path)
        session = open_streaming(path, sample_rate=sample_rate)
        graph = session.graph
        self.own = graph.manifest is not None
        self.form: Form = "spec2spec" if len(graph.inputs[0].shape) == 4 else "wav2wav"
        self.front_end = session.front_end
        free = all(isinstance(spec.shape[0], str) for spec in graph.inputs)
        first = graph.inputs[0].shape[0]
        self.streams: Number = "any" if free else 1 if isinstance(first, str) else first
        self.hops: Number = 1
        if isinstance(graph.manifest, EnhancementManifest):
            self.hops = "any" if isinstance(graph.manifest.hops, str) else graph.manifest.hops

    def cases(self, group: str, sizes: Sizes, front_end: FrontEnd | None = None) -> list[Case]:
        """Its cases; ``front_end`` is better known than by the file itself."""
        streams = sizes.streams if self.streams == "any" else (self.streams,)
        hops = sizes.hops if self.hops == "any" else (self.hops,)
        return [
            Case(
                self.name, group, self.form, "onnxruntime", f"{self.streams} x {self.hops}", self.path,
                *numbers, front_end or self.front_end,
            )
            for numbers in product(sizes.threads, streams, hops)
        ]  # fmt: skip


def open_streaming(path: Path, *, threads: int = 1, sample_rate: int = 16000) -> StreamingSession:
    """A streaming graph of ours or of others.

    Raises:
        ArtifactError, SpeechZooError: no such file, not ONNX, or not a streaming graph.
    """
    if OnnxGraph(path).manifest is None:
        return open_foreign_session(path, sample_rate=sample_rate, threads=threads)
    session = open_session(path, threads=threads)
    if not isinstance(session, StreamingSession):
        raise SpeechZooError(
            f"{path}: it takes whole recordings, and streaming graphs are timed here; export it without "
            f"--offline, or time it with speechzoo test"
        )
    return session


class Subject:
    """A word of the command line: NAME or NAME=WEIGHTS of a model, or an ONNX file.

    Raises:
        SpeechZooError: no such model, one without a stream, or no such file.
    """

    def __init__(self, word: str, sample_rate: int) -> None:
        self._word = word
        self.file: OnnxFile | None = None
        path = Path(word)
        if path.is_file() or path.suffix == ".onnx":
            self.file = OnnxFile(path, sample_rate)
            self.names = {word, path.name, path.stem}
            return
        self.model, _, self.weights = word.partition("=")
        self.names = {word, self.model}
        spec = get_spec(self.model, EnhancementSpec)
        if not spec.streaming:
            raise SpeechZooError(
                f"{self.model} reads the whole recording and has no streaming graph, and those are timed "
                f"here; speechzoo test times an offline one"
            )
        if self.weights:
            locate(spec, self.weights)
        self.front_end = spec.front_end

    @property
    def name(self) -> str:
        """What it is called in the table."""
        return self._word if self.file is None else self.file.name

    def forms(self, sizes: Sizes) -> Sequence[Form]:
        """The forms that it is timed in."""
        return sizes.forms if self.file is None else (self.file.form,)

    def geometry(self) -> FrontEnd:
        """Rate, window and hop."""
        return self.front_end if self.file is None else self.file.front_end

    def cases(self, form: Form, sizes: Sizes, exports: Exports) -> Iterator[Case]:
        """Its cases in one form; what is exported for them is as free as they need it."""
        if self.file is not None:
            yield from self.file.cases(self.name, sizes)
            return
        for backend, threads, streams, hops in product(
            sizes.backends, sizes.threads, sizes.streams, sizes.hops
        ):
            path, graph = None, "eager"
            if backend == "native":
                if (streams > 1 and streams % 16) or hops > 1:
                    continue  # native code is for one stream, or 16, 32, ..., and one hop
                path = exports.path(self.model, self.weights, form, free_streams=False, free_hops=False)
                graph = "C"
            if backend == "onnxruntime":
                path = exports.path(
                    self.model, self.weights, form, free_streams=streams > 1, free_hops=hops > 1
                )
                graph = f"{'any' if streams > 1 else 1} x {'any' if hops > 1 else 1}"
            yield Case(
                self.name, self.name, form, backend, graph, path, threads, streams, hops, self.front_end
            )


def make_cases(
    words: Sequence[str], against: Sequence[str], sizes: Sizes, exports: Exports, sample_rate: int = 16000
) -> list[Case]:
    """All rows in the order of a table: every subject after what it is compared with.

    Args:
        words: models and files.
        against: references, each FILE or SUBJECT=FILE. Without any, the first row is everyone's.
        sizes: of the calls.
        exports: gives the graphs of models.
        sample_rate: in Hz, of files that do not tell and are compared with none that does.

    Raises:
        SpeechZooError: a word that names nothing, or a reference that fits no subject, or one of two that
            fit the same.
    """
    subjects = [Subject(word, sample_rate) for word in words]
    references = [_Reference(word, subjects) for word in against]
    _tell_apart([s.file for s in subjects if s.file] + [reference.file for reference in references])
    chosen = {
        (number, form): _reference_of(subject, form, references)
        for number, subject in enumerate(subjects)
        for form in subject.forms(sizes)
    }
    for given in references:
        if given not in chosen.values():
            raise SpeechZooError(
                f"--against {given.file.given}: its form {given.file.form} and frames "
                f"({_frames(given.file.front_end)}) are not those of any subject; choose --forms "
                f"accordingly, or name the subject: SUBJECT=FILE"
            )
    cases: list[Case] = []
    placed: dict[int, list[Case]] = {}
    for (number, form), reference in chosen.items():
        subject, others = subjects[number], []
        if reference is not None:
            if id(reference) not in placed:
                placed[id(reference)] = reference.cases(subject, sizes)
                cases += placed[id(reference)]
            others = placed[id(reference)]
        for case in subject.cases(form, sizes, exports):
            cases.append(replace(case, reference=_nearest(case, others)))
    if not references:
        return [cases[0], *(replace(case, reference=cases[0]) for case in cases[1:])]
    return cases


class _Reference:
    """A file that subjects are compared with: all of its form and frames, or the one that is named."""

    def __init__(self, word: str, subjects: list[Subject]) -> None:
        name, equals, path = word.partition("=")
        self.subject = name if equals and not Path(word).is_file() else ""
        self.file = OnnxFile(Path(path if self.subject else word))
        if self.subject and not any(self.subject in subject.names for subject in subjects):
            raise SpeechZooError(
                f"--against {word}: {self.subject} is none of the subjects "
                f"({', '.join(subject.name for subject in subjects)})"
            )

    def fits(self, subject: Subject, form: Form) -> bool:
        """Whether it computes the like."""
        own, other = self.file.front_end, subject.geometry()
        if self.subject not in ("", *subject.names) or self.file.form != form:
            return False
        same = own.n_fft == other.n_fft and (own.hop_length == other.hop_length or self._hop_unknown())
        if self.subject and not same:
            raise SpeechZooError(
                f"{self.file.given}: its frames ({_frames(own)}) are not those of {subject.name} "
                f"({_frames(other)}); name another subject"
            )
        return same

    def cases(self, subject: Subject, sizes: Sizes) -> list[Case]:
        """Its cases; a file that does not tell has the rate and hop of the subject."""
        return self.file.cases(subject.name, sizes, None if self.file.own else subject.geometry())

    def _hop_unknown(self) -> bool:
        """A spectrum's graph without a manifest does not tell its hop, which a name then vouches for."""
        return bool(self.subject) and not self.file.own and self.file.form == "spec2spec"


def _reference_of(subject: Subject, form: Form, references: list[_Reference]) -> _Reference | None:
    fitting = [reference for reference in references if reference.fits(subject, form)]
    named = [reference for reference in fitting if reference.subject]
    candidates = named or fitting
    if len(candidates) > 1:
        raise SpeechZooError(
            f"{subject.name} in the form {form} could be compared with "
            f"{' and '.join(reference.file.name for reference in candidates)}; name the subject of each: "
            f"--against SUBJECT=FILE"
        )
    return candidates[0] if candidates else None


def _tell_apart(files: list[OnnxFile]) -> None:
    """Call files of one name by their paths."""
    paths = {file.name: {other.path for other in files if other.name == file.name} for file in files}
    for file in files:
        if len(paths[file.name]) > 1:
            file.name = file.given


def _nearest(case: Case, others: list[Case]) -> Case | None:
    """Of the cases of a reference the one of the same sizes, or at least as many threads."""
    fitting = [other for other in others if other.threads == case.threads]
    sizes = (case.streams, case.hops)
    same = [other for other in fitting if (other.streams, other.hops) == sizes]
    return next(iter(same or fitting), None)


def _frames(front_end: FrontEnd) -> str:
    return f"window {front_end.n_fft}, hop {front_end.hop_length}"
