"""What the export scripts share: which model, which weights, which graph."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import zoo
from zoo.errors import CheckpointError, SpeechZooError

if TYPE_CHECKING:
    from zoo.artifact.parity import ParityReport
    from zoo.networks.base import Network


def parser(name: str, description: str, option: str, examples: str) -> argparse.ArgumentParser:
    """The common arguments.

    Args:
        name: of the script.
        description: its docstring.
        option: how the file to write is called.
        examples: for ``--help``.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m scripts.{name}",
        description=description.split(":")[0],
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--weights", help="tag of trained weights, or the path of a checkpoint")
    source.add_argument("--checkpoint", help="path of a checkpoint or training folder")
    source.add_argument("-n", "--name", help="training folder logs/NAME; its config.yaml names the model")
    parser.add_argument("--model", help="registered name; see speechzoo list")
    parser.add_argument("--form", choices=("wav2wav", "spec2spec"), default="wav2wav")
    parser.add_argument(option, type=Path, required=True, dest="out", help="the file to write")
    parser.add_argument("--streams", type=int, help="streams of a call; 0 leaves the number free (default 1)")
    parser.add_argument("--offline", action="store_true", help="whole recordings instead of states")
    parser.add_argument("--frames", type=int, help="fixes the length of an offline graph")
    return parser


def run(
    arguments: argparse.Namespace, export: Callable[[], Callable[..., ParityReport]], **options: object
) -> int:
    """Export what the arguments say.

    Args:
        arguments: those of ``parser``.
        export: gives the converter, or says what it lacks.
        options: of the converter, besides the common ones.

    Returns:
        the exit status.
    """
    try:
        report = export()(
            load_model(arguments),
            arguments.out,
            arguments.form,
            streaming=not arguments.offline,
            streams={None: 1, 0: "streams"}.get(arguments.streams, arguments.streams),
            frames=arguments.frames,
            progress=lambda line: print(line, file=sys.stderr),
            **options,
        )
    except (SpeechZooError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f'error: exporting needs {error.name}: pip install ".[onnx]"', file=sys.stderr)
        return 1
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e3:.0f} kB, {report}")
    return 0


def load_model(arguments: argparse.Namespace) -> Network:
    """The model that the arguments name.

    Raises:
        CheckpointError, UnknownModelError, ValueError: there is none.
    """
    if arguments.name is None:
        if arguments.model is None:
            raise ValueError("--model is needed, unless -n names a training folder")
        weights = arguments.weights or arguments.checkpoint
        if weights is None:
            print("no weights given: the graph gets random ones", file=sys.stderr)
        return zoo.create_model(arguments.model, weights)
    from zoo.create import model_of

    folder = Path("logs") / arguments.name
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: there is no training folder with a config.yaml")
    return zoo.create_model(arguments.model or model_of(folder), folder)


def bucket(text: str) -> tuple[int, int]:
    """A size as an option gives it: 32/256 or 32x256."""
    tokens, _, frames = text.replace("x", "/").partition("/")
    try:
        return int(tokens), int(frames)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected TOKENS/FRAMES such as 32/256, got {text!r}") from None
