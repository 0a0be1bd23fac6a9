"""Characters of any script as those that rules of reading know: ASCII, and signs that have a word."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from anyascii import anyascii

KEPT = "£€¥₹₩₽₺₪₫฿₱₴₦₿¢°‰µΩ×÷±≠≤≥≈≡∞√∑∏∫∂∆∈→←↔⇒•§¶©"  # what rules read as they are
_SAME = {  # another form of a sign
    "μ": "µ", "\u2126": "Ω", "−": "-", "‐": "-", "‑": "-", "‒": "-", "–": "-", "―": " - ", "—": " - ",
    "∼": "~", "≃": "≈", "≅": "≈", "⩽": "≤", "⩾": "≥", "⇔": "↔", "➔": "→", "⟶": "→", "·": " ", "⋅": "×",
    "∙": "•", "▪": "•", "●": "•", "◦": "•", "‣": "•", "√": "√", "′": "'", "″": '"', "’": "'", "‘": "'",
    "ʼ": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "⁄": "/", "∕": "/", "№": "No. ",
    "™": "", "®": "", "℠": "", "№.": "No. ", "℃": "°C", "℉": "°F", "µ": "µ", "∗": "*", "Δ": "∆", "Σ": "∑",
    "Π": "∏", "ʹ": "'", "\u00ad": "", "\u200b": "", "¿": "", "¡": "", "☐": "", "…": "...",
}  # fmt: skip
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho",
    "σ": "sigma", "τ": "tau", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
    "Γ": "gamma", "Θ": "theta", "Λ": "lambda", "Φ": "phi", "Ψ": "psi",
}  # fmt: skip
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_SPECIAL = re.compile(
    "(?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+)|(?P<vulgar>[¼-¾⅐-⅞])"
    f"|(?P<greek>(?<![\u0370-\u03ff])[{''.join(_GREEK)}](?![\u0370-\u03ff]))"
)


def simplify(text: str) -> tuple[str, Sequence[int]]:
    """A text in ASCII and the signs of ``KEPT``, and for each character of it where it came from.

    Powers become ``^2``, fractions ``1/2`` (``1½`` is ``1 1/2``), letters of other scripts those of the Latin
    one that sound about like them; pictures, which nothing reads, stay as they are.

    Args:
        text: in the form NFC.
    """
    if text.isascii() and text.isprintable():
        return text, range(len(text))
    said, origins = [], []
    for begin, characters in _changes(text):
        said.append(characters)
        origins += [begin] * len(characters)
    return "".join(said), origins


def _changes(text: str) -> Iterator[tuple[int, str]]:
    """What each stretch of a text becomes, with where it begins."""
    position = 0
    for match in _SPECIAL.finditer(text):
        yield from ((i, _simple(text[i])) for i in range(position, match.start()))
        yield match.start(), _special(match)
        position = match.end()
    yield from ((i, _simple(text[i])) for i in range(position, len(text)))


def _special(match: re.Match[str]) -> str:
    """A power, a fraction, or the name of a Greek letter, apart from what stands beside it"""
    text = match[0]
    ahead, behind = (
        match.string[match.start() - 1 : match.start()],
        match.string[match.end() : match.end() + 1],
    )
    if match.lastgroup == "raised":
        return "^" + text.translate(_RAISED)
    if match.lastgroup == "vulgar":
        return " " * ahead.isdigit() + unicodedata.normalize("NFKC", text).replace("\u2044", "/")
    return " " * ahead.isalnum() + _GREEK[text] + " " * behind.isalnum()


def _simple(character: str) -> str:
    if character in _SAME:
        return _SAME[character]
    if character.isascii() or character in KEPT:
        return character if character.isprintable() or character in "\n\t" else " "
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    if category in ("Zs", "Zl", "Zp", "Cc"):
        return " "
    known = unicodedata.normalize("NFKC", character).replace("\u2044", "/")
    if len(known) > 1 or known in KEPT or known in _SAME:
        return "".join(
            _SAME.get(c, c) if c in KEPT or c in _SAME or c.isascii() else _latin(c) for c in known
        )
    return _latin(known)


def _latin(character: str) -> str:
    if unicodedata.category(character) in ("So", "Cn", "Co", "Cs"):
        return character
    return anyascii(character)
