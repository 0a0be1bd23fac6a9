"""What makes the package's dictionary and its rules from letters to sounds, in small."""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts import make_dictionary, train_letters
from zoo.text import letters

WORDS = """cat K AE1 T
cats K AE1 T S
box B AA1 K S
ship SH IH1 P
shape SH EY1 P
a. EY1
bat B AE1 T
bats(1) B AE1 T S
tap T AE1 P
tax T AE1 K S
shack SH AE1 K
back B AE1 K
sip S IH1 P
"""


def test_letters_share_the_phonemes(tmp_path: Path) -> None:
    (tmp_path / "d").write_text(WORDS)
    pairs = train_letters.read_pairs(tmp_path / "d")
    assert ("bats", ("B", "AE1", "T", "S")) in pairs and all(len(word) > 1 for word, _ in pairs)
    aligned = dict(train_letters.align(pairs))
    assert aligned["cat"] == [("K",), ("AE1",), ("T",)]
    assert all(sum(map(len, units)) == len(dict(pairs)[word]) for word, units in aligned.items())


def test_rules_are_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole numbers of a byte give back what the network learned, without PyTorch."""
    (tmp_path / "d").write_text(WORDS)
    words = [
        "--dictionary",
        str(tmp_path / "d"),
        "-o",
        str(tmp_path / "x.npz"),
        "--hidden",
        "8",
        "--epochs",
        "60",
    ]
    monkeypatch.setattr(train_letters, "_FEW", 1)
    monkeypatch.setattr(train_letters, "apart", lambda word: word == "sip")
    monkeypatch.setattr(sys, "argv", ["train_letters", *words])
    train_letters.main()
    monkeypatch.setattr(letters, "MODEL", tmp_path / "x.npz")
    caches = (letters._parameters, letters._edges, letters._say)
    try:
        for cache in caches:
            cache.cache_clear()
        assert letters.say_letters("cat") == "K AE1 T" and letters.say_letters("zat") is None
        with np.load(tmp_path / "x.npz") as stored:
            assert stored["weight_hh_l0"].dtype == np.int8
    finally:
        for cache in caches:
            cache.cache_clear()


def test_the_dictionary_is_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows by rule is left out; initials of the second are, and what both have is the first's."""
    (tmp_path / "cmu").write_text(WORDS)
    (tmp_path / "others").write_text("fbi F B IY1\ncat K AH1 T\ndog D AO1 G\n")
    (tmp_path / "words").write_text("FBI\ndog\n")
    out = tmp_path / "x.xz"
    options = {"--cmu": "cmu", "--others": "others", "--words": "words"}
    words = [part for option, name in options.items() for part in (option, str(tmp_path / name))]
    monkeypatch.setattr(sys, "argv", ["make_dictionary", *words, "-o", str(out)])
    make_dictionary.main()
    lines = dict(line.split(" ", 1) for line in lzma.decompress(out.read_bytes()).decode().splitlines())
    assert lines["cat"] == "K AE1 T" and lines["dog"] == "D AO1 G" and "a." in lines
    assert not {"cats", "bats", "fbi"} & set(lines)
