"""Written English as it is said: each token by the first rule that reads it, from left to right."""

from __future__ import annotations

import functools
import re

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
    parts = [part if part.startswith("{") else _words(part) for part in _BRACES.split(text)]
    return _SPACES.sub(" ", "".join(parts)).strip()


def lower(text: str) -> str:
    """Text in lower case, capitals in a row apart from each other, ARPAbet in braces as it is."""
    return "".join(
        part if part.startswith("{") else _CAPITALS.sub(lambda run: " ".join(run[0]), part).lower()
        for part in _BRACES.split(text)
    )


def _words(text: str) -> str:
    text = simplify(text)
    said: list[str] = []
    position, ruled = 0, False
    while position < len(text):
        for rule in _rules_of(text[position]):
            match = rule.pattern.match(text, position)
            if not match or match.end() == position:
                continue
            if (words := rule.say(match)) is not None:
                _join(said, words, True)
                position, ruled = match.end(), True
                break
        else:
            _join(said, text[position], ruled)
            position, ruled = position + 1, False
    return "".join(said)


def _join(said: list[str], words: str, apart: bool) -> None:
    """Add what is said, with a space where two words would become one."""
    if words:
        if apart and said and words[0].isalnum() and said[-1][-1].isalnum():
            said.append(" ")
        said.append(words)


@functools.lru_cache(1024)
def _rules_of(character: str) -> tuple[Rule, ...]:
    """The rules for tokens that begin with a character."""
    return tuple(rule for rule in _RULES if re.match(rule.begins, character))
