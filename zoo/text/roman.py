"""Roman numerals: of monarchs and popes, which are ordinals, and of chapters, wars and games."""

from __future__ import annotations

import re

from zoo.text.numbers import cardinal, ordinal
from zoo.text.rules import Rule, after, before, last_word, next_word, rule

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_VALID = re.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_COUNTED = {
    "chapter",
    "act", "scene", "part", "section", "volume", "book", "article", "appendix", "phase", "stage", "war",
    "bowl", "title", "level", "class", "grade", "type", "figure", "table", "fig", "vol", "episode", "rocky",
    "fantasy", "day", "olympiad", "mark", "category", "amendment", "canto", "psalm", "lesson", "unit",
    "step", "theorem", "tier", "division", "corps", "version", "apollo", "saturn", "titan", "exhibit",
    "group", "factor", "sonata", "symphony", "wars", "generation", "paragraph", "clause", "schedule",
    "annex", "round", "quest", "photosystem", "collagen",
}  # fmt: skip
_RULERS = {
    "henry", "louis", "elizabeth", "charles", "james", "george", "edward", "william", "richard", "john",
    "paul", "pius", "philip", "frederick", "nicholas", "alexander", "catherine", "peter", "ivan", "napoleon",
    "francis", "ferdinand", "leopold", "victor", "emmanuel", "umberto", "otto", "gregory", "innocent",
    "benedict", "leo", "clement", "urban", "boniface", "sixtus", "julius", "adrian", "celestine", "darius",
    "xerxes", "cyrus", "artaxerxes", "ramses", "rameses", "thutmose", "amenhotep", "seti", "ptolemy",
    "cleopatra", "mary", "anne", "margaret", "christian", "gustav", "harald", "olaf", "haakon", "oscar",
    "carl", "albert", "baudouin", "wilhelm", "franz", "joseph", "karl", "maximilian", "rudolf", "ludwig",
    "sigismund", "casimir", "stephen", "bela", "alfonso", "juan", "carlos", "felipe", "isabella", "pedro",
    "afonso", "manuel", "sebastian", "selim", "suleiman", "murad", "mehmed", "mustafa", "ahmed", "mahmud",
    "abdulhamid", "theodosius", "constantine", "justinian", "leonid", "malcolm", "robert", "david", "edgar",
    "harold", "charlemagne", "childeric", "clovis", "lothair", "conrad", "pope", "akbar", "rama", "sobhuza",
    "hassan", "mohammed", "abdullah", "hussein", "farouk", "edmund", "eric", "valdemar", "christina",
    "philippe", "sancho", "gaius", "antiochus", "seleucus", "mithridates", "alexios", "basil", "michael",
    "andronikos",
}  # fmt: skip
_NO_NUMBERS = {
    "CD",
    "DC",
    "MD",
    "CC",
    "CV",
    "MC",
    "XL",
    "MI",
    "DI",
    "CM",
    "DM",
    "MM",
    "ML",
    "CI",
    "LI",
    "MIX",
    "DIM",
}
_SPEAKS = {  # words behind the pronoun I
    "am", "was", "have", "had", "will", "would", "can", "could", "think", "know", "want", "need", "like",
    "love", "do", "did", "don't", "didn't", "shall", "should", "saw", "met", "said", "believe", "hope",
    "guess", "may", "might", "must", "went", "go", "see", "never", "always", "also", "just", "really",
    "knew", "read", "heard", "wrote",
}  # fmt: skip


def _numeral(match: re.Match[str]) -> str | None:
    said = None if match[1] == "I" and match[2] else _number(match)
    return None if said is None else said + (match[2] or "")


def _number(match: re.Match[str]) -> str | None:
    text = match[1].upper()
    word = last_word(match)
    if not _VALID.fullmatch(text) or (match[1] != text and (len(text) < 2 or word.lower() not in _COUNTED)):
        return None
    value = _value(text)
    counted = word.lower() in _COUNTED
    if counted and not (text == "I" and next_word(match).lower() in _SPEAKS):
        return cardinal(value)
    ruler = word[:1].isupper() and word.lower() in _RULERS
    if text in ("I", "V", "X"):
        return f"the {ordinal(value)}" if ruler and _stands_alone(match, text) else None
    if len(text) > 1 and re.search(r"(?<![A-Za-z])[IVX]+ (?:and|or|to) $", before(match)):
        return cardinal(value)
    if text in _NO_NUMBERS or len(text) < 2 or value > 39 or not word[:1].isupper():
        return None
    return f"the {ordinal(value)}" if ruler else cardinal(value)


def _stands_alone(match: re.Match[str], text: str) -> bool:
    """Whether a single letter behind a name is a number: not in ``Elizabeth I think``, ``Malcolm X``."""
    name = last_word(match)
    if text == "X":
        return name in (
            "Leo",
            "Pius",
            "Charles",
            "Gregory",
            "Benedict",
            "Clement",
            "Innocent",
            "John",
            "Ramses",
            "Louis",
        )
    spoken = next_word(match).lower() in _SPEAKS
    return not (text == "I" and (spoken or re.search(r"[,;]\s*$", before(match)) or after(match)[:1] == "'"))


def _value(text: str) -> int:
    values = [_VALUES[letter] for letter in text]
    return sum(-v if v < max(values[i + 1 : i + 2], default=0) else v for i, v in enumerate(values))


RULES: tuple[Rule, ...] = (
    rule("[IVXLCDMivxlcdm]", r"([IVXLCDM]{1,9}|[ivx]{2,6})('s)?(?![A-Za-z0-9'&+#^])", _numeral),
)
