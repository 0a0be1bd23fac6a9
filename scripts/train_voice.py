"""Train the small voice, from a synthesiser's: python -m scripts.train_voice --help"""

from __future__ import annotations

import argparse
import itertools
import lzma
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ArtifactError, SpeechZooError
from zoo.files import atomic

if TYPE_CHECKING:
    from scripts.voice.corpus import Example

EXAMPLES = """It learns from what scripts.make_voice_data let a teacher say:
  python -m scripts.train_voice --data voice/data --output voice/run --steps 20000 --bfloat16

or, with a list of words, from Flite, which says sentences of them as far as they are not there yet:
  apt install libflite1 wamerican-small
  python -m scripts.train_voice --data voice/flite --words /usr/share/dict/american-english-small \\
      --sentences 12000 --output voice/run --steps 8000

Stopped, it goes on with the last checkpoint when it is started again. What it writes loads as any checkpoint:
  speechzoo speak "Hello." --model fastspeech_small --weights voice/run -o hello.wav
"""
PER_FILE = 500
HELD_OUT = 60
FLITE_SENTENCES = 12000


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.train_voice",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the teacher's utterances")
    parser.add_argument("--words", type=Path, help="for Flite: a list of words, one a line")
    parser.add_argument(
        "--sentences", type=int, help="utterances to learn from (default: 12000 of Flite's, else all)"
    )
    parser.add_argument("--flite", type=Path, help="folder of Flite's libraries (default: the system's)")
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--steps", type=int, default=8000, help="batches of the whole training")
    parser.add_argument(
        "--dictionary", type=Path, help="write the words' pronunciations there (.xz), and end"
    )
    parser.add_argument(
        "--bfloat16", action="store_true", help="multiply in 16 bits: half the time where the CPU can"
    )
    parser.add_argument("--threads", type=int, help="of the CPU (default: PyTorch's choice)")
    parser.add_argument("--pause", type=Path, help="compute nothing while this file exists")
    arguments = parser.parse_args(argv)

    try:
        return _run(arguments)
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    if arguments.dictionary:
        if arguments.words is None:
            raise ArtifactError("--dictionary needs --words: a list of words, one a line")
        _write_dictionary(arguments)
        return 0
    if arguments.words is not None:
        arguments.sentences = arguments.sentences or FLITE_SENTENCES
        _let_speak(arguments)
    _train(arguments)
    return 0


def _write_dictionary(arguments: argparse.Namespace) -> None:
    from scripts.voice.corpus import pronunciations, read_words
    from scripts.voice.teacher import Flite

    words = read_words(arguments.words, contractions=True)
    entries = list(pronunciations(Flite(arguments.flite), words))
    with atomic(arguments.dictionary) as temporary:
        temporary.write_bytes(lzma.compress("\n".join([*entries, ""]).encode(), preset=9))
    print(f"{arguments.dictionary}: {len(entries)} words, {arguments.dictionary.stat().st_size} bytes")


def _let_speak(arguments: argparse.Namespace) -> None:
    """Flite's utterances, as far as they are not there."""
    from scripts.voice.corpus import read_words, save, sentences, speak
    from scripts.voice.teacher import Flite

    words = read_words(arguments.words)
    for number in range(-(-(arguments.sentences + HELD_OUT) // PER_FILE)):
        path = arguments.data / f"{number:04d}.npz"
        if path.exists():
            continue
        teacher = Flite(arguments.flite)
        spoken = (speak(teacher, sentence) for sentence in sentences(words, seed=number))
        with atomic(path) as temporary, temporary.open("wb") as file:
            save(list(itertools.islice((e for e in spoken if e is not None), PER_FILE)), file)
        print(f"{path}: {PER_FILE} utterances", file=sys.stderr, flush=True)


def _train(arguments: argparse.Namespace) -> None:
    import torch

    from scripts.voice.corpus import FRONT_END, load
    from scripts.voice.teachers import FLITE, HIBARI, RunRecord
    from scripts.voice.training import MODEL, train
    from zoo.create import build
    from zoo.networks.synthesis import SynthesisNetwork
    from zoo.registry import get_spec

    examples: list[Example] = []
    for path in sorted(arguments.data.glob("*.npz")):
        examples += load(path)
        if arguments.sentences and len(examples) >= arguments.sentences + HELD_OUT:
            examples = examples[: arguments.sentences + HELD_OUT]
            break
    if len(examples) <= HELD_OUT:
        raise ArtifactError(
            f"{arguments.data}: {len(examples)} utterances; more than {HELD_OUT} are needed: make them with "
            f"scripts.make_voice_data, or pass --words"
        )
    own = examples[HELD_OUT:]
    seconds = sum(len(e.mel) for e in own) * FRONT_END.hop_length / FRONT_END.sample_rate
    symbols = tuple(sorted({i for example in own for i in example.ids}))
    record = RunRecord(
        HIBARI if arguments.words is None else FLITE, len(own), round(seconds / 3600, 1), symbols
    )
    record.write(arguments.output)
    model = build(get_spec(MODEL))
    assert isinstance(model, SynthesisNetwork)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    train(
        model,
        own,
        examples[:HELD_OUT],
        arguments.output,
        steps=arguments.steps,
        bfloat16=arguments.bfloat16,
        pause=arguments.pause,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )


if __name__ == "__main__":
    sys.exit(main())
