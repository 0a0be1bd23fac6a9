"""Opens finished artifacts of every kind, which their file names' endings tell."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from zoo.errors import ArtifactError
from zoo.runtime.graph import Graph

ENGINES = (".engine", ".plan", ".trt")
SUFFIXES = (".onnx", ".ts", ".pt2", *ENGINES)  # of every task
LIBRARIES = (".so", ".dylib", ".dll")
NATIVE = (".c", *LIBRARIES, ".wasm")  # of enhancers: generated C, and what is compiled from it
MOST_THREADS = 1024


def check_threads(threads: object) -> None:
    """Refuse what is no number of threads.

    Raises:
        ValueError: not a whole number from 1 to 1024.
    """
    # a bool is an int, and no number of threads
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)):
        raise ValueError(f"threads must be a whole number from 1 to {MOST_THREADS}, not {threads!r}")
    if not 1 <= threads <= MOST_THREADS:
        raise ValueError(f"threads must be from 1 to {MOST_THREADS}, not {threads}")


def is_artifact(path: str | os.PathLike[str]) -> bool:
    """Whether a path's ending is that of an artifact."""
    return Path(path).suffix in (*SUFFIXES, *NATIVE)


def load_artifact(
    path: str | os.PathLike[str],
    *,
    threads: int = 1,
    providers: Sequence[str] = (),
    register_plugins: Callable[[], None] | None = None,
    trust: bool = False,
    weights: str | os.PathLike[str] | None = None,
) -> Graph:
    """Load an artifact: ONNX, TorchScript, an exported program, an engine, native code, or
    WebAssembly (in Node.js).

    Generated C is compiled first, unless that was done before.

    Args:
        path: the file.
        threads: of ONNX Runtime; PyTorch keeps its own setting.
        providers: of ONNX Runtime, see ``OnnxGraph``.
        register_plugins: called before an engine is loaded that calls plugins in Python.
        trust: open an exported program that is code, not data: see docs/trust.md.
        weights: the file of weights of native code that has none inside.

    Raises:
        ArtifactError: another ending, or a file that is damaged, has no manifest of ours, or is code and not
            trusted; or weights that do not go with it.
        MissingExtraError: what runs it is not installed, or for C there is no compiler.
        ValueError: an impossible number of threads.
    """
    check_threads(threads)
    if not Path(path).is_file():
        raise ArtifactError(f"{path}: there is no such file; expected an artifact")
    suffix = Path(path).suffix
    if providers and suffix != ".onnx":
        raise ArtifactError(f"{path}: providers are ONNX Runtime's; only an .onnx artifact runs in it")
    if suffix in (".c", *LIBRARIES):
        return _load_native(path, weights)
    if weights is not None:
        raise ArtifactError(
            f"{path}: an artifact has its own weights; leave weights={os.fspath(weights)!r} out"
        )
    if suffix == ".onnx":
        from zoo.runtime.onnx import OnnxGraph

        return OnnxGraph(path, threads=threads, providers=providers)
    if suffix in (".ts", ".pt2"):
        from zoo.runtime.torch_files import TorchGraph

        return TorchGraph(path, trust=trust)
    if suffix in ENGINES:
        from zoo.runtime.tensorrt import Engine

        return Engine(path, register_plugins=register_plugins)
    if suffix == ".wasm":
        from zoo.runtime.webassembly import WebAssemblyGraph

        return WebAssemblyGraph(path)
    raise ArtifactError(
        f"{path}: artifacts end in {', '.join((*NATIVE, *SUFFIXES))}, this one in {suffix or 'nothing'}"
    )


def _load_native(path: str | os.PathLike[str], weights: str | os.PathLike[str] | None) -> Graph:
    """Generated C, or a library of it; see ``load_artifact``."""
    if Path(path).suffix == ".c":
        from zoo.runtime.native_cache import compiled

        return compiled(path, weights)
    from zoo.runtime.native import NativeGraph

    return NativeGraph(path, weights)
