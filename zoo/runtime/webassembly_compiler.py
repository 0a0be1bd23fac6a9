"""Compiles generated C to WebAssembly with SIMD, without any library of C."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from zoo.errors import ArtifactError
from zoo.extras import missing
from zoo.files import atomic
from zoo.runtime.compiler import FLAGS, describe_compiler, has_no_weights, run_compiler

ENDING = ".wasm"
_FREESTANDING = Path(__file__).parent / "freestanding"  # headers
_TARGET = ("--target=wasm32-freestanding", "-msimd128", "-mbulk-memory", "-nostdlib", f"-I{_FREESTANDING}")
_EXPORTED = (
    "-DSPEECHZOO_LIBRARY",
    "-fvisibility=hidden",
    '-DSPEECHZOO_API=__attribute__((visibility("default")))',
    "-Wl,--no-entry",
    "-Wl,--export-dynamic",
    "-Wl,--export=__heap_base",  # where the caller's memory begins
    "-Wl,--strip-all",
)


def find_webassembly_compiler() -> list[str]:
    """The command of a compiler for WebAssembly.

    That of the variable CC if it is a Clang with a linker for it, else Zig's, which is newer than most and
    whose code is a third faster than that of Clang 14, else clang.

    Raises:
        MissingExtraError: there is none.
    """
    found = next((command for command in _candidates() if _compiles(command)), None)
    if found is None:
        raise missing(
            "native", "WebAssembly needs the compiler of ziglang, or clang and wasm-ld (Debian: clang, lld)"
        )
    return found


def build_webassembly(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    bare: bool = False,
    compiler: Sequence[str] | None = None,
) -> None:
    """Compile a generated file to a WebAssembly module that imports nothing.

    Args:
        source: the C.
        out: the module to write; its folder is made.
        bare: leave the record and its recording out; the module cannot be verified then.
        compiler: its command; by default that of ``find_webassembly_compiler``.

    Raises:
        ArtifactError: it cannot be compiled, or is no generated C; nothing is left.
        MissingExtraError: there is no compiler for WebAssembly.
    """
    source = Path(source)
    if not source.is_file():
        raise ArtifactError(
            f"{source}: there is no such file; expected C that speechzoo export --target c wrote"
        )
    if has_no_weights(source):
        raise ArtifactError(
            f"{source}: its weights are in a file of their own, which a page cannot load; export it without "
            f"--weights-file"
        )
    text = source.read_text(errors="replace")
    if several := re.search(r"^#define STREAMS (\d+)", text, re.MULTILINE):
        raise ArtifactError(
            f"{source}: it is for {several[1]} streams side by side, and a page has one; export it without "
            f"--streams"
        )
    macro = re.search(r"^#ifndef (\w+_NO_MANIFEST)$", text, re.MULTILINE)
    if macro is None:
        raise ArtifactError(f"{source}: it is no C that speechzoo export --target c wrote")
    command = list(find_webassembly_compiler() if compiler is None else compiler)
    with atomic(Path(out)) as temporary:
        words = [*FLAGS, *_TARGET, *_EXPORTED, *([f"-D{macro[1]}"] if bare else ())]
        run_compiler([*command, *words, str(source), "-o", str(temporary)], str(source))


def _candidates() -> Iterator[list[str]]:
    """Commands of compilers, the best first."""
    if chosen := shlex.split(os.environ.get("CC", "")):
        yield chosen
    if find_spec("ziglang"):
        yield [sys.executable, "-m", "ziglang", "cc"]
    if found := shutil.which("clang"):
        yield [found]


def _compiles(command: Sequence[str]) -> bool:
    """Whether a compiler is for WebAssembly too, and finds a linker."""
    if "ziglang" in command or Path(command[0]).name.startswith("zig"):
        return True
    try:
        if "clang" not in describe_compiler(command):
            return False
        linker = run_compiler([*command, "--target=wasm32", "-print-prog-name=wasm-ld"], command[0]).strip()
    except ArtifactError:
        return False
    return shutil.which(linker) is not None
