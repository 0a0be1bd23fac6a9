"""Signs that have a word wherever they stand, and marks that are left out."""

from __future__ import annotations

import re

from zoo.text.rules import Rule, after, any_of, before, rule

_LONG = {
    "!=": "not equal to", "==": "equals", "<=": "less than or equal to", ">=": "greater than or equal to",
    "->": "to", "=>": "to", "<-": "from", "+/-": "plus or minus", "&&": "and", "||": "or", "&amp;": "and",
}  # fmt: skip
_SIGNS = {
    "&": "and", "@": "at", "%": "percent", "+": "plus", "=": "equals", "<": "less than", ">": "greater than",
    "/": "slash", "\\": "backslash", "°": "degrees", "$": "dollars", "£": "pounds", "€": "euros", "¥": "yen",
    "₹": "rupees", "#": "hash", "×": "times", "÷": "divided by", "±": "plus or minus", "≠": "not equal to",
    "≤": "less than or equal to", "≥": "greater than or equal to", "≈": "approximately equal to",
    "≡": "identical to", "∞": "infinity", "√": "square root of", "∑": "sum of", "∏": "product of",
    "∫": "integral of", "∂": "partial", "∆": "delta", "∈": "in", "→": "to", "←": "from", "↔": "to and from",
    "⇒": "implies", "§": "section", "¶": "paragraph", "©": "copyright", "¢": "cents", "‰": "per mille",
    "µ": "micro", "Ω": "ohms", "₩": "won", "₽": "rubles", "₿": "bitcoin",
}  # fmt: skip
_LEFT_OUT = {"_": " ", "|": " ", "[": "(", "]": ")", '"': "", "`": "'", "•": ""}


def _asterisk(match: re.Match[str]) -> str | None:
    """``3 * 4`` is a product; ``*so*`` and a list's ``*`` are marks of type"""
    ahead, behind = before(match), after(match)
    if re.search(r"[A-Za-z0-9)]\s?$", ahead) and re.match(r"\s?[A-Za-z0-9(]", behind):
        spaced = ahead.endswith(" ") and behind.startswith(" ")
        if spaced or (re.search(r"\d$", ahead) and behind[:1].isdigit()):
            return " times "
    opens = re.match(r"\*{0,2}[\w\"'(]", behind) and re.search(r"(?:^|[\s(\"'*])$", ahead)
    closes = re.search(r"[\w.,!?)\"'*]$", ahead) and re.match(r"$|[\s.,;:!?)\"'*]", behind)
    listed = re.search(r"(?:^|\n)\s*$", ahead) and behind[:1] == " "
    return "" if opens or closes or listed else None


def _heading(match: re.Match[str]) -> str | None:
    """``## A heading``, and a quotation's ``>``"""
    return "" if re.search(r"(?:^|\n)\s*$", before(match)) else None


def _number(match: re.Match[str]) -> str:
    return "number "


def _listed(match: re.Match[str]) -> str | None:
    return "" if re.search(r"(?:^|\n)\s*$", before(match)) else None


RULES: tuple[Rule, ...] = (
    rule("#", r"#\s?(?=\d)", _number),
    rule("#", r"#{1,6}\s+(?=\S)", _heading),
    rule(">", r">\s+(?=[A-Za-z\"'])", _heading),
    rule("-", r"-\s+(?=\S)", _listed),
    rule("~", r"~\s?(?=[\d$£€¥.])", lambda m: "about "),
    rule(r"\*", r"\*", _asterisk),
    rule(r"[!=<>&|+-]", any_of(_LONG), lambda m: f" {_LONG[m[0]]} "),
    rule(r"√", r"√\s?", lambda m: " square root of "),
    rule(f"[{re.escape(''.join(_SIGNS))}]", f"[{re.escape(''.join(_SIGNS))}]", lambda m: f" {_SIGNS[m[0]]} "),
    rule(
        f"[{re.escape(''.join(_LEFT_OUT))}]", f"[{re.escape(''.join(_LEFT_OUT))}]", lambda m: _LEFT_OUT[m[0]]
    ),
)
