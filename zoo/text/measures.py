"""Numbers with a unit: prefixes, squares and cubes, one unit a another, degrees, feet and inches, percent."""

from __future__ import annotations

import re

from zoo.text.numbers import NUMBER, cardinal, number_words
from zoo.text.rules import Rule, after, any_of, before, counts_singly, next_word, rule

_PREFIXES = {
    "p": "pico", "n": "nano", "µ": "micro", "u": "micro", "m": "milli", "c": "centi", "d": "deci",
    "h": "hecto", "k": "kilo", "M": "mega", "G": "giga", "T": "tera", "P": "peta", "Ki": "kibi",
    "Mi": "mebi", "Gi": "gibi", "Ti": "tebi",
}  # fmt: skip
_PREFIXED = {  # a unit: its prefixes, one, many
    "m": ("p n µ u m c d k", "meter", "meters"),
    "g": ("p n µ u m c k", "gram", "grams"),
    "L": ("n µ u m c d h", "liter", "liters"),
    "l": ("n µ u m c d h", "liter", "liters"),
    "s": ("p n µ u m", "second", "seconds"),
    "Hz": ("m k M G T", "hertz", "hertz"),
    "W": ("n µ u m k M G T", "watt", "watts"),
    "V": ("n µ u m k M", "volt", "volts"),
    "A": ("p n µ u m k", "amp", "amps"),
    "J": ("m k M G", "joule", "joules"),
    "N": ("m k M", "newton", "newtons"),
    "Pa": ("m h k M G", "pascal", "pascals"),
    "Wh": ("m k M G T", "watt hour", "watt hours"),
    "Ah": ("m k", "amp hour", "amp hours"),
    "eV": ("m k M G T", "electron volt", "electron volts"),
    "mol": ("p n µ u m k", "mole", "moles"),
    "M": ("n µ u m", "molar", "molar"),
    "B": ("k M G T P Ki Mi Gi Ti", "byte", "bytes"),
    "b": ("k M G T", "bit", "bits"),
    "bit": ("k M G T", "bit", "bits"),
    "bps": ("k M G T", "bit per second", "bits per second"),
    "F": ("p n µ u m", "farad", "farads"),
    "H": ("n µ u m", "henry", "henries"),
    "Ω": ("m k M G", "ohm", "ohms"),
    "T": ("n µ u m", "tesla", "tesla"),
    "Sv": ("n µ u m", "sievert", "sieverts"),
    "Bq": ("k M G T", "becquerel", "becquerels"),
    "cal": ("k", "calorie", "calories"),
    "bar": ("m k", "bar", "bars"),
    "t": ("k M G", "ton", "tons"),
}
_ALONE = (  # of those, said without a prefix
    "m", "g", "L", "l", "s", "Hz", "W", "V", "J", "N", "Pa", "Wh", "Ah", "eV",
    "mol", "Ω", "Sv", "Bq", "cal", "bar", "t",
)  # fmt: skip
_OTHERS = {  # one, many
    "mph": ("mile an hour", "miles an hour"), "m.p.h.": ("mile an hour", "miles an hour"),
    "kph": ("kilometer an hour", "kilometers an hour"), "kmh": ("kilometer an hour", "kilometers an hour"),
    "kt": ("knot", "knots"), "kn": ("knot", "knots"), "in.": ("inch", "inches"), "ft": ("foot", "feet"),
    "ft.": ("foot", "feet"), "yd": ("yard", "yards"), "yds": ("yard", "yards"), "mi": ("mile", "miles"),
    "mi.": ("mile", "miles"), "nmi": ("nautical mile",) * 2, "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"), "lb.": ("pound", "pounds"), "lbs.": ("pound", "pounds"),
    "oz": ("ounce", "ounces"), "oz.": ("ounce", "ounces"), "fl oz": ("fluid ounce", "fluid ounces"),
    "gal": ("gallon", "gallons"), "qt": ("quart", "quarts"), "pt": ("point", "points"),
    "tsp": ("teaspoon", "teaspoons"), "tbsp": ("tablespoon", "tablespoons"), "cc": ("c c", "c c's"),
    "h": ("hour", "hours"), "hr": ("hour", "hours"), "hrs": ("hour", "hours"), "hr.": ("hour", "hours"),
    "hrs.": ("hour", "hours"), "min": ("minute", "minutes"), "min.": ("minute", "minutes"),
    "mins": ("minute", "minutes"), "sec": ("second", "seconds"), "sec.": ("second", "seconds"),
    "secs": ("second", "seconds"), "wk": ("week", "weeks"), "wks": ("week", "weeks"),
    "mo": ("month", "months"), "yr": ("year", "years"), "yrs": ("year", "years"), "yr.": ("year", "years"),
    "yrs.": ("year", "years"), "ha": ("hectare", "hectares"), "acres": ("acre", "acres"),
    "ppm": ("part per million", "parts per million"), "ppb": ("part per billion", "parts per billion"),
    "rpm": ("revolution per minute", "revolutions per minute"),
    "bpm": ("beat per minute", "beats per minute"), "fps": ("frame per second", "frames per second"),
    "dpi": ("dot per inch", "dots per inch"), "px": ("pixel", "pixels"),
    "psi": ("pound per square inch", "pounds per square inch"),
    "mmHg": ("millimeter of mercury", "millimeters of mercury"), "dB": ("decibel", "decibels"),
    "dBA": ("decibel", "decibels"), "hp": ("horsepower", "horsepower"),
    "mpg": ("mile per gallon", "miles per gallon"), "kcal": ("kilocalorie", "kilocalories"),
    "°C": ("degree celsius", "degrees celsius"), "°F": ("degree fahrenheit", "degrees fahrenheit"),
    "° C": ("degree celsius", "degrees celsius"), "° F": ("degree fahrenheit", "degrees fahrenheit"),
    "°K": ("degree kelvin", "degrees kelvin"), "°": ("degree", "degrees"), "K": ("kelvin", "kelvin"),
    "sq ft": ("square foot", "square feet"), "sq. ft.": ("square foot", "square feet"),
    "sq m": ("square meter", "square meters"), "sq km": ("square kilometer", "square kilometers"),
    "sq mi": ("square mile", "square miles"), "cu ft": ("cubic foot", "cubic feet"),
    "MP": ("megapixel", "megapixels"), "AU": ("astronomical unit", "astronomical units"),
    "ly": ("light year", "light years"), "u.": ("unit", "units"), "%": ("percent", "percent"),
    "‰": ("per mille", "per mille"), "pct": ("percent", "percent"), "pct.": ("percent", "percent"),
}  # fmt: skip
_TAKEN_APART = {"K", "h", "pt", "t", "N", "J", "bar"}  # units only where no word follows
_ANY_CASE = (
    "km", "cm", "mm", "kg", "mg", "ml", "gb", "mb", "kb", "tb", "khz", "mhz", "ghz", "hz", "db", "kwh",
    "mbps", "gbps", "kbps", "kw", "mw", "mah", "oz", "lb", "lbs", "mph", "hrs", "ft",
)  # fmt: skip
_POWERS = {"2": "square", "3": "cubic"}
_LENGTHS = ("meter", "foot", "feet", "inch", "mile", "yard")
_PEOPLE = {  # what is counted by the million where ``m`` would be meters
    "people", "users",
    "viewers", "customers", "subscribers", "views", "copies", "downloads", "followers", "dollars", "pounds",
    "euros", "years", "jobs", "barrels", "tons", "tonnes", "parameters", "rows", "records", "items",
    "members", "visitors", "tourists", "homes", "households", "children", "workers", "cars", "units",
    "passengers", "streams", "players", "fans", "voters", "tweets", "words", "lines", "patients", "students",
}  # fmt: skip
_COUNTS = {"k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "b": "billion",
           "B": "billion", "bn": "billion", "tn": "trillion"}  # fmt: skip


def _units() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for unit, (prefixes, one, many) in _PREFIXED.items():
        for prefix in prefixes.split():
            found[prefix + unit] = (_PREFIXES[prefix] + one, _PREFIXES[prefix] + many)
        if unit in _ALONE:
            found[unit] = (one, many)
    found.update(_OTHERS)
    folded = {name.lower(): names for name, names in found.items()}
    exact = {"mw": found["MW"], "kb": found["kB"], "mb": found["MB"], "gb": found["GB"], "tb": found["TB"],
             "ml": found["mL"], "mm": found["mm"], "mg": found["mg"], "mah": found["mAh"]}  # fmt: skip
    for name in _ANY_CASE:
        for form in (name, name.upper(), name.capitalize()):
            found.setdefault(form, exact.get(name, folded[name]))
    return found


_UNITS = _units()
_UNIT = any_of(_UNITS)
_QUANTITY = rf"(?P<number>{NUMBER}(?:,\d{{1,2}}(?=\s?[%‰]))?(?P<last>(?:%|°[CF]?)?\s?-\s?-?{NUMBER})?)"
_DIVIDED = rf"(?:\s?/\s?(?P<per>{_UNIT})(?P<per_power>\^?-?[23](?!\d))?)?"
_MEASURE = (
    rf"{_QUANTITY}(?P<gap>\s|-)?(?P<unit>{_UNIT})(?P<power>\^?[23](?!\d))?{_DIVIDED}(?![A-Za-z0-9µ])"
    r"(?P<point>(?<=[a-z]{2})\.(?=\s?[a-z,;)]))?"
)


def _measure(match: re.Match[str]) -> str | None:
    unit, gap = match["unit"], match["gap"] or ""
    following = next_word(match)
    if unit == "m" and following in _PEOPLE:
        return f"{_numbers(match)} million"
    if (
        unit[:1].isalpha()
        and gap
        and unit in _TAKEN_APART
        and following
        and following not in ("and", "of", "at")
    ):
        return None
    if unit == "K" and gap != " ":
        return None
    if gap == "-" and not (unit[:1].isalpha() and following) and unit != "in.":
        return None
    singly = counts_singly(match) or gap == "-"
    one, many = _UNITS[unit]
    number = match["number"]
    name = one if number in ("1", "-1") or singly else many
    name = _raised(name, match["power"])
    if match["per"]:
        per = _raised(_UNITS[match["per"]][0], match["per_power"], behind=_UNITS[match["per"]][0] == "second")
        hour = per == "hour" and "meter" in one
        name = f"{name} {'an' if hour else 'per'} {per}"
    ends = "." if unit.endswith(".") and not after(match).strip() else ""
    return f"{_numbers(match)} {name}{ends}"


def _raised(name: str, power: str | None, *, behind: bool = False) -> str:
    """``meters`` and ``^2`` -> square meters; ``second`` and ``^2`` -> second squared"""
    if not power:
        return name
    kind = _POWERS[power[-1]]
    if behind or not any(length in name for length in _LENGTHS):
        return f"{name} {'squared' if kind == 'square' else 'cubed'}"
    return f"{kind} {name}"


def _numbers(match: re.Match[str]) -> str:
    text = match["number"]
    if match["last"]:
        first = text[: -len(match["last"])]
        last = match["last"].lstrip("%°CF ").strip().removeprefix("-").strip()
        minus = "minus " if last.startswith("-") else ""
        return f"{number_words(first)} to {minus}{number_words(last.removeprefix('-'))}"
    return number_words(re.sub(r",(\d\d?)$", r".\1", text))


def _counted(match: re.Match[str]) -> str | None:
    """``1M users``, ``7.8bn``: a letter right behind a number for how many thousands or more."""
    letter, following = match["letter"], next_word(match)
    plural = following in _PEOPLE or (following.endswith("s") and following.islower())
    sure = letter in ("mn", "bn", "tn") or (letter in "Mk" and "." in match[1])
    if re.search(r"\w-$", before(match)):
        return None
    if not (plural or sure or (letter in "MK" and following == "" and len(match[1]) > 1)):
        return None
    return f"{number_words(match[1])} {_COUNTS[letter]}"


def _inches(match: re.Match[str]) -> str | None:
    """``12 in``, where no word follows that ``in`` could belong to."""
    behind = after(match)
    fits = re.match(
        r"\s*(?:$|[,;:)\n]|\.(?:\s|$)|x\s?\d|(?:by|wide|long|tall|high|deep|thick|of|across)\b)", behind
    )
    return f"{number_words(match[1])} {'inch' if match[1] == '1' else 'inches'}" if fits else None


def _height(match: re.Match[str]) -> str:
    """``6'2"`` -> six foot two"""
    feet, inches = cardinal(int(match[1])), match[2]
    return (
        f"{feet} foot {number_words(inches)}" if inches else f"{feet} {'foot' if match[1] == '1' else 'feet'}"
    )


def _position(match: re.Match[str]) -> str:
    """``40°26'46"N`` -> forty degrees twenty-six minutes forty-six seconds north"""
    names = ("degree", "minute", "second")
    parts = [
        f"{number_words(part)} {name if part == '1' else f'{name}s'}"
        for part, name in zip(match.groups()[:3], names, strict=True)
        if part
    ]
    where = {"N": "north", "S": "south", "E": "east", "W": "west"}.get(match[4] or "", "")
    return " ".join([*parts, where]).strip()


def _rate(match: re.Match[str]) -> str:
    """``km/h`` without a number"""
    return f"{_UNITS[match[1]][1]} per {_UNITS.get(match[2], (match[2],))[0]}"


def _behind_power(match: re.Match[str]) -> str | None:
    """The unit of a number in scientific notation"""
    return _UNITS[match[0]][1] if re.search(r"\d(?:[eE]|\^)[+-]?\d+\s?$", before(match)) else None


RULES: tuple[Rule, ...] = (
    rule("[A-Za-zµ°Ω]", rf"{_UNIT}(?![A-Za-z0-9^/])", _behind_power),
    rule("[A-Za-zµ]", r"(k?m|[kMG]i?[Bb]|[mk]?g|mi|ft)/(h|s|hr|min|m?L|dL|day)(?![A-Za-z0-9^])", _rate),
    rule(
        r"\d",
        rf"({NUMBER})°\s?(?:(\d{{1,2}}(?:\.\d{{1,9}})?)'\s?(?:(\d{{1,2}}(?:\.\d{{1,9}})?)(?:\"|''))?\s?)?"
        r"([NSEW])?(?![A-Za-z])(?!\s?[CFK](?![A-Za-z]))",
        _position,
    ),
    rule(r"\d", r"(\d{1,2})'\s?(\d{1,2}(?:\.\d)?)(?:\"|'')", _height),
    rule(r"[\d.]", rf"({NUMBER})\s?\"(?=\s|[,.;)x-]|$)", lambda m: f"{number_words(m[1])} inches"),
    rule(r"[\d.]", rf"({NUMBER})(?P<letter>{any_of(_COUNTS)})(?![A-Za-z0-9/^])", _counted),
    rule(r"[\d.]", _MEASURE, _measure),
    rule(r"[\d.]", rf"({NUMBER})\sin(?![A-Za-z])", _inches),
)
