"""Keeps compiled code: each library is made once for all that decides about it."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from zoo.errors import ArtifactError
from zoo.extras import missing
from zoo.files import atomic, sha256_of
from zoo.hub.client import cache_folder
from zoo.runtime.compiler import ENDING, FLAGS, build, describe_compiler, find_compiler
from zoo.runtime.native import NativeGraph
from zoo.version import __version__

_GENERATOR = "converters.c"  # run as a program: nothing that only runs models imports what makes them


def compiled(source: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> NativeGraph:
    """Generated C, compiled for the processor here unless that was done before.

    Args:
        source: the file.
        weights: the file of its weights, where they are not inside.

    Raises:
        ArtifactError: it cannot be compiled, or is no generated C, or the weights are not for it.
        MissingExtraError: there is no compiler.
    """
    source = Path(source)
    if not source.is_file():
        raise ArtifactError(
            f"{source}: there is no such file; expected C that speechzoo export --target c wrote"
        )
    compiler = find_compiler()
    made_by = [describe_compiler(compiler), *FLAGS, _processor(), sha256_of(source)]
    library = _folder(made_by) / f"{source.stem}{ENDING}"
    if not library.is_file():
        build(source, library, compiler=compiler)
    try:
        graph = NativeGraph(library, weights)
    except ArtifactError as error:
        raise ArtifactError(str(error).replace(str(library), str(source))) from error
    graph.path = source
    return graph


def compiled_graph(path: str | os.PathLike[str], streams: int = 1) -> NativeGraph:
    """A streaming ONNX file of ours as native code; the C is kept too.

    Args:
        path: the file, for one stream and a fixed number of hops.
        streams: that are computed side by side: 1, or a multiple of 16.

    Raises:
        ArtifactError: C cannot be made of it, or compiled.
        MissingExtraError: the package onnx or a compiler is not installed.
    """
    path = Path(path)
    graph = compiled(generated(path, streams))
    graph.path = path
    return graph


def generated(path: Path, streams: int = 1) -> Path:
    """The C of a streaming ONNX file of ours, as it is kept; otherwise as ``compiled_graph``."""
    if not path.is_file():
        raise ArtifactError(f"{path}: there is no such file; expected an ONNX artifact")
    if not find_spec("onnx"):
        raise missing("native", "making C of a graph needs onnx")
    source = (
        _folder([__version__, version("onnx"), _code(), str(streams), sha256_of(path)]) / f"{path.stem}.c"
    )
    if not source.is_file():
        with atomic(source) as temporary:
            _generate(path, temporary, streams)
    return source


def _generate(path: Path, out: Path, streams: int) -> None:
    """Run the generator.

    Raises:
        ArtifactError: what it says.
    """
    command = [sys.executable, "-m", _GENERATOR, str(path.resolve()), str(out.resolve()), str(streams)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise ArtifactError(reason if str(path) in reason else f"{path}: C cannot be made of it ({reason})")


def _folder(made_by: list[str]) -> Path:
    """Where that is kept which is made so."""
    return cache_folder() / "native" / hashlib.sha256("\n".join(made_by).encode()).hexdigest()[:20]


def _processor() -> str:
    """What the compiler sees of the processor here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        flags = platform.processor()
    return f"{platform.machine()} {flags}"


def _code() -> str:
    """Hash of the generator."""
    found = find_spec(_GENERATOR)
    folders = found.submodule_search_locations if found else None
    files = sorted(
        file for folder in folders or () for file in Path(folder).rglob("*.[cp]*") if file.suffix != ".pyc"
    )
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
