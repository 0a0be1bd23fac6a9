"""Make the package's pronouncing dictionary from CMU's, and words that it lacks from another.

  python -m scripts.make_dictionary --cmu cmudict.dict --others others.dict -o zoo/text/english.dict.xz

Regular inflections are left out, and initials of the second (``fbi``), which it may hold as words.
"""

from __future__ import annotations

import argparse
import lzma
import re
from pathlib import Path

from zoo.files import atomic
from zoo.text import word_parts

_ENTRY = re.compile(r"^(\S+?)(?:\(\d+\))?\s+([A-Z][A-Z0-9 ]*?)\s*(?:#.*)?$")
_WORD = re.compile(r"[a-z]\.|'?[a-z]+(?:'[a-z]+)*'?")
_ADDED = {  # what neither holds, or holds wrongly
    "www": "D AH1 B AH0 L Y UW0 D AH1 B AH0 L Y UW0 D AH1 B AH0 L Y UW0",
    "speechzoo": "S P IY1 CH Z UW1",
    "wifi": "W AY1 F AY2",
    "github": "G IH1 T HH AH2 B",
    "blog": "B L AO1 G",
    "hashtag": "HH AE1 SH T AE2 G",
    "centimeter": "S EH1 N T AH0 M IY2 T ER0",
}


def read(path: Path) -> dict[str, str]:
    """Words and their first pronunciation."""
    data = path.read_bytes()
    text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode("utf-8")
    found: dict[str, str] = {}
    for line in text.splitlines():
        entry = _ENTRY.match(line)
        if entry and _WORD.fullmatch(entry[1].lower()):
            found.setdefault(entry[1].lower(), entry[2])
    return found


def merge(cmu: dict[str, str], others: dict[str, str], initials: set[str]) -> dict[str, str]:
    """All words but those that follow from others by rule."""
    words = {**cmu, **{w: p for w, p in _ADDED.items() if w not in cmu}}
    for word, phonemes in others.items():
        if word not in words and word not in initials and word_parts.derive(word, words.get) is None:
            words[word] = phonemes
    return without_regular(words)


def without_regular(words: dict[str, str]) -> dict[str, str]:
    """Words but for the possessives, plurals and other inflections that come out the same by rule."""
    kept = dict(words)
    for word, phonemes in sorted(words.items(), key=lambda item: -len(item[0])):
        rest = kept.pop(word)
        if word_parts.regular(word, kept.get) != phonemes:
            kept[word] = rest
    for word, phonemes in words.items():  # what others were needed for
        if word not in kept and word_parts.regular(word, kept.get) != phonemes:
            kept[word] = phonemes
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cmu", type=Path, required=True, help="CMU's dictionary")
    parser.add_argument("--others", type=Path, required=True, help="a dictionary with more words")
    parser.add_argument(
        "--words", type=Path, required=True, help="a list that tells which words are in capitals"
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    listed = args.words.read_text("utf-8").split()
    initials = {w.lower() for w in listed if w.isupper()} - {w.lower() for w in listed if not w.isupper()}
    words = merge(read(args.cmu), read(args.others), initials)
    text = "".join(f"{word} {phonemes}\n" for word, phonemes in sorted(words.items()))
    with atomic(args.output) as part:
        part.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(words):,} words")


if __name__ == "__main__":
    main()
