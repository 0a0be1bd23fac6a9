"""Who else says a sentence: what a user could install in place of the voice in the package."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from zoo.arrays import Array
from zoo.errors import MissingExtraError, UnknownModelError

Speaker = Callable[[str], tuple[Array, int]]  # a text -> its speech (N,) and the rate of that in Hz
_PROGRAMS = {  # {wave} is the file to write, {text} what to say
    "flite": ("flite", "-voice", "slt", "-t", "{text}", "-o", "{wave}"),
    "espeak-ng": ("espeak-ng", "-v", "en-us", "-w", "{wave}", "{text}"),
}
OTHERS = ("hibari", *_PROGRAMS)


def other(name: str) -> Speaker:
    """One of ``OTHERS``, ready to speak.

    Raises:
        MissingExtraError: it is not installed.
        UnknownModelError: another name.
    """
    if name == "hibari":
        return _hibari()
    if name not in _PROGRAMS:
        raise UnknownModelError(f"no speaker {name!r}; expected one of: {', '.join(OTHERS)}")
    program = _PROGRAMS[name]
    if shutil.which(program[0]) is None:
        raise MissingExtraError(f"{name} is not installed: apt install {name}")

    def speak(text: str) -> tuple[Array, int]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.wav"
            subprocess.run([part.format(text=text, wave=path) for part in program], check=True)
            return soundfile.read(path, dtype="float32")

    return speak


def _hibari() -> Speaker:
    try:
        import hibari
    except ImportError as error:
        raise MissingExtraError("hibari is not installed: pip install hibari-tts==0.2.1") from error
    voice = hibari.Hibari(threads=1)
    return lambda text: (np.asarray(voice(text, seed=0), np.float32).reshape(-1), hibari.SAMPLE_RATE)
