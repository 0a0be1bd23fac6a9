"""Words that no dictionary holds: from their parts, or by rules from letters to sounds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zoo.text.dictionary import Dictionary, as_read, english
from zoo.text.letters import likelihood, say_letters
from zoo.text.symbols import ARPABET, PHONEMES
from zoo.text.word_parts import derive


@pytest.mark.parametrize(
    ("word", "phonemes"),
    [
        ("starship", "S T AA1 R SH IH2 P"),  # and not stars and hip
        ("downside", "D AW1 N S AY2 D"),
        ("colour", "K AH1 L ER0"),
        ("organise", "AO1 R G AH0 N AY2 Z"),
        ("haven't", "HH AE1 V AH0 N T"),
        ("isn't", "IH1 Z AH0 N T"),
        ("starships", "S T AA1 R SH IH2 P S"),
        ("blogged", "B L AO1 G D"),
    ],
)
def test_words_from_others(word: str, phonemes: str) -> None:
    assert english().phonemes(word) == phonemes or derive(word, english().entry) == phonemes


def test_a_compound_is_cut_where_its_letters_sound_so() -> None:
    entries = {"star": "S T AA1 R", "stars": "S T AA1 R Z", "ship": "SH IH1 P", "hip": "HH IH1 P"}
    assert derive("starship", entries.get) == "S T AA1 R SH IH2 P"
    assert likelihood("starship", "S T AA R SH IH P") > likelihood("starship", "S T AA R Z HH IH P")


@pytest.mark.parametrize(
    ("word", "phonemes"), [("strelting", "S T R EH1 L T IH0 NG"), ("blick", "B L IH1 K"), ("fape", "F EY1 P")]
)
def test_letters_to_sounds(word: str, phonemes: str) -> None:
    assert say_letters(word) == phonemes


@pytest.mark.parametrize("word", ["zzxy", "abcx", "grrr", "xkcd", "a" * 41, "", "'"])
def test_what_is_no_word_is_not_guessed(word: str) -> None:
    assert say_letters(word) is None


def test_every_word_has_one_stress() -> None:
    for word in ("kubernetes", "tolkienesque", "brexiteer", "zuckerberg", "o'dwyerson"):
        said = say_letters(word)
        assert said is not None and len(re.findall("1", said)) == 1 and set(said.split()) <= set(ARPABET)


def test_a_dictionary_adds_to_the_package(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("read B AH1\nzorbling Z AO1\n")
    own = Dictionary(tmp_path / "d", english())
    said, missing = as_read("read the zorbling lead pipe", PHONEMES, own)
    assert said == "{B AH1} {DH AH0} {Z AO1} {L EH1 D} {P AY1 P}" and missing == ()


def test_the_lines_of_the_package_are_entries() -> None:
    """They are not looked at when they are loaded, since that takes longer than all else."""
    dictionary = english()
    known = set(ARPABET)
    assert all(dictionary.entry(f"{letter}.") for letter in "abcdefghijklmnopqrstuvwxyz")
    for word in list(dictionary._entries):
        assert re.fullmatch(r"[a-z'.]+", word) and known.issuperset(dictionary._entries[word].split()), word
