"""Where a text pauses, and what of it is spoken at once."""

from __future__ import annotations

import time

import pytest

from zoo.errors import TextError
from zoo.text.reading import Reader
from zoo.text.sentences import PARAGRAPH_PAUSE, SENTENCE_PAUSE, Pauses, paragraphs
from zoo.text.symbols import SYMBOLS

FULL = "This line has been broken since it was full and the next word"
READER = Reader(SYMBOLS, 120)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One.\n\nTwo.", ["One.", "Two."]),
        ("# Head\nText of it.", ["# Head", "Text of it."]),
        ("- one\n- two\n1. three", ["- one", "- two", "1. three"]),
        ("Roses are red\nViolets are blue", ["Roses are red", "Violets are blue"]),
        ("it goes\non here", ["it goes on here"]),
        (f"{FULL}\nJohn went on.", [f"{FULL} John went on."]),
        ("One.\r\n\r\nTwo\rthree", ["One.", "Two three"]),
        (" \n \n", []),
    ],
)  # fmt: skip
def test_paragraphs(text: str, parts: list[str]) -> None:
    assert list(paragraphs(text)) == parts


def test_a_text_without_a_line_is_read_in_parts() -> None:
    text = "One sentence of it. " * 5000
    parts = list(paragraphs(text))
    assert max(map(len, parts)) <= 8000 and " ".join(parts) == text.strip()
    started = time.perf_counter()
    next(READER.parts(text))
    assert time.perf_counter() - started < 2


def test_sentences_know_how_they_are_written() -> None:
    text = 'Dr. Lee paid $5M. At 3 p.m. he left the U.S. economy.\n\nSee Fig. 3. "Why?" she asked. 10⁶ cafés!'
    parts = list(READER.parts(text))
    assert [part.written for part in parts] == [
        "Dr. Lee paid $5M.",
        "At 3 p.m. he left the U.S. economy.",
        "See Fig. 3.",
        '"Why?" she asked.',
        "10⁶ cafés!",
    ]
    assert [part.sentence for part in parts] == [0, 1, 2, 3, 4]
    pauses = [part.piece.pause for part in parts]
    assert pauses == [SENTENCE_PAUSE, PARAGRAPH_PAUSE, SENTENCE_PAUSE, SENTENCE_PAUSE, 0]
    own = [part.piece.pause for part in READER.parts(text, Pauses(sentence=1, paragraph=2))]
    assert own == [1, 2, 1, 1, 0]


@pytest.mark.parametrize(
    "text", ["J. R. R. Tolkien wrote it.", "She has a Ph.D. in maths.", "the U.S. economy", "See Fig. 3 now."]
)
def test_points_that_end_nothing(text: str) -> None:
    assert len(list(READER.parts(text))) == 1


@pytest.mark.parametrize("text", ["()", "...", "?!", "-", "", " ", "🙂"])
def test_marks_alone_are_not_spoken(text: str) -> None:
    with pytest.raises(TextError, match="nothing in it can be spoken"):
        list(READER.parts(text))
    assert next(READER.parts(f"Hello. {text} Bye.")).piece.text == "hello."


def test_pauses_that_are_none() -> None:
    for seconds in (-1, float("nan"), 61):
        with pytest.raises(ValueError, match=r"clause pause .* expected from 0 to 60"):
            Pauses(clause=seconds)
