"""Words by eSpeak NG's rules."""

from __future__ import annotations

import importlib.util

import pytest

import zoo
from zoo.errors import TextError
from zoo.text.dictionary import english
from zoo.text.espeak import arpabet, say_word
from zoo.text.symbols import ARPABET

needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="needs espeakng-loader"
)


@pytest.mark.parametrize(
    ("ipa", "phonemes"),
    [
        ("h_ə_l_ˈoʊ", "HH AH0 L OW1"),
        ("tʃ_ˈɜː_tʃ", "CH ER1 CH"),
        ("f_ˈaɪɚ", "F AY1 ER0"),
        ("b_ˈʌ_ʔ_n̩", "B AH1 T AH0 N"),
        ("dʒ_ˌiː_t_ˈiː__ˌɑːɹ", "JH IY2 T IY1 AA2 R"),
        ("b_ˈɛ_ɾ_ɚ", "B EH1 T ER0"),
        ("ʘ_a", None),
        ("", None),
    ],
)
def test_ipa_becomes_arpabet(ipa: str, phonemes: str | None) -> None:
    assert arpabet(ipa) == phonemes


@needs_espeak
def test_rules_agree_with_the_dictionary() -> None:
    """Of common words nearly all consonants, and no phoneme that is not ARPAbet."""
    words = "water people number children language thing church vision judge mother yellow orange"
    for word in words.split():
        own, found = english().phonemes(word), say_word(word)
        assert own is not None and found is not None
        assert set(found.split()) <= set(ARPABET)
        consonants = [[p for p in text.split() if not p[-1].isdigit()] for text in (own, found)]
        assert consonants[0] == consonants[1], (word, own, found)


@needs_espeak
def test_the_voice_says_what_the_dictionary_lacks() -> None:
    text = "Kubernetes and {HH AH0 L OW1} speech."
    spelled, spoken = zoo.Synthesizer()(text), zoo.Synthesizer(g2p="espeak")(text)
    assert spelled.letters == ("kubernetes",) and spoken.letters == ()
    assert "{K UW2 B ER0 N EH1 T IY0 Z}" in spoken.pieces[0].text
    assert "{S P IY1 CH}" in spoken.pieces[0].text
    own = zoo.Synthesizer(g2p={"kubernetes": "K UW1 B"}.get)("Kubernetes zzxy.")
    assert own.letters == ("zzxy",) and own.pieces[0].text.startswith("{K UW1 B} {Z IY1}")


def test_rules_of_another_name() -> None:
    with pytest.raises(TextError, match="g2p 'festival': expected 'espeak', or a function"):
        zoo.Synthesizer(g2p="festival")
