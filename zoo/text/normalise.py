"""Written English as it is said: numbers, symbols, addresses and abbreviations in lower-case words."""

from __future__ import annotations

import re
import unicodedata

from anyascii import anyascii

from zoo.text.numbers import MONTHS, spell_numbers

_BRACES = re.compile(r"(\{[^{}]*\})")
_KEPT = re.compile(r"([£€¥₹°])")  # symbols that are read as words once the number beside them is known
_BEFORE = {
    "²": " squared",
    "³": " cubed",
    "\u00d7": " times ",
    "÷": " divided by ",
    "±": " plus or minus ",
}
_ADDRESS = re.compile(  # each alternative begins where no other part of it could, so that the time is linear
    r"(?<![^\s@])[^\s@]+@[^\s@]+\.\w+|\b(?:https?://|www\.)\S+"
    r"|(?<![\w-])[\w-]+\.(?:com|org|net|edu|gov|io)\b\S*"
)
_TITLES = {  # before a name
    "mrs": "missus", "mr": "mister", "ms": "miz", "dr": "doctor", "st": "saint", "prof": "professor",
    "lt": "lieutenant", "col": "colonel", "capt": "captain", "gen": "general", "sgt": "sergeant",
    "maj": "major", "cpt": "captain", "cmdr": "commander", "rev": "reverend", "hon": "honorable",
    "gov": "governor", "sen": "senator", "rep": "representative", "pres": "president", "mt": "mount",
    "ft": "fort",
}  # fmt: skip
_ABBREVIATIONS = {  # anywhere
    "mrs": "missus", "mr": "mister", "ms": "miz", "dr": "doctor", "st": "street", "jr": "junior",
    "sr": "senior", "ave": "avenue", "blvd": "boulevard", "rd": "road", "co": "company", "ltd": "limited",
    "inc": "incorporated", "corp": "corporation", "esq": "esquire", "dept": "department", "vs": "versus",
    "etc": "et cetera", "approx": "approximately", "est": "established", "vol": "volume", "ft": "feet",
    "prof": "professor", "lt": "lieutenant", "col": "colonel", "capt": "captain", "gen": "general",
    "sgt": "sergeant", "maj": "major", "rev": "reverend", "hon": "honorable",
}  # fmt: skip
_SYMBOLS = {
    "&": " and ", "@": " at ", "%": " percent ", "+": " plus ", "=": " equals ", "<": " less than ",
    ">": " greater than ", "/": " slash ", "\\": " backslash ", "°": " degrees ", "$": " dollars ",
    "£": " pounds ", "€": " euros ", "¥": " yen ", "₹": " rupees ", "_": " ", "|": " ", "[": "(", "]": ")",
    "#": " hash ", '"': "", "`": "'",
}  # fmt: skip


def normalise(text: str) -> str:
    """Text as it is said; ARPAbet in braces stays as it is.

    Symbols that no rule reads (``~``, ``^``, ``*``, pictures) are still there: ``symbols.encode`` reports
    them.
    """
    parts = [part if part.startswith("{") else _words(part) for part in _BRACES.split(text)]
    return re.sub(r"\s+", " ", "".join(parts)).strip()


def _words(text: str) -> str:
    text = _to_ascii(text)
    text = _ADDRESS.sub(_address, text)
    text = _abbreviations(text).lower()
    text = re.sub(r"(?:(?<=\d)\s?([ap])m\b|\b([ap])\.\s?m\.)(\s*$)?", _half_of_the_day, text)
    text = re.sub(r"#\s?(?=\d)", "number ", text)
    text = re.sub(r"~\s?(?=\d)", "about ", text)
    text = spell_numbers(text)
    return re.sub("|".join(map(re.escape, _SYMBOLS)), lambda match: _SYMBOLS[match[0]], text)


def _to_ascii(text: str) -> str:
    """Every character in ASCII, but for the few that ``_KEPT`` names; pictures stay as they are."""
    text = "".join(_BEFORE.get(character, character) for character in text)
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/")
    return "".join(
        c if _KEPT.match(c) or unicodedata.category(c) in ("So", "Cn", "Co") else anyascii(c) for c in text
    )


def _address(match: re.Match[str]) -> str:
    """An address of mail or of the web, its points and strokes in words."""
    address, end = match[0].rstrip(".,;:!?)"), match[0]
    said = re.sub(r"^https?://", "", address).replace(".", " dot ").replace("/", " slash ")
    return said.replace("_", " underscore ").replace("-", " dash ") + end[len(address) :]


def _abbreviations(text: str) -> str:
    """Abbreviations in full. A title is one before a capital, so ``St. Paul`` and ``Main St.`` differ."""
    text = re.sub(r"\b[Ee]\.\s?g\.,?", "for example,", text)
    text = re.sub(r"\b[Ii]\.\s?e\.,?", "that is,", text)
    text = re.sub(r"\b[Nn]os?\.\s?(?=\d)", "number ", text)
    months = "|".join(month[:3] for month in MONTHS)
    text = re.sub(rf"\b({months}|[Ss]ept)\.(?=\s)", _month, text, flags=re.I)
    text = re.sub(r"(\b\d+(?:\s[A-Z][\w']*){1,3}\s)St\.(?=\s)", r"\1Street.", text)
    titles = rf"\b((?i:{'|'.join(_TITLES)}))\.\s(?=[A-Z]|$)"
    text = re.sub(titles, lambda m: f"{_TITLES[m[1].lower()]} ", text)
    others = rf"\b((?i:{'|'.join(_ABBREVIATIONS)}))\.(\s*$|\s+(?=[A-Z]))?"
    return re.sub(others, _in_full, text)


def _in_full(match: re.Match[str]) -> str:
    """The point of an abbreviation that ends a sentence ends it still."""
    words = _ABBREVIATIONS[match[1].lower()]
    return words if match[2] is None else f"{words}.{match[2]}"


def _month(match: re.Match[str]) -> str:
    return next(month for month in MONTHS if month.startswith(match[1].lower()[:3]))


def _half_of_the_day(match: re.Match[str]) -> str:
    ends = match[2] is not None and match[3] is not None  # its point is the sentence's too
    return f" {match[1] or match[2]} m{'.' if ends else ''}{match[3] or ''}"
