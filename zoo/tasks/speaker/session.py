"""What can embed recordings: the interface between a backend and its callers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.spec import Filterbank


class SpeakerSession(Protocol):
    """A loaded model that embeds recordings.

    Attributes:
        name: the model or file, for messages.
        backend: what computes, for reports: ``onnxruntime``, ``torch``, ...
        front_end: the features' geometry, and the sample rate.
        embedding: elements of an embedding.
        least_frames: of the shortest recording with a finite embedding.
        mean_subtracted: whether the mean of a cohort is subtracted already.
        mixed: whether the recordings of a call may have different lengths.
        weights: sha256 of the parameters, or empty if it is not known.
    """

    name: str
    backend: str
    front_end: Filterbank
    embedding: int
    least_frames: int
    mean_subtracted: bool
    mixed: bool
    weights: str

    def run(self, waveforms: Sequence[Array]) -> Array:
        """Embed recordings.

        Args:
            waveforms: each (N,) float32 in [-1, 1] at the front end's rate; at least one, and of one number
                of frames unless the session is mixed.

        Returns:
            (recordings, E) float32.

        Raises:
            AudioError: one of them has fewer frames than the model needs.
        """
        ...


def check_lengths(session: SpeakerSession, waveforms: Sequence[Array]) -> None:
    """Refuse recordings that are too short for a session's model.

    Raises:
        AudioError: names the first such by its place, unless it is alone.
    """
    for index, waveform in enumerate(waveforms):
        shortage = session.front_end.shortage(session.front_end.frames(len(waveform)), session.least_frames)
        if shortage:
            which = f"recording {index}: " if len(waveforms) > 1 else ""
            raise AudioError(f"{which}too short for {session.name}: {shortage}")


def padded(waveforms: Sequence[Array]) -> tuple[Array, NDArray[np.int64]]:
    """Recordings as one array (B, N) with zeros behind the shorter ones, and their samples (B,)."""
    lengths = np.array([len(waveform) for waveform in waveforms], np.int64)
    batch = np.zeros((len(waveforms), lengths.max()), np.float32)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return batch, lengths
