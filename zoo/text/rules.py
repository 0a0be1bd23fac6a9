"""A rule of reading: what a kind of token looks like, and what is said in its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_STARTERS = re.compile(  # words that a sentence begins with, rather than a name goes on
    r"\s+(?:The|He|She|It|They|We|You|I|But|And|In|On|At|This|That|These|Those|There|Then|When|If|A|An|His|Her|Their|"
    r"My|Our|As|So|No|Yes|After|Before|For|From|To|What|Who|Why|How|Is|Are|Was|Were|Its|Some|Most|Many|However)\s"
)
_WINDOW = 48  # characters around a token that rules look at, so that a rule's time is bounded

Say = Callable[["re.Match[str]"], "str | None"]


@dataclass(frozen=True)
class Rule:
    """Attributes:
    begins: the class of characters, as in a regular expression, that such a token begins with.
    pattern: it, matched where a token begins; its repetitions are bounded, or end where it does.
    say: what is said, or None where it is something else after all. Capitals in it are names of letters.
    """

    begins: str
    pattern: re.Pattern[str]
    say: Say


def rule(begins: str, pattern: str, say: Say, flags: int = 0) -> Rule:
    """A rule from the text of its pattern."""
    return Rule(begins, re.compile(pattern, flags), say)


def before(match: re.Match[str]) -> str:
    """What stands before a token, at most 48 characters of it."""
    return match.string[max(0, match.start() - _WINDOW) : match.start()]


def after(match: re.Match[str]) -> str:
    """What stands behind a token, at most 48 characters of it."""
    return match.string[match.end() : match.end() + _WINDOW]


def last_word(match: re.Match[str]) -> str:
    """The word before a token, as it is written, without marks; empty where a mark or nothing is."""
    found = re.search(r"([A-Za-z][A-Za-z']*)\.?\s*$", before(match))
    return found[1] if found else ""


def next_word(match: re.Match[str]) -> str:
    """The word behind a token and a space or hyphen, as it is written; empty where something else is."""
    found = re.match(r"(?:\s+|-)([A-Za-z][A-Za-z']*)", after(match))
    return found[1] if found else ""


def begins_sentence(behind: str) -> bool:
    """Whether a word that begins sentences stands behind a token, rather than a name that goes on."""
    return _STARTERS.match(behind) is not None


def point_of_end(match: re.Match[str]) -> str:
    """A point where that of an abbreviation ends a sentence too."""
    behind = after(match)
    return "." if not behind.strip() or behind[:1] == "\n" or begins_sentence(behind) else ""


def counts_singly(match: re.Match[str]) -> bool:
    """Whether a measure stands before what it measures, as in ``a 10-km run``, where it has no plural."""
    singular = last_word(match).lower() in ("a", "an", "this", "that", "each", "every", "per", "another")
    return singular and next_word(match)[:1].islower() and next_word(match) not in _NOT_MEASURED


_NOT_MEASURED = {
    "and",
    "or",
    "in",
    "on",
    "at",
    "of",
    "for",
    "per",
    "a",
    "the",
    "is",
    "was",
    "to",
    "from",
    "with",
}


def spelled(letters: str) -> str:
    """Letters and digits by their names: ``B2b`` -> ``B two B``"""
    return " ".join(_DIGITS.get(letter, letter.upper()) for letter in letters if letter.isalnum())


def any_of(words: Iterable[str]) -> str:
    """A pattern for any of these, the longest first."""
    return "(?:" + "|".join(map(re.escape, sorted(words, key=lambda word: (-len(word), word)))) + ")"


_DIGITS = dict(
    zip(
        "0123456789",
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        strict=True,
    )
)
