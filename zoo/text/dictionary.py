"""Words as phonemes, by a pronouncing dictionary in the format of CMU's and what follows from its words."""

from __future__ import annotations

import functools
import lzma
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from zoo.errors import TextError
from zoo.text import homographs, word_parts
from zoo.text.letters import say_letters
from zoo.text.symbols import ARPABET, reads_letters

_PARTS = re.compile(r"(\{[^{}]*\})|([A-Za-z]+(?:'[A-Za-z]+)*)")
_ENTRY = re.compile(r"^(\S+?)(?:\((\d+)\))?\s+(\S.*?)\s*(?:#.*)?$")
_CAPITAL = re.compile(r"([A-Z])('s)?")
_CAPITALS = re.compile(r"[A-Z]{2,}(?:'s)?")
ENGLISH = Path(__file__).with_name("english.dict.xz")


class Dictionary:
    """Pronunciations, the first of those that a word has.

    Args:
        path: text file, or one packed as ``.xz``: a word and its phonemes on a line, ``;;;`` before a
            comment.
        base: is asked for what the file lacks.

    Raises:
        TextError: no such file, no text, or a line that is no entry.
    """

    def __init__(self, path: str | os.PathLike[str], base: Dictionary | None = None) -> None:
        self.name = Path(path).name
        self._base = base
        self._english = base is not None or Path(path) == ENGLISH  # whose homographs are known
        try:
            data = Path(path).read_bytes()
            text = (lzma.decompress(data) if Path(path).suffix == ".xz" else data).decode("utf-8")
        except (OSError, UnicodeDecodeError, lzma.LZMAError) as error:
            raise TextError(f"{path}: it cannot be read as a pronouncing dictionary ({error})") from error
        self._entries: dict[str, str] = {}
        if Path(path) == ENGLISH:  # whose lines a test has seen
            self._entries = dict(line.split(" ", 1) for line in text.splitlines())
            return
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

    def entry(self, word: str) -> str | None:
        """ARPAbet that stands in the dictionary for a word in lower case, or in the one that it adds to."""
        found = self._entries.get(word)
        return self._base.entry(word) if found is None and self._base is not None else found

    def _own(self, word: str) -> str | None:
        """ARPAbet that the user's file gives, where there is one."""
        return None if self._base is None else self._entries.get(word)

    def phonemes(self, word: str) -> str | None:
        """ARPAbet of a word in lower case, or None if it is not there.

        Possessives, inflections and British spellings follow from their words, and a compound from its parts.
        """
        return self.entry(word) or word_parts.derive(word, self.entry)

    def spelled(self, word: str) -> str | None:
        """ARPAbet of a word's letters, one by one, or None where the dictionary lacks some of their names.

        Those stand in it with a point: ``a. EY1``.
        """
        names = [self.entry(f"{letter}.") for letter in word if letter.isalpha()]
        return "} {".join(filter(None, names)) if all(names) else None

    def pronounce(
        self, text: str, *, rules: Callable[[str], str | None] | None = None, spell: bool = False
    ) -> tuple[str, tuple[str, ...]]:
        """Text in words with every known one as ARPAbet in braces, and the words that are not known.

        Args:
            text: in lower case; single capitals are names of letters, and several are spelled.
            rules: give ARPAbet of words that are not in the dictionary, or None.
            spell: unknown words as the names of their letters, for a network that reads phonemes only; else
                they stay as they are.
        """
        missing: dict[str, None] = {}
        chosen = homographs.choose(text, own=self._own) if self._english else {}

        def replace(match: re.Match[str]) -> str:
            if match[1]:
                return match[1]
            found = chosen.get(match.start()) or self._say(match[2], rules)
            if found is None:
                word = match[2].lower()
                missing[word] = None
                found = self.spelled(word) if spell else None
            return match[2].lower() if found is None else f"{{{found}}}"

        return _PARTS.sub(replace, text), tuple(missing)

    def _say(self, word: str, rules: Callable[[str], str | None] | None) -> str | None:
        """The name of a capital, a word by the dictionary, or one by rules."""
        letter = _CAPITAL.fullmatch(word)
        name = self.entry(f"{letter[1].lower()}.") if letter else None
        if letter and name:
            return word_parts.possessive(name) if letter[2] else name
        if _CAPITALS.fullmatch(word):
            return None
        found = self.phonemes(word.lower())
        return rules(word.lower()) if found is None and rules is not None else found


def as_read(
    text: str,
    symbols: Sequence[str],
    dictionary: Dictionary | None = None,
    rules: Callable[[str], str | None] | None = None,
) -> tuple[str, tuple[str, ...]]:
    """Text in words as a network reads it: in letters, or in phonemes if it has only those.

    Args:
        text: as ``normalise.write_out`` gives it, ARPAbet in braces.
        symbols: the network's table.
        dictionary: gives phonemes whether or not it has letters. If None, the package's own where it has none
            or there are rules.
        rules: see ``Dictionary.pronounce``; what they do not know either, a network without letters says by
            those of ``letters.py``.

    Returns:
        the text, and the words that neither dictionary nor rules know.
    """
    from zoo.text.normalise import lower

    has_letters = reads_letters(symbols)
    if dictionary is None and (rules is not None or not has_letters):
        dictionary = english()
    if dictionary is None:
        return lower(text), ()
    guessed: dict[str, None] = {}

    def guess(word: str) -> str | None:
        found = None if rules is None else rules(word)
        if found is None and not has_letters:
            guessed[word] = None
            found = say_letters(word)
        return found

    said, missing = dictionary.pronounce(text, rules=guess, spell=not has_letters)
    return said, tuple(dict.fromkeys((*guessed, *missing)))


@functools.cache
def english() -> Dictionary:
    """The dictionary that comes with the package."""
    return Dictionary(ENGLISH)
