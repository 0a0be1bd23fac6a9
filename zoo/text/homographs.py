"""Words that are written alike and said apart, told by the words around them.

Most are nouns that become verbs when the stress moves; the others have a list of their own: what stands
before, what stands behind, and what is said then, the first that fits. Both are in ``homographs.tsv``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from zoo.text.word_parts import past, possessive

_TABLE = Path(__file__).with_name("homographs.tsv")
_WINDOW = 60  # characters before a word and behind it that decide
_WORD = re.compile(r"(\{[^{}]*\})|([A-Za-z]+(?:'[A-Za-z]+)*)")
_KEEPS = {"upset", "overthrow"}  # verbs whose past is the same, or not regular
_DOUBLES = {"permit", "rebel", "transfer"}
_AUXILIARY = (
    "to|will|would|can|could|may|might|must|shall|should|do|does|did|don't|doesn't|didn't|won't|can't|cannot|"
    "couldn't|wouldn't|shouldn't|mustn't|let's|please|i'll|you'll|we'll|they'll|he'll|she'll|it'll|i'd|you'd|we'd|"
    "they'd"
)
_SUBJECT = (
    "i|you|we|they|who|people|users|students|companies|countries|scientists|both|and then|also|always|never|"
    "often|usually|rarely|sometimes"
)
_DETERMINER = (
    "the|a|an|this|that|these|those|my|your|his|her|its|our|their|no|some|any|each|every|another|what|which|whose|of|"
    "in|on|for|with|by|from|into|at|as|without|under|about|new|old|first|second|third|last|next|good|best|great|big|"
    "fresh|local|organic|strong|main|free|huge|large|sharp|early|late|little|real|public|private|personal|legal|"
    "small|long|own|same|other|only|such|many|few|several|two|three|world|police|school|data|more|most|high|low"
)
_BE = (
    "am|is|are|was|were|be|been|being|isn't|wasn't|aren't|weren't|i'm|you're|we're|they're|he's|she's|it's|get|got|"
    "feel|felt|very|so|too|quite|how|seems|became|become|looked|looks"
)
_OBJECT = (
    "the|a|an|this|that|these|those|my|your|his|her|its|our|their|it|him|them|me|us|you|all|every|each|some|any|more|"
    "less|up|out"
)
_BETWEEN = "not|never|also|then|always|just|you|we|they|he|she|it|i|further|only|even|simply|fully|better"
_SENSES = {"{AUXILIARY}": _AUXILIARY, "{SUBJECT}": _SUBJECT, "{BE}": _BE}

_BEHIND_AUXILIARY = re.compile(rf"(?:^|[^a-z'])(?:{_AUXILIARY})(?: (?:{_BETWEEN}))* $")
_BEHIND_SUBJECT = re.compile(rf"(?:^|[^a-z'])(?:{_SUBJECT}) $")
_BEHIND_ONE = re.compile(r"(?:^|[^a-z])(?:he|she|it|who|which|that|company|everyone|nobody) $")
_BEHIND_DETERMINER = re.compile(rf"(?:^|[^a-z'])(?:{_DETERMINER}|{_BE}) $|'s $")
_BEGINNING = re.compile(r"(?:^|[.!?;:,] |(?:^|[^a-z])(?:and|or|but|then) )$")
_BEFORE_VERB = re.compile(r" (?:is|was|were|are|has|had|of|will|can|may)\b")
_BEFORE_OBJECT = re.compile(rf" (?:{_OBJECT})\b")


@dataclass(frozen=True)
class _Pair:
    """A form of a word that is noun and verb.

    Attributes:
        base: whether it is the word itself, and no form of it.
        noun: ARPAbet as a noun or adjective.
        verb: as a verb.
        rather_verb: what it is where nothing tells.
        adjective: whether it is one too, so that what follows does not make it a verb.
    """

    base: bool
    noun: str
    verb: str
    rather_verb: bool
    adjective: bool


@dataclass
class _Table:
    pairs: dict[str, _Pair] = field(default_factory=dict)
    lists: dict[str, list[tuple[re.Pattern[str], re.Pattern[str], str]]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def is_name(word: str) -> bool:
    """Whether a word with a capital is said in another way than without."""
    return word in _table().names


def choose(text: str, own: Callable[[str], str | None]) -> dict[int, str]:
    """ARPAbet of a text's homographs by where each begins.

    Args:
        text: in words, with capitals only where they tell something.
        own: gives the entries of a dictionary whose words are not to be touched.
    """
    found: dict[int, str] = {}
    for match in _WORD.finditer(text):
        word = match[2]
        if word and own(word.lower()) is None and (said := _said(word, text, match)):
            found[match.start()] = said
    return found


def _said(word: str, text: str, match: re.Match[str]) -> str | None:
    table = _table()
    if word in table.names:
        return table.names[word]
    small = word.lower()
    if small not in table.lists and small not in table.pairs:
        return None
    left = text[max(0, match.start() - _WINDOW) : match.start()].lower()
    right = text[match.end() : match.end() + _WINDOW].lower()
    if small in table.lists:
        fitting = (
            said for before, behind, said in table.lists[small] if before.search(left) and behind.match(right)
        )
        return next(fitting, None)
    pair = table.pairs[small]
    return pair.verb if _is_verb(pair, left, right) else pair.noun


def _is_verb(pair: _Pair, left: str, right: str) -> bool:
    """Whether a word is the verb of a pair, by the words beside it."""
    if not pair.base and _BEHIND_ONE.search(left):
        return True
    if pair.base and _BEHIND_AUXILIARY.search(left):
        return True
    if pair.base and _BEHIND_SUBJECT.search(left):
        return True
    if _BEHIND_DETERMINER.search(left):
        return False
    beginning = _BEGINNING.search(left) is not None
    if pair.base and _BEFORE_VERB.match(right):
        return False
    if _BEFORE_OBJECT.match(right):
        return beginning or not pair.adjective
    return pair.rather_verb


@functools.cache
def _table() -> _Table:
    table = _Table()
    for line in _TABLE.read_text("utf-8").splitlines():
        kind, *parts = line.split("\t")
        if kind == "pair":
            _add_pair(table.pairs, *parts)
        elif kind == "word":
            word, before, behind, said = parts
            bounded = r"(?<![a-z])" + before if re.match(r"\(\?:[a-z{]", before) else before
            table.lists.setdefault(word, []).append((_pattern(bounded), _pattern(behind), said))
        elif kind == "name":
            table.names[parts[0]] = parts[1]
    return table


def _pattern(text: str) -> re.Pattern[str]:
    for name, words in _SENSES.items():
        text = text.replace(name, words)
    return re.compile(text)


def _add_pair(pairs: dict[str, _Pair], word: str, noun: str, verb: str, rather: str, *also: str) -> None:
    """Every form of a word; a past or a participle is the verb's."""
    is_verb, adjective = rather == "verb", "adjective" in also
    pairs[word] = _Pair(True, noun, verb, is_verb, adjective)
    if word.endswith("s"):
        return
    pairs[f"{word}s"] = _Pair(False, possessive(noun), possessive(verb), is_verb, adjective)
    stem = word.removesuffix("e") if word.endswith("e") else word + word[-1] * (word in _DOUBLES)
    if word not in _KEEPS and word != "house":
        pairs[f"{stem}ed"] = _Pair(False, past(verb), past(verb), True, False)
        pairs[f"{stem}ing"] = _Pair(False, f"{verb} IH0 NG", f"{verb} IH0 NG", True, False)
