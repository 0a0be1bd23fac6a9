"""Sessions that turn token ids into log-mel frames: finished graphs or engines of several sizes."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.artifact.engine import EngineRecord, find_engine_record
from zoo.artifact.manifest import GoldenSpeech, SynthesisManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError, ParityError
from zoo.runtime.artifact import ENGINES, load_artifact
from zoo.runtime.loaded import Loaded, as_array, manifest_for, manifest_of
from zoo.spec import MelSpectrum, Tolerance
from zoo.text.dictionary import as_read
from zoo.text.symbols import encode

Array = NDArray[np.float32]

PREDICT = -1.0  # in place of a forced duration: take the predicted one
_FULL_SCALE = 32767
_TEXT = (
    "the sun was low above the harbour, and nobody had come to meet the boat. who would? it was late; the "
    "last train had left an hour ago, {DH AH0} {L AE1 M P S} were lit, and it had begun to rain!"
)


@dataclass(frozen=True)
class Utterance:
    """What is to be spoken.

    Attributes:
        ids: token ids.
        alpha: how slowly; durations times this.
        forced: frames of each token, or a negative number for the predicted ones; empty for all predicted.
    """

    ids: tuple[int, ...]
    alpha: float = 1.0
    forced: tuple[float, ...] = ()


@dataclass(frozen=True)
class Frames:
    """What a network made of an utterance.

    Attributes:
        mel: (F, mels) log-mel frames, no more than there is speech.
        durations: (S,) predicted frames of each token, before rounding and without alpha.
        wanted: frames that the durations ask for: more than F where the graph was too short for them.
    """

    mel: Array
    durations: Array
    wanted: int


class SynthesisSession(Protocol):
    """A loaded model from tokens to frames.

    Attributes:
        name: the model or file, for messages.
        backend: what computes: ``onnxruntime``, ``tensorrt``, ``torch``, ...
        front_end: the frames' geometry.
        symbols: what the ids stand for.
        buckets: tokens and frames that it is made for, ascending.
    """

    name: str
    backend: str
    front_end: MelSpectrum
    symbols: tuple[str, ...]
    buckets: tuple[tuple[int, int], ...]

    def run(self, utterances: Sequence[Utterance], bucket: int) -> list[Frames]:
        """Frames of utterances, each alone or in batches, at the size ``buckets[bucket]``."""
        ...


class GraphSynthesis:
    """Graphs or engines of one network at several sizes.

    Args:
        paths: the files, in any order: artifacts of one kind.
        threads: of one call.

    Raises:
        ArtifactError: none, damaged, for another task, two of a size, not of the same weights; or engines
            without a record, not of one precision, or not for this machine.
        MissingExtraError: what runs them is not installed.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], *, threads: int = 1) -> None:
        if not paths:
            raise ArtifactError("no graph for synthesis was named; pass one .onnx file for each size")
        files = [Path(path) for path in paths]
        records = check_engines(files)  # before a GPU is asked for
        loaded = [load_artifact(path, threads=threads) for path in files]
        found = [(synthesis_manifest(graph), graph) for graph in loaded]
        found.sort(key=lambda pair: (pair[0].tokens, pair[0].frames))
        _check_together([(graph.path, manifest) for manifest, graph in found])
        self._graphs = [graph for _, graph in found]
        self._batches = [_batches(manifest, records.get(graph.path)) for manifest, graph in found]
        first, where = found[0][0], found[0][1].path
        self.backend = found[0][1].backend
        self.name = where.name if len(found) == 1 else where.parent.name
        self.front_end, self.symbols = first.front_end, first.symbols
        self.buckets = tuple((manifest.tokens, manifest.frames) for manifest, _ in found)

    def run(self, utterances: Sequence[Utterance], bucket: int) -> list[Frames]:
        """See ``SynthesisSession``."""
        graph, (least, most) = self._graphs[bucket], self._batches[bucket]
        step = most or max(1, len(utterances))
        results: list[Frames] = []
        for start in range(0, len(utterances), step):
            part = list(utterances[start : start + step])
            rows = part + [part[-1]] * (least - len(part))  # a graph of fixed batch is filled up
            mel, lengths, durations = map(as_array, graph(*inputs(rows, self.buckets[bucket][0])))
            for row, utterance in enumerate(part):
                wanted = int(lengths[row])
                results.append(
                    Frames(mel[row, :wanted].copy(), durations[row, : len(utterance.ids)].copy(), wanted)
                )
        return results


def check_engines(paths: Sequence[Path]) -> dict[Path, EngineRecord]:
    """The records of engines that shall run together, by the engines' paths; none for files of other kinds.

    Raises:
        ArtifactError: some files are engines and others not, an engine has no record, or one of another task,
            or they are of different weights, precisions or libraries.
    """
    engines = [path for path in paths if path.suffix in ENGINES]
    if not engines:
        return {}
    others = [path for path in paths if path not in engines]
    if others:
        raise ArtifactError(
            f"{others[0]}: it does not go with {engines[0]}: one is an engine, the other is not; pass files "
            f"of one kind"
        )
    records = {path: find_engine_record(path) for path in engines}
    _check_together([(path, engine_manifest(path, record)) for path, record in records.items()])
    first = records[engines[0]]
    for path, record in records.items():
        for name in ("flavour", "precision"):
            if getattr(record, name) != getattr(first, name):
                raise ArtifactError(
                    f"{path}: it does not go with {engines[0]}: {name} {getattr(record, name)}, not "
                    f"{getattr(first, name)}; build all sizes together"
                )
    return records


def engine_manifest(path: Path, record: EngineRecord) -> SynthesisManifest:
    """What the record of an engine for synthesis says of its graph.

    Raises:
        ArtifactError: nothing, or it is for another task.
    """
    return manifest_for(record.model_manifest(str(path)), SynthesisManifest, path)


def _check_together(found: Sequence[tuple[Path, SynthesisManifest]]) -> None:
    """Refuse files of different networks, and two of one size."""
    where, first = found[0]
    for path, manifest in found[1:]:
        for name in ("weights", "front_end", "symbols"):
            if getattr(manifest, name) != getattr(first, name):
                raise ArtifactError(
                    f"{path}: it does not go with {where}: another {name}; export all sizes together"
                )
    sizes = [(manifest.tokens, manifest.frames) for _, manifest in found]
    if len(set(sizes)) < len(sizes):
        raise ArtifactError(f"{where}: two files are of one size; the sizes are {sizes}")


def _batches(manifest: SynthesisManifest, record: EngineRecord | None) -> tuple[int, int | None]:
    """The least and the most texts of a call; None: any number."""
    if not isinstance(manifest.batch, str):
        return manifest.batch, manifest.batch
    if record is None:
        return 1, None
    least, _, most = record.profiles["ids"]
    return least[0], most[0]


def inputs(utterances: Sequence[Utterance], tokens: int) -> tuple[NDArray[Any], ...]:
    """The graph's inputs: ids, lengths, alpha and forced durations, padded to ``tokens``."""
    ids = np.zeros((len(utterances), tokens), np.int64)
    forced = np.full(ids.shape, PREDICT, np.float32)
    for row, utterance in enumerate(utterances):
        ids[row, : len(utterance.ids)] = utterance.ids
        forced[row, : len(utterance.forced)] = utterance.forced
    lengths = np.array([len(utterance.ids) for utterance in utterances], np.int64)
    return ids, lengths, np.array([u.alpha for u in utterances], np.float32), forced


def parity_ids(symbols: Sequence[str]) -> tuple[int, ...]:
    """Tokens of the package's own text, by which exports are judged, in a network's table."""
    said, _ = as_read(_TEXT, symbols)
    return encode(said, symbols).ids


def parity_texts(symbols: Sequence[str], rows: int, tokens: int, frames: int) -> list[Utterance]:
    """Texts of several lengths, full, half and a single token in turn, that fill so many frames or fewer."""
    ids = parity_ids(symbols)
    longest = (ids * (1 + tokens // len(ids)))[:tokens]
    each = max(1.0, frames / tokens - 0.5)
    texts = []
    for row in range(rows):
        length = (tokens, max(1, tokens // 2), 1)[row % 3]
        forced = tuple(
            each + (i % 2) / 2 - (i % 5 == 4) * each for i in range(length)
        )  # halves and zeros too
        texts.append(Utterance(longest[:length], (1.0, 1.25, 0.8)[row % 3], forced))
    return texts


def synthesis_manifest(graph: Loaded) -> SynthesisManifest:
    """The record of a graph of ours for synthesis.

    Raises:
        ArtifactError: it has none, or one of another task.
    """
    return manifest_of(
        graph, SynthesisManifest, "its symbols and sizes are unknown; export it with scripts.export_synthesis"
    )


def find_files(folder: Path) -> list[Path]:
    """The engines of a folder, or its ONNX files where it holds no engines.

    Raises:
        ArtifactError: it holds neither.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    engines = [path for path in files if path.suffix in ENGINES]
    found = engines or [path for path in files if path.suffix == ".onnx"]
    if not found:
        raise ArtifactError(
            f"{folder}: it holds no engines and no .onnx files; export_synthesis writes one for each size"
        )
    return found


def pack(utterance: Utterance, frames: Frames) -> GoldenSpeech:
    """The record of an utterance with forced durations, for a manifest."""
    peak = float(np.abs(frames.mel).max()) / _FULL_SCALE
    words = np.round(frames.mel / peak).astype("<i2")
    return GoldenSpeech(
        ids=utterance.ids,
        durations=tuple(map(float, frames.durations)),
        forced=utterance.forced,
        mel=base64.b64encode(words.tobytes()).decode("ascii"),
        peak=peak,
    )


def verify_synthesis(
    graph: Callable[..., Sequence[Array]], manifest: SynthesisManifest, where: str
) -> ParityReport:
    """Run a graph, or a network that takes and gives the same, on its golden text; ``where`` is for errors.

    Raises:
        ArtifactError: it carries none, or a damaged one.
        ParityError: it computes something else than it should.
    """
    golden = manifest.golden
    if golden is None:
        raise ArtifactError(f"{where}: it carries no golden text, so it cannot be verified; export it again")
    try:
        words = np.frombuffer(base64.b64decode(golden.mel, validate=True), "<i2")
        mel = words.reshape(-1, manifest.front_end.mels).astype(np.float32) * np.float32(golden.peak)
        utterance = Utterance(golden.ids, 1.0, golden.forced)
        expected = np.array(golden.durations, np.float32)
        if not len(golden.ids) == len(golden.forced) == len(expected):
            raise ValueError("its ids, durations and forced durations are not equally many")
        if not np.isfinite(golden.forced).all():
            raise ValueError("its forced durations are not finite")
        if not all(token in range(len(manifest.symbols)) for token in golden.ids):
            raise ValueError(f"its ids are not from 0 to {len(manifest.symbols) - 1}")
        values = inputs(
            [utterance] * (1 if isinstance(manifest.batch, str) else manifest.batch), manifest.tokens
        )
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{where}: its golden text is damaged ({error}); export it again") from error
    found, lengths, durations = map(as_array, graph(*values))
    if lengths[0] != len(mel):
        raise ParityError(f"mel_lengths: {lengths[0]} frames of the golden text, expected {len(mel)}")
    check_durations(expected, durations[0, : len(golden.ids)], manifest.tolerance)
    rounding = 0.51 / _FULL_SCALE
    tolerance = Tolerance(min(manifest.tolerance.snr_db, 60.0), manifest.tolerance.max_error + rounding)
    return compare(mel, found[0, : len(mel)], tensor="mel", tolerance=tolerance, axis=0)


def check_durations(expected: Array, found: Array, tolerance: Tolerance) -> None:
    """Compare durations, which may all be 0.

    Raises:
        ParityError: they differ by more than the tolerance's part of the longest, or of a frame.
    """
    error = np.abs(found - expected)
    allowed = tolerance.max_error * max(1.0, float(np.abs(expected).max(initial=0)))
    if not np.isfinite(found).all() or error.max(initial=0) > allowed:
        worst = int(np.nan_to_num(error, nan=np.inf).argmax())
        raise ParityError(
            f"durations: token {worst} has {found.flat[worst]} frames, expected {expected.flat[worst]}; "
            f"allowed is a difference of {allowed:.1e}"
        )
