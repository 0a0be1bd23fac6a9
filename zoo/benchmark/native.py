"""What is told of native code besides its time: its size, how long compiling takes, and its products."""

from __future__ import annotations

import ctypes
import os
import re
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from zoo.errors import ArtifactError
from zoo.runtime.compiler import ENDING, build

_ROUNDS, _REPEATS = 200_000, 10


@dataclass(frozen=True)
class Compiled:
    """Figures of a generated file.

    Attributes:
        bytes: of the library, its record left out.
        seconds: of the processor that compiling it took; by the clock where the system does not tell.
        multiply_adds: of a call.
    """

    bytes: int
    seconds: float
    multiply_adds: int


def compile_again(source: Path) -> Compiled:
    """Compile a generated file, whether it is kept or not.

    Raises:
        ArtifactError: it cannot be compiled, or is none of ours.
    """
    text = source.read_text()
    macro = re.search(r"^#ifndef (\w+_NO_MANIFEST)$", text, re.MULTILINE)
    count = re.search(r"(\d+) multiply-adds a call", text)
    if macro is None or count is None:
        raise ArtifactError(f"{source}: it is no C that speechzoo export --target c wrote")
    with TemporaryDirectory() as folder:
        library = Path(folder) / f"x{ENDING}"
        begin, before = time.perf_counter(), os.times()
        build(source, library, flags=[f"-D{macro[1]}"])
        clock, after = time.perf_counter() - begin, os.times()
        own = after.children_user + after.children_system - before.children_user - before.children_system
        return Compiled(library.stat().st_size, own or clock, int(count[1]))


@cache
def peak() -> float:
    """Multiply-adds of 32 bits that a core here can do in a second, as measured: the best of some rounds.

    Raises:
        ArtifactError, MissingExtraError: there is no compiler, or it fails.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"peak{ENDING}"
        build(Path(__file__).with_name("peak.c"), path)
        library = ctypes.CDLL(str(path))
        run = library.speechzoo_peak
        run.argtypes, run.restype = [ctypes.c_long, ctypes.c_float], ctypes.c_float
        best = float("inf")
        for _ in range(_REPEATS):
            begin = time.perf_counter()
            run(_ROUNDS, 0.5)
            best = min(best, time.perf_counter() - begin)
        return float(_ROUNDS * library.speechzoo_multiply_adds() / best)
