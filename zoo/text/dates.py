"""Dates in their many forms, months and days of the week."""

from __future__ import annotations

import re

from zoo.text.numbers import cardinal, digits, number_words, ordinal, year
from zoo.text.rules import Rule, after, last_word, rule

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DAYS = {
    "mon": "monday", "tue": "tuesday", "tues": "tuesday", "wed": "wednesday", "thu": "thursday",
    "thur": "thursday", "thurs": "thursday", "fri": "friday", "sat": "saturday", "sun": "sunday",
}  # fmt: skip
_SHORT = [month[:3] for month in MONTHS]
_MONTH = rf"(?P<month>(?i:{'|'.join(MONTHS)}|sept|{'|'.join(_SHORT)}))(?![A-Za-z])"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?P<year>[12]\d{3})(?!\d|[.,]\d)"
_NAME = rf"(?:{'|'.join(sorted(_DAYS, key=len, reverse=True))})"
_WORD_TOO = {
    "may",
    "mar",
    "march",
    "dec",
    "sun",
    "sat",
    "wed",
    "mon",
}  # other words when they have no capital


def _month(name: str) -> str:
    return MONTHS[_SHORT.index(name.lower()[:3])]


def _date(month: str, day: int, of: str | None) -> str:
    return f"{month} {ordinal(day)}" + (f", {_year(of)}" if of else "")


def _year(text: str) -> str:
    if len(text) == 2:
        return cardinal(int(text)) if text[0] != "0" else f"oh {digits(text[1])}"
    return year(int(text))


def _month_first(match: re.Match[str]) -> str | None:
    if match["month"] in _WORD_TOO and not match["year"]:  # "they may 5 times"
        return None
    last = match["last"]
    words = f"{_month(match['month'])} {ordinal(int(match['day']))}"
    words += f" to {ordinal(int(last))}" if last else ""
    return words + (f", {year(int(match['year']))}" if match["year"] else "")


def _day_first(match: re.Match[str]) -> str | None:
    name = match["month"]
    if name in _WORD_TOO and not match["year"]:
        return None
    the = "" if last_word(match).lower() == "the" else "the "
    last = match["last"]
    days = ordinal(int(match["day"])) + (f" to {the}{ordinal(int(last))}" if last else "")
    return f"{the}{days} of {_month(name)}" + (f" {year(int(match['year']))}" if match["year"] else "")


def _numeric(match: re.Match[str]) -> str | None:
    """``2024-01-05``: the year first"""
    month, day = int(match["number"]), int(match["day"])
    if month > 12 and day <= 12:
        month, day = day, month
    return _date(MONTHS[month - 1], day, match["year"]) if 1 <= month <= 12 and 1 <= day <= 31 else None


def _of_numbers(match: re.Match[str]) -> str | None:
    """Month first, as it is written in America with strokes, unless it cannot be; day first with points."""
    first, second = int(match["one"]), int(match["two"])
    month, day = (second, first) if match["sign"] == "." else (first, second)
    if month > 12:
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return (
            " slash ".join(map(number_words, re.split(r"[/.-]", match[0]))) if match["sign"] == "/" else None
        )
    return _date(MONTHS[month - 1], day, match["year"])


def _without_year(match: re.Match[str]) -> str | None:
    """``on 5/21``"""
    month, day = int(match[1]), int(match[2])
    dated = last_word(match).lower() in ("on", "until", "till", "due", "dated", *_DAYS.values(), *_DAYS)
    return _date(MONTHS[month - 1], day, None) if dated and 1 <= month <= 12 and 1 <= day <= 31 else None


def _month_alone(match: re.Match[str]) -> str | None:
    """``Jan.``, or ``Jan 2024``."""
    name, point = match["month"], match["point"]
    if name.lower() in MONTHS or (name in _WORD_TOO and not after(match).lstrip()[:1].isdigit()):
        return None
    followed = re.match(r"\s*'?\d", after(match)) is not None
    if not point and not followed:
        return None
    return _month(name) + ("." if point and not after(match).strip() else "")


def _days(match: re.Match[str]) -> str:
    """``Mon-Fri``"""
    return f"{_DAYS[match[1].lower()]} to {_DAYS[match[2].lower()]}"


def _day(match: re.Match[str]) -> str | None:
    """``Mon.`` or ``Mon, 3 Feb``"""
    name, point = match[1], match[2]
    following = after(match)
    dated = re.match(rf"\s?,?\s*(?:{_MONTH}|\d)", following)
    listed = re.match(r",|\s+and\s|\s*$", following) and point
    if not (dated or listed or (point and re.match(r" [a-z]" if name in ("Sat", "Sun") else " ", following))):
        return None
    return _DAYS[name.lower()] + ("." if point and not following.strip() else "")


_LAST = r"(?:\s?-\s?(?P<last>0?[1-9]|[12]\d|3[01])(?![\d:-]))?"
RULES: tuple[Rule, ...] = (
    rule(
        r"\d",
        r"(?P<year>[12]\d{3})(?P<sign>[-/.])(?P<number>\d\d?)(?P=sign)(?P<day>\d\d?)(?!\d|[-/]\d)",
        _numeric,
    ),
    rule(
        r"\d",
        r"(?P<one>\d\d?)(?P<sign>[-/.])(?P<two>\d\d?)(?P=sign)(?P<year>[12]\d{3})(?!\d|[-/]\d)",
        _of_numbers,
    ),
    rule(r"\d", r"(?P<one>\d\d?)(?P<sign>/)(?P<two>\d\d?)/(?P<year>\d\d)(?!\d|[-/]\d)", _of_numbers),
    rule(r"\d", r"([1-9]|1[0-2])/(\d\d?)(?![\d/])", _without_year),
    rule(
        "[A-Za-z]",
        rf"{_MONTH}(?:\.\s?|[\s-]){_DAY}(?!\d|[,.]\d\d?(?!\d)|:\d)(?:st|nd|rd|th)?(?![A-Za-z0-9/]){_LAST}"
        rf"(?:(?:,\s?|\s|-){_YEAR})?",
        _month_first,
    ),
    rule(
        r"\d", rf"{_DAY}(?:st|nd|rd|th)?{_LAST}[\s-](?:of\s)?{_MONTH}\.?(?:(?:,\s?|\s|-){_YEAR})?", _day_first
    ),
    rule("[A-Z]", rf"((?i:{_NAME}))\.?\s?-\s?((?i:{_NAME}))(?![A-Za-z])\.?", _days),
    rule("[A-Z]", rf"((?i:{_NAME}))(?![A-Za-z])(\.?)", _day),
    rule("[A-Za-z]", rf"{_MONTH}(?P<point>\.?)", _month_alone),
)
