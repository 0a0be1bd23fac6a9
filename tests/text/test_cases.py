"""Kinds of tokens as they are said: numbers, units, dates, addresses, acronyms and the like."""

from __future__ import annotations

import re
import string
import time
from pathlib import Path

import pytest

from zoo.text.characters import KEPT
from zoo.text.dictionary import as_read
from zoo.text.normalise import normalise, write_out
from zoo.text.symbols import PHONEMES


def plain(text: str) -> str:
    """Without the marks that no reading tells apart."""
    return " ".join(re.sub(r"[,.!?;:()\"-]", " ", text.lower()).split())


def test_shared_cases(shared: Path) -> None:
    """All of them have one of the readings that a careful reader would give."""
    lines = (shared / "cases/text.tsv").read_text("utf-8").splitlines()[1:]
    wrong = []
    for line in lines:
        _, text, readings = line.split("\t")
        if plain(normalise(text)) not in map(plain, readings.split(" | ")):
            wrong.append((text, normalise(text)))
    assert len(lines) > 160 and wrong == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("50 µg, 5 µs and 10 µm", "fifty micrograms, five microseconds and ten micrometers"),
        ("10⁶ and 10⁻³ mol", "ten to the sixth and ten to the minus third moles"),
        ("1½ hours, 1 ⅓ cups", "one and a half hours, one and one third cups"),
        ("a ≠ b", "a not equal to b"),
        ("5G, 1M users, $5M, £3bn", "five g, one million users, five million dollars, three billion pounds"),
        ("4:30-5:30", "four thirty to five thirty"),
        ("24/7, 9/11, 20/20", "twenty-four seven, nine eleven, twenty twenty"),
        ("120/80", "one twenty over eighty"),
        ("60 m.p.h. now", "sixty miles an hour now"),
        ("5‰ of 1 000 000 is 12,5 %", "five per mille of one million is twelve point five percent"),
        ("bbc.co.uk and AT&T", "bbc dot co dot u k and a t and t"),
        ("Mr.Smith", "mister smith"),
        ("Charles I, World War I; I am", "charles the first, world war one; i am"),
        ("40.7°N 51°30'N", "forty point seven degrees north fifty-one degrees thirty minutes north"),
        ("9.81 m/s² km/h", "nine point eight one meters per second squared kilometers per hour"),
        ("(415) 555-2671", "four one five, five five five, two six seven one"),
        ("2h30m, 10%-20%", "two hours thirty minutes, ten to twenty percent"),
        ("1.000,50 and 3,14", "one thousand point five zero and three point one four"),
        ("Austin, TX and (D-NY)", "austin, texas and (D-new york)".lower()),
        ("#ThrowBack @bob", "hashtag throwback at bob"),
        ("Queen Elizabeth II's", "queen elizabeth the second's"),
        ("x² + 3*4 = -2", "x squared plus three times four equals minus two"),
    ],
)  # fmt: skip
def test_kinds(written: str, said: str) -> None:
    assert normalise(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("The FBI and NASA use CPUs.", "the F B I and nasa use C P U's."),
        ("Three PhDs at AT&T", "three P H D's at A T and T"),
        ("US aid, for us", "U S aid, for us"),
        ("The WHO met. WHO said so?", "the W H O met. who said so?"),
        ("PLEASE READ IT NOW", "please read it now"),
        ("Do NOT stop", "do not stop"),
        ("COVID-19, GPT-4, an A4 page", "covid nineteen, G P T four, an A four page"),
        ("McDonald's iPhone", "mcdonald's iphone"),
        ("A man, plan A, a < b", "a man, plan A, A less than b"),
        ("at 5 p.m. He left the U.S. economy.", "at five P M. he left the U S economy."),
        ("GTCRN", "GTCRN"),  # of which nobody knows; it is spelled, and told
    ],
)
def test_letters_are_capitals(written: str, said: str) -> None:
    assert write_out(written) == said


@pytest.mark.parametrize("word", ["fbi", "cpu", "dna", "html", "cia", "usb", "gps"])
def test_acronyms_are_spelled(word: str) -> None:
    said, missing = as_read(write_out(f"the {word.upper()}"), PHONEMES)
    names = [as_read(f"{letter.upper()}", PHONEMES)[0] for letter in word]
    assert said == " ".join(["{DH AH0}", *names]) and missing == ()


def test_what_is_not_known_is_told() -> None:
    said, missing = as_read(write_out("GTCRN and qzxv and zorbling"), PHONEMES)
    assert missing == ("qzxv", "zorbling", "gtcrn")
    assert said.startswith("{JH IY1} {T IY1}") and said.endswith("NG}")


SIGNS = (
    *string.printable,
    *KEPT,
    "A1",
    "1a",
    "1e",
    "a@",
    "U.",
    "I'd",
    "1,",
    "1-",
    "AB",
    "Ab",
    "é",
    "½",
    "^1",
)


def test_every_sign_takes_linear_time() -> None:
    """Ten thousand characters of each, and an address that never ends."""
    for sign in SIGNS:
        if sign not in "{}":
            started = time.perf_counter()
            as_read(write_out((sign * 10000)[:10000]), PHONEMES)
            assert time.perf_counter() - started < 8, sign
    started = time.perf_counter()
    write_out("a@" * 8000)
    assert time.perf_counter() - started < 5
