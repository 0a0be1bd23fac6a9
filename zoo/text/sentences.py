"""Cuts text into pieces that a network can take, where a speaker would pause."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from zoo.errors import TextError

SENTENCE_PAUSE = 0.35  # seconds of silence
CLAUSE_PAUSE = 0.15
PARAGRAPH_PAUSE = 0.7
LONGEST_PAUSE = 60.0
_LONGEST = 8000  # characters that are read at once
_WRAPPED = 50  # characters from which on a line may have been broken because it was full

SENTENCE = re.compile(r"(?<=[.!?])['\")]*\s+(?=\S)")
_LISTED = re.compile(r"\s*(?:[-*•+>#|]|\d{1,3}[.)]\s|[a-z][.)]\s)")
_BLANK = re.compile(r"\n\s*\n")
_CUTS = (  # where else, from the best place to the worst, and whether one pauses there
    (re.compile(r"(?<=[;:])\s+"), True),
    (re.compile(r"(?<=,)\s+|\s+(?=[-(])"), True),
    (re.compile(r"\s+(?=(?:and|or|but|which|that|because|if|when|while)\s)"), False),
    (re.compile(r"\s+"), False),
)
_BRACES = re.compile(r"\{[^{}]*\}")
_PRIVATE, _LAST = 0xF0000, 0x10FFFF  # characters without a meaning


@dataclass(frozen=True)
class Piece:
    """A stretch of text, and the seconds of silence behind it."""

    text: str
    pause: float


@dataclass(frozen=True)
class Pauses:
    """Seconds of silence behind a sentence, a part of one that is too long for a network, and a paragraph."""

    sentence: float = SENTENCE_PAUSE
    clause: float = CLAUSE_PAUSE
    paragraph: float = PARAGRAPH_PAUSE

    def __post_init__(self) -> None:
        for name, seconds in vars(self).items():
            if not 0 <= seconds <= LONGEST_PAUSE:
                raise ValueError(f"{name} pause {seconds!r}: expected from 0 to {LONGEST_PAUSE:g} seconds")


def paragraphs(text: str) -> Iterator[str]:
    """Stretches of a text that no sentence goes beyond: paragraphs, headings, items of lists, lines of verse.

    A line that was broken because it was full goes on in the next. Of very long stretches parts, cut at the
    end of a sentence or else at a space.
    """
    for block in _BLANK.split(text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")):
        lines = [line.strip() for line in block.split("\n") if line.strip()]
        width = max(map(len, lines), default=0)
        joined: list[str] = []
        for previous, line in zip(["", *lines], lines, strict=False):
            if previous and _goes_on(previous, line, width):
                joined.append(line)
                continue
            if joined:
                yield from _shorter(" ".join(joined))
            joined = [line]
        if joined:
            yield from _shorter(" ".join(joined))


def _goes_on(line: str, following: str, width: int) -> bool:
    """Whether a line goes on in the next: as that begins in lower case, or its first word had no room."""
    if _LISTED.match(following) or (line[-1] in ".!?:" and len(line) < _WRAPPED):
        return False
    full = width >= _WRAPPED and len(line) + 1 + len(following.split()[0]) > width
    return full or following[0].islower()


def _shorter(text: str) -> Iterator[str]:
    while len(text) > _LONGEST:
        ends = [match.end() for match in SENTENCE.finditer(text, 0, _LONGEST)]
        cut = ends[-1] if ends else text.rfind(" ", 1, _LONGEST) + 1 or _LONGEST
        yield text[:cut].strip()
        text = text[cut:]
    if text.strip():
        yield text.strip()


def split(text: str, tokens: Callable[[str], int], most: int, pauses: Pauses | None = None) -> list[Piece]:
    """Sentences, and what is too long for one piece in parts, the last without a pause behind it.

    Args:
        text: already in words: a point ends a sentence, ARPAbet is in braces.
        tokens: how many tokens a text has.
        most: tokens of a piece.
        pauses: between sentences and their parts.

    Raises:
        TextError: something that cannot be cut has more.
    """
    pauses = pauses or Pauses()
    hidden, braces = _hide(text)
    pieces: list[Piece] = []
    for sentence in filter(str.strip, SENTENCE.split(hidden)):
        pieces += _cut(sentence, braces, tokens, most, pauses)
    return [*pieces[:-1], replace(pieces[-1], pause=0.0)] if pieces else []


def split_sentence(sentence: str, tokens: Callable[[str], int], most: int, pauses: Pauses) -> list[Piece]:
    """One sentence, or its parts where it is too long for one piece; see ``split``."""
    hidden, braces = _hide(sentence)
    return _cut(hidden, braces, tokens, most, pauses) if hidden.strip() else []


def _cut(
    hidden: str, braces: list[str], tokens: Callable[[str], int], most: int, pauses: Pauses
) -> list[Piece]:
    """The same of a sentence whose ARPAbet is hidden."""
    whole = Piece(hidden.strip(), pauses.sentence)
    parts = _parts(whole, lambda part: tokens(_show(part, braces)), most, pauses.clause)
    return [replace(part, text=_show(part.text, braces)) for part in parts]


def _parts(piece: Piece, tokens: Callable[[str], int], most: int, clause_pause: float) -> Iterator[Piece]:
    """The piece, or as few parts of it as will do, cut at the best places there are."""
    if tokens(piece.text) <= most:
        yield piece
        return
    clauses, marked = _clauses(piece.text)
    pause = clause_pause if marked else 0.0
    if len(clauses) < 2:
        raise TextError(f"a piece of {most} tokens does not hold {piece.text[:80]!r}; write it in parts")
    joined = clauses[:1]
    for clause in clauses[1:]:
        if tokens(f"{joined[-1]} {clause}") <= most:
            joined[-1] += f" {clause}"
        else:
            joined.append(clause)
    for part in joined[:-1]:
        yield from _parts(Piece(part, pause), tokens, most, clause_pause)
    yield from _parts(Piece(joined[-1], piece.pause), tokens, most, clause_pause)


def _clauses(text: str) -> tuple[list[str], bool]:
    """The text cut at the best places that it has, or in the middle, and whether one pauses there."""
    for pattern, pause in _CUTS:
        clauses = [clause for clause in pattern.split(text) if clause]
        if len(clauses) > 1:
            return clauses, pause
    middle = len(text) // 2
    return [part for part in (text[:middle], text[middle:]) if part], False


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
