"""Numbers in words, in American English."""

from __future__ import annotations

import re

from zoo.text.rules import Rule, after, before, last_word, next_word, rule

# A whole number, with commas or without, and any number; longer ones than have a name are spelled before.
WHOLE = r"(?:\d{1,3}(?:,\d{3}){1,10}(?!\d)|\d{1,33})"
NUMBER = rf"(?:{WHOLE}(?:\.\d{{1,40}})?|\.\d{{1,40}})"
MAGNITUDES = ("hundred", "thousand", "million", "billion", "trillion")
_LARGEST = 10**33  # the first that has no name
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GROUPS = (
    "", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion",
    "septillion", "octillion", "nonillion",
)  # fmt: skip
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_OF_A_YEAR = {
    "in",
    "since",
    "from",
    "until",
    "till",
    "year",
    "by",
    "before",
    "after",
    "around",
    "circa",
    "to",
}
_COUNTED = {"people", "men", "women", "children", "sheep", "feet", "percent", "million", "billion"}
_TIMED = {
    "in",
    "after",
    "for",
    "within",
    "took",
    "takes",
    "every",
    "about",
    "under",
    "than",
    "lasts",
    "lasted",
}
_DIGIT_BY_DIGIT = {"zip", "code", "dial", "extension", "ext", "pin", "postcode"}  # what stands before them


def cardinal(number: int) -> str:
    """``1234`` -> one thousand, two hundred thirty-four"""
    if abs(number) >= _LARGEST:
        return digits(str(number))
    if number < 0:
        return f"minus {cardinal(-number)}"
    groups: list[str] = []
    rest = number
    for magnitude in _GROUPS:
        rest, group = divmod(rest, 1000)
        if group:
            groups.insert(0, f"{_below_thousand(group)} {magnitude}".strip())
    if len(groups) > 1 and 0 < number % 1000 < 100:  # "two thousand five", without a comma
        groups[-2:] = [f"{groups[-2]} {groups[-1]}"]
    return ", ".join(groups) or "zero"


def _below_thousand(number: int) -> str:
    """``234`` -> two hundred thirty-four; nothing for 0"""
    hundreds, rest = divmod(number, 100)
    words = [f"{_SMALL[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        tens, ones = divmod(rest, 10)
        words.append(f"{_TENS[tens - 2]}-{_SMALL[ones]}" if ones else _TENS[tens - 2])
    elif rest:
        words.append(_SMALL[rest])
    return " ".join(words)


def ordinal(number: int) -> str:
    """``21`` -> twenty-first"""
    words = cardinal(number)
    begin = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[begin:]
    regular = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return words[:begin] + _ORDINALS.get(last, regular)


def digits(text: str) -> str:
    """``007`` -> zero zero seven"""
    return " ".join("minus" if c == "-" else _SMALL[int(c)] for c in text)


def year(number: int) -> str:
    """``1905`` -> nineteen oh five; ``2000`` -> two thousand; ``2019`` -> twenty nineteen"""
    century, rest = divmod(number, 100)
    if number < 1000 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {f'oh {cardinal(rest)}' if rest < 10 else cardinal(rest)}"


def paired(number: str) -> str:
    """Two or three digits as one names a model or a pressure: ``120`` -> one twenty"""
    if len(number) != 3 or number.endswith("00") or number.startswith("0"):
        return cardinal(int(number))
    rest = int(number[1:])
    return f"{_SMALL[int(number[0])]} {f'oh {_SMALL[rest]}' if rest < 10 else cardinal(rest)}"


def plural(words: str) -> str:
    """``sixty`` -> sixties"""
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}es" if words.endswith("x") else f"{words}s"


def number_words(text: str) -> str:
    """A number as it is written: ``1,234``, ``3.14159``, ``.5``, ``007``."""
    whole, dot, fraction = text.replace(",", "").partition(".")
    words = []
    if whole:
        plain = whole == "0" or not whole.startswith("0")
        words.append(cardinal(int(whole)) if plain else digits(whole))
    if dot:
        words.append(f"point {digits(fraction)}")
    return " ".join(words)


def _year(match: re.Match[str]) -> str | None:
    """Four digits as those of a year, unless so many of something are counted; of a model: ``RTX 4090``"""
    named = last_word(match)
    if (named.isupper() and len(named) > 1) or named.lower() == "port":
        return year(int(match[0])) if int(match[0]) > 1009 else None
    number, following = int(match[0]), next_word(match)
    told = last_word(match).lower() in _OF_A_YEAR
    if 1010 <= number <= 1099:
        return year(number) if told else None
    counted = following in _COUNTED or (
        following.endswith("s") and following.islower() and len(following) > 3
    )
    return year(number) if 1100 <= number <= 2099 and (told or not counted) else None


def _plain(match: re.Match[str]) -> str:
    if last_word(match).lower() in _DIGIT_BY_DIGIT and match[0].isdigit() and len(match[0]) > 2:
        return digits(match[0])
    return number_words(match[0])


def _grouped(match: re.Match[str]) -> str | None:
    """``1 000 000``, ``1.000.000``: thousands as much of Europe groups them."""
    return cardinal(int(re.sub(r"\D", "", match[0]))) if not after(match)[:2].strip().isdigit() else None


def _comma(match: re.Match[str]) -> str | None:
    """``1,5`` and ``1.000,50``: a comma before the decimals, as in much of Europe"""
    if before(match)[-1:] == ",":
        return None
    return number_words(match[0].replace(".", "").replace(",", "."))


def _decade(match: re.Match[str]) -> str | None:
    text = match[1]
    number = int(text)
    if text.startswith("0") or (match[0][0] != "'" and last_word(match).lower() in _TIMED):
        return None
    if len(text) == 2 and number % 10:
        return plural(cardinal(number)) if match[0].startswith("'") else None
    if len(text) == 4 and number % 100 == 0:
        return plural(cardinal(number) if number % 1000 == 0 else year(number))
    tens = number % 100
    if number % 10 or tens == 0 or (len(text) != 4 and tens == 10):
        return plural(year(number) if len(text) == 4 else cardinal(number))
    words = plural(cardinal(tens))
    return words if len(text) == 2 else f"{cardinal(number // 100)} {words}"


LONG = rule(r"\d", r"\d{34,}", lambda m: digits(m[0]))
ENDING: tuple[Rule, ...] = (  # with letters behind them that are no units
    rule(
        r"\d", rf"({WHOLE})(?:st|nd|rd|th)(?![a-z0-9])", lambda m: ordinal(int(m[1].replace(",", ""))), re.I
    ),
    rule(r"[\d']", r"'?(\d{2,4})'?s(?![A-Za-z0-9])", _decade),
    rule("'", r"'(\d\d)(?!\d)", lambda m: cardinal(int(m[1])) if m[1][0] != "0" else f"oh {digits(m[1][1])}"),
)
RULES: tuple[Rule, ...] = (
    rule(r"\d", r"\d{1,3}(?:[ .]\d{3}){2,8}(?![\d.,]?\d)|[1-9]\d{0,2} 000(?!\d)", _grouped),
    rule(r"\d", r"\d{4}(?!\d|[.,]\d)", _year),
    rule(r"\d", r"(?:0,\d{1,9}|\d{1,3}(?:\.\d{3}){0,8},\d\d?|\d{4,9},\d\d?)(?![\d.]?\d)(?!,\d)", _comma),
    rule(r"[\d.]", NUMBER, _plain),
)
