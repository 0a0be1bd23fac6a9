"""Train the small voice, from Flite's: python -m scripts.train_voice --help"""

from __future__ import annotations

import argparse
import itertools
import lzma
import sys
from pathlib import Path

from zoo.files import atomic

EXAMPLES = """It learns from a free synthesiser, which gives phonemes and their times for nothing:
  apt install libflite1 wamerican-small
  python -m scripts.train_voice --data voice/data --words /usr/share/dict/american-english-small \\
      --sentences 12000 --output voice/run --steps 8000

Stopped, it goes on with the last checkpoint when it is started again. What it writes loads as any checkpoint:
  speechzoo speak "Hello." --model fastspeech_small --weights voice/run -o hello.wav
"""
PER_FILE = 500
HELD_OUT = 60


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.train_voice",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the teacher's utterances")
    parser.add_argument("--words", type=Path, required=True, help="a list of words, one a line")
    parser.add_argument("--sentences", type=int, default=12000, help="utterances to learn from")
    parser.add_argument("--flite", type=Path, help="folder of Flite's libraries (default: the system's)")
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--steps", type=int, default=8000, help="batches of the whole training")
    parser.add_argument(
        "--dictionary", type=Path, help="write the words' pronunciations there (.xz), and end"
    )
    parser.add_argument("--pause", type=Path, help="compute nothing while this file exists")
    arguments = parser.parse_args(argv)

    from scripts.voice.corpus import load, pronunciations, read_words, save, sentences, speak
    from scripts.voice.teacher import Flite
    from scripts.voice.training import MODEL, train
    from zoo.create import build
    from zoo.networks.synthesis import SynthesisNetwork
    from zoo.registry import get_spec

    arguments.data.mkdir(parents=True, exist_ok=True)
    words = read_words(arguments.words)
    if arguments.dictionary:
        entries = list(pronunciations(Flite(arguments.flite), read_words(arguments.words, contractions=True)))
        with atomic(arguments.dictionary) as temporary:
            temporary.write_bytes(lzma.compress("\n".join([*entries, ""]).encode(), preset=9))
        print(f"{arguments.dictionary}: {len(entries)} words, {arguments.dictionary.stat().st_size} bytes")
        return 0
    files = -(-(arguments.sentences + HELD_OUT) // PER_FILE)
    for number in range(files):
        path = arguments.data / f"{number:04d}.npz"
        if path.exists():
            continue
        teacher = Flite(arguments.flite)
        spoken = (speak(teacher, sentence) for sentence in sentences(words, seed=number))
        with atomic(path) as temporary:
            save(list(itertools.islice((e for e in spoken if e is not None), PER_FILE)), temporary)
        print(f"{path}: {PER_FILE} utterances", file=sys.stderr, flush=True)
    examples = [example for number in range(files) for example in load(arguments.data / f"{number:04d}.npz")]
    examples = examples[: arguments.sentences + HELD_OUT]
    model = build(get_spec(MODEL))
    assert isinstance(model, SynthesisNetwork)
    train(
        model,
        examples[HELD_OUT:],
        examples[:HELD_OUT],
        arguments.output,
        steps=arguments.steps,
        pause=arguments.pause,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
