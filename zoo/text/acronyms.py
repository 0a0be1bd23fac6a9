"""Words in capitals, or with capitals inside: what is spelled, what is read, and what is said loudly."""

from __future__ import annotations

import re

from zoo.text.dictionary import english
from zoo.text.homographs import is_name
from zoo.text.rules import Rule, after, before, last_word, rule, spelled
from zoo.text.words import HALF_READ, READ, capital_words, is_word

_SPELLED = {  # though they are words too
    "us", "it", "am", "pm", "led", "sat", "esp", "ira", "eta", "ins", "sec", "ups", "rip", "cod", "mia",
    "sop", "ad", "bc", "id", "ac", "dc", "ms", "pa", "la", "ma", "hi", "er", "ed", "os", "ai", "un", "eu",
    "uk", "md", "vat", "est", "mit", "era", "ide", "apr", "cap", "iq", "tb", "gop", "sos", "sap", "ussr",
    "wto", "diy", "eft", "hud", "ers", "oas", "plo", "pow", "lax", "sas", "dna", "rna", "pcs", "tvs",
    "iso", "ufo", "faq", "vip", "asap", "url", "sql", "api", "gps", "uv", "cia", "mba", "ada", "ire", "fyi",
    "lol", "ipa", "abs", "mri", "ekg", "eps", "aol", "usa", "uso", "imf", "epa", "ama", "apa", "nra",
}  # fmt: skip
_WORDS_TOO = {
    "us", "it", "am", "id", "hi", "la", "ma", "pa", "led", "sat", "era", "cap", "ire", "cod", "rip", "sap",
    "sop", "ups", "pow", "ad",
}  # fmt: skip
_LOUD = {  # words of two letters that one writes in capitals to say them loudly
    "in", "on", "to", "no", "go", "so", "do", "we", "my", "be", "if", "at", "of", "by", "he", "me", "up",
    "as", "is", "or", "an", "oh",
}  # fmt: skip
_MIXED = {
    "PhD": "P H D", "MSc": "M S C", "BSc": "B S C", "MPhil": "M phil", "DPhil": "D phil", "pH": "P H",
    "iOS": "I O S", "macOS": "mac O S", "iPadOS": "I pad O S", "LaTeX": "lay tech", "TeX": "tech",
    "GitHub": "github", "mRNA": "M R N A", "tRNA": "T R N A", "rRNA": "R R N A", "WiFi": "wifi",
    "Wi-Fi": "wifi", "iPhone": "iphone", "iPad": "ipad", "iPod": "ipod", "iMac": "I mac", "eBay": "ebay",
    "YouTube": "youtube", "JavaScript": "javascript", "NumPy": "num pie", "SciPy": "sigh pie",
    "PyPI": "pie P I", "PyTorch": "pie torch", "MySQL": "my S Q L", "SQLite": "S Q lite",
    "PostgreSQL": "postgres Q L", "NaCl": "N A C L", "kWh": "kilowatt hour", "OpenAI": "open A I",
    "DoD": "D O D", "DoE": "D O E", "LoL": "L O L", "NoSQL": "no S Q L", "TypeScript": "typescript",
    "PowerPoint": "powerpoint", "vs": "versus", "JPEGs": "J pegs", "OKs": "O K's", "COVID": "covid",
    "Mr": "mister", "Mrs": "missus",
}  # fmt: skip
_ELEMENTS = {
    "He",
    "Li",
    "Be",
    "Ne",
    "Na",
    "Mg",
    "Al",
    "Si",
    "Cl",
    "Ar",
    "Ca",
    "Fe",
    "Cu",
    "Zn",
    "Ag",
    "Au",
    "Hg",
    "Pb",
}
_NAMED = {  # words that a letter follows
    "plan", "vitamin", "grade", "type", "group", "section", "part", "hepatitis", "option", "class", "team",
    "exhibit", "point", "side", "letter", "appendix", "column", "row", "block", "gate", "terminal", "series",
    "model", "an", "variable", "node", "vertex", "set", "matrix", "straight", "the",
}  # fmt: skip
_SURE = 3  # capitals that are spelled without a doubt
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_CAPITALS = re.compile(r"[A-Z]{2,}")
_WORDS = re.compile(r"[A-Za-z]{2,}")


def _capitals(match: re.Match[str]) -> str:
    """``FBI``, ``NASA``, ``CPUs``, and a word that is said loudly"""
    word, ending = match[1], match[2] or ""
    small = word.lower()
    said = capital_words(word)
    if said == spelled(word) and len(word) > _SURE and english().entry(small) is None:
        said = word  # is spelled, and told, as the dictionary does not know it
    if small not in HALF_READ and _is_read(small) and _is_loud(match, small):
        said = small
    plural = "s" if said[-1].islower() and not ending.startswith("'") else "'s"
    return said + plural * bool(ending)


def _is_read(small: str) -> bool:
    return bool(set(small) & set("aeiouy")) and is_word(small)


def _is_loud(match: re.Match[str], small: str) -> bool:
    """Whether a word in capitals stands for itself: among others in capitals, or as it is no acronym."""
    around = _WORDS.findall(before(match) + " " + after(match))
    loud = [word for word in around if word.isupper() and is_word(word.lower())]
    if len(loud) >= 1 and len(loud) >= 0.6 * len(around):
        return small not in _SPELLED or small in _WORDS_TOO
    if small == "who":
        return last_word(match).lower() != "the"
    if small in _SPELLED:
        return False
    return small in _LOUD if len(small) == 2 else True


def _ampersand(match: re.Match[str]) -> str:
    """``R&D``, ``AT&T``, ``Q & A``"""
    return " and ".join(spelled(part) for part in re.findall(r"[A-Z]+", match[0]))


def _mixed(match: re.Match[str]) -> str | None:
    """``PhDs``, ``McDonald's``, ``iPhone``, ``OpenSSL``"""
    word, ending = match[1], match[2] or ""
    if word in _MIXED:
        said = _MIXED[word]
        return said + ("'s" if ending and said[-1].isupper() else ending)
    if word.endswith("s") and word[:-1] in _MIXED:
        said = _MIXED[word[:-1]]
        return f"{said}'s" if said[-1].isupper() else f"{said}s"
    if is_word(word.lower()) or re.match(r"(?:Mc|Mac|O'|De|Di|La|Le|Van|Fitz)[A-Z][a-z]+$", word):
        return word.lower() + ending
    pieces = _PARTS.findall(word)
    if all(piece in _ELEMENTS or len(piece) == 1 for piece in pieces):
        return spelled(word) + ending
    return " ".join(_piece(piece) for piece in pieces) + ending


def _piece(piece: str) -> str:
    if len(piece) == 1 or (piece.isupper() and piece.lower() not in READ):
        return spelled(piece)
    return piece.lower()


def _letter(match: re.Match[str]) -> str | None:
    """``A`` and ``a`` as a letter, and not as the article"""
    behind = after(match)
    sign = re.match(r"-[a-z]|\s?[=+&<>≤≥≠≈→←/^×÷±*]|\s+-\s", behind)
    ends = re.match(r"\s*(?:$|[.,;:!?)\]\n]|(?:or|and|to) [B-Zb-z](?![A-Za-z]))", behind)
    named = last_word(match).lower() in _NAMED
    if sign or (match[0] == "A" and (ends or (named and last_word(match).lower() != "the"))):
        return "A"
    return "a"


def _word(match: re.Match[str]) -> str:
    """A word in lower case; with its capital where that tells how it is said, and no sentence begins there"""
    begins = re.search(r"(?:^|[.!?\n][\"')]*\s+)$", before(match)) is not None
    return match[0] if not begins and match[0][0].isupper() and is_name(match[0]) else match[0].lower()


def _single(match: re.Match[str]) -> str:
    return match[1] + (match[2] or "")


RULES: tuple[Rule, ...] = (
    rule("[A-Z]", r"[A-Z]{1,5}(?:\s?&\s?[A-Z]{1,5}){1,4}(?![A-Za-z])", _ampersand),
    rule("[A-Z]", r"CD-?ROM(?![A-Za-z])", lambda m: "C D rom"),
    rule("[A-Z]", r"Wi-?Fi(?![A-Za-z])", lambda m: "wifi"),
    rule("[A-Z]", r"C\+\+", lambda m: "C plus plus"),
    rule("[A-G]", r"([A-G])#(?![A-Za-z0-9])", lambda m: f"{m[1]} sharp"),
    rule("[A-F]", r"([A-F])\+(?=\s|[.,;:!?)]|$)", lambda m: f"{m[1]} plus"),
    rule("[A-Z]", r"([A-Z]{2,24})('?s)?(?![A-Za-z]|'[A-Za-z])", _capitals),
    rule("[A-Z]", r"([A-Z]{2,24})('S)(?![A-Za-z])", _capitals),
    rule("[A-Za-z]", r"(?=[A-Za-z][a-z]{0,23}[A-Z])([A-Za-z]{2,48})('s)?(?![A-Za-z])", _mixed),
    rule("[Aa]", r"[Aa](?![A-Za-z'])", _letter),
    rule("[A-HJ-Z]", r"([A-HJ-Z])('s)?(?![A-Za-z'])", _single),
    rule("[A-Za-z]", r"[A-Za-z]+(?:'[A-Za-z]+)*", _word),
)
