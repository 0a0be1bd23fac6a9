"""Sentences to learn from, and what a teacher makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import BinaryIO

import numpy as np

from scripts.voice.teacher import Flite, Segment
from zoo.arrays import Array
from zoo.signal.resample import resample
from zoo.spec import MelSpectrum
from zoo.text.symbols import PHONEMES, encode
from zoo.vocoder.mel import log_mel

FRONT_END = MelSpectrum()
_COMMON = """
the of and to a in is it you that he was for on are with as his they be at one have this from or had by
but some what there we can out other were all your when up use word how said an each she which do their
time if will way about many then them would write like so these her long make thing see him two has look
more day could go come did my sound no most number who over know water than call first people may down
side been now find any new work part take get place made live where after back little only round man year
came show every good me give our under
"""
_COMMON_SHARE = 0.45
_COMMA = 0.12
_ENDS = ("." * 7) + "?" * 2 + "!"


@dataclass(frozen=True)
class Example:
    """An utterance of the teacher.

    Attributes:
        ids: tokens.
        durations: frames of each, whole numbers.
        mel: (F, mels) log-mel frames, as many as the durations make.
    """

    ids: tuple[int, ...]
    durations: tuple[int, ...]
    mel: Array


def read_words(path: Path, *, contractions: bool = False) -> list[str]:
    """The words of a list, one a line, in lower case; those of letters only, each once.

    Args:
        path: of the list.
        contractions: take those with an apostrophe too, but no possessives.
    """
    words = [line.strip().lower() for line in path.read_text().splitlines()]
    plain = [word.replace("'", "") if contractions and not word.endswith("'s") else word for word in words]
    return list(
        dict.fromkeys(w for w, letters in zip(words, plain, strict=True) if letters.isalpha() and w.isascii())
    )


def sentences(words: list[str], seed: int) -> Iterator[str]:
    """Words without sense, endlessly: two to nine of them, common ones among any, and commas."""
    random, common = np.random.default_rng(seed), _COMMON.split()
    while True:
        count = int(random.integers(2, 10))
        chosen = [
            str(random.choice(common))
            if random.random() < _COMMON_SHARE
            else words[random.integers(len(words))]
            for _ in range(count)
        ]
        commas = ["," if random.random() < _COMMA else "" for _ in range(count - 1)]
        yield " ".join(w + c for w, c in zip(chosen, [*commas, _ENDS[random.integers(10)]], strict=True))


def speak(teacher: Flite, sentence: str, later: float = 0.0) -> Example | None:
    """The teacher's utterance, from the first phoneme on; None if it has other words than the sentence.

    Args:
        teacher: who speaks.
        sentence: words and marks.
        later: frames by which the frames lie later in the same speech.
    """
    wave, segments = read_aloud(teacher, sentence)
    tokens = align(sentence.split(), segments)
    if tokens is None:
        return None
    begin = segments[0].end if not segments[0].phoneme else 0.0
    hop = FRONT_END.hop_length / FRONT_END.sample_rate
    mel = log_mel(wave[round((begin + later * hop) * FRONT_END.sample_rate) :], FRONT_END)
    ends = [min(round((end - begin) / hop), len(mel)) for _, end in tokens]
    durations = np.diff([0, *ends])
    ids = encode("".join(symbol for symbol, _ in tokens), PHONEMES).ids
    if len(ids) != len(tokens) or durations.min() < 0 or ends[-1] < 20:
        return None
    return Example(ids, tuple(durations.tolist()), mel[: ends[-1]].astype(np.float32))


def read_aloud(teacher: Flite, sentence: str) -> tuple[Array, list[Segment]]:
    """The teacher's speech (N,) at the rate of the frames, and what is in it."""
    wave, rate, segments = teacher(sentence)
    return resample(wave, rate, FRONT_END.sample_rate), segments


def align(words: list[str], segments: list[Segment]) -> list[tuple[str, float]] | None:
    """Symbols of a sentence, each with the time of its end: phonemes, spaces that take none, punctuation
    marks.

    A pause is the time of the mark that is there, or of a comma.

    Returns:
        None if the segments are of other words.
    """
    spoken = [segment for segment in segments[1:] if segment.phoneme or segment.end]
    if len({s.word for s in spoken if s.phoneme}) != len(words):
        return None
    tokens: list[tuple[str, float]] = []
    last = -1
    for segment in spoken:
        if segment.phoneme:
            if segment.word != last and last >= 0:
                if tokens[-1][0] not in ",.?!" and not words[last][-1].isalpha():
                    tokens.append((words[last][-1], tokens[-1][1]))
                tokens.append((" ", tokens[-1][1]))
            tokens.append((f"{{{segment.phoneme}}}", segment.end))
            last = segment.word
        else:
            mark = words[last][-1]
            tokens.append((mark if not mark.isalpha() else ",", segment.end))
    return tokens


def pronunciations(teacher: Flite, words: list[str]) -> Iterator[str]:
    """Lines of a dictionary in CMU's format: the words as the teacher says each alone, and the letters.

    What has no vowel is left out: it can only be spelled.
    """
    yield "a. EY1"
    for letter in ascii_lowercase[1:]:
        yield f"{letter}. {' '.join(teacher.pronounce(letter))}"
    for word in dict.fromkeys(("a", "i", *words)):
        if "'" in word:  # which are not in its dictionary, but in its rules for text
            phonemes = [segment.phoneme for segment in teacher(f"{word}.")[2] if segment.phoneme]
        else:
            phonemes = teacher.pronounce(word)
        if any(phoneme[-1].isdigit() for phoneme in phonemes):
            yield f"{word} {' '.join(phonemes)}"


def save(examples: list[Example], path: Path | BinaryIO) -> None:
    """Many examples in one file."""
    np.savez(
        path,
        ids=np.concatenate([example.ids for example in examples]).astype(np.uint8),
        durations=np.concatenate([example.durations for example in examples]).astype(np.uint16),
        mel=np.concatenate([example.mel for example in examples]).astype(np.float16),
        tokens=[len(example.ids) for example in examples],
        frames=[len(example.mel) for example in examples],
    )


def load(path: Path) -> list[Example]:
    """The examples of a file."""
    data = np.load(path)
    tokens, frames = np.cumsum(data["tokens"])[:-1], np.cumsum(data["frames"])[:-1]
    parts = zip(
        np.split(data["ids"], tokens),
        np.split(data["durations"], tokens),
        np.split(data["mel"], frames),
        strict=True,
    )
    return [Example(tuple(i.tolist()), tuple(d.tolist()), m.astype(np.float32)) for i, d, m in parts]
