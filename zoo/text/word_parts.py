"""Words that follow from those that a dictionary holds: inflections, spellings, compounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from zoo.text.letters import likelihood, say_letters

Entry = Callable[[str], "str | None"]
_HISSING = {"S", "Z", "SH", "ZH", "CH", "JH"}  # after which an s is a syllable of its own
_VOICELESS = {"P", "T", "K", "F", "TH"}
_UNVOICED = _VOICELESS | {"S", "SH", "CH"}
_SHORTEST_PART = 3  # letters of a word in a compound
_LONGEST = 40  # letters of a word that is taken apart
_UNLIKELY = -1.1  # a likelihood of the rules from letters to sounds, below which no compound is believed
_MARGIN = 0.05  # by which the rules may find a compound less likely than what they say themselves
_CONTRACTIONS = {"'ll": "AH0 L", "'ve": "V", "'d": "D", "'re": "ER0", "n't": "AH0 N T", "'m": "M"}
_ENDINGS = {  # of inflections, what they sound, for None by the sound before
    "ing": "IH0 NG", "er": "ER0", "est": "AH0 S T", "ly": "L IY0", "ness": "N AH0 S", "less": "L AH0 S",
    "ful": "F AH0 L", "ment": "M AH0 N T", "able": "AH0 B AH0 L", "ish": "IH0 SH", "ers": "ER0 Z",
    "ings": "IH0 NG Z", "like": "L AY2 K", "ship": "SH IH2 P", "wise": "W AY2 Z", "ism": "IH2 Z AH0 M",
    "ist": "AH0 S T", "ists": "AH0 S T S", "ments": "M AH0 N T S", "man": "M AH0 N", "men": "M AH0 N",
    "nesses": "N AH0 S IH0 Z", "ingly": "IH0 NG L IY0", "y": "IY0", "ity": "AH0 T IY0",
}  # fmt: skip
_BEFORE = {
    "un": "AH0 N", "re": "R IY0", "non": "N AA0 N", "over": "OW2 V ER0", "under": "AH2 N D ER0",
    "anti": "AE2 N T IY0", "pre": "P R IY0", "mis": "M IH0 S", "sub": "S AH0 B", "super": "S UW2 P ER0",
    "micro": "M AY2 K R OW0", "multi": "M AH2 L T IY0", "semi": "S EH2 M IY0", "inter": "IH2 N T ER0",
    "counter": "K AW2 N T ER0", "out": "AW2 T", "dis": "D IH0 S", "de": "D IY0", "co": "K OW0",
    "ultra": "AH2 L T R AH0", "pseudo": "S UW2 D OW0", "hyper": "HH AY2 P ER0", "cyber": "S AY2 B ER0",
    "electro": "IH0 L EH2 K T R OW0",
}  # fmt: skip
_BRITISH = (  # a spelling, and the American one
    (r"our(?=$|s|ed|ing|ful|able|ite|er|less|hood|ly|y)", "or"),
    (r"is(?=e$|es$|ed$|ing$|er$|ers$|ation)", "iz"), (r"ys(?=e$|ed$|es$|ing$)", "yz"),
    (r"tre(?=$|s$|d$)", "ter"), (r"ogue(?=s?$)", "og"), (r"ll(?=ed$|ing$|er$|ers$)", "l"),
    (r"ence(?=s?$)", "ense"), (r"ae|oe", "e"), (r"l(?=ment|ful$|s?$)", "ll"), (r"gramme(?=s?$)", "gram"),
    (r"xion(?=s?$)", "ction"), (r"eable(?=s?$)", "able"), (r"([^aeiou])re(?=s?$)", r"\1er"),
    (r"ou(?=l[dt])", "o"),
)  # fmt: skip


def derive(word: str, entry: Entry) -> str | None:
    """ARPAbet of a word in lower case from others that ``entry`` knows, or None."""
    if len(word) > _LONGEST:
        return None
    return (
        regular(word, entry)
        or _american(word, entry)
        or _prefixed(word, entry)
        or _compound(word, entry)
        or _with_apostrophe(word, lambda base: derive(base, entry))
    )


def regular(word: str, entry: Entry) -> str | None:
    """The same of a possessive, a contraction or an inflection of a word that ``entry`` knows."""
    return _with_apostrophe(word, entry) if "'" in word else _inflected(word, entry)


def possessive(phonemes: str) -> str:
    """With the sound of ``'s`` or of a plural behind it."""
    last = phonemes.split()[-1]
    return f"{phonemes} {'IH0 Z' if last in _HISSING else 'S' if last in _VOICELESS else 'Z'}"


def past(phonemes: str) -> str:
    """With the sound of ``-ed`` behind it."""
    last = phonemes.split()[-1]
    return f"{phonemes} {'IH0 D' if last in ('T', 'D') else 'T' if last in _UNVOICED else 'D'}"


def _with_apostrophe(word: str, entry: Entry) -> str | None:
    if word.endswith("'s"):
        base = entry(word.removesuffix("'s"))
        return None if base is None else possessive(base)
    for ending, sound in _CONTRACTIONS.items():
        base = entry(word.removesuffix(ending)) if word.endswith(ending) else None
        if base is not None:
            return (
                f"{base} {'IH0 D' if ending == chr(39) + 'd' and base.split()[-1] in ('T', 'D') else sound}"
            )
    return None


def _stems(word: str, ending: str) -> Iterator[str]:
    """Words that an ending may stand behind: ``making`` -> mak, make; ``running`` -> runn, run"""
    stem = word.removesuffix(ending)
    if len(stem) < 3 - (ending[:1] in "sn"):
        return
    yield stem
    if ending[0] in "aeiouy":
        yield f"{stem}e"
        if len(stem) > 3 and stem[-1] == stem[-2]:
            yield stem[:-1]
    if stem.endswith("i"):
        yield f"{stem[:-1]}y"


def _inflected(word: str, entry: Entry) -> str | None:
    """A plural, a past, or another word with a common ending."""
    if word.endswith("s") and not word.endswith("ss"):
        for stem in (
            word[:-1],
            word[:-2] if word.endswith("es") else "",
            f"{word[:-3]}y" if word.endswith("ies") else "",
        ):
            if len(stem) > 2 and (found := entry(stem)):
                return possessive(found)
    if word.endswith("ed"):
        for stem in _stems(word, "ed"):
            if found := entry(stem):
                return past(found)
    for ending in sorted(_ENDINGS, key=len, reverse=True):
        if word.endswith(ending):
            for stem in _stems(word, ending):
                if found := entry(stem):
                    if ending in ("ly", "y", "ity") and found.endswith(" AH0 L") and ending == "ly":
                        return f"{found.removesuffix(' AH0 L')} AH0 L IY0"
                    return f"{found} {_ENDINGS[ending]}"
    return None


def _american(word: str, entry: Entry) -> str | None:
    """By the American spelling: ``colour`` -> color"""
    for pattern, other in _BRITISH:
        changed = re.sub(pattern, other, word)
        if changed != word and (found := entry(changed) or _inflected(changed, entry)):
            return found
    return None


def _prefixed(word: str, entry: Entry) -> str | None:
    for prefix in sorted(_BEFORE, key=len, reverse=True):
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) > 4 and (found := entry(rest) or _inflected(rest, entry)):
            said = f"{_BEFORE[prefix]} {found}"
            return said if likelihood(word, said) > _UNLIKELY else None
    return None


def _compound(word: str, entry: Entry) -> str | None:
    """Of two words that the dictionary holds: the cut whose sounds the letters go with best.

    The rules from letters to sounds judge each, so ``starship`` is star and ship, not stars and hip.
    """
    found = []
    for cut in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
        first, last = entry(word[:cut]), entry(word[cut:]) or _inflected(word[cut:], entry)
        if first and last:
            said = f"{first} {last.replace('1', '2')}"  # the first part has the stress
            found.append((likelihood(word, said), said))
    if not found:
        return None
    score, said = max(found)
    own = say_letters(word)
    return said if score > _UNLIKELY and (own is None or score > likelihood(word, own) - _MARGIN) else None
