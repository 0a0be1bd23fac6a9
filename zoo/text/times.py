"""Times of the day and lengths of time with colons."""

from __future__ import annotations

import re

from zoo.text.numbers import cardinal, digits
from zoo.text.rules import Rule, point_of_end, rule

_CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?(?:\.\d{1,3})?(?![\d:])"
_HALF = r"(?:\s?(?:[ap]\.\s?m\.?|[ap]m)(?![A-Za-z]))"
_DOTTED = r"(?:1[0-2]|0?[1-9])\.[0-5]\d"  # the British way, where a half of the day follows
_PARTS = re.compile(r"(\d\d?)(?::(\d\d))?(?::(\d\d))?(?:\.(\d+))?")


def _said(text: str, half: str) -> str:
    """``3:05`` -> three oh five; whether a half of the day follows decides about ``o'clock``"""
    parts = _PARTS.match(text)
    assert parts is not None
    hour, minute, second = (int(part or 0) for part in parts.groups()[:3])
    if minute:
        start = "zero" if hour == 0 else cardinal(hour)
        words = f"{start} {f'oh {cardinal(minute)}' if minute < 10 else cardinal(minute)}"
    elif hour in (0, 24) and not half:
        words = "midnight"
    else:
        words = cardinal(hour) if half or ":" not in text else f"{cardinal(hour)} o'clock"
    if second:
        words += f" and {cardinal(second)} second{'s' * (second != 1)}"
    return words + (f" point {digits(parts[4])}" if parts[4] else "")


def _time(match: re.Match[str]) -> str:
    first, last = (
        text and re.sub(rf"^{_DOTTED}$", _with_colon, text) for text in match.group("first", "last")
    )
    half = match["half"] or ""
    words = _said(first, half or (match["own"] or ""))
    if match["own"]:
        words += f" {_letters(match['own'])}"
    if last:
        words += f" to {_said(last, half)}"
    if half:
        words += f" {_letters(half)}"
    if match[0].endswith("."):
        words += point_of_end(match)
    return words


def _with_colon(match: re.Match[str]) -> str:
    return match[0].replace(".", ":")


def _letters(half: str) -> str:
    return f"{half.strip()[0].upper()} M"


def _alone(match: re.Match[str]) -> str:
    """``p.m.`` by itself"""
    return f"{match[0][0].upper()} M" + (point_of_end(match) if match[0].endswith(".") else "")


def _length(match: re.Match[str]) -> str:
    """``2h30m`` and ``5m30s``"""
    names = {"h": "hour", "m": "minute", "min": "minute", "s": "second"}
    second = match[4] or ("m" if match[2] == "h" else "s")
    parts = ((match[1], names[match[2]]), (match[3], names[second]))
    return " ".join(f"{cardinal(int(number))} {name}{'s' * (int(number) != 1)}" for number, name in parts)


RULES: tuple[Rule, ...] = (
    rule(
        r"\d",
        r"(\d{1,3})([hm])\s?([0-5]?\d)((?<=h\d)m(?:in)?|(?<=h\d\d)m(?:in)?|min|m|s)?(?![A-Za-z0-9])",
        _length,
    ),
    rule(
        r"\d",
        rf"(?P<first>(?:{_CLOCK}|(?:{_DOTTED}|\d\d?)(?={_HALF}|\s?-\s?\d\d?(?:[:.]\d\d)?{_HALF})))"
        rf"(?P<own>{_HALF})?"
        rf"(?:\s?-\s?(?P<last>{_CLOCK}|(?:{_DOTTED}|\d\d?)(?={_HALF})))?(?P<half>{_HALF})?",
        _time,
        re.I,
    ),
    rule("[APap]", r"[AaPp]\.\s?[Mm]\.?(?![A-Za-z])", _alone),
)
