"""How near a voice comes to its teacher, and how well it is understood."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from scripts.voice.corpus import Example
from scripts.voice.listeners import Listener, normaliser, word_errors
from scripts.voice.speakers import Speaker
from zoo.arrays import Array
from zoo.evaluation.metrics import dnsmos
from zoo.tasks.synthesis.session import Utterance
from zoo.tasks.synthesis.synthesizer import Synthesizer


@dataclass(frozen=True)
class Distance:
    """Means over utterances of the teacher that no training saw.

    Attributes:
        utterances: how many.
        mel: difference of log-mel frames, as many for each token as the teacher has.
        mean_frame: the same between the teacher and the mean of its frames: what no voice at all gives.
        durations: difference of predicted durations, in frames a token.
    """

    utterances: int
    mel: float
    mean_frame: float
    durations: float


def distance(voice: Synthesizer, unseen: list[Example]) -> Distance:
    """Compare a voice with its teacher."""
    everything = np.concatenate([example.mel for example in unseen])
    found = voice.frames([Utterance(e.ids, forced=tuple(map(float, e.durations))) for e in unseen])
    pairs = list(zip(found, unseen, strict=True))
    return Distance(
        utterances=len(unseen),
        mel=_mean(np.abs(f.mel - e.mel) for f, e in pairs),
        mean_frame=float(np.abs(everything - everything.mean(0)).mean()),
        durations=_mean(np.abs(f.durations - np.array(e.durations, np.float32)) for f, e in pairs),
    )


def _mean(parts: Iterable[Array]) -> float:
    return float(np.concatenate([part.ravel() for part in parts]).mean())


@dataclass(frozen=True)
class Heard:
    """How one speaker was understood.

    Attributes:
        words: that were said.
        wrong: by each listener.
        cpu_seconds: for all sentences, with what the speaker's programs took.
        dnsmos: what listeners would say of the sound, from 1 to 5, as DNSMOS estimates it; None: not asked.
        texts: by each listener, what was heard where it was not what was said.
    """

    words: int
    wrong: dict[str, int]
    cpu_seconds: float
    dnsmos: float | None
    texts: dict[str, list[str]]


def hear(
    speaker: Speaker, said: Mapping[str, str], listeners: Mapping[str, Listener], *, mos: bool = False
) -> Heard:
    """Let one speak sentences, and others write them down.

    Args:
        speaker: who speaks.
        said: each sentence, and how it is written as it is heard.
        listeners: who writes down, by name.
        mos: ask DNSMOS.
    """
    speaker("Hello.")  # what is loaded at first is not counted
    before = sum(os.times()[:4])
    spoken = [speaker(sentence) for sentence in said]
    seconds = sum(os.times()[:4]) - before
    plain = normaliser()
    words, wrong = 0, dict.fromkeys(listeners, 0)
    texts: dict[str, list[str]] = {name: [] for name in listeners}
    for written, (wave, rate) in zip(said.values(), spoken, strict=True):
        expected = plain(written)
        for name, listener in listeners.items():
            heard = listener(wave, rate)
            missed = word_errors(expected, plain(heard))
            wrong[name] += missed
            texts[name] += [f"{written} | {heard.strip()}"] if missed else []
        words += len(expected.split())
    opinions = [dnsmos(wave, rate)["dnsmos_ovrl"] for wave, rate in spoken] if mos else []
    opinion = round(float(np.mean(opinions)), 2) if opinions else None
    return Heard(words, wrong, round(seconds, 3), opinion, texts)
