"""Characters of any script as those that rules of reading know: ASCII, and signs that have a word."""

from __future__ import annotations

import re
import unicodedata

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
_RAISED_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_GREEK_ALONE = re.compile(f"(?<![\u0370-\u03ff])[{''.join(_GREEK)}](?![\u0370-\u03ff])")
_VULGAR = re.compile(r"(\d?)([¼-¾⅐-⅞])")


def simplify(text: str) -> str:
    """The text in ASCII and the signs of ``KEPT``; pictures, which nothing reads, stay as they are.

    Powers become ``^2``, fractions ``1/2`` (``1½`` is ``1 1/2``), letters of other scripts those of the Latin
    one that sound about like them.
    """
    if text.isascii() and text.isprintable():
        return text
    text = unicodedata.normalize("NFC", text)
    text = _RAISED_RUN.sub(lambda match: "^" + match[0].translate(_RAISED), text)
    text = _VULGAR.sub(lambda m: f"{m[1]} {m[2]}" if m[1] else m[2], text)
    text = _GREEK_ALONE.sub(_greek, text)
    return "".join(map(_simple, text))


def _greek(match: re.Match[str]) -> str:
    """The name of a letter, apart from what stands beside it"""
    ahead, behind = (
        match.string[match.start() - 1 : match.start()],
        match.string[match.end() : match.end() + 1],
    )
    return " " * ahead.isalnum() + _GREEK[match[0]] + " " * behind.isalnum()


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
