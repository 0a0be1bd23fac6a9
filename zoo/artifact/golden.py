"""The speech that exports are judged by, and the recording that goes into an artifact."""

from __future__ import annotations

import base64
import io
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import Golden, GoldenEmbedding, SpeakerForm
from zoo.errors import ArtifactError
from zoo.limits import check_fields, parse_json
from zoo.signal.resample import resample
from zoo.spec import Filterbank, Tolerance

Kind = TypeVar("Kind")

FULL_SCALE = 32767
LONGEST = 10  # seconds of a recording that is read


def parity_speech(sample_rate: int) -> Array:
    """The package's own noisy utterance, some seconds of a synthetic voice: (N,) float32 on a 16-bit grid."""
    recording = resources.files("zoo.artifact").joinpath("speech.flac").read_bytes()
    speech, rate = soundfile.read(io.BytesIO(recording), dtype="float32")
    speech = resample(speech, rate, sample_rate)
    return (np.round(speech * FULL_SCALE) / FULL_SCALE).astype(np.float32)


def pack(noisy: Array, enhanced: Array, sample_rate: int) -> Golden:
    """Make the recording that an artifact carries.

    Args:
        noisy: (N,) input on a 16-bit grid, at most a second.
        enhanced: (N,) the training form's output, aligned.
        sample_rate: in Hz.
    """
    peak = float(np.abs(enhanced).max())
    return Golden(_encode(noisy, sample_rate), _encode(enhanced / peak, sample_rate), peak)


def unpack(golden: Golden, where: str, sample_rate: int | None = None) -> tuple[Array, Array]:
    """Noisy input and expected output, each (N,) float32.

    Args:
        golden: the recording.
        where: names the artifact in errors.
        sample_rate: that it must be of, in Hz.

    Raises:
        ArtifactError: the recording is damaged, or of another rate.
    """
    try:
        noisy, enhanced = (_decode(text, sample_rate) for text in (golden.noisy, golden.enhanced))
        enhanced *= np.float32(golden.peak)
    except (ValueError, TypeError, soundfile.LibsndfileError) as error:
        raise ArtifactError(f"{where}: its golden recording is damaged ({error}); export it again") from error
    if noisy.shape != enhanced.shape:
        raise ArtifactError(f"{where}: its golden recording holds {noisy.shape} and {enhanced.shape} samples")
    return noisy, enhanced


def read_golden(path: Path, kind: type[Kind], where: str) -> Kind:
    """What a repository has as a file of its own, JSON, in place of a graph's recording.

    Args:
        path: the file.
        kind: ``Golden``, ``GoldenEmbedding`` or ``GoldenSpeech``.
        where: names it in errors.

    Raises:
        ArtifactError: it is none.
    """
    try:
        fields = parse_json(path.read_text())
        lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        golden = kind(**{**fields, **lists})
        check_fields(golden)
        return golden
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{where}: it is no golden recording ({error}); publish it again") from error


def pack_embedding(signal: Array, embedding: Array, form: SpeakerForm, sample_rate: int) -> GoldenEmbedding:
    """Make the recording that a speaker artifact carries.

    Args:
        signal: (N,) waveform on a 16-bit grid, or features (T, F) that float16 holds.
        embedding: (E,) of the training form.
        form: what the signal is.
        sample_rate: in Hz.
    """
    text = _encode(signal, sample_rate) if form == "wav" else _bytes(signal.astype("<f2"))
    return GoldenEmbedding(text, _bytes(embedding.astype("<f4")))


def unpack_embedding(
    golden: GoldenEmbedding, form: SpeakerForm, front_end: Filterbank, where: str
) -> tuple[Array, Array]:
    """Waveform (N,) or features (T, bins), and the expected embedding (E,); all float32.

    Raises:
        ArtifactError: the recording is damaged, or of another rate than the front end's.
    """
    try:
        if form == "wav":
            signal = _decode(golden.signal, front_end.sample_rate)
        else:
            packed = base64.b64decode(golden.signal, validate=True)
            signal = np.frombuffer(packed, "<f2").reshape(-1, front_end.bins).astype(np.float32)
        embedding = np.frombuffer(base64.b64decode(golden.embedding, validate=True), "<f4")
    except (ValueError, TypeError, soundfile.LibsndfileError) as error:
        raise ArtifactError(f"{where}: its golden recording is damaged ({error}); export it again") from error
    if not (np.isfinite(signal).all() and np.isfinite(embedding).all()):
        raise ArtifactError(f"{where}: its golden recording is not finite; export it again")
    return signal, embedding.astype(np.float32)


def golden_tolerance(tolerance: Tolerance) -> Tolerance:
    """What an artifact may differ from its recording: its own tolerance and half a 16-bit step."""
    return Tolerance(snr_db=min(tolerance.snr_db, 60.0), max_error=tolerance.max_error + 0.51 / FULL_SCALE)


def _bytes(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def _encode(signal: Array, sample_rate: int) -> str:
    buffer = io.BytesIO()
    samples = np.round(signal * FULL_SCALE).astype(np.int16)
    soundfile.write(buffer, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _decode(text: str, sample_rate: int | None) -> Array:
    """(N,) float32 of a recording in base64.

    Raises:
        ValueError: it is none, of another rate, of several channels, or of more than ``LONGEST`` seconds.
    """
    content = base64.b64decode(text, validate=True)
    told = soundfile.info(io.BytesIO(content))  # before anything is made of its length
    if told.channels != 1 or not 0 < told.frames <= LONGEST * told.samplerate:
        raise ValueError(
            f"it has {told.channels} channel(s) and {told.frames} samples; expected a second of one"
        )
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    if sample_rate not in (None, rate):
        raise ValueError(f"it is at {rate} Hz, and the manifest says {sample_rate} Hz")
    return samples.astype(np.float32) / FULL_SCALE
