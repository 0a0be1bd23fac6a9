"""Abbreviations in full: titles before names, streets, references, initials with points."""

from __future__ import annotations

import re

from zoo.text.rules import (
    Rule,
    after,
    any_of,
    before,
    begins_sentence,
    last_word,
    point_of_end,
    rule,
    spelled,
)

_TITLES = {  # before a name, with a point or without
    "mrs": "missus", "mr": "mister", "ms": "miz", "dr": "doctor", "st": "saint", "prof": "professor",
    "lt": "lieutenant", "col": "colonel", "capt": "captain", "gen": "general", "sgt": "sergeant",
    "maj": "major", "cpt": "captain", "cmdr": "commander", "rev": "reverend", "hon": "honorable",
    "gov": "governor", "sen": "senator", "rep": "representative", "pres": "president", "mt": "mount",
    "ft": "fort", "messrs": "messers", "fr": "father", "sr": "sister", "adm": "admiral", "cpl": "corporal",
    "pvt": "private", "supt": "superintendent", "det": "detective", "insp": "inspector", "amb": "ambassador",
    "mme": "madame", "mx": "mix", "mlle": "mademoiselle", "ste": "saint", "pt": "point",
    "pfc": "private first class",
}  # fmt: skip
_WITHOUT_POINT = {
    "mrs",
    "mr",
    "ms",
    "dr",
    "prof",
    "st",
    "mt",
    "sgt",
    "capt",
    "col",
    "lt",
    "rev",
    "messrs",
    "mme",
}
_NUMBERED = {  # before a number
    "no": "number", "nos": "numbers", "fig": "figure", "figs": "figures", "vol": "volume", "vols": "volumes",
    "ch": "chapter", "chap": "chapter", "p": "page", "pp": "pages", "pg": "page", "pgs": "pages",
    "sec": "section", "sect": "section", "eq": "equation", "eqs": "equations", "art": "article",
    "par": "paragraph", "ex": "example", "ed": "edition", "ref": "reference", "refs": "references",
    "tab": "table", "app": "appendix", "nr": "number", "ln": "line", "v": "verse", "vv": "verses",
    "col": "column", "apt": "apartment", "rm": "room", "fl": "floor", "bldg": "building", "ext": "extension",
    "op": "opus", "iss": "issue", "ca": "circa", "c": "circa", "fn": "footnote", "def": "definition",
    "thm": "theorem", "pt": "part", "bk": "book", "approx": "approximately", "est": "estimated",
}  # fmt: skip
_BEFORE_LETTERS = {"fig", "figs", "sec", "ch", "eq", "app", "apt", "ex", "tab", "vol"}  # ``Fig. A``
_ANYWHERE = {
    "mrs": "missus", "mr": "mister", "ms": "miz", "dr": "drive",
    "st": "street", "jr": "junior", "sr": "senior", "ave": "avenue", "av": "avenue", "blvd": "boulevard",
    "rd": "road", "ln": "lane", "hwy": "highway", "pkwy": "parkway", "sq": "square", "pl": "place",
    "ct": "court", "co": "company", "ltd": "limited", "inc": "incorporated", "corp": "corporation",
    "bros": "brothers", "esq": "esquire", "dept": "department", "vs": "versus", "etc": "et cetera",
    "approx": "approximately", "est": "established", "vol": "volume", "ft": "feet", "prof": "professor",
    "lt": "lieutenant", "col": "colonel", "capt": "captain", "gen": "general", "sgt": "sergeant",
    "maj": "major", "rev": "reverend", "hon": "honorable", "univ": "university", "assn": "association",
    "govt": "government", "dist": "district", "div": "division", "intl": "international", "natl": "national",
    "mfg": "manufacturing", "max": "maximum", "avg": "average", "temp": "temperature", "tel": "telephone",
    "misc": "miscellaneous", "incl": "including", "excl": "excluding", "cf": "compare", "viz": "namely",
    "ed": "editor", "eds": "editors", "al": "al", "mtg": "meeting", "min": "minimum", "fig": "figure",
    "figs": "figures", "sec": "section", "eq": "equation", "ch": "chapter", "appt": "appointment",
    "asst": "assistant", "assoc": "associate", "bldg": "building", "apt": "apartment", "cont": "continued",
    "hon'ble": "honorable", "ca": "circa", "lbs": "pounds", "oz": "ounces", "mt": "mount", "gov": "governor",
    "sen": "senator", "rep": "representative", "pres": "president", "cmdr": "commander", "cpt": "captain",
    "adm": "admiral", "ph": "phone", "pp": "pages", "hrs": "hours", "mins": "minutes",
}  # fmt: skip
_WORDS_TOO = {
    "max", "temp", "min", "ed", "al", "gen", "rep", "fig", "ch", "av", "pl", "ct", "ave", "cont", "est",
    "div", "misc", "col", "ph", "sec", "rev", "co", "ms", "dist", "art",
}  # fmt: skip
_ENDS_NOTHING = {
    "fig", "figs", "sec", "eq", "ch", "vol", "cf", "viz", "ca", "approx", "ph", "incl", "excl", "vs", "pp",
}  # fmt: skip
_POINTED = {  # with points inside
    "e.g.": "for example", "i.e.": "that is", "a.k.a.": "A K A", "w.r.t.": "with respect to", "n.b.": "N B",
    "ph.d.": "P H D", "ph.d": "P H D", "m.sc.": "M S C", "b.sc.": "B S C", "d.phil.": "D phil",
    "ph.ds": "P H D's",
}  # fmt: skip
_SLASHED = {
    "w/o": "without",
    "w/": "with",
    "c/o": "care of",
    "n/a": "not applicable",
    "b/c": "because",
    "a/c": "A C",
}
_STATES = {
    "AL": "alabama", "AK": "alaska", "AZ": "arizona", "AR": "arkansas", "CA": "california", "CO": "colorado",
    "CT": "connecticut", "DE": "delaware", "FL": "florida", "GA": "georgia", "HI": "hawaii", "ID": "idaho",
    "IL": "illinois", "IN": "indiana", "IA": "iowa", "KS": "kansas", "KY": "kentucky", "LA": "louisiana",
    "ME": "maine", "MD": "maryland", "MA": "massachusetts", "MI": "michigan", "MN": "minnesota",
    "MS": "mississippi", "MO": "missouri", "MT": "montana", "NE": "nebraska", "NV": "nevada",
    "NH": "new hampshire", "NJ": "new jersey", "NM": "new mexico", "NY": "new york", "NC": "north carolina",
    "ND": "north dakota", "OH": "ohio", "OK": "oklahoma", "OR": "oregon", "PA": "pennsylvania",
    "RI": "rhode island", "SC": "south carolina", "SD": "south dakota", "TN": "tennessee", "TX": "texas",
    "UT": "utah", "VT": "vermont", "VA": "virginia", "WA": "washington", "WV": "west virginia",
    "WI": "wisconsin", "WY": "wyoming",
}  # fmt: skip


def _title(match: re.Match[str]) -> str | None:
    name, point = match[1].lower(), match[2]
    street = (
        name in ("st", "dr")
        and re.search(r"[A-Z][\w']*\s+$", before(match))
        and re.search(r"\d\s+(?:[A-Z][\w']*\s+){1,3}$", before(match))
    )
    if street or (not point and (match[1][0].islower() or name not in _WITHOUT_POINT)):
        return None
    if re.search(r"\d[a-z]*\s+$", before(match)) and name in ("ft", "pt", "st"):
        return None
    if name in ("st", "dr") and last_word(match)[:1].isupper() and begins_sentence(after(match)):
        return None
    return _TITLES[name]


def _numbered(match: re.Match[str]) -> str | None:
    return _NUMBERED[match[1].lower()]


def _anywhere(match: re.Match[str]) -> str | None:
    name = match[1].lower()
    behind = after(match)
    capital = re.match(r"\s+(?!No\.|Nos\.)[A-Z]", behind)
    end = not behind.strip()
    if (
        name in _WORDS_TOO
        and (end or capital)
        and not (
            name in ("ave", "co", "rev", "col", "gen", "ct", "pl", "est") and last_word(match)[:1].isupper()
        )
        and name != "est"
    ):
        return None
    if (
        name in ("dr", "st")
        and not last_word(match)[:1].isupper()
        and not re.search(r"\d(?:st|nd|rd|th)\s+$", before(match))
    ):
        return ("doctor" if name == "dr" else "saint") + ("." if end else "")
    if name == "al":
        return "al" + ("." if end else "") if last_word(match).lower() == "et" else None
    words = _ANYWHERE[name]
    stops = end or (capital and name not in _ENDS_NOTHING)
    return words + ("." if stops else "")


def _initials(match: re.Match[str]) -> str | None:
    """``U.S.``, ``J. R. R.``, ``D.C.``: their points end nothing, unless a sentence follows"""
    letters = re.sub(r"[^A-Za-z]", "", match[0])
    return spelled(letters) + (point_of_end(match) if match[0].rstrip().endswith(".") else "")


def _one_initial(match: re.Match[str]) -> str | None:
    """``J. Smith``, and not a letter that ends a sentence"""
    if last_word(match) and not last_word(match)[:1].isupper():
        return None
    if match[0][0] == "I" and last_word(match):
        return None
    return None if begins_sentence(after(match)) else match[0][0]


def _pointed(match: re.Match[str]) -> str:
    key = re.sub(r"\s", "", match[1].lower())
    words = _POINTED[key]
    if key in ("e.g.", "i.e."):
        return f"{words},"
    return words + (point_of_end(match) if key.endswith(".") else "")


def _state(match: re.Match[str]) -> str | None:
    """``Austin, TX`` and ``(D-NY)``"""
    return _STATES[match[1]] if re.search(r"(?:[a-z], |\b[DRI]-)$", before(match)) else None


RULES: tuple[Rule, ...] = (
    rule(
        "[A-Za-z]",
        rf"({any_of(_POINTED).replace(chr(92) + '.', chr(92) + '.' + chr(92) + 's?')})(?![A-Za-z]),?",
        _pointed,
        re.I,
    ),
    rule("[A-Za-z]", rf"{any_of(_SLASHED)}(?![A-Za-z])", lambda m: _SLASHED[m[0].lower()], re.I),
    rule(
        "[A-Za-z]",
        r"(?:[A-Za-z]\.\s?){1,12}[A-Za-z]\.(?![A-Za-z])|(?:[A-Za-z]\.){1,12}[A-Za-z](?![A-Za-z.])",
        _initials,
    ),
    rule("[A-Z]", r"[A-Z]\.(?=\s?[A-Z][a-z])", _one_initial),
    rule("[A-Za-z]", rf"({any_of(_NUMBERED)})\.?\s?(?=\d)(?<=[.\s])", _numbered, re.I),
    rule("[A-Za-z]", rf"((?i:{any_of(_BEFORE_LETTERS)}))\.\s?(?=[A-Z](?![a-zA-Z']))", _numbered),
    rule("[A-Za-z]", rf"((?i:{any_of(_TITLES)}))(\.?)(?:\s(?=[A-Z])|(?<=\.)(?=[A-Z]))", _title),
    rule("[A-Za-z]", rf"({any_of(_ANYWHERE)})\.(?![A-Za-z])", _anywhere, re.I),
    rule("[A-Z]", r"([A-Z]{2})(?![A-Za-z])", lambda m: _state(m) if m[1] in _STATES else None),
    rule("[Aa]", r"and/or(?![A-Za-z])", lambda m: "and or", re.I),
    rule(
        "c",
        r"c\.?(?![A-Za-z])",
        lambda m: "century" if re.search(r"\d(?:st|nd|rd|th)\s$", before(m)) else None,
    ),
    rule("[Hh]", r"hwy(?![A-Za-z])", lambda m: "highway", re.I),
    rule("[Vv]", r"vs(?![A-Za-z])", lambda m: "versus", re.I),
    rule("[Ee]", r"etc(?![A-Za-z])", lambda m: "et cetera", re.I),
    rule("'", r"'[nN]'", lambda m: "and"),
)
