"""Words as phonemes, by a pronouncing dictionary in the format of CMU's."""

from __future__ import annotations

import functools
import lzma
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from zoo.errors import TextError
from zoo.text.symbols import ARPABET, reads_letters

_PARTS = re.compile(r"(\{[^{}]*\})|([a-z]+(?:'[a-z]+)*)")
_ENTRY = re.compile(r"^(\S+?)(?:\((\d+)\))?\s+(\S.*?)\s*(?:#.*)?$")
_HISSING = {"S", "Z", "SH", "ZH", "CH", "JH"}  # after which a possessive is a syllable of its own
_VOICELESS = {"P", "T", "K", "F", "TH"}
_SHORTEST_PART = 3  # letters of a word in a compound
ENGLISH = Path(__file__).with_name("english.dict.xz")


class Dictionary:
    """Pronunciations, the first of those that a word has.

    Args:
        path: text file, or one packed as ``.xz``: a word and its phonemes on a line, ``;;;`` before a
            comment.

    Raises:
        TextError: no such file, no text, or a line that is no entry.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = Path(path).name
        try:
            data = Path(path).read_bytes()
            text = (lzma.decompress(data) if Path(path).suffix == ".xz" else data).decode("utf-8")
        except (OSError, UnicodeDecodeError, lzma.LZMAError) as error:
            raise TextError(f"{path}: it cannot be read as a pronouncing dictionary ({error})") from error
        self._entries: dict[str, str] = {}
        known = set(ARPABET)
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith(";;;"):
                continue
            entry = _ENTRY.match(line)
            if entry is None or not known.issuperset(entry[3].split()):
                raise TextError(
                    f"{path}, line {number}: expected a word and its ARPAbet, as in CMU's dictionary, got "
                    f"{line[:60]!r}"
                )
            self._entries.setdefault(entry[1].lower(), entry[3])

    def __len__(self) -> int:
        return len(self._entries)

    def phonemes(self, word: str) -> str | None:
        """ARPAbet of a word in lower case, or None if it is not there.

        A possessive follows from its word, and a compound from its two parts.
        """
        if word in self._entries:
            return self._entries[word]
        if word.endswith("'s"):
            base = self.phonemes(word.removesuffix("'s"))
            if base is None:
                return None
            last = base.split()[-1]
            return f"{base} {'IH0 Z' if last in _HISSING else 'S' if last in _VOICELESS else 'Z'}"
        for cut in range(len(word) - _SHORTEST_PART, _SHORTEST_PART - 1, -1):  # the longest first part
            parts = [self._entries.get(part) for part in (word[:cut], word[cut:])]
            if all(parts):
                return " ".join(filter(None, parts))
        return None

    def spelled(self, word: str) -> str | None:
        """ARPAbet of a word's letters, one by one, or None where the dictionary lacks some of their names.

        Those stand in it with a point: ``a. EY1``.
        """
        names = [self._entries.get(f"{letter}.") for letter in word if letter.isalpha()]
        return "} {".join(filter(None, names)) if all(names) else None

    def pronounce(
        self, text: str, *, rules: Callable[[str], str | None] | None = None, spell: bool = False
    ) -> tuple[str, tuple[str, ...]]:
        """Text in words with every known one as ARPAbet in braces, and the words that are not known.

        Args:
            text: in lower case.
            rules: give ARPAbet of words that are not in the dictionary, or None.
            spell: unknown words as the names of their letters, for a network that reads phonemes only; else
                they stay as they are.
        """
        missing: dict[str, None] = {}

        def replace(match: re.Match[str]) -> str:
            if match[1]:
                return match[1]
            found = self.phonemes(match[2])
            if found is None and rules is not None:
                found = rules(match[2])
            if found is None:
                missing[match[2]] = None
                found = self.spelled(match[2]) if spell else None
            return match[2] if found is None else f"{{{found}}}"

        return _PARTS.sub(replace, text), tuple(missing)


def as_read(
    text: str,
    symbols: Sequence[str],
    dictionary: Dictionary | None = None,
    rules: Callable[[str], str | None] | None = None,
) -> tuple[str, tuple[str, ...]]:
    """Text in words as a network reads it: in letters, or in phonemes if it has only those.

    Args:
        text: in lower case, ARPAbet in braces.
        symbols: the network's table.
        dictionary: gives phonemes whether or not it has letters. If None, the package's own where it has none
            or there are rules.
        rules: see ``Dictionary.pronounce``.

    Returns:
        the text, and the words that neither dictionary nor rules know.
    """
    letters = reads_letters(symbols)
    if dictionary is None and (rules is not None or not letters):
        dictionary = english()
    return (text, ()) if dictionary is None else dictionary.pronounce(text, rules=rules, spell=not letters)


@functools.cache
def english() -> Dictionary:
    """The dictionary that comes with the package."""
    return Dictionary(ENGLISH)
