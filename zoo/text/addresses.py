"""Addresses of mail and the web, files and their folders, hashtags and names behind an ``@``."""

from __future__ import annotations

import re

from zoo.text.numbers import cardinal, digits
from zoo.text.rules import Rule, any_of, rule, spelled
from zoo.text.words import is_word

_ENDS = (
    "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "io", "ai", "dev", "app", "co", "tv",
    "me", "uk", "de", "fr", "eu", "ca", "au", "jp", "cn", "ru", "ch", "nl", "se", "br", "es", "pl", "nz",
    "kr", "us", "xyz", "gg", "ly", "fm", "cloud", "online", "site", "tech", "blog", "museum", "news",
)  # fmt: skip
_FILES = (
    "txt", "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "csv", "json", "xml", "yaml", "yml", "toml",
    "md", "html", "htm", "css", "js", "ts", "py", "c", "cpp", "h", "rs", "go", "java", "sh", "bat", "exe",
    "dll", "so", "zip", "tar", "gz", "xz", "rar", "jpg", "jpeg", "png", "gif", "svg", "webp", "bmp", "mp3",
    "mp4", "wav", "flac", "ogg", "avi", "mov", "mkv", "onnx", "pt", "npz", "log", "cfg", "ini", "conf",
    "iso", "apk", "epub", "ipynb", "sql", "db",
)  # fmt: skip
_SIGNS = {
    ".": "dot", "/": "slash", "-": "dash", "_": "underscore", ":": "colon", "?": "question mark",
    "=": "equals", "&": "and", "+": "plus", "@": "at", "#": "hash", "%": "percent", "~": "tilde",
    "\\": "backslash", ",": "comma",
}  # fmt: skip
_SPOKEN = {"www", "edu", "http", "bbc"}  # said as they are, whatever a dictionary makes of them
_PARTS = re.compile(r"[A-Za-z]+|\d+|.", re.S)
_END = ".,;:!?)]}'\"*>"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})"
_TOP = rf"\.{any_of(_ENDS)}(?![A-Za-z0-9-])"
_HOST = rf"{_LABEL}(?:\.{_LABEL}){{0,8}}{_TOP}(?:{_TOP})?"


def _address(match: re.Match[str]) -> str:
    """An address in words; marks at its end are the sentence's."""
    whole = match[0]
    text = whole.rstrip(_END + "/")
    return address_words(re.sub(r"^[a-z]{3,5}://", "", text)) + whole[len(text) :].lstrip("/")


def address_words(text: str) -> str:
    """``a-b.co.uk/x`` -> A dash B dot co dot U K slash X"""
    return " ".join(_part(part) for part in _PARTS.findall(text))


def _part(part: str) -> str:
    if part.isdigit():
        return cardinal(int(part)) if len(part) < 3 and not part.startswith("0") else digits(part[:64])
    if not part.isalpha():
        return _SIGNS.get(part, part)
    small = part.lower()
    if small in _SPOKEN or (len(part) > 1 and (is_word(small) or small == "co") and len(small) != 2):
        return small
    if small in (
        "co",
        "me",
        "my",
        "go",
        "is",
        "it",
        "in",
        "of",
        "to",
        "at",
        "by",
        "on",
        "do",
        "or",
        "so",
        "no",
        "we",
    ):
        return small
    pieces = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", part)
    if len(pieces) > 1:
        return " ".join(map(_part, pieces))
    return small if len(small) > 3 and set(small) & set("aeiouy") else spelled(part)


def _tag(match: re.Match[str]) -> str:
    """``#ThrowbackThursday`` and ``@bob``"""
    return f"{'hashtag' if match[1] == '#' else 'at'} {address_words(match[2])}"


RULES: tuple[Rule, ...] = (
    rule("[a-zA-Z]", r"(?:https?|ftp|file)://\S{1,4000}|www\.\S{1,4000}", _address),
    rule("[a-zA-Z0-9._+-]", rf"[\w.+-]{{1,64}}@{_LABEL}(?:\.{_LABEL}){{1,8}}", _address, re.A),
    rule("[a-z0-9A-Z]", rf"{_HOST}(?:[:/?#]\S{{1,4000}}|/)?", _address),
    rule(
        "[a-z0-9A-Z_]", rf"[\w-]{{1,64}}(?:\.[\w-]{{1,64}}){{0,4}}\.{any_of(_FILES)}(?![\w-])", _address, re.A
    ),
    rule("[A-Z]", r"[A-Z]:\\\S{0,4000}", _address),
    rule("[~/.]", r"(?:~|\.{1,2})?(?:/[\w.-]{1,255}){2,64}/?", _address, re.A),
    rule("[#@]", r"([#@])([A-Za-z]\w{0,139})", _tag, re.A),
)
