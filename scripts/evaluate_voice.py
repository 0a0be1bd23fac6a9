"""Compare the small voice with its teacher: python -m scripts.evaluate_voice --help"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.figures import tell
from zoo.arrays import Array
from zoo.tasks.synthesis.synthesizer import DEFAULT_MODEL

if TYPE_CHECKING:
    from scripts.voice.teacher import Flite
    from zoo.tasks.synthesis.synthesizer import Synthesizer

EXAMPLES = """examples:
  apt install libflite1 wamerican && pip install pocketsphinx
  python -m scripts.evaluate_voice --recognise --json voice.json
  python -m scripts.evaluate_voice --weights voice/run --pictures out/voice --count 2

On sentences of random words, with the teacher's durations, it measures how far the log-mel frames are from
the teacher's; with --recognise, what a speech recogniser understands of 40 plain sentences, which go in as
text: of the teacher, of the teacher through the frames and the vocoder, and of the voice.
"""
SENTENCES = Path(__file__).parent / "voice/sentences.txt"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.evaluate_voice",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--weights", help="tag, checkpoint or training folder (default: those that come with the package)")
    add("--flite", type=Path, help="folder of Flite's libraries (default: the system's)")
    add("--words", type=Path, default=Path("/usr/share/dict/american-english"), help="a list, one a line")
    add("--utterances", type=int, default=100, help="to measure the distance on (default 100)")
    add("--recognise", action="store_true", help="count word errors too; needs pocketsphinx")
    add("--pictures", type=Path, metavar="FOLDER", help="spectrograms and recordings of some sentences")
    add("--count", type=int, default=3, help="of those (default 3)")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args(argv)
    return tell(partial(_evaluate, arguments), arguments.json)


def _evaluate(arguments: argparse.Namespace) -> dict[str, Any]:
    from scripts.voice.corpus import read_words
    from scripts.voice.judging import distance, recogniser
    from scripts.voice.teacher import VOICE, Flite
    from zoo.tasks.synthesis.synthesizer import Synthesizer

    teacher = Flite(arguments.flite)
    voice = Synthesizer(DEFAULT_MODEL, arguments.weights)
    words = read_words(arguments.words)
    said = SENTENCES.read_text().splitlines()
    hear = recogniser() if arguments.recognise else None
    figures: dict[str, Any] = {
        "teacher": f"Flite, {VOICE}",
        "unseen": asdict(distance(voice, teacher, words, arguments.utterances)),
    }
    if hear is not None:
        figures["word_errors"] = _word_errors(voice, teacher, said, hear)
    if arguments.pictures:
        _draw(voice, teacher, said[: arguments.count], arguments.pictures)
    return figures


def _ways(voice: Synthesizer, teacher: Flite, sentence: str) -> dict[str, Array]:
    """One sentence as each says it, at the voice's rate."""
    from scripts.voice.corpus import FRONT_END, read_aloud
    from zoo.vocoder.mel import log_mel

    wave, _ = read_aloud(teacher, sentence)
    return {
        "teacher": wave,
        "teacher through the vocoder": voice.vocoder(log_mel(wave, FRONT_END)),
        "voice": voice(sentence).waveform,
    }


def _word_errors(
    voice: Synthesizer, teacher: Flite, said: list[str], hear: Callable[[Array, int], str]
) -> dict[str, Any]:
    from scripts.voice.judging import word_errors

    errors: dict[str, int] = {}
    words = 0
    for sentence in said:
        for name, wave in _ways(voice, teacher, sentence).items():
            heard = hear(wave, voice.sample_rate)
            wrong, count = word_errors(sentence, heard)
            errors[name] = errors.get(name, 0) + wrong
            print(f"{name}: {heard}", file=sys.stderr)
        words += count
    return {"recogniser": "PocketSphinx, its own English model", "words": words, **errors}


def _draw(voice: Synthesizer, teacher: Flite, said: list[str], folder: Path) -> None:
    import soundfile

    from zoo.signal.plot import plot_spectrograms

    folder.mkdir(parents=True, exist_ok=True)
    for number, sentence in enumerate(said, 1):
        ways = _ways(voice, teacher, sentence)
        for name, wave in ways.items():
            soundfile.write(folder / f"{number} {name}.wav", wave, voice.sample_rate)
        longest = max(map(len, ways.values()))
        drawn = [
            (f"{name}: {sentence}", np.pad(wave, (0, longest - len(wave)))) for name, wave in ways.items()
        ]
        plot_spectrograms(folder / f"{number}.png", drawn, voice.sample_rate, force=True)


if __name__ == "__main__":
    sys.exit(main())
