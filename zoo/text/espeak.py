"""English words as phonemes by eSpeak NG's rules, for what a dictionary lacks (the extra ``[espeak]``)."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import re
import threading
from typing import Any

from zoo.extras import missing

_VOICE = b"en-us"
_SYNCHRONOUS, _DO_NOT_EXIT = 2, 0x8000
_UTF8 = 1
_IPA = 0x02 | ord("_") << 8  # with a stroke between phonemes

# Of the International Phonetic Alphabet as eSpeak NG writes American English, the longest first.
_VOWELS = {
    "iː": "IY", "eɪ": "EY", "ɑː": "AA", "ɔː": "AO", "ɔɪ": "OY", "oʊ": "OW", "oː": "AO", "uː": "UW",
    "ɜː": "ER", "aɪ": "AY", "aʊ": "AW", "i": "IY", "ɪ": "IH", "ᵻ": "IH", "e": "EH", "ɛ": "EH", "æ": "AE",
    "a": "AA", "ɑ": "AA", "ɔ": "AO", "o": "OW", "ʊ": "UH", "u": "UW", "ʌ": "AH", "ə": "AH", "ɐ": "AH",
    "ɜ": "ER", "ɚ": "ER",
}  # fmt: skip
_CONSONANTS = {
    "n̩": "AH0 N", "l̩": "AH0 L", "tʃ": "CH", "dʒ": "JH", "ɡ": "G", "g": "G", "θ": "TH", "ð": "DH", "ʃ": "SH",
    "ʒ": "ZH", "ŋ": "NG", "ɹ": "R", "r": "R", "j": "Y", "ɾ": "T", "ʔ": "T", "x": "K",
    "h": "HH", **{letter: letter.upper() for letter in "pbtdkfvszmnlw"},
}  # fmt: skip
_STRESS = {"ˈ": "1", "ˌ": "2"}
_SOUND = re.compile("|".join(sorted((*_VOWELS, *_CONSONANTS), key=len, reverse=True)))
_LOCK = threading.Lock()  # the library has one state for all


@functools.cache
def say_word(word: str) -> str | None:
    """ARPAbet of a word in lower case, or None if the rules give sounds that it has no symbols for.

    Raises:
        MissingExtraError: eSpeak NG is not installed.
    """
    library = _library()
    text = ctypes.c_char_p(word.encode())
    with _LOCK:
        return arpabet(library.espeak_TextToPhonemes(ctypes.byref(text), _UTF8, _IPA).decode())


def arpabet(ipa: str) -> str | None:
    """ARPAbet of phonemes in IPA with strokes or spaces between them, or None if one is unknown."""
    phonemes = []
    for unit in re.split(r"[_\s]+", ipa):
        stress = _STRESS.get(unit[:1], "0")
        sounds = unit.lstrip("".join(_STRESS))
        found = _SOUND.findall(sounds)
        if "".join(found) != sounds:
            return None
        for sound in found:
            vowel = sound in _VOWELS
            phonemes.append(_VOWELS[sound] + stress if vowel else _CONSONANTS[sound])
            stress = "0" if vowel else stress
    return " ".join(phonemes) or None


@functools.cache
def _library() -> Any:
    """The library, started: that of the package espeakng-loader, or the system's."""
    data = None
    try:
        import espeakng_loader

        path, data = espeakng_loader.get_library_path(), espeakng_loader.get_data_path().encode()
    except ImportError:
        path = ctypes.util.find_library("espeak-ng")
    if path is None:
        raise missing("espeak", "phonemes by rule need eSpeak NG")
    library = ctypes.CDLL(path)
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    started = library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DO_NOT_EXIT) > 0
    if not started or library.espeak_SetVoiceByName(_VOICE) != 0:
        raise missing("espeak", f"{path}: eSpeak NG does not start, or has no voice {_VOICE.decode()}")
    return library
