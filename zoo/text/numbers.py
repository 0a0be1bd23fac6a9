"""Numbers, money, times and dates in words, in American English."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTH = rf"(?P<month>{'|'.join(MONTHS)})"
_DAY = r"0?[1-9]|[12]\d|3[01]"
_CURRENCIES = {  # symbol: one, many, one hundredth, many hundredths
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}
_UNITS = {  # directly behind a number, or one space behind it: one, many
    "km/h": ("kilometer an hour", "kilometers an hour"),
    "mph": ("mile an hour", "miles an hour"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "m": ("meter", "meters"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "g": ("gram", "grams"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ft": ("foot", "feet"),
    "ms": ("millisecond", "milliseconds"),
    "khz": ("kilohertz", "kilohertz"),
    "mhz": ("megahertz", "megahertz"),
    "ghz": ("gigahertz", "gigahertz"),
    "hz": ("hertz", "hertz"),
    "kb": ("kilobyte", "kilobytes"),
    "mb": ("megabyte", "megabytes"),
    "gb": ("gigabyte", "gigabytes"),
    "db": ("decibel", "decibels"),
    "°c": ("degree celsius", "degrees celsius"),
    "°f": ("degree fahrenheit", "degrees fahrenheit"),
    "°": ("degree", "degrees"),
}
_WHOLE = r"\d{1,3}(?:,\d{3})+|\d+"
_NUMBER = rf"(?:{_WHOLE})(?:\.\d+)?|\.\d+"
_MAGNITUDE = r"(?:\s(?P<magnitude>hundred|thousand|million|billion|trillion))?"
_LARGEST = 10**33  # the first that has no name
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_MAGNITUDES = (
    "", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion",
    "septillion", "octillion", "nonillion",
)  # fmt: skip
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_YEAR_BEHIND = r"(?:,?\s(?P<year>\d{4})\b|(?<!may)(?<!march))"  # two months are other words too
_BEFORE_YEAR = r"(?<=\bin\s)|(?<=\bsince\s)|(?<=\bfrom\s)|(?<=\buntil\s)|(?<=\byear\s)"


def spell_numbers(text: str) -> str:
    """Every number of a text in words.

    Args:
        text: lower-case English in ASCII, but for the symbols of currencies and degrees.
    """
    for pattern, replace in _rules():
        text = pattern.sub(replace, text)
    return text


def cardinal(number: int) -> str:
    """``1234`` -> one thousand, two hundred thirty-four"""
    if abs(number) >= _LARGEST:
        return digits(str(number))
    if number < 0:
        return f"minus {cardinal(-number)}"
    groups: list[str] = []
    rest = number
    for magnitude in _MAGNITUDES:
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
    return " ".join("minus" if c == "-" else cardinal(int(c)) for c in text)


def year(number: int) -> str:
    """``1905`` -> nineteen oh five; ``2000`` -> two thousand; ``2019`` -> twenty nineteen"""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {f'oh {cardinal(rest)}' if rest < 10 else cardinal(rest)}"


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


@cache
def _rules() -> list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]:
    """What is replaced by what, in this order."""
    symbols = "".join(_CURRENCIES)
    units = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
    return [
        # what has no name is spelled first, so that no other rule looks for the end of thousands of digits
        (re.compile(r"(?<!\d)\d{34,}"), lambda m: f" {digits(m[0])} "),
        (re.compile(rf"(?P<symbol>[{symbols}])\s?(?P<number>{_NUMBER}){_MAGNITUDE}(?!\d)"), _money),
        (re.compile(rf"\b(?P<year>\d{{4}})-(?P<number>0[1-9]|1[0-2])-(?P<day>{_DAY})\b"), _date),
        (re.compile(r"\b(?P<number>\d\d?)/(?P<day>\d\d?)/(?P<year>\d{4})\b"), _slashed_date),
        (re.compile(rf"\b{_MONTH}\s(?P<day>{_DAY})(?:st|nd|rd|th)?\b(?:,?\s(?P<year>\d{{4}})\b)?"), _date),
        (re.compile(rf"\b(?:the\s)?(?P<day>{_DAY})\s{_MONTH}\b{_YEAR_BEHIND}"), _day_first),
        (re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?![:\d])"), _time),
        (re.compile(r"\b\d{3}-\d{4}\b|\b\d{3}-\d{3}-\d{4}\b"), _telephone),
        (re.compile(rf"\b({_WHOLE})/({_WHOLE})\b(?!/)"), _fraction),
        (re.compile(r"\b(\d+):(?=\d)"), lambda m: f"{m[1]} to "),
        (re.compile(r"(?<=\d)(-|\s-\s)(?=\d)"), lambda m: " to "),
        (re.compile(r"(?:(?<=\s)|(?<=^)|(?<=\())-(?=\.?\d)"), lambda m: "minus "),
        (re.compile(rf"\b({_WHOLE})(?:st|nd|rd|th)\b"), lambda m: ordinal(int(m[1].replace(",", "")))),
        (re.compile(r"(?:\b|')(\d{2}|\d{4})'?s\b"), _decade),
        (re.compile(rf"({_NUMBER})\s?%"), lambda m: f"{number_words(m[1])} percent"),
        (re.compile(rf"({_NUMBER})\s?({units})(?![a-z])"), _measure),
        (re.compile(rf"(?:{_BEFORE_YEAR})(10[1-9]\d)\b(?![.,]\d)"), lambda m: year(int(m[1]))),
        (re.compile(r"(?<![\d.,])(1[1-9]\d\d|20\d\d)\b(?![.,]\d)"), lambda m: year(int(m[1]))),
        (re.compile(r"(?<=[a-z])(?=\.?\d)|(?<=\d)(?=[a-z])"), lambda m: " "),
        (re.compile(rf"({_NUMBER})"), lambda m: number_words(m[1])),
    ]


def _money(match: re.Match[str]) -> str:
    one, many, cent, cents = _CURRENCIES[match["symbol"]]
    number, magnitude = match["number"].replace(",", ""), match["magnitude"]
    whole, _, fraction = number.partition(".")
    if magnitude or len(fraction) not in (0, 2) or (fraction and not cent):
        amount = number_words(number) + (f" {magnitude}" if magnitude else "")
        return f"{amount} {many}"
    parts = []
    if int(whole or 0) or not int(fraction or 0):
        parts.append(f"{cardinal(int(whole or 0))} {one if int(whole or 0) == 1 else many}")
    if int(fraction or 0):
        parts.append(f"{cardinal(int(fraction))} {cent if int(fraction) == 1 else cents}")
    return ", ".join(parts)


def _date(match: re.Match[str]) -> str:
    groups = match.groupdict()
    month = groups.get("month") or MONTHS[int(groups["number"]) - 1]
    words = f"{month} {ordinal(int(groups['day']))}"
    return f"{words}, {year(int(groups['year']))}" if groups["year"] else words


def _slashed_date(match: re.Match[str]) -> str:
    """Month first, as it is written in America, unless it cannot be."""
    month, day = int(match["number"]), int(match["day"])
    if month > 12:
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return " slash ".join(map(number_words, match[0].split("/")))
    return f"{MONTHS[month - 1]} {ordinal(day)}, {year(int(match['year']))}"


def _day_first(match: re.Match[str]) -> str:
    words = f"the {ordinal(int(match['day']))} of {match['month']}"
    return f"{words} {year(int(match['year']))}" if match["year"] else words


def _time(match: re.Match[str]) -> str:
    hour, minute, second = (int(part or 0) for part in match.groups())
    if minute:
        words = f"{cardinal(hour)} {f'oh {cardinal(minute)}' if minute < 10 else cardinal(minute)}"
    else:
        half = re.match(r"\s?[ap]\.?\s?m\b", match.string[match.end() :])
        words = cardinal(hour) if half else f"{cardinal(hour)} o'clock"
    return f"{words} and {cardinal(second)} second{'s' * (second != 1)}" if second else words


def _telephone(match: re.Match[str]) -> str:
    return ", ".join(digits(group) for group in match[0].split("-"))


def _fraction(match: re.Match[str]) -> str:
    over, under = (int(part.replace(",", "")) for part in match.groups())
    if not 1 < under <= 100:
        return f"{cardinal(over)} over {cardinal(under)}"
    name, names = {2: ("half", "halves"), 4: ("quarter", "quarters")}.get(
        under, (ordinal(under), f"{ordinal(under)}s")
    )
    return f"{cardinal(over)} {name if over == 1 else names}"


def _decade(match: re.Match[str]) -> str:
    number = int(match[1])
    if len(match[1]) == 4 and number % 100 == 0:
        words = year(number)
        return f"{words}s"
    tens = cardinal(number % 100)
    if number % 10:
        return f"{year(number) if len(match[1]) == 4 else tens}s"
    plural = f"{tens[:-1]}ies" if tens.endswith("y") else f"{tens}s"
    return f"{cardinal(number // 100)} {plural}" if len(match[1]) == 4 else plural


def _measure(match: re.Match[str]) -> str:
    one, many = _UNITS[match[2]]
    return f"{number_words(match[1])} {one if match[1] == '1' else many}"
