"""Compiles generated C to a shared library, with the compiler at hand."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from zoo.errors import ArtifactError
from zoo.extras import missing
from zoo.files import atomic

COMPILERS = ("cc", "gcc", "clang")
ENDING = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")  # of shared libraries here
FLAGS = ("-std=c11", "-O3", "-ffp-contract=fast", "-fno-math-errno")
_LIBRARY = ("-shared", "-DSPEECHZOO_LIBRARY")
_HIDDEN = ("-fPIC", "-fvisibility=hidden", '-DSPEECHZOO_API=__attribute__((visibility("default")))')
_EXPORTED = ("-DSPEECHZOO_API=__declspec(dllexport)",)
_LONGEST = 900  # seconds
_X86 = re.compile("x86_64|amd64", re.IGNORECASE)
_CHOOSER = str(Path(__file__).with_name("variants.c"))


def find_compiler(target: str | None = None) -> list[str]:
    """The command of a C compiler: that of the variable CC, else the first that is there, else Zig's.

    Args:
        target: another machine than this one, as compilers name it: ``aarch64-linux-gnu``.

    Raises:
        MissingExtraError: there is none.
    """
    if chosen := shlex.split(os.environ.get("CC", "")):
        return chosen
    names = (f"{target}-gcc",) if target else COMPILERS
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found:
        return [found]
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", *(("-target", target) if target else ())]
    raise missing("native", f"native code needs a C compiler ({', '.join(names)}, or the one of ziglang)")


def describe_compiler(command: Sequence[str]) -> str:
    """A compiler by its name and version.

    Raises:
        ArtifactError: it does not run.
    """
    return run_compiler([*command, "--version"], command[0]).strip().splitlines()[0]


def build(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    march: str = "native",
    compiler: Sequence[str] | None = None,
    target: str | None = None,
    more: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> None:
    """Compile a generated file to a shared library.

    Args:
        source: the C.
        out: the library to write; its folder is made.
        march: ``native``: for processors as the one here; ``portable``: for every one of its architecture,
            of x86-64 with code for AVX2 and AVX-512 beside, which is chosen where there is such a processor;
            else what the compiler takes as ``-march``, as ``x86-64-v3``.
        compiler: its command; by default that of ``find_compiler``.
        target: another machine than this one, as of ``find_compiler``; ``native`` is then no architecture.
        more: words for the compiler, after the file.
        flags: words for it, before each file.

    Raises:
        ArtifactError: it cannot be compiled; nothing is left.
        MissingExtraError: there is no compiler.
        ValueError: ``native`` for another machine.
    """
    if target and march == "native":
        raise ValueError(
            f"march native is the processor here, not that of {target}; pass portable, or its name"
        )
    source = Path(source)
    if not source.is_file():
        raise ArtifactError(
            f"{source}: there is no such file; expected C that speechzoo export --target c wrote"
        )
    command = list(find_compiler(target) if compiler is None else compiler)
    windows = re.search("windows|mingw|win32", target or sys.platform)
    visible = _EXPORTED if windows else _HIDDEN
    processor = () if march == "portable" else (f"-march={march}",)
    with atomic(Path(out)) as temporary, TemporaryDirectory() as folder:
        files = [str(source)]
        if march == "portable" and _X86.match(target or platform.machine()):
            files = _variants(source, [*command, *FLAGS, *flags], visible, Path(folder)) or files
        words = [*FLAGS, *flags, *processor, *_LIBRARY, *visible, *files, *more, "-o", str(temporary)]
        run_compiler([*command, *words], str(source))


def _variants(source: Path, command: Sequence[str], visible: Sequence[str], folder: Path) -> list[str]:
    """The file compiled for each kind of x86-64 processor, and what chooses; empty where there is none."""
    text = source.read_text(errors="replace")
    names = re.findall(r"^SPEECHZOO_API [^;(]*\b(\w+)\(", text, re.MULTILINE)
    process = next((name for name in names if name.endswith("_process")), None)
    if process is None:
        return []
    objects = []
    for level in (1, 3, 4):
        renamed = (process, "speechzoo_process") if level == 1 else names
        words = [f"-D{name}={name}_{level}" for name in renamed]
        if level == 1:
            words += ["-DSPEECHZOO_LIBRARY", *visible]
        else:
            words += [f"-march=x86-64-v{level}", f"-D{process.removesuffix('_process').upper()}_NO_MANIFEST"]
            words += [word for word in visible if word.startswith("-f")]
        objects.append(str(folder / f"{source.stem}_{level}.o"))
        try:
            run_compiler([*command, *words, "-c", str(source), "-o", objects[-1]], str(source))
        except ArtifactError:
            return []
    return [*objects, f"-DPROCESS={process}", *(f"-DPROCESS_{n}={process}_{n}" for n in (1, 3, 4)), _CHOOSER]


def has_no_weights(source: Path) -> bool:
    """Whether generated C has its weights in a file of their own."""
    text = source.read_text(errors="replace")
    return re.search(r"^#define \w+_WEIGHTS_BYTES", text, re.MULTILINE) is not None


def run_compiler(command: Sequence[str], what: str) -> str:
    """What a command prints.

    Raises:
        ArtifactError: it does not run, or fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ArtifactError(
            f"{what}: the compiler {command[0]} does not run ({error}); set CC to another"
        ) from error
    if done.returncode:
        lines = (
            [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or [""]
        )
        raise ArtifactError(
            f"{what}: {command[0]} cannot compile it ({lines[0]}); set CC to another compiler"
        )
    return done.stdout
