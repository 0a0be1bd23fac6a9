"""Two numbers with a sign between them: fractions, ranges, scores, ratios and sizes."""

from __future__ import annotations

import re

from zoo.text.numbers import NUMBER, WHOLE, cardinal, number_words, ordinal, paired, year
from zoo.text.rules import Rule, after, before, rule

_SAID_APART = {"24/7", "9/11", "7/11", "20/20", "50/50", "60/40", "80/20", "4/20", "70/30", "90/10"}
_FIFTHS = (
    *range(2, 11),
    12,
    15,
    16,
    20,
    24,
    25,
    32,
    50,
    60,
    64,
    100,
    128,
    1000,
)  # that fractions are made of


def _fraction(match: re.Match[str]) -> str | None:
    over, under = (int(part.replace(",", "")) for part in match.groups()[-2:])
    if match[0] in _SAID_APART:
        return f"{cardinal(over)} {cardinal(under)}"
    if over > under and over > 60 and 40 <= under <= 140:
        return f"{paired(str(over))} over {paired(str(under))}"  # a pressure of blood
    return fraction_words(over, under)


def fraction_words(over: int, under: int) -> str:
    """``3, 4`` -> three quarters"""
    if not 1 < under <= 1000 or (under > 100 and under not in _FIFTHS):
        return f"{cardinal(over)} over {cardinal(under)}"
    name, names = {2: ("half", "halves"), 4: ("quarter", "quarters")}.get(
        under, (ordinal(under), f"{ordinal(under)}s")
    )
    return f"{cardinal(over)} {name if over == 1 else names}"


def _mixed(match: re.Match[str]) -> str | None:
    """``2 1/2`` -> two and a half"""
    whole, over, under = (int(part.replace(",", "")) for part in match.groups())
    if not 0 < over < under or under not in _FIFTHS:
        return None
    part = "a half" if (over, under) == (1, 2) else fraction_words(over, under)
    return f"{cardinal(whole)} and {part}"


def _years(match: re.Match[str]) -> str | None:
    """``1939-45``, ``1990-1995``"""
    first, last = int(match[1]), match[2]
    if not 1000 <= first <= 2100 or (len(last) == 4 and not first < int(last) <= 2100):
        return None
    if len(last) == 2:
        if int(last) <= first % 100:
            return None
        return f"{year(first)} to {cardinal(int(last))}"
    return f"{year(first)} to {year(int(last))}"


def _range(match: re.Match[str]) -> str | None:
    """``10-15``; with spaces and a sum around it, a difference"""
    first, sign, last = match.groups()
    behind, ahead = after(match), before(match)
    summed = re.match(r"\s*[=+×÷*/]|\s-\s", behind) or re.search(r"[=+×÷*]\s*$", ahead)
    if summed and " " in sign:
        return f"{number_words(first)} minus {number_words(last)}"
    return f"{number_words(first)}{' ' if first == last else ' to '}{number_words(last)}"


def _side(number: str) -> str:
    """Pixels by twos: ``1920`` -> nineteen twenty"""
    return year(int(number)) if re.fullmatch(r"[1-9]\d[1-9]\d", number) else number_words(number)


def _size(match: re.Match[str]) -> str:
    """``1920x1080``, ``3 x 4``, ``3×4``"""
    times = match["sign"] == "×" and "." not in match[0] and not match["unit"]
    parts = [_side(part) for part in re.findall(NUMBER, match["numbers"])]
    return (" times " if times else " by ").join(parts)


RULES: tuple[Rule, ...] = (
    rule(r"\d", rf"({WHOLE})\s({WHOLE})/({WHOLE})(?![\d/])", _mixed),
    rule(r"\d", rf"({WHOLE})/({WHOLE})(?:rds?|ths?|nds?)?(?![\d/A-Za-z])", _fraction),
    rule(r"\d", r"(\d{4})\s?-\s?(\d{4}|\d\d)(?![\d-]|[.,]\d)", _years),
    rule(r"[\d.]", rf"({NUMBER})(\s?-\s?)({NUMBER})(?![\d-])", _range),
    rule(
        r"\d",
        rf"(?P<numbers>{NUMBER}(?:\s?(?P<sign>[x×])\s?{NUMBER})+)(?P<unit>\s?(?:cm|mm|m|in|ft|px)\b)?",
        _size,
    ),
    rule(r"\d", r"(\d{1,9}):(?=\d)", lambda m: f"{number_words(m[1])} to "),
)
