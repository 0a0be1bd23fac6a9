"""How near a voice comes to its teacher, and how well either is understood."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from scripts.voice.corpus import Example, sentences, speak
from scripts.voice.teacher import Flite
from zoo.arrays import Array
from zoo.errors import MissingExtraError
from zoo.signal.resample import resample
from zoo.tasks.synthesis.session import Utterance
from zoo.tasks.synthesis.synthesizer import Synthesizer

UNSEEN = 1_000_000  # a seed that no file of the training data has
_RECOGNISER_RATE = 16000
_PEAK = 0.6
_SILENCE = 0.2  # seconds before and behind


@dataclass(frozen=True)
class Distance:
    """Means over the unseen utterances.

    Attributes:
        utterances: how many.
        mel: difference of log-mel frames, as many for each token as the teacher has.
        half_frame: the same between the teacher and itself half a frame later: about what the rounding of
            durations to frames costs, and so where a voice cannot come nearer.
        mean_frame: the same between the teacher and the mean of its frames: what no voice at all gives.
        durations: difference of predicted durations, in frames a token.
    """

    utterances: int
    mel: float
    half_frame: float
    mean_frame: float
    durations: float


def distance(voice: Synthesizer, teacher: Flite, words: list[str], count: int) -> Distance:
    """Compare a voice with its teacher on sentences that no training saw."""
    spoken = ((speak(teacher, s), speak(teacher, s, later=0.5)) for s in sentences(words, UNSEEN))
    pairs = list(islice(((a, b) for a, b in spoken if a is not None and b is not None), count))
    own = [example for example, _ in pairs]
    everything = np.concatenate([example.mel for example in own])
    found = voice.frames([Utterance(e.ids, forced=tuple(map(float, e.durations))) for e in own])
    return Distance(
        utterances=len(own),
        mel=_mean(np.abs(f.mel - e.mel) for f, e in zip(found, own, strict=True)),
        half_frame=_mean(np.abs(a.mel[: len(b.mel)] - b.mel[: len(a.mel)]) for a, b in pairs),
        mean_frame=float(np.abs(everything - everything.mean(0)).mean()),
        durations=_mean(np.abs(f.durations - _array(e)) for f, e in zip(found, own, strict=True)),
    )


def _array(example: Example) -> Array:
    return np.array(example.durations, np.float32)


def _mean(parts: Iterable[Array]) -> float:
    return float(np.concatenate([part.ravel() for part in parts]).mean())


def recogniser() -> Callable[[Array, int], str]:
    """PocketSphinx with the English model that comes with it: (N,) and its rate -> words.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise MissingExtraError("speech recognition needs pocketsphinx: pip install pocketsphinx") from error
    decoder = Decoder(loglevel="FATAL", samprate=_RECOGNISER_RATE)

    def words(wave: Array, rate: int) -> str:
        wave = resample(wave, rate, _RECOGNISER_RATE)
        wave = np.pad(wave * (_PEAK / np.abs(wave).max()), round(_SILENCE * _RECOGNISER_RATE))
        decoder.start_utt()
        decoder.process_raw((32767 * wave).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return re.sub(r"\(\d+\)", "", found.hypstr) if found else ""

    return words


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Words replaced, left out or put in, and words that were said."""
    a, b = (re.sub(r"[^a-z' ]", "", text.lower()).split() for text in (said, heard))
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1], len(a)
