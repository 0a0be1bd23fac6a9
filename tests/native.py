"""Generated C compiled to programs of its own, as strictly as compilers can."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.data import ROOT
from zoo.arrays import Array

STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-ffp-contract=fast", "-fno-math-errno")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@cache
def compiler() -> str:
    """A C compiler; without one the test is skipped, but not where everything should be there."""
    found = shutil.which("gcc") or shutil.which("clang")
    if found is None and os.environ.get("CI"):
        pytest.fail("there is no C compiler")
    if found is None:
        pytest.skip("needs a C compiler")
    return found


DENOISE = ROOT / "examples/native/denoise.c"


def check_with_clang(source: Path) -> None:
    """Clang has nothing to say of a generated file, the system's or the one of ziglang."""
    pytest.importorskip("ziglang")
    found = shutil.which("clang")
    command = [found] if found else [sys.executable, "-m", "ziglang", "cc"]
    words = [*command, *STRICT, "-O0", "-c", str(source), "-o", str(source.with_suffix(".clang.o"))]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, ""), told.stderr[:2000]


def make_program(
    source: Path, name: str, *flags: str, command: str | None = None, main: Path = DENOISE
) -> Path:
    """The program that sends standard input through a generated file's model, call by call."""
    program = source.with_suffix(f".{abs(hash(flags))}")
    header = source.with_suffix(".h")
    words = [f"-DMODEL={name}", "-include", str(header), str(main), str(source)]
    made = subprocess.run(
        [command or compiler(), *STRICT, *flags, *words, "-o", str(program)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[:2000]
    return program


def tool(name: str, package: str) -> str:
    """A program of a Debian package; without it the test is skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}, of the package {package}")
    return found


def run_program(program: Path, signal: Array, *emulator: str) -> Array:
    """What it makes of a signal, perhaps in an emulator; nothing may be on its standard error."""
    done = subprocess.run(
        [*emulator, str(program)], input=signal.astype("<f4").tobytes(), capture_output=True, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stderr[:2000]
    return np.frombuffer(done.stdout, "<f4")
