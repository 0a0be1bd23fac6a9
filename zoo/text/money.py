"""Sums of money: signs and codes of currencies, cents, magnitudes and ranges."""

from __future__ import annotations

import re

from zoo.text.numbers import MAGNITUDES, NUMBER, cardinal, number_words
from zoo.text.rules import Rule, any_of, counts_singly, rule

_Names = tuple[str, str, str, str]  # one, many, one hundredth, many hundredths
_DOLLAR: _Names = ("dollar", "dollars", "cent", "cents")
_SIGNS: dict[str, _Names] = {
    "$": _DOLLAR,
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "₺": ("lira", "lira", "", ""),
    "₪": ("shekel", "shekels", "", ""),
    "₫": ("dong", "dong", "", ""),
    "฿": ("baht", "baht", "", ""),
    "₱": ("peso", "pesos", "centavo", "centavos"),
    "₴": ("hryvnia", "hryvnias", "", ""),
    "₦": ("naira", "naira", "", ""),
    "₿": ("bitcoin", "bitcoins", "", ""),
}
_COUNTRIES = {  # before a dollar sign
    "US": "U S", "CA": "canadian", "C": "canadian", "AU": "australian", "A": "australian",
    "NZ": "new zealand", "HK": "hong kong", "S": "singapore", "SG": "singapore",
}  # fmt: skip
_CODES: dict[str, _Names] = {
    "USD": ("U S dollar", "U S dollars", "cent", "cents"),
    "EUR": _SIGNS["€"],
    "GBP": ("british pound", "british pounds", "penny", "pence"),
    "JPY": _SIGNS["¥"],
    "CHF": ("swiss franc", "swiss francs", "", ""),
    "CAD": ("canadian dollar", "canadian dollars", "cent", "cents"),
    "AUD": ("australian dollar", "australian dollars", "cent", "cents"),
    "NZD": ("new zealand dollar", "new zealand dollars", "cent", "cents"),
    "CNY": ("chinese yuan", "chinese yuan", "", ""),
    "RMB": ("renminbi", "renminbi", "", ""),
    "INR": ("indian rupee", "indian rupees", "paisa", "paise"),
    "SEK": ("swedish krona", "swedish kronor", "", ""),
    "NOK": ("norwegian krone", "norwegian kroner", "", ""),
    "DKK": ("danish krone", "danish kroner", "", ""),
    "PLN": ("polish zloty", "polish zlotys", "", ""),
    "BTC": _SIGNS["₿"],
    "Rs.": _SIGNS["₹"],
    "Rs": _SIGNS["₹"],
}
_MAGNITUDES = {
    **{word: word for word in MAGNITUDES}, "k": "thousand", "K": "thousand", "m": "million", "M": "million",
    "mn": "million", "mln": "million", "MM": "million", "b": "billion", "B": "billion", "bn": "billion",
    "Bn": "billion", "BN": "billion", "t": "trillion", "T": "trillion", "tn": "trillion", "trn": "trillion",
}  # fmt: skip
_EACH = {
    "mo": "month", "month": "month", "yr": "year", "year": "year", "hr": "hour", "h": "hour", "hour": "hour",
    "day": "day", "week": "week", "wk": "week", "kg": "kilogram", "lb": "pound", "person": "person",
    "night": "night", "ft": "foot", "gal": "gallon", "kWh": "kilowatt hour", "GB": "gigabyte", "unit": "unit",
    "user": "user",
}  # fmt: skip
_SUM = rf"(?P<number>{NUMBER}|\d{{1,9}},\d\d(?!\d))"
_MAGNITUDE = rf"(?:\s?(?P<magnitude>{any_of(_MAGNITUDES)})(?![A-Za-z0-9]))?"
_PER = rf"(?:\s?/\s?(?P<each>{any_of(_EACH)})(?![A-Za-z0-9]))?"
_SIGN = f"[{''.join(_SIGNS)}]"
_DOLLARS = rf"(?P<country>{any_of(_COUNTRIES)})?(?P<sign>{_SIGN})"
_CODE = rf"(?P<code>{any_of(_CODES)})"


def _said(match: re.Match[str]) -> str:
    groups = match.groupdict()
    one, many, cent, cents = _CODES[groups["code"]] if groups.get("code") else _SIGNS[groups["sign"]]
    if groups.get("country"):
        one, many = (f"{_COUNTRIES[groups['country']]} {name}" for name in (one, many))
    singly = counts_singly(match)
    many = one if singly else many
    number = _point(match["number"])
    magnitude = groups.get("magnitude") and _MAGNITUDES[groups["magnitude"]]
    minus = "minus " if groups.get("minus") else ""
    per = f" per {_EACH[groups['each']]}" if groups.get("each") else ""
    if groups.get("last"):
        own = groups.get("first_magnitude")
        first = number_words(number) + (f" {_MAGNITUDES[own]}" if own else "")
        amount = f"{first} to {number_words(_point(groups['last']))}" + (f" {magnitude}" if magnitude else "")
        return f"{minus}{amount} {many}{per}"
    return minus + _amount(number, magnitude, (one, many, cent, cents)) + per


def _amount(number: str, magnitude: str | None, names: _Names) -> str:
    """A sum with its parts: ``1.50`` -> one dollar, fifty cents"""
    one, many, cent, cents = names
    whole, _, fraction = number.partition(".")
    if magnitude or len(fraction) not in (0, 2) or (fraction and not cent):
        return f"{number_words(number)}{f' {magnitude}' if magnitude else ''} {many}"
    parts = []
    if int(whole or 0) or not int(fraction or 0):
        parts.append(f"{cardinal(int(whole or 0))} {one if int(whole or 0) == 1 else many}")
    if int(fraction or 0):
        parts.append(f"{cardinal(int(fraction))} {cent if int(fraction) == 1 else cents}")
    return ", ".join(parts)


def _point(number: str) -> str:
    """A number with a point before its decimals, and no commas: ``27,50`` and ``1,250.75``"""
    return (
        re.sub(r",(?=\d\d$)", ".", number) if re.fullmatch(r"\d+,\d\d", number) else number.replace(",", "")
    )


def _cents(match: re.Match[str]) -> str:
    return f"{number_words(match[1])} {'cent' if match[1] == '1' or counts_singly(match) else 'cents'}"


_LAST = rf"\s?-\s?{_SIGN}?(?P<last>{NUMBER})"
RULES: tuple[Rule, ...] = (
    rule(
        rf"[A-Z{''.join(_SIGNS)}-]",
        rf"(?P<minus>-)?{_DOLLARS}\s?{_SUM}(?:\s?(?P<first_magnitude>{any_of(_MAGNITUDES)}))?{_LAST}{_MAGNITUDE}"
        rf"(?![\d-]){_PER}",
        _said,
    ),
    rule(rf"[A-Z{''.join(_SIGNS)}-]", rf"(?P<minus>-)?{_DOLLARS}\s?{_SUM}{_MAGNITUDE}(?!\d){_PER}", _said),
    rule("[A-Z]", rf"{_CODE}\s?(?P<sign>{_SIGN})?{_SUM}{_MAGNITUDE}(?![\dA-Za-z])", _said),
    rule(r"[\d.]", rf"{_SUM}{_MAGNITUDE}\s?(?P<sign>[€£₽₺₫฿₴])(?!\s?[\d.]){_PER}", _said),
    rule(r"[\d.]", rf"{_SUM}{_MAGNITUDE}\s?{_CODE}(?![A-Za-z])", _said),
    rule(r"[\d.]", rf"({NUMBER})\s?¢", _cents),
)
