"""A teacher's tokens as the package reads the same sentence: the voice is to learn what it will be given."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from zoo.text.symbols import VOWELS

Token = tuple[str, float]  # a symbol of the table, a phoneme without braces, and the time that it takes
_PARTS = re.compile(r"\{([^{}]*)\}|([^{}])")
_JOINTS = {"", " ", "-"}  # between two words, or parts of one, without a pause


def as_package(tokens: list[Token], said: str) -> list[Token]:
    """The teacher's tokens, written as the package writes them wherever both say the same.

    Stresses, vowels of short words, the names of letters and hyphens differ; where even consonants do, or a
    vowel is left out, the teacher's stay.

    Args:
        tokens: of the teacher.
        said: the sentence as ``zoo.text`` reads it, ARPAbet in braces.
    """
    ours, joints = _flat(said)
    places = [place for place, (symbol, _) in enumerate(tokens) if symbol[0].isalpha()]
    theirs = [tokens[place][0] for place in places]
    matcher = SequenceMatcher(None, list(map(_kind, theirs)), list(map(_kind, ours)), autojunk=False)
    symbols = dict(zip(places, theirs, strict=True))
    between: dict[int, str] = {}
    for own, other, length in matcher.get_matching_blocks():
        for step in range(length):
            symbols[places[own + step]] = ours[other + step]
            if step + 1 < length:
                between[places[own + step]] = joints[other + step]
    return _joined(tokens, symbols, between)


def _joined(tokens: list[Token], symbols: dict[int, str], between: dict[int, str]) -> list[Token]:
    """Tokens with other phonemes, and other joints where neither side has a pause."""
    result: list[Token] = []
    place = 0
    while place < len(tokens):
        symbol, time = tokens[place]
        result.append((symbols.get(place, symbol), time))
        joint = between.get(place)
        place += 1
        if joint is not None:
            end = place
            while end < len(tokens) and end not in symbols:
                end += 1
            gap = tokens[place:end]
            if joint in _JOINTS and "".join(s for s, _ in gap) in _JOINTS:
                if joint:
                    result.append((joint, sum(t for _, t in gap)))
                elif gap:
                    result[-1] = (result[-1][0], result[-1][1] + sum(t for _, t in gap))
                place = end
    return result


def _flat(said: str) -> tuple[list[str], list[str]]:
    """Phonemes of a sentence, and what stands behind each of them."""
    phonemes: list[str] = []
    joints: list[str] = []
    for inside, character in _PARTS.findall(said):
        for phoneme in inside.split():
            phonemes.append(phoneme)
            joints.append("")
        if character and joints:
            joints[-1] += character
    return phonemes, joints


def _kind(phoneme: str) -> str:
    """A consonant, or one letter for all vowels."""
    return "V" if phoneme.rstrip("012") in VOWELS else phoneme
