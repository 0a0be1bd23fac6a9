"""Powers, scientific notation, formulas, minus, and signs of mathematics beside numbers and letters."""

from __future__ import annotations

import re

from zoo.text.numbers import NUMBER, number_words, ordinal
from zoo.text.rules import Rule, before, rule, spelled

_POWER = r"\^\s?\(?([+-]?\d{1,6}|[A-Za-z](?![A-Za-z]))\)?"


def _power(exponent: str) -> str:
    """``2`` -> squared, ``6`` -> to the sixth, ``-3`` -> to the minus third, ``n`` -> to the N"""
    if exponent.isalpha():
        return f"to the {exponent.upper()}"
    if exponent in ("2", "3"):
        return {"2": "squared", "3": "cubed"}[exponent]
    value = int(exponent)
    return f"to the {'minus ' if value < 0 else ''}{ordinal(abs(value))}"


def _raised(match: re.Match[str]) -> str:
    """``10^6``: ten to the sixth, where a letter or another number would be squared"""
    base, exponent = match[1], match[2]
    if base == "10" and exponent in ("2", "3"):
        return f"{number_words(base)} to the {ordinal(int(exponent))}"
    return f"{number_words(base)} {_power(exponent)}"


def _letters_raised(match: re.Match[str]) -> str | None:
    """``mc^2`` -> M C squared"""
    return f"{spelled(match[1]) if len(match[1]) < 3 else match[1]} {_power(match[2])}"


def _scientific(match: re.Match[str]) -> str:
    """``1.5e-3``, ``6.02×10^23``"""
    exponent = int(match[2])
    minus = "minus " if exponent < 0 else ""
    if "^" in match[0]:
        return f"{number_words(match[1])} times ten to the {minus}{ordinal(abs(exponent))}"
    return f"{number_words(match[1])} times ten to the {minus}{number_words(str(abs(exponent)))}"


def _minus(match: re.Match[str]) -> str | None:
    """A hyphen that a number follows, at a beginning, a space or a sign"""
    return "minus " if re.search(r"(?:^|[\s(=<>≤≥≠≈±×÷*/+,\[~])$", before(match)) else None


RULES: tuple[Rule, ...] = (
    rule(
        r"[\d.]",
        rf"({NUMBER})(?:[eE]|\s?[×x*]\s?10\s?\^\s?\(?)([+-]?\d{{1,4}})\)?(?![\dA-Za-z]|\.\d)",
        _scientific,
    ),
    rule(r"\d", rf"({NUMBER})\s?{_POWER}", _raised),
    rule("[A-Za-z]", rf"([A-Za-z]{{1,24}}){_POWER}", _letters_raised),
    rule(r"-", r"-\s?(?=[.\d$£€¥])", _minus),
    rule(r"\)", rf"\)\s?{_POWER}", lambda m: f") {_power(m[1])}"),
)
