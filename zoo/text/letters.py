"""Words that no dictionary holds as phonemes, by rules from letters to sounds that a network learned.

The network reads a word's letters from both ends (two layers of bidirectional gated recurrent units) and
gives each letter what it sounds: nothing, a phoneme or two. It was learned from CMU's dictionary;
its parameters are whole numbers of a byte, with a scale a row.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np

from zoo.arrays import Array

LETTERS = "'abcdefghijklmnopqrstuvwxyz"
MODEL = Path(__file__).with_name("letters.npz")
LONGEST = 40  # letters of a word that is read so; what is longer is no English word
_WORD = re.compile(rf"(y?[^aeiouy']*)[aeiouy](?:[{LETTERS}]*[aeiouy])?'?([^aeiouy]*)")
_VOWEL = re.compile(r"[A-Z]+[012]")


def say_letters(word: str) -> str | None:
    """ARPAbet of a word in lower case, or None if it can be none.

    That is one without a vowel, longer than any, or with consonants at its beginning or end as no word has.
    """
    parts = _WORD.fullmatch(word)
    if parts is None or len(word) > LONGEST:
        return None
    begins, ends = _edges()
    return (_say(word)[0] or None) if parts[1] in begins and parts[2] in ends else None


def edges(word: str) -> tuple[str, str] | None:
    """The consonants before a word's first vowel and behind its last, or None if it has no vowel."""
    parts = _WORD.fullmatch(word)
    return None if parts is None else (parts[1], parts[2])


def likelihood(word: str, phonemes: str) -> float:
    """Mean logarithm of how likely the network takes a word's vowels and consonants to be these, at most 0.

    Of all ways that letters can share the phonemes the likeliest counts; stress does not.

    Args:
        word: letters, in lower case.
        phonemes: ARPAbet.
    """
    _, logits = _say(word)
    units, _ = _parameters()
    wanted = tuple(re.sub(r"\d", "", phoneme) for phoneme in phonemes.split())
    plain: dict[tuple[str, ...], list[int]] = {}
    for index, unit in enumerate(units):
        plain.setdefault(tuple(re.sub(r"\d", "", phoneme) for phoneme in unit), []).append(index)
    best = {0: 0.0}  # phonemes that the letters so far have used -> the likeliest sum of logarithms
    for row in logits:
        following: dict[int, float] = {}
        for used, score in best.items():
            for more in range(3):
                indices = plain.get(wanted[used : used + more])
                if indices is not None and used + more <= len(wanted):
                    found = score + float(np.logaddexp.reduce(row[indices]))
                    following[used + more] = max(found, following.get(used + more, -np.inf))
        best = following
    return best.get(len(wanted), -np.inf) / len(word)


@functools.lru_cache(4096)
def _say(word: str) -> tuple[str, Array]:
    """The phonemes, and (letters, units) log-probabilities."""
    units, layers = _parameters()
    x = layers["letters"][[LETTERS.index(letter) for letter in word]]
    for layer in range(2):
        x = np.concatenate(
            [
                _recurrent(x, layers, f"l{layer}"),
                _recurrent(x[::-1], layers, f"l{layer}_reverse")[::-1],
            ],
            axis=1,
        )
    logits = x @ layers["units"].T + layers["units_bias"]
    logits = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    best = [units[index] for index in logits.argmax(1)]
    return " ".join(_stressed_once(best, logits, units)), logits


def _recurrent(x: Array, layers: dict[str, Array], name: str) -> Array:
    """Gated recurrent units over (N, inputs), as torch.nn.GRU defines them, to (N, hidden)."""
    given = x @ layers[f"weight_ih_{name}"].T + layers[f"bias_ih_{name}"]
    weight, bias = layers[f"weight_hh_{name}"], layers[f"bias_hh_{name}"]
    hidden = np.zeros(weight.shape[1], np.float32)
    states = np.empty((len(x), len(hidden)), np.float32)
    for index, row in enumerate(given):
        r_in, z_in, n_in = np.split(row, 3)
        r_own, z_own, n_own = np.split(weight @ hidden + bias, 3)
        reset, update = _sigmoid(r_in + r_own), _sigmoid(z_in + z_own)
        hidden = (1 - update) * np.tanh(n_in + reset * n_own) + update * hidden
        states[index] = hidden
    return states


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _stressed_once(best: list[tuple[str, ...]], logits: Array, units: list[tuple[str, ...]]) -> list[str]:
    """The phonemes with one primary stress: on the vowel where it is likeliest."""
    primary = np.array([any(phoneme.endswith("1") for phoneme in unit) for unit in units])
    odds = [
        logits[i][primary].max() - logits[i][~primary].max() if any(map(_VOWEL.fullmatch, unit)) else -np.inf
        for i, unit in enumerate(best)
    ]
    chosen = int(np.argmax(odds))
    said: list[str] = []
    for index, unit in enumerate(best):
        for phoneme in unit:
            if _VOWEL.fullmatch(phoneme):
                stressed = index == chosen
                phoneme = phoneme[:-1] + ("1" if stressed else "2" if phoneme[-1] == "1" else phoneme[-1])
            said.append(phoneme)
    return said


@functools.cache
def _parameters() -> tuple[list[tuple[str, ...]], dict[str, Array]]:
    """What a letter can sound, and the network's parameters by name."""
    with np.load(MODEL) as stored:
        units = [tuple(unit.split()) for unit in str(stored["sounds"]).split(",")]
        names = [name for name in stored.files if f"{name}.scale" in stored.files]
        return units, {
            name: stored[name].astype(np.float32) * stored[f"{name}.scale"].astype(np.float32)
            for name in names
        }


@functools.cache
def _edges() -> tuple[frozenset[str], frozenset[str]]:
    """The consonants that words begin and end with."""
    with np.load(MODEL) as stored:
        return frozenset(str(stored["begins"]).split(",")), frozenset(str(stored["ends"]).split(","))
