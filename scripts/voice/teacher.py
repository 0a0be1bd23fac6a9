"""Flite as a teacher: speech with the phonemes in it and the time of each."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_short, c_void_p
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.arrays import Array
from zoo.errors import MissingExtraError
from zoo.text.symbols import VOWELS

VOICE = "cmu_us_slt"
_LIBRARIES = ("flite", "flite_usenglish", "flite_cmulex", f"flite_{VOICE}")
_PAUSE = "pau"


@dataclass(frozen=True)
class Segment:
    """A phoneme, or a pause.

    Attributes:
        phoneme: ARPAbet as in ``zoo.text.symbols``, vowels with their stress; empty for a pause.
        end: seconds from the beginning.
        word: number of the word that it is in, from 0; -1 for a pause.
    """

    phoneme: str
    end: float
    word: int


class _Wave(Structure):
    _fields_ = [
        ("type", c_char_p),
        ("sample_rate", c_int),
        ("num_samples", c_int),
        ("num_channels", c_int),
        ("samples", POINTER(c_short)),
    ]


class Flite:
    """The voice SLT of Flite, from its shared libraries (Debian: ``libflite1``).

    Args:
        folder: where ``libflite.so.1`` and the others are; None for the system's.

    Raises:
        MissingExtraError: they are not there.
    """

    def __init__(self, folder: Path | None = None) -> None:
        try:
            loaded = [
                ctypes.CDLL(str(folder / f"lib{n}.so.1") if folder else f"lib{n}.so.1", ctypes.RTLD_GLOBAL)
                for n in _LIBRARIES
            ]
        except OSError as error:
            raise MissingExtraError(f"Flite is needed: apt install libflite1 ({error})") from error
        self._flite, voice = loaded[0], loaded[-1]
        for name, result, arguments in (
            ("flite_synth_text", c_void_p, (c_char_p, c_void_p)),
            ("utt_relation", c_void_p, (c_void_p, c_char_p)),
            ("relation_head", c_void_p, (c_void_p,)),
            ("item_next", c_void_p, (c_void_p,)),
            ("item_parent", c_void_p, (c_void_p,)),
            ("item_as", c_void_p, (c_void_p, c_char_p)),
            ("item_feat_string", c_char_p, (c_void_p, c_char_p)),
            ("item_feat_float", c_float, (c_void_p, c_char_p)),
            ("ffeature_string", c_char_p, (c_void_p, c_char_p)),
            ("utt_wave", POINTER(_Wave), (c_void_p,)),
            ("delete_utterance", None, (c_void_p,)),
            ("lex_lookup", c_void_p, (c_void_p, c_char_p, c_char_p, c_void_p)),
            ("val_car", c_void_p, (c_void_p,)),
            ("val_cdr", c_void_p, (c_void_p,)),
            ("val_string", c_char_p, (c_void_p,)),
            ("delete_val", None, (c_void_p,)),
        ):
            function = getattr(self._flite, name)
            function.restype, function.argtypes = result, arguments
        self._flite.flite_init()
        register = getattr(voice, f"register_{VOICE}")
        register.restype, register.argtypes = c_void_p, (c_char_p,)
        self._voice = register(None)
        lexicon = loaded[2].cmu_lex_init
        lexicon.restype, lexicon.argtypes = c_void_p, ()
        self._lexicon = lexicon()

    def __call__(self, text: str) -> tuple[Array, int, list[Segment]]:
        """The speech (N,) in [-1, 1], its rate in Hz, and what is in it."""
        utterance = self._flite.flite_synth_text(text.encode("ascii"), self._voice)
        try:
            wave = self._flite.utt_wave(utterance).contents
            samples = np.ctypeslib.as_array(wave.samples, (wave.num_samples,)) / np.float32(32768)
            return samples.astype(np.float32), wave.sample_rate, self._segments(utterance)
        finally:
            self._flite.delete_utterance(utterance)

    def pronounce(self, word: str) -> list[str]:
        """The phonemes of a word alone, by the teacher's dictionary and its rules for what that lacks."""
        first = self._flite.lex_lookup(self._lexicon, word.encode("ascii"), None, None)
        phonemes, item = [], first
        while item:
            name = self._flite.val_string(self._flite.val_car(item)).decode()
            phonemes.append(_arpabet(name.rstrip("012"), name[-1]))
            item = self._flite.val_cdr(item)
        self._flite.delete_val(first)
        return phonemes

    def _segments(self, utterance: int) -> list[Segment]:
        segments: list[Segment] = []
        words: dict[int, int] = {}
        item = self._flite.relation_head(self._flite.utt_relation(utterance, b"Segment"))
        while item:
            name = self._flite.item_feat_string(item, b"name").decode()
            end = self._flite.item_feat_float(item, b"end")
            if name == _PAUSE:
                segments.append(Segment("", end, -1))
            else:
                syllable = self._flite.item_parent(self._flite.item_as(item, b"SylStructure"))
                word = self._flite.item_parent(syllable)
                stress = self._flite.ffeature_string(item, b"R:SylStructure.parent.stress").decode()
                segments.append(Segment(_arpabet(name, stress), end, words.setdefault(word, len(words))))
            item = self._flite.item_next(item)
        return segments


def _arpabet(name: str, stress: str) -> str:
    if name == "ax":
        return "AH0"
    return name.upper() + ("1" if stress == "1" else "0") if name.upper() in VOWELS else name.upper()
