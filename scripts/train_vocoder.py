"""Train the small vocoder, on any speech: python -m scripts.train_vocoder --help"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zoo.errors import SpeechZooError

EXAMPLES = """It learns to give back the waveform of log-mel frames, from any speech: recordings, or what
scripts.make_voice_data lets a teacher say.

  python -m scripts.train_vocoder --speech voice/data --unseen voice/unseen --output vocoder/run

At the end it learns from what a voice makes of the teacher's texts, with the teacher's own times, since that
is what it will be given:
  python -m scripts.train_vocoder --speech voice/data/001?.npz --said-by fastspeech_small \\
      --unseen voice/unseen --output vocoder/run --steps 16000

Stopped, it goes on with the last checkpoint when it is started again. vocoder.pt in the folder loads as any
checkpoint:
  speechzoo export vocos_small --weights vocoder/run/vocoder.pt -o vocoder.onnx
  speechzoo speak "Hello." --vocoder vocoder.onnx -o hello.wav
"""
MODEL = "vocos_small"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.train_vocoder",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    from scripts.vocoder.training import Settings

    default = Settings()
    parser.add_argument(
        "--speech", type=Path, nargs="+", required=True, help="files or folders to learn from"
    )
    parser.add_argument(
        "--said-by", metavar="VOICE", help="a model's name or graph: its frames of the teacher's utterances"
    )
    parser.add_argument("--unseen", type=Path, nargs="+", required=True, help="files or folders to judge by")
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--steps", type=int, default=default.steps, help=f"default {default.steps}")
    parser.add_argument(
        "--adversarial", type=int, default=default.adversarial, metavar="STEP",
        help=f"from which a discriminator takes part (default {default.adversarial})",
    )  # fmt: skip
    parser.add_argument(
        "--half", type=int, default=default.half, metavar="STEPS",
        help=f"in which the learning rate halves (default {default.half})",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, help="of the CPU (default: PyTorch's choice)")
    arguments = parser.parse_args(argv)
    try:
        settings = Settings(steps=arguments.steps, adversarial=arguments.adversarial, half=arguments.half)
        _train(arguments, settings)
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _train(arguments: argparse.Namespace, settings: object) -> None:
    import torch

    from scripts.vocoder.speech import as_said_by, read_speech
    from scripts.vocoder.training import train
    from zoo.create import build
    from zoo.networks.vocoder import VocoderNetwork
    from zoo.registry import get_spec
    from zoo.tasks.synthesis.synthesizer import Synthesizer
    from zoo.vocoder import GriffinLim

    torch.set_flush_denormal(True)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = build(get_spec(MODEL))
    assert isinstance(model, VocoderNetwork)
    rate = model.spec.front_end.sample_rate
    unseen = read_speech(arguments.unseen, rate)
    if arguments.said_by:
        voice = Synthesizer(arguments.said_by, vocoder=GriffinLim.name)
        speech = [as_said_by(voice, path) for path in arguments.speech]
    else:
        speech = read_speech(arguments.speech, rate)
    train(
        model, speech, unseen, arguments.output, settings,  # type: ignore[arg-type]
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
