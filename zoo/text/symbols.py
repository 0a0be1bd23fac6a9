"""The tokens of English text-to-speech networks, and text as their ids.

The table is the one that Tacotron and its successors share: padding, punctuation, letters, and ARPAbet as the
CMU dictionary writes it; ``PHONEMES`` is the same without letters. ARPAbet stands in braces:
``turn left on {HH Y UW1 S T AH0 N} street``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.errors import TextError

VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"

PADDING = "_"
CHARACTERS = PADDING + "-!'(),.:;? ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_STRESSED = [vowel + stress for vowel in VOWELS for stress in ("", "0", "1", "2")]
ARPABET = tuple(sorted([*_CONSONANTS.split(), *_STRESSED]))
SYMBOLS = (*CHARACTERS, *(f"@{phoneme}" for phoneme in ARPABET))  # "@" tells B from the letter
PHONEMES = tuple(symbol for symbol in SYMBOLS if not symbol.isalpha())  # of networks that read no letters

_PARTS = re.compile(r"\{([^{}]*)\}|([^{}]+)|([{}])")


def reads_letters(symbols: Sequence[str]) -> bool:
    """Whether a table has letters, or phonemes only."""
    return any(symbol.isalpha() for symbol in symbols)


@dataclass(frozen=True)
class Tokens:
    """Text as a network takes it.

    Attributes:
        ids: indices into the table of symbols; none is that of padding.
        unknown: characters that the table lacks and that were left out, each once.
    """

    ids: tuple[int, ...]
    unknown: tuple[str, ...] = ()


def encode(text: str, symbols: Sequence[str] = SYMBOLS) -> Tokens:
    """Text, already in words, as token ids.

    Args:
        text: with ARPAbet in braces.
        symbols: a network's table; index 0 is padding.

    Raises:
        TextError: a brace without its other one, or something in braces that is not ARPAbet.
    """
    index = {symbol: i for i, symbol in enumerate(symbols) if symbol != PADDING}
    ids: list[int] = []
    unknown: dict[str, None] = {}
    for phonemes, characters, brace in _PARTS.findall(text):
        if brace:
            raise TextError(
                f"a {brace!r} without its other one in {text[:80]!r}; braces hold ARPAbet, as in {{AH0}}"
            )
        for phoneme in phonemes.split():
            if f"@{phoneme}" not in index:
                raise TextError(
                    f"{phoneme[:80]!r} in {{{phonemes[:80]}}} is not ARPAbet as the CMU dictionary writes "
                    f"it: consonants {_CONSONANTS}; vowels {' '.join(VOWELS)}, with a stress 0, 1 or 2"
                )
            ids.append(index[f"@{phoneme}"])
        for character in characters:
            if character in index:
                ids.append(index[character])
            else:
                unknown[character] = None
    return Tokens(tuple(ids), tuple(unknown))


def decode(ids: Sequence[int], symbols: Sequence[str] = SYMBOLS) -> str:
    """The text of token ids, ARPAbet in braces."""
    text = "".join(f"{{{s[1:]}}}" if len(s) > 1 else s for s in (symbols[i] for i in ids))
    return text.replace("}{", " ")
