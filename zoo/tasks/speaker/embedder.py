"""The shortest way from recordings to embeddings of their speakers, whatever the model is stored as."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import ArrayLike

from zoo.arrays import Array
from zoo.errors import ArtifactError, AudioError
from zoo.signal.resample import check_rate, resample
from zoo.signal.samples import check_samples, rows_of
from zoo.tasks.copies import Reopenable
from zoo.tasks.open import open_source
from zoo.tasks.public import Told
from zoo.tasks.speaker.reading import Recording, cuts, one_channel
from zoo.tasks.speaker.session import SpeakerSession
from zoo.tasks.speaker.task import TASK

if TYPE_CHECKING:
    from torch import nn

Source = Union[str, "os.PathLike[str]", SpeakerSession, "nn.Module"]

WINDOW = 60.0  # seconds; longer recordings are cut
LEAST_VARIATION = 1e-8  # between the largest and the smallest sample; less leaves no trace in the features
BATCH = 16  # recordings of a call
FRAMES_AT_ONCE = 6000  # of a call of several recordings, padding included
_SECONDS_AT_ONCE = 600  # of files that are read before they are grouped, or of one that is held in memory


@dataclass(frozen=True)
class FileEmbedding:
    """What became of a file.

    Attributes:
        source: its path.
        embedding: (E,) float32; None if it failed.
        seconds: of audio.
        error: why it failed.
        speech: False if all samples are alike, silence or a constant: any two such files have the same
            embedding, which is no one's.
    """

    source: str
    embedding: Array | None
    seconds: float = 0.0
    error: str = ""
    speech: bool = True


@dataclass(frozen=True)
class Comparison:
    """How alike two speakers are.

    Attributes:
        similarity: cosine of the embeddings, -1 to 1.
        threshold: from which on they count as the same speaker.
        same: whether they do.
    """

    similarity: float
    threshold: float
    same: bool


class Embedder(Reopenable):
    """Embeds recordings of speakers, and compares them.

    Pickling keeps what it was made from, and unpickling opens that again.

    A recording longer than ``window`` is cut into equal pieces, none longer than that; its embedding is the
    mean of theirs.

    Attributes:
        session: what computes.
        name: the model or file.
        sample_rate: the model's own, in Hz; other rates are converted to it.
        embedding: elements of an embedding.
        backend: ``onnxruntime``, ``torch``, ...
        public: what is known of a graph that others published, in a line; empty of our own.
        mean_subtracted: whether the mean of a cohort is subtracted from the embeddings: by the graph, or
            because it was given here.
    """

    def __init__(
        self,
        source: Source,
        weights: str | os.PathLike[str] | None = None,
        *,
        mean: ArrayLike | str | os.PathLike[str] | None = None,
        window: float = WINDOW,
        batch: int = BATCH,
        threads: int = 1,
        providers: Sequence[str] = (),
        trust: bool = False,
        sample_rate: int | None = None,
    ) -> None:
        """
        Args:
            source: the path of an artifact (``.onnx``, ``.ts``, ``.pt2``, ``.engine``), of an ONNX graph of
                wespeaker, sherpa-onnx or 3D-Speaker, which runs as it is, or of a public training folder; the
                name of a registered model; a speaker network; or a session.
            weights: tag, or path of a checkpoint or public graph, for a model's name; by default the tag
                ``default``, which is downloaded.
            mean: (E,) of a cohort's embeddings, subtracted from every embedding; or a ``.npy`` file with it.
            window: seconds of the longest piece that is embedded at once.
            batch: recordings that are embedded at once.
            threads: of ONNX Runtime; PyTorch keeps its own setting.
            providers: of ONNX Runtime: ``cuda``, ... in the order of preference; by default the CPU.
            trust: open exported programs (``.pt2``) that are code, as every compiled one is: docs/trust.md.
            sample_rate: in Hz, of a public graph that is known neither by its hash nor by metadata.

        Raises:
            ArtifactError: an artifact that cannot be read, a public graph of which too little is known, or a
                mean that would be subtracted twice.
            UnknownModelError: no such model, or one for another task.
            CheckpointError: no weights, or weights that do not fit.
            MissingExtraError: PyTorch is needed and not installed.
            ValueError: a window or a batch that is too small, or threads that are no whole number from 1 to
                1024.
        """
        self._remember(
            source, weights=weights, mean=mean, window=window, batch=batch, threads=threads,
            providers=providers, trust=trust, sample_rate=sample_rate,
        )  # fmt: skip
        told = Told(sample_rate=sample_rate)
        self.session: SpeakerSession = open_source(
            TASK, source, weights, threads=threads, providers=providers, trust=trust, told=told
        )
        self.public: str = getattr(self.session, "public", "")
        self.name, self.backend = self.session.name, self.session.backend
        self.sample_rate = self.session.front_end.sample_rate
        self.embedding = self.session.embedding
        self._mean = _mean(mean, self.session)
        self.mean_subtracted = self.session.mean_subtracted or self._mean is not None
        least = self.session.front_end.samples(self.session.least_frames)
        if not window * self.sample_rate >= 2 * least:
            raise ValueError(
                f"a window of {window:g} s is too short for {self.name}; at least "
                f"{2 * least / self.sample_rate:g} s are needed"
            )
        if batch < 1:
            raise ValueError(f"batch must be at least 1, not {batch}")
        self._window, self._batch = round(window * self.sample_rate), batch

    def __call__(
        self, waveform: ArrayLike, sample_rate: int | None = None, *, mix_down: bool = False
    ) -> Array:
        """Embed a recording.

        Args:
            waveform: (N,) or (channels, N), float32 or float64 in [-1, 1].
            sample_rate: of the waveform in Hz; default the model's.
            mix_down: take the mean of the channels in place of the first.

        Returns:
            (E,) float32, not normalised.

        Raises:
            AudioError: another shape or type, an impossible rate, NaN or infinite samples in the waveform or
                out of the model, or too short.
        """
        return self.embed([waveform], sample_rate, mix_down=mix_down)[0]

    def embed(
        self, waveforms: Sequence[ArrayLike], sample_rate: int | None = None, *, mix_down: bool = False
    ) -> Array:
        """Embed recordings of any lengths, several at a time.

        Recordings of a call share a batch where their lengths allow it: any, if the model masks the padding
        (PyTorch, and graphs of the form ``wav``), else those with the same number of frames.

        Args:
            waveforms: each as in ``__call__``.
            sample_rate: of all of them.
            mix_down: as in ``__call__``.

        Returns:
            (recordings, E) float32, in the order given.

        Raises:
            AudioError: as ``__call__``; names the recording by its place.
        """
        rows = []
        for index, waveform in enumerate(waveforms):
            try:
                rows.append(self._prepare(waveform, sample_rate, mix_down))
            except AudioError as error:
                if len(waveforms) == 1:
                    raise
                raise AudioError(f"recording {index}: {error}") from error
        embeddings = self._embed(rows)
        for index, embedding in enumerate(embeddings):
            fault = self._fault(embedding)
            if fault:
                raise AudioError(fault if len(rows) == 1 else f"recording {index}: {fault}")
        return embeddings

    def files(
        self, sources: Iterable[str | os.PathLike[str]], *, mix_down: bool = False
    ) -> Iterator[FileEmbedding]:
        """Embed audio files; one that cannot be embedded does not keep the others from it.

        Args:
            sources: paths, of any format, rate and number of channels.
            mix_down: as in ``__call__``.

        Yields:
            a result for each file, in the order given.
        """
        pending: list[FileEmbedding | tuple[Array, bool]] = []
        paths: list[str] = []
        samples = 0
        for source in sources:
            paths.append(os.fspath(source))
            try:
                pending.append(read := self._read(paths[-1], mix_down))
                samples += 0 if isinstance(read, FileEmbedding) else len(read[0])
            except AudioError as error:
                pending.append(FileEmbedding(paths[-1], None, error=str(error)))
            if samples > _SECONDS_AT_ONCE * self.sample_rate:
                yield from self._results(paths, pending)
                paths, pending, samples = [], [], 0
        yield from self._results(paths, pending)

    def compare(self, a: ArrayLike, b: ArrayLike, threshold: float) -> Comparison:
        """Tell whether two embeddings are of the same speaker.

        Args:
            a, b: (E,) embeddings.
            threshold: similarity from which on they are taken for one speaker. It depends on model, mean
                and recordings: ``speechzoo score`` finds it on trials.
        """
        value = similarity(a, b)
        return Comparison(value, threshold, value >= threshold)

    def _results(self, paths: list[str], pending: list[Any]) -> Iterator[FileEmbedding]:
        rows = [item[0] for item in pending if not isinstance(item, FileEmbedding)]
        embeddings = iter(self._embed(rows))
        for path, item in zip(paths, pending, strict=True):
            if isinstance(item, FileEmbedding):
                yield item
                continue
            row, speech = item
            yield self._result(path, next(embeddings), len(row) / self.sample_rate, speech)

    def _result(self, path: str, embedding: Array, seconds: float, speech: bool) -> FileEmbedding:
        fault = self._fault(embedding)
        if fault:
            return FileEmbedding(path, None, seconds, f"{path}: {fault}")
        return FileEmbedding(path, embedding, seconds, speech=speech)

    def _fault(self, embedding: Array) -> str:
        """What is wrong with an embedding; empty if nothing is."""
        if np.isfinite(embedding).all():
            return ""
        return (
            f"{self.name}: the embedding is not finite; its weights are damaged, or the audio is far beyond "
            f"[-1, 1]: verify the one, scale the other"
        )

    def _read(self, path: str, mix_down: bool) -> tuple[Array, bool] | FileEmbedding:
        """One channel of a file at the model's rate, (N,), and whether its samples vary.

        Of a file that is too long to be held in memory, what became of it.
        """
        recording, parts, samples = Recording(path, self.sample_rate, mix_down), [], 0
        for part in recording.parts():
            parts.append(part)
            samples += len(part)
            if samples > _SECONDS_AT_ONCE * self.sample_rate and Path(path).is_file():
                return self._embed_long(recording)
        row = np.concatenate(parts)
        self._check_length(row, path)
        return row, recording.variation > LEAST_VARIATION

    def _embed_long(self, recording: Recording) -> FileEmbedding:
        """Embed a file piece by piece, as ``_embed`` does one that is in memory."""
        total, count, samples = np.zeros(self.embedding, np.float32), 0, 0
        waiting: list[Array] = []
        for piece in recording.pieces(self._window):
            waiting.append(piece)
            samples += len(piece)
            frames = self.session.front_end.frames(len(piece))
            if len(waiting) == self._batch or (len(waiting) + 1) * frames > FRAMES_AT_ONCE:
                total, count = total + self._sum(waiting), count + len(waiting)
                waiting = []
        if waiting:
            total, count = total + self._sum(waiting), count + len(waiting)
        embedding = (total / np.float32(count)).astype(np.float32)
        if self._mean is not None:
            embedding -= self._mean
        speech = recording.variation > LEAST_VARIATION
        return self._result(recording.path, embedding, samples / self.sample_rate, speech)

    def _sum(self, pieces: Sequence[Array]) -> Array:
        """Sum of some pieces' embeddings, (E,)."""
        groups = self._groups([len(piece) for piece in pieces])
        return np.concatenate([self.session.run([pieces[place] for place in g]) for g in groups]).sum(0)

    def _prepare(self, waveform: ArrayLike, sample_rate: int | None, mix_down: bool) -> Array:
        """One channel of a recording at the model's rate: (N,)"""
        rows = rows_of(np.asarray(waveform))
        rate = self.sample_rate if sample_rate is None else check_rate(sample_rate)
        row = resample(check_samples(one_channel(rows, mix_down))[0], rate, self.sample_rate)
        self._check_length(row)
        return row

    def _check_length(self, row: Array, path: str = "") -> None:
        front_end = self.session.front_end
        shortage = front_end.shortage(front_end.frames(len(row)), self.session.least_frames)
        if shortage:
            raise AudioError(f"{path}{': ' if path else ''}too short for {self.name}: {shortage}")

    def _embed(self, rows: Sequence[Array]) -> Array:
        """Embeddings of prepared recordings, (recordings, E)."""
        pieces = [(index, piece) for index, row in enumerate(rows) for piece in self._pieces(row)]
        sums = np.zeros((len(rows), self.embedding), np.float32)
        counts = np.zeros(len(rows), np.int64)
        made: dict[int, Array] = {}
        for group in self._groups([len(piece) for _, piece in pieces]):
            for place, embedding in zip(
                group, self.session.run([pieces[place][1] for place in group]), strict=True
            ):
                made[place] = embedding
        for place, (index, _) in enumerate(pieces):
            sums[index] += made[place]
            counts[index] += 1
        embeddings = np.divide(sums, np.maximum(counts, 1)[:, None], dtype=np.float32)
        return embeddings if self._mean is None else embeddings - self._mean

    def _pieces(self, row: Array) -> list[Array]:
        ends = cuts(len(row), self._window)
        return [row[begin:end] for begin, end in pairwise(ends)]

    def _groups(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Places of recordings that are embedded together: the shortest first, of like lengths."""
        front_end = self.session.front_end
        group: list[int] = []
        for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
            frames = front_end.frames(lengths[place])
            fits = len(group) < self._batch and (len(group) + 1) * frames <= FRAMES_AT_ONCE
            if group and not self.session.mixed:
                fits = fits and frames == front_end.frames(lengths[group[0]])
            if group and not fits:
                yield group
                group = []
            group.append(place)
        if group:
            yield group


def similarity(a: ArrayLike, b: ArrayLike) -> float:
    """Cosine of two embeddings (E,); 0 where one of them is zero.

    Raises:
        ValueError: other shapes, or values that are not finite.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"two embeddings of one shape (E,) are expected, got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("an embedding holds values that are not finite")
    length = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / length if length else 0.0


def _mean(mean: ArrayLike | str | os.PathLike[str] | None, session: SpeakerSession) -> Array | None:
    if mean is None:
        return None
    if session.mean_subtracted:
        raise ArtifactError(
            f"{session.name} subtracts the mean of a cohort already; leave the mean out, or it would be "
            f"subtracted twice"
        )
    where = "the mean"
    if isinstance(mean, (str, os.PathLike)):
        where = os.fspath(mean)
        mean = read_mean(where)
    vector = np.asarray(mean, np.float32)
    if vector.shape != (session.embedding,) or not np.isfinite(vector).all():
        raise ArtifactError(
            f"{where}: expected {session.embedding} finite values for {session.name}, got shape "
            f"{vector.shape}"
        )
    return vector


def read_mean(path: str | os.PathLike[str]) -> Array:
    """The vector in a ``.npy`` file.

    Raises:
        ArtifactError: no such file, or no array in it.
    """
    try:
        values = np.load(path, allow_pickle=False)
        return np.asarray(values, np.float32)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise ArtifactError(f"{path}: expected a .npy file with a mean vector ({error})") from error
