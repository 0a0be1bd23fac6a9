"""The kernels: C that generated files are made with, a paragraph (between blank lines) a definition."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

FILES = (
    "vectors.c",
    "functions.c",
    "product.c",
    "attention.c",
    "fourier.c",
    "depthwise.c",
    "recurrent.c",
    "sums.c",
    "moves.c",
    "streams.c",
    "weights.c",
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_DEFINED = re.compile(
    r"^#define (\w+)|^typedef .*? (\w+) __attribute__|^(?:static|INLINE|KERNEL)\b[^(=;]*?\b(\w+)\(",
    re.MULTILINE,
)


def kernels_for(texts: Iterable[str]) -> list[str]:
    """The definitions that some C needs, those that these need among them, in the order of the files."""
    known = _paragraphs()
    owner = {name: number for number, (names, _) in enumerate(known) for name in names}
    needed: set[int] = set()
    waiting = [word for text in texts for word in _WORD.findall(text)]
    while waiting:
        number = owner.get(waiting.pop())
        if number is not None and number not in needed:
            needed.add(number)
            waiting += _WORD.findall(known[number][1])
    return [known[number][1] for number in sorted(needed)]


@cache
def parameters_of(kernel: str) -> tuple[str, ...]:
    """The parameters, as declared, of a kernel that is compiled for each size by itself; none of others."""
    for names, text in _paragraphs():
        found = re.search(rf"^INLINE void {kernel}\(([^)]*)\)", text, re.MULTILINE)
        if kernel in names and found:
            return tuple(" ".join(parameter.split()) for parameter in found[1].split(","))
    return ()


def kernel_names() -> frozenset[str]:
    """Every name that kernels define."""
    return frozenset().union(*(names for names, _ in _paragraphs()))


@cache
def _paragraphs() -> list[tuple[frozenset[str], str]]:
    """Every definition: the names that it defines, and its text."""
    texts = (resources.files(__name__).joinpath(name).read_text() for name in FILES)
    paragraphs = [part for text in texts for part in text.strip().split("\n\n")]
    return [
        (frozenset(name for found in _DEFINED.findall(part) for name in found if name), part)
        for part in paragraphs
    ]
