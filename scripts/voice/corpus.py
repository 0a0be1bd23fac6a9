"""Sentences to learn from, and what a teacher makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from zoo.arrays import Array
from zoo.spec import MelSpectrum

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


def read_words(path: Path) -> list[str]:
    """The words of a list, one a line, in lower case; those of letters only, each once."""
    words = (line.strip().lower() for line in path.read_text().splitlines())
    return list(dict.fromkeys(word for word in words if word.isalpha() and word.isascii()))


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
