"""How much a command says: ``--quiet`` leaves only errors and what was asked for, ``--verbose`` says more."""

from __future__ import annotations

import argparse
import io
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any, TextIO

from zoo.errors import AudioWarning
from zoo.version import __version__

_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "numpy", "soundfile", "torch", "onnx")


def add_voice(parser: argparse.ArgumentParser, default: object = argparse.SUPPRESS) -> None:
    """The options, which every command has; before a command's name with a default."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-q", "--quiet", action="store_true", default=default, help="say nothing but errors")
    group.add_argument(
        "-v", "--verbose", action="store_true", default=default, help="say what runs, and where errors arise"
    )


@contextmanager
def voice(args: argparse.Namespace) -> Iterator[None]:
    """While it lasts standard error is as loud as the options want, and warnings of sound are sentences."""
    if args.verbose:
        print(_versions(), file=sys.stderr)
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if issubclass(category, AudioWarning):
                print(f"warning: {message}", file=sys.stderr)
            else:
                others(message, category, *where)

        warnings.showwarning = show  # type: ignore[assignment]
        with _loudness(args):
            yield


@contextmanager
def _loudness(args: argparse.Namespace) -> Iterator[None]:
    if not args.quiet or sys.stderr is None:
        yield
        return
    loud = sys.stderr
    sys.stderr = _ErrorsOnly(loud)
    try:
        yield
    finally:
        sys.stderr = loud


class _ErrorsOnly(io.TextIOBase):
    """Passes on the lines by which commands tell of errors, and nothing else."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._line = out, ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line.startswith("speechzoo"):
                print(line, file=self._out, flush=True)
        return len(text)

    def writable(self) -> bool:
        return True


def _versions() -> str:
    """What runs, for reports of faults."""
    found = [f"speechzoo {__version__}", f"Python {platform.python_version()}", platform.platform()]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
