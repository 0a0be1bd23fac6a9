"""Types of arguments, and how a command refuses what it is given."""

from __future__ import annotations

import argparse
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from zoo.artifact.manifest import FREE
from zoo.errors import SpeechZooError
from zoo.hub import client
from zoo.runtime.artifact import MOST_THREADS
from zoo.signal.audio import PIPE


class Misuse(SpeechZooError):
    """Options that do not go together, or one that is missing; the exit status is 2, as argparse has it."""


@contextmanager
def one_sentence() -> Iterator[None]:
    """Tell what a function refuses, or a file that cannot be read or written, as errors of the zoo's own.

    Raises:
        SpeechZooError: a ValueError or an OSError came.
    """
    try:
        yield
    except (SpeechZooError, BrokenPipeError):
        raise
    except ValueError as error:
        raise SpeechZooError(str(error)) from error
    except OSError as error:
        raise SpeechZooError(
            f"{error.filename}: {error.strerror}" if error.filename else str(error)
        ) from error


def add_trust(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The option that opens what is code."""
    parser.add_argument(
        "--trust",
        action="store_true",
        help="open a .pt2 that holds pickles or machine code, which run on this machine: docs/trust.md",
    )


def readable(text: str) -> str:
    """Read the name of an input: "-" for standard input, by whatever path."""
    return PIPE if text in ("/dev/stdin", "/dev/fd/0") else text


def writable(text: str) -> str:
    """Read the name of an output: "-" for standard output, by whatever path."""
    return PIPE if text in ("/dev/stdout", "/dev/fd/1") else text


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"a number of at least 1 is expected, got {text}")
    return number


def above_zero(text: str) -> float:
    """Read a number above 0, of seconds for example."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0 is expected, got {text}")
    return number


def decibels(text: str) -> float:
    """Read a number of dB from 0 on."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"a number of dB from 0 on is expected, got {text}")
    return number


def threads(text: str) -> int:
    """Read a number of threads."""
    number = positive(text)
    if number > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{MOST_THREADS} threads at most are expected, got {text}")
    return number


def bucket(text: str) -> tuple[int, int]:
    """Read a size of text to speech, tokens and frames: 32/256 or 32x256."""
    tokens, _, frames = text.replace("x", "/").partition("/")
    try:
        return int(tokens), int(frames)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected TOKENS/FRAMES such as 32/256, got {text!r}") from None


def bucket_or_free(text: str) -> tuple[int, int] | str:
    """Read a size as ``bucket`` does, or ``free``."""
    return FREE if text == FREE else bucket(text)


def add_offline(parser: argparse._ActionsContainer) -> None:
    """The option that forbids downloads; see ``network``."""
    parser.add_argument(
        "--offline",
        dest="no_network",  # some commands have offline graphs
        action="store_true",
        help="download nothing; what is not here is an error",
    )


def network(args: argparse.Namespace) -> AbstractContextManager[None]:
    """Where ``--offline`` forbids downloads, there are none as long as the block runs."""
    return client.without_network() if getattr(args, "no_network", False) else nullcontext()


def print_table(records: Sequence[Mapping[str, str]], numbers: Collection[str] = ()) -> None:
    """Print records of the same fields under their names, those of ``numbers`` at the right."""
    rows = [tuple(records[0]), *(tuple(record.values()) for record in records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if name in numbers else cell.ljust(width)
            for name, cell, width in zip(records[0], row, widths, strict=True)
        ]
        print("  ".join(cells).rstrip())
    print()


def add_threads(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--threads", type=threads, default=1, metavar="N", help="of ONNX Runtime (default 1)")
