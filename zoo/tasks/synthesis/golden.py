"""The text that exports for synthesis are judged by, and the one that goes into an artifact."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

import numpy as np

from zoo.arrays import Array
from zoo.artifact.manifest import GoldenSpeech, SynthesisManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError, ParityError
from zoo.runtime.graph import as_array
from zoo.spec import Tolerance
from zoo.tasks.synthesis.session import Frames, Utterance, inputs
from zoo.text.dictionary import as_read
from zoo.text.symbols import encode

_FULL_SCALE = 32767


_TEXT = (
    "the sun was low above the harbour, and nobody had come to meet the boat. who would? it was late; the "
    "last train had left an hour ago, {DH AH0} {L AE1 M P S} were lit, and it had begun to rain!"
)


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
            [utterance] * (1 if isinstance(manifest.batch, str) else manifest.batch),
            manifest.width(len(golden.ids)),
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
