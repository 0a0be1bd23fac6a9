"""What digits and letters name: telephones, addresses of machines, versions, flights, formulas, models."""

from __future__ import annotations

import re

from zoo.text.numbers import cardinal, digits, number_words, paired, year
from zoo.text.rules import Rule, last_word, next_word, rule, spelled
from zoo.text.words import capital_words, is_word

_TELEPHONE = (
    r"\+\d{1,3}(?:[ .-]?\(\d{1,5}\))?(?:[ .-]\d{2,5}){2,5}(?!\d)"
    r"|(?:1[ .-])?\(\d{3}\)\s?\d{3}[ .-]\d{4}(?!\d)"
    r"|1-\d{3}-\d{3}-\d{4}(?!\d)|\d{3}([-.])\d{3}\1\d{4}(?!\d)|\d{3}-\d{4}(?![\d-])"
    r"|0\d{2,4}[ -]\d{3,4}[ -]?\d{3,4}(?!\d)|0\d{3,4} \d{5,6}(?!\d)"
)
_CALLED = {"call", "dial", "phone", "text", "calling", "dialed", "called", "dialing"}


def _telephone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    words = ", ".join(digits(group) for group in groups)
    return f"plus {words}" if match[0].startswith("+") else words


def _emergency(match: re.Match[str]) -> str | None:
    return digits(match[0]) if last_word(match).lower() in _CALLED else None


def _machine(match: re.Match[str]) -> str | None:
    """``192.168.0.1``"""
    parts = match[1].split(".")
    if any(int(part) > 255 for part in parts):
        return None
    port = f" port {digits(match[2])}" if match[2] else ""
    return " dot ".join(digits(part) for part in parts) + port


def _version(match: re.Match[str]) -> str:
    """``v1.2`` and ``1.2.3``"""
    letter, numbers = match[1], match[2].split(".")
    return (f"{letter.upper()} " if letter else "") + " point ".join(number_words(part) for part in numbers)


def _mixed(match: re.Match[str]) -> str | None:
    """``H2O``, ``B2B``, ``MP3``, ``BA123``, ``1080p``, ``Win10``"""
    parts = re.findall(r"[A-Za-z]+|\d+", match[0])
    if len(parts) < 2:
        return None
    if parts[1] == "x" and parts[0].isdigit() and len(parts) == 2:
        return f"{number_words(parts[0])} {'times' if next_word(match) else 'X'}"
    formula = match[0][0].isupper() and len(parts) > 2
    return " ".join(_part(part, index > 0, formula) for index, part in enumerate(parts))


def _part(part: str, behind: bool, formula: bool) -> str:
    if part.isdigit():
        return _figure(part, formula)
    if part.isupper() or len(part) < 3 or not is_word(part.lower()):
        small = len(part) == 2 and part[0].isupper() and part[1].islower()
        return spelled(part) if part.isupper() or len(part) < 4 or small else part
    return part


def _figure(text: str, formula: bool) -> str:
    if text.startswith("0") and len(text) > 1:
        return digits(text)
    if len(text) < 3:
        return cardinal(int(text))
    if len(text) == 3:
        return paired(text) if text.endswith("0") and not formula else digits(text)
    if len(text) == 4 and not text.endswith("00") and text[2] != "0" and text[1] != "0":
        return year(int(text))
    if len(text) == 4 and 10 <= int(text[:2]) <= 20:
        return f"{cardinal(int(text[:2]))} {cardinal(int(text[2:]))}" if text[2] != "0" else year(int(text))
    return digits(text)


def _joined(match: re.Match[str]) -> str:
    """``I-95``, ``B-52``, ``F-16``, ``GPT-4``: capitals and a number with a hyphen between them"""
    return f"{capital_words(match[1])} {_figure(match[2], False)}"


RULES: tuple[Rule, ...] = (
    rule(r"\d", r"\d{1,7}(?:-\d{1,7}){3,7}(?![\d-])", _telephone),
    rule(r"[\d+(]", _TELEPHONE, _telephone),
    rule(r"\d", r"\d{3}(?![\d.,:/-])", _emergency),
    rule(r"\d", r"((?:\d{1,3}\.){3}\d{1,3})(?::(\d{1,5}))?(?![\d.]\d|\d)", _machine),
    rule(r"[Vv\d]", r"([Vv]?)((?:\d{1,4}\.){2,5}\d{1,4})(?!\d|\.\d|,\d)", _version),
    rule(r"[Vv]", r"([Vv])(\d{1,4}(?:\.\d{1,4})?)(?![\dA-Za-z]|\.\d)", _version),
    rule(r"[A-Z]", r"([A-Z]{1,6})-(\d{1,4})(?![\dA-Za-z]|[.,-]\d)", _joined),
    rule(
        r"[A-Za-z]", r"[A-Za-z]{1,24}\d{1,9}(?:[A-Za-z]{1,9}\d{1,9}){0,9}[A-Za-z]{0,9}(?![A-Za-z0-9])", _mixed
    ),
)

BEHIND_NUMBERS: tuple[Rule, ...] = (  # once they are known to be no measure, ordinal or decade
    rule(r"\d", r"\d{1,9}[A-Za-z]{1,9}(?:\d{1,9}[A-Za-z]{1,9}){0,9}\d{0,9}(?![A-Za-z0-9])", _mixed),
)
