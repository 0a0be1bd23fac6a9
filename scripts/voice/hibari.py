"""hibari as a teacher: speech with the phonemes in it and the time of each, as tokens of our table.

hibari-tts (Apache-2.0) is distilled from one voice of Kokoro-82M (Apache-2.0); its graph computes the
duration of each of its symbols on the way to the speech, so nothing needs to be aligned.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scripts.voice.corpus import FRONT_END, Example
from scripts.voice.reading import Token, as_package
from zoo.arrays import Array
from zoo.errors import MissingExtraError
from zoo.signal.mel import log_mel
from zoo.signal.resample import resample
from zoo.text.symbols import PHONEMES, VOWELS, encode

VOICE = "hibari-tts 0.2.1, voice heart"
_DURATIONS = "/Clip_output_0"  # in the graph of 0.2.1: units of each symbol, those of padding at the ends too
_UNIT = 600  # samples at 24 kHz: two frames
_STRESS = {"\u02c8": "1", "\u02cc": "2"}
_PHONEMES = {
    "A": "EY", "I": "AY", "O": "OW", "W": "AW", "Y": "OY", "\u00e6": "AE", "\u0251": "AA", "\u0254": "AO",
    "\u0259": "AH", "\u1d4a": "AH", "\u0250": "AH", "\u028c": "AH", "\u025b": "EH", "\u025c": "ER",
    "i": "IY", "u": "UW", "\u026a": "IH", "\u1d7b": "IH", "\u028a": "UH", "b": "B", "d": "D", "f": "F",
    "h": "HH", "j": "Y", "k": "K", "l": "L", "m": "M", "n": "N", "\u014b": "NG", "p": "P", "s": "S",
    "t": "T", "T": "T", "\u027e": "T", "\u0294": "T", "v": "V", "w": "W", "z": "Z", "\u00f0": "DH",
    "\u0261": "G", "\u03b8": "TH", "\u0279": "R", "\u0283": "SH", "\u0292": "ZH", "\u02a4": "JH",
    "\u02a7": "CH",
}  # fmt: skip
_MARKS = {**{mark: mark for mark in " ,.?!;:()"}, "\u2014": "-", "\u2026": "."}
_QUIET = 0.01  # of the peak: what lies before and behind is silence
_MARGIN = 0.025  # seconds of it that stay
_AS_PACKAGE = 0.85  # of the utterances: the others keep the teacher's own phonemes


class Hibari:
    """The voice that comes with hibari-tts.

    Args:
        read: gives a sentence as the package reads it, ARPAbet in braces.
        seed: of which utterances are written as the package reads them, and of the noise in the speech.

    Raises:
        MissingExtraError: hibari-tts is not installed.
    """

    def __init__(self, read: Callable[[str], str], seed: int = 0) -> None:
        try:
            import hibari
            import onnx
        except ImportError as error:
            raise MissingExtraError("the teacher is needed: pip install hibari-tts==0.2.1 onnx") from error
        graph = onnx.load(str(Path(hibari.__file__).parent / "assets/hibari.onnx"))
        graph.graph.output.append(
            onnx.helper.make_tensor_value_info(_DURATIONS, onnx.TensorProto.FLOAT, None)
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hibari.onnx"
            onnx.save(graph, str(path))
            self._teacher: Any = hibari.Hibari(model=str(path))
        self._synth, self._rate, self._read = hibari.dsp.synth, hibari.SAMPLE_RATE, read
        self._random = np.random.default_rng(seed)

    def __call__(self, sentence: str) -> tuple[Example, Array] | None:
        """The utterance and its waveform (F x hop,) at the front end's rate, silence at its ends cut off.

        None where it says symbols that our table lacks, or makes several utterances of the sentence.
        """
        said = self._teacher.phonemize(re.sub(r"\s-\s", " \u2014 ", sentence))
        if len(said) != 1:
            return None
        ids = self._teacher.ids(said[0])
        spoken = "".join(c for c in said[0] if c in self._teacher.vocab)
        feed = {"ids": np.array([ids], np.int64), "speed": np.ones(1, np.float32)}
        *parts, units = self._teacher.sess.run(None, feed)
        units = units.reshape(-1)
        tokens = to_tokens(spoken, [float(u) for u in units[1:-1]])
        if tokens is None:
            return None
        wave = self._synth(*(part[0] for part in parts), self._random)
        if self._random.random() < _AS_PACKAGE:
            tokens = as_package(tokens, self._read(sentence))
        return cut(wave, self._rate, tokens, before=float(units[0]))


def to_tokens(spoken: str, units: list[float]) -> list[Token] | None:
    """The teacher's symbols as ours: a stress mark goes into its vowel, vowel and R into ER.

    Args:
        spoken: the teacher's symbols.
        units: the time of each.

    Returns:
        None where one has no counterpart.
    """
    tokens: list[Token] = []
    stress, held = "0", 0.0
    for place, (symbol, time) in enumerate(zip(spoken, units, strict=True)):
        if symbol in _STRESS:
            stress, held = _STRESS[symbol], held + time
        elif symbol in _MARKS:
            tokens.append((_MARKS[symbol], time + held))
            held = 0.0
            if [token[0] for token in tokens[-2:]] == [" ", " "]:
                tokens[-2:] = [(" ", tokens[-2][1] + tokens[-1][1])]
        elif symbol not in _PHONEMES:
            return None
        elif (
            symbol == "\u0279"
            and place
            and spoken[place - 1] in "\u025c\u0259"
            and tokens[-1][0][:2] in ("ER", "AH")
        ):
            tokens[-1] = ("ER" + tokens[-1][0][2:], tokens[-1][1] + time)
        else:
            phoneme = _PHONEMES[symbol]
            vowel = phoneme in VOWELS
            tokens.append((phoneme + (stress if vowel else ""), time + held))
            held = 0.0
            stress = "0" if vowel else stress
    return tokens


def cut(wave: Array, rate: int, tokens: list[Token], before: float) -> tuple[Example, Array] | None:
    """An utterance without the silence at its ends, its durations in frames.

    Args:
        wave: (N,) at ``rate``, tokens one after another behind ``before`` units.
    """
    ends = (before + np.cumsum([units for _, units in tokens])) * (_UNIT / 24000)
    loud = np.flatnonzero(np.abs(wave) > _QUIET * np.abs(wave).max()) / rate
    if len(loud) == 0:
        return None
    begin = max(0.0, float(loud[0]) - _MARGIN)
    end = float(loud[-1]) + _MARGIN
    ends[-1] = end
    hop = FRONT_END.hop_length
    wave = resample(wave, rate, FRONT_END.sample_rate)
    first = round(begin * FRONT_END.sample_rate)
    frames = round((end - begin) * FRONT_END.sample_rate / hop)
    own = np.pad(wave[first:], (0, hop))[: frames * hop].astype(np.float32)
    places = np.clip(np.rint((ends - begin) * FRONT_END.sample_rate / hop), 0, frames).astype(int)
    durations = np.diff([0, *np.maximum.accumulate(places[:-1]), frames])
    text = "".join(f"{{{s}}}" if s[0].isalpha() else s for s, _ in tokens)
    ids = encode(text, PHONEMES).ids
    if len(ids) != len(tokens) or durations.min() < 0 or len(own) != frames * hop or frames < 20:
        return None
    mel = log_mel(own, FRONT_END)[:frames].astype(np.float32)
    return Example(ids, tuple(durations.tolist()), mel), own
