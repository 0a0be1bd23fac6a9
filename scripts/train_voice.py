"""Train the small voice, from a synthesiser's: python -m scripts.train_voice --help"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ArtifactError, SpeechZooError

if TYPE_CHECKING:
    from scripts.voice.corpus import Example

EXAMPLES = """It learns from what scripts.make_voice_data let a teacher say:
  python -m scripts.train_voice --data voice/data --output voice/run --steps 16000 --bfloat16

Stopped, it goes on with the last checkpoint when it is started again. What it writes loads as any checkpoint:
  speechzoo speak "Hello." --model fastspeech_small --weights voice/run -o hello.wav
"""
HELD_OUT = 60


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.train_voice",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the teacher's utterances")
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--steps", type=int, default=16000, help="batches of the whole training")
    parser.add_argument(
        "--bfloat16", action="store_true", help="multiply in 16 bits: half the time where the CPU can"
    )
    parser.add_argument("--threads", type=int, help="of the CPU (default: PyTorch's choice)")
    parser.add_argument("--pause", type=Path, help="compute nothing while this file exists")
    arguments = parser.parse_args(argv)

    try:
        _train(arguments)
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _train(arguments: argparse.Namespace) -> None:
    import torch

    from scripts.voice.corpus import FRONT_END, load
    from scripts.voice.teachers import HIBARI, RunRecord
    from scripts.voice.training import MODEL, train
    from zoo.create import build
    from zoo.networks.synthesis import SynthesisNetwork
    from zoo.registry import get_spec

    examples: list[Example] = []
    for path in sorted(arguments.data.glob("*.npz")):
        examples += load(path)
    if len(examples) <= HELD_OUT:
        raise ArtifactError(
            f"{arguments.data}: {len(examples)} utterances; more than {HELD_OUT} are needed: make them with "
            f"scripts.make_voice_data"
        )
    own = examples[HELD_OUT:]
    seconds = sum(len(e.mel) for e in own) * FRONT_END.hop_length / FRONT_END.sample_rate
    symbols = tuple(sorted({i for example in own for i in example.ids}))
    record = RunRecord(HIBARI, len(own), round(seconds / 3600, 1), symbols)
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
