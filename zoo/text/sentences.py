"""Cuts text into pieces that a network can take, where a speaker would pause."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from zoo.errors import TextError

SENTENCE_PAUSE = 0.35  # seconds of silence
CLAUSE_PAUSE = 0.15

_SENTENCE = re.compile(r"(?<=[.!?])['\")]*\s+(?=\S)")
_CUTS = (  # where else, from the best place to the worst, with the pause that stands there
    (re.compile(r"(?<=[;:])\s+"), CLAUSE_PAUSE),
    (re.compile(r"(?<=,)\s+|\s+(?=[-(])"), CLAUSE_PAUSE),
    (re.compile(r"\s+(?=(?:and|or|but|which|that|because|if|when|while)\s)"), 0.0),
    (re.compile(r"\s+"), 0.0),
)
_BRACES = re.compile(r"\{[^{}]*\}")
_PRIVATE, _LAST = 0xF0000, 0x10FFFF  # characters without a meaning


@dataclass(frozen=True)
class Piece:
    """A stretch of text, and the seconds of silence behind it."""

    text: str
    pause: float


def split(text: str, tokens: Callable[[str], int], most: int) -> list[Piece]:
    """Sentences, and what is too long for one piece in parts, the last without a pause behind it.

    Args:
        text: already in words: a point ends a sentence, ARPAbet is in braces.
        tokens: how many tokens a text has.
        most: tokens of a piece.

    Raises:
        TextError: something that cannot be cut has more.
    """
    hidden, braces = _hide(text)
    pieces: list[Piece] = []
    for sentence in _SENTENCE.split(hidden):
        if sentence.strip():
            whole = Piece(sentence.strip(), SENTENCE_PAUSE)
            pieces += _parts(whole, lambda part: tokens(_show(part, braces)), most)
    shown = [replace(piece, text=_show(piece.text, braces)) for piece in pieces]
    return [*shown[:-1], replace(shown[-1], pause=0.0)] if shown else []


def _parts(piece: Piece, tokens: Callable[[str], int], most: int) -> Iterator[Piece]:
    """The piece, or as few parts of it as will do, cut at the best places there are."""
    if tokens(piece.text) <= most:
        yield piece
        return
    clauses, pause = _clauses(piece.text)
    if len(clauses) < 2:
        raise TextError(f"a piece of {most} tokens does not hold {piece.text[:80]!r}; write it in parts")
    joined = clauses[:1]
    for clause in clauses[1:]:
        if tokens(f"{joined[-1]} {clause}") <= most:
            joined[-1] += f" {clause}"
        else:
            joined.append(clause)
    for part in joined[:-1]:
        yield from _parts(Piece(part, pause), tokens, most)
    yield from _parts(Piece(joined[-1], piece.pause), tokens, most)


def _clauses(text: str) -> tuple[list[str], float]:
    """The text cut at the best places that it has, a word without any in the middle, and the pause there."""
    for pattern, pause in _CUTS:
        clauses = [clause for clause in pattern.split(text) if clause]
        if len(clauses) > 1:
            return clauses, pause
    middle = len(text) // 2
    return [part for part in (text[:middle], text[middle:]) if part], 0.0


def _hide(text: str) -> tuple[str, list[str]]:
    """ARPAbet in braces as one character each, of those for private use, so that no cut goes through it.

    Raises:
        TextError: there are more of them than such characters.
    """
    text = re.sub(f"[{chr(_PRIVATE)}-{chr(_LAST)}]", "\ufffd", text)  # a text's own ones, which nothing reads
    braces = _BRACES.findall(text)
    if len(braces) > _LAST - _PRIVATE:
        raise TextError(f"the text has {len(braces):,} words in braces; speak it in parts")
    places = iter(range(_PRIVATE, _LAST + 1))
    return _BRACES.sub(lambda match: chr(next(places)), text), braces


def _show(text: str, braces: list[str]) -> str:
    return "".join(braces[ord(c) - _PRIVATE] if ord(c) >= _PRIVATE else c for c in text)
