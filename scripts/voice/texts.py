"""Text for a teacher to say: sentences out of books, dictionaries' examples, and patterns that those lack."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LEAST, MOST = 2, 110  # characters of a sentence
_END = re.compile(r"(?<=[.!?])['\")\]]*\s+(?=[\"'(]?[A-Z])")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z ',;:?!.()-]*[.?!]")
_EXAMPLE = re.compile(r'"([^"]+)"')
_ABBREVIATED = re.compile(r"\b(?:[A-Za-z]|Mr|Mrs|Dr|St|No|vol|etc|viz|cf|Messrs|ed)\.")
_SHOUTED = re.compile(r"\b[A-Z]{2,}\b")

_ONES = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = (
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
_PATTERNS = Path(__file__).with_name("patterns.txt")


def read_sentences(path: Path) -> Iterator[str]:
    """Sentences of a text file (perhaps ``.gz``), or of the examples in one of WordNet's ``data`` files.

    Those of letters and plain marks only, without abbreviations, of 2 to 110 characters.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace") as file:
        text = file.read()
    if path.name.startswith("data.") and path.suffix != ".txt":
        found = (example.strip(" ;,") for line in text.splitlines() for example in _EXAMPLE.findall(line))
        parts = (f"{e[0].upper()}{e[1:]}{'' if e[-1] in '.?!' else '.'}" for e in found if len(e) > 1)
    else:
        text = re.sub(r"\s*--\s*", " - ", text.replace("\u2019", "'").replace("\u2014", " - "))
        paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
        parts = (part.strip("\"' ") for paragraph in paragraphs for part in _END.split(paragraph))
    for part in parts:
        part = part.replace('"', "").replace("`", "").strip()
        plain = _PLAIN.fullmatch(part) and not _ABBREVIATED.search(part) and not _SHOUTED.search(part)
        if plain and LEAST <= len(part) <= MOST:
            yield part


def patterned(seed: int) -> Iterator[str]:
    """Questions, lists, numbers, letters and short answers, endlessly; half of them questions.

    ``patterns.txt`` has things in its first line, and what is said of them in the others.
    """
    random = np.random.default_rng(seed)
    first, *patterns = _PATTERNS.read_text().splitlines()
    asked, said = ([p for p in patterns if ("?" in p) is question] for question in (True, False))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    while True:
        things = [str(x) for x in random.choice(first.split(), 3, replace=False)]
        number = [spelled_number(int(n)) for n in random.integers(1, 1000, 3)]
        pattern = str(random.choice(asked if random.random() < 0.5 else said))
        yield pattern.format(
            thing=things[0], other=things[1], third=things[2], Thing=things[0].capitalize(),
            number=number[0], next=number[1], last=number[2], Number=number[0].capitalize(),
            letters="".join(letters[i] for i in random.integers(0, 26, int(random.integers(2, 5)))),
        )  # fmt: skip


def spelled_number(number: int) -> str:
    """A number from 1 to 999 in words."""
    hundreds, rest = divmod(number, 100)
    words = [f"{_ONES[hundreds - 1]} hundred"] if hundreds else []
    if rest >= 20:
        words.append(_TENS[rest // 10 - 2] + (f" {_ONES[rest % 10 - 1]}" if rest % 10 else ""))
    elif rest:
        words.append(_ONES[rest - 1])
    return " and ".join(words)
