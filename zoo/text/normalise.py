"""Written English as it is said: each token by the first rule that reads it, from left to right."""

from __future__ import annotations

import bisect
import functools
import re
import unicodedata
from collections.abc import Iterator

from zoo.text import (
    abbreviations,
    acronyms,
    addresses,
    codes,
    dates,
    measures,
    money,
    numbers,
    ratios,
    roman,
    science,
    signs,
    times,
)
from zoo.text.characters import simplify
from zoo.text.rules import Rule
from zoo.text.sentences import SENTENCE

_BRACES = re.compile(r"(\{[^{}]*\})")
_RULES: tuple[Rule, ...] = (
    numbers.LONG,  # first, so that no other rule looks for the end of thousands of digits
    *addresses.RULES,
    *dates.RULES,
    *codes.RULES,
    *times.RULES,
    *money.RULES,
    *science.RULES,
    *numbers.ENDING,
    *measures.RULES,
    *ratios.RULES,
    *codes.BEHIND_NUMBERS,
    *numbers.RULES,
    *roman.RULES,
    *abbreviations.RULES,
    *acronyms.RULES,
    *signs.RULES,
)
_CAPITALS = re.compile("[A-Z]{2,}")
_SPEAKER = re.compile(r"[\"'”’)]\s+[a-z]")  # goes on behind what was said: "Really?" she asked.
_SPACES = re.compile(r"\s+")


def normalise(text: str) -> str:
    """Text as it is said, in lower case; ARPAbet in braces stays as it is.

    Symbols that no rule reads (``~``, ``^``, pictures) are still there: ``symbols.encode`` reports them.
    """
    return lower(write_out(text))


def write_out(text: str) -> str:
    """Text as it is said: words in lower case, names of letters as capitals (``F B I``), ARPAbet in braces.

    Points, question and exclamation marks are left only where a sentence ends.
    """
    return _SPACES.sub(" ", _read(unicodedata.normalize("NFC", text))[0]).strip()


def read_sentences(text: str) -> Iterator[tuple[str, str]]:
    """Sentences of a text as they are written, and as ``write_out`` gives them."""
    text = unicodedata.normalize("NFC", text)
    said, spaces = _read(text)
    begin, written = 0, 0
    for match in SENTENCE.finditer(said):
        index = bisect.bisect_left(spaces, (match.end(),)) - 1
        end = spaces[index][1] if index >= 0 else 0
        if index >= 0 and spaces[index][0] >= match.start() and not _SPEAKER.match(text, max(0, end - 1)):
            yield text[written:end].strip(), _SPACES.sub(" ", said[begin : match.end()]).strip()
            begin, written = match.end(), end
    yield text[written:].strip(), _SPACES.sub(" ", said[begin:]).strip()


def lower(text: str) -> str:
    """Text in lower case, capitals in a row apart from each other, ARPAbet in braces as it is."""
    return "".join(
        part if part.startswith("{") else _CAPITALS.sub(lambda run: " ".join(run[0]), part).lower()
        for part in _BRACES.split(text)
    )


def _read(text: str) -> tuple[str, list[tuple[int, int]]]:
    """What a text says, with spaces as they come; and each space's place in it and in the text."""
    said: list[str] = []
    spaces: list[tuple[int, int]] = []
    done = 0
    for part in _BRACES.split(text):
        if part.startswith("{"):
            said.append(part)
        else:
            words, own = _words(part)
            length = sum(map(len, said))
            spaces += [(length + place, done + origin) for place, origin in own]
            said.append(words)
        done += len(part)
    return "".join(said), spaces


def _words(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The same of a text without braces."""
    text, origins = simplify(text)
    said: list[str] = []
    spaces: list[tuple[int, int]] = []
    position, length, ruled = 0, 0, False
    while position < len(text):
        for rule in _rules_of(text[position]):
            match = rule.pattern.match(text, position)
            if not match or match.end() == position:
                continue
            if (words := rule.say(match)) is not None:
                length += _join(said, words, True)
                position, ruled = match.end(), True
                break
        else:
            if text[position].isspace():
                spaces.append((length, origins[position]))
            length += _join(said, text[position], ruled)
            position, ruled = position + 1, False
    return "".join(said), spaces


def _join(said: list[str], words: str, apart: bool) -> int:
    """Add what is said, with a space where two words would become one; returns the characters added."""
    if not words:
        return 0
    space = apart and said and words[0].isalnum() and said[-1][-1].isalnum()
    said.append(f" {words}" if space else words)
    return len(said[-1])


@functools.lru_cache(1024)
def _rules_of(character: str) -> tuple[Rule, ...]:
    """The rules for tokens that begin with a character."""
    return tuple(rule for rule in _RULES if re.match(rule.begins, character))
