"""Words as phonemes."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from zoo.errors import TextError
from zoo.text.dictionary import Dictionary
from zoo.text.symbols import encode

TEXT = """;;; a comment
HELLO  HH AH0 L OW1
HELLO(1)  HH EH0 L OW1
world W ER1 L D # a comment of the newer format
horse HH AO1 R S
cat K AE1 T
don't D OW1 N T
"""


@pytest.mark.parametrize("packed", [False, True])
def test_words_become_phonemes(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("words.dict.xz" if packed else "words.dict")
    path.write_bytes(lzma.compress(TEXT.encode()) if packed else TEXT.encode())
    dictionary = Dictionary(path)
    assert len(dictionary) == 5
    said, missing = dictionary.pronounce("hello, world! don't {B IY1} zyx; hello.")
    assert said == "{HH AH0 L OW1}, {W ER1 L D}! {D OW1 N T} {B IY1} zyx; {HH AH0 L OW1}."
    assert missing == ("zyx",) and not encode(said).unknown


@pytest.mark.parametrize(
    ("word", "phonemes"),
    [("horse's", "HH AO1 R S IH0 Z"), ("cat's", "K AE1 T S"), ("world's", "W ER1 L D Z"), ("dog's", None)],
)
def test_possessives(tmp_path: Path, word: str, phonemes: str | None) -> None:
    (tmp_path / "d").write_text(TEXT)
    assert Dictionary(tmp_path / "d").phonemes(word) == phonemes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello HH AX L OW", "line 1: expected a word and its ARPAbet"),
        (b"hello", "line 1: expected a word"),
        (b"\xff\xfe", "cannot be read as a pronouncing dictionary"),
        (None, "cannot be read as a pronouncing dictionary"),
    ],
)
def test_what_is_no_dictionary(tmp_path: Path, data: bytes | None, message: str) -> None:
    if data is not None:
        (tmp_path / "d").write_bytes(data)
    with pytest.raises(TextError, match=message):
        Dictionary(tmp_path / "d")
