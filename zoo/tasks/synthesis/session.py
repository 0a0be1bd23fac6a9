"""What can turn token ids into log-mel frames: the interface between a backend and its callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.spec import MelSpectrum

PREDICT = -1.0  # in place of a forced duration: take the predicted one


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
        model: the registered model that it is.
        backend: what computes: ``onnxruntime``, ``tensorrt``, ``torch``, ...
        front_end: the frames' geometry.
        symbols: what the ids stand for.
        buckets: tokens and frames that it is made for, ascending.
        at_once: utterances that it computes in one call as fast as one by one, or faster.
    """

    name: str
    model: str
    backend: str
    front_end: MelSpectrum
    symbols: tuple[str, ...]
    buckets: tuple[tuple[int, int], ...]
    at_once: int

    def run(self, utterances: Sequence[Utterance], bucket: int) -> list[Frames]:
        """Frames of utterances, each alone or in batches, at the size ``buckets[bucket]``."""
        ...


def inputs(utterances: Sequence[Utterance], tokens: int) -> tuple[NDArray[Any], ...]:
    """The graph's inputs: ids, lengths, alpha and forced durations, padded to ``tokens``."""
    ids = np.zeros((len(utterances), tokens), np.int64)
    forced = np.full(ids.shape, PREDICT, np.float32)
    for row, utterance in enumerate(utterances):
        ids[row, : len(utterance.ids)] = utterance.ids
        forced[row, : len(utterance.forced)] = utterance.forced
    lengths = np.array([len(utterance.ids) for utterance in utterances], np.int64)
    return ids, lengths, np.array([u.alpha for u in utterances], np.float32), forced
