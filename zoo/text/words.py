"""What the package's dictionary knows of a word as it is written: whether it is one, and how it is read."""

from __future__ import annotations

import re

from zoo.text import word_parts
from zoo.text.dictionary import english
from zoo.text.rules import spelled

READ = {  # acronyms that are read as words
    "nasa", "nato", "unesco", "unicef", "opec", "aids", "nafta", "nascar", "nasdaq", "swat", "scuba",
    "laser", "radar", "sonar", "ram", "rom", "pin", "sim", "lan", "wan", "fifa", "uefa", "asean", "ikea",
    "nvidia", "covid", "sars", "mers", "opel", "fiat", "saab", "yahoo", "basic", "cobol", "fortran", "ascii",
    "unix", "linux", "posix", "gif", "yolo", "fomo", "nimby", "potus", "scotus", "flotus", "fema", "osha",
    "norad", "darpa", "nerf", "taser", "care", "mad", "pac", "wasp", "zip", "dos", "gui", "jstor", "brics",
    "comecon", "interpol", "epcot", "oled", "wysiwyg", "lidar", "hamas", "isis", "cat", "ohm", "salt",
    "start", "tesol", "toefl", "ted", "moma", "lego", "canola", "captcha", "cern", "esperanto", "bafta",
    "emmy", "gatt", "mensa", "qantas", "snafu", "soho", "tepco", "wac", "bogo", "dreamer", "bert", "lasso",
    "relu", "yaml", "toml", "cuda", "raid", "nand", "spam", "imax", "amoled", "ansi",
}  # fmt: skip
HALF_READ = {
    "jpeg": "J peg", "mpeg": "M peg", "jpg": "J P G", "msdos": "M S dos", "ieee": "I triple E",
    "naacp": "N double A C P", "aaa": "triple A", "cdrom": "C D rom", "dram": "D ram", "sram": "S ram",
    "eeprom": "E E prom", "eprom": "E prom", "mips": "mips", "xslt": "X S L T", "www": "W W W",
    "mysql": "my S Q L", "csection": "C section", "ok": "O K", "gpt": "G P T", "wifi": "wifi",
    "wi-fi": "wifi", "json": "jason",
}  # fmt: skip


def capital_words(word: str) -> str:
    """How letters in capitals are said that stand for more words: ``NASA`` -> nasa, ``FBI`` -> F B I"""
    small = word.lower()
    return HALF_READ.get(small) or (small if small in READ else spelled(word))


def is_word(word: str) -> bool:
    """Whether the dictionary holds a word in lower case, and not as the names of its letters."""
    found = english().entry(word) or word_parts.regular(word, english().entry)
    return found is not None and not is_initials(word, found)


def is_initials(word: str, phonemes: str) -> bool:
    """Whether phonemes are the names of a word's letters, whatever their stress."""
    names = [english().entry(f"{letter}.") for letter in word]
    return None not in names and _plain(" ".join(filter(None, names))) == _plain(phonemes)


def _plain(phonemes: str) -> str:
    return re.sub(r"\d", "", phonemes)
