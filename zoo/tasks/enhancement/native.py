"""Opens enhancers as native code: a graph is made into C and compiled, once."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.builtin import packaged_artifact
from zoo.errors import ArtifactError
from zoo.registry import get_spec, list_models
from zoo.runtime.artifact import LIBRARIES, NATIVE, load_artifact
from zoo.runtime.native_cache import compiled_graph
from zoo.spec import EnhancementSpec
from zoo.tasks.enhancement.graph import OfflineSession, StreamingSession, session_over

BACKEND = "native"


def has_weights_beside(source: object, weights: object) -> bool:
    """Whether this is native code by its path, and a file of weights for it."""
    return (
        weights is not None
        and isinstance(source, (str, os.PathLike))
        and Path(source).suffix in (".c", *LIBRARIES)
    )


def open_native(
    source: object, weights: str | os.PathLike[str] | None = None, backend: str = BACKEND
) -> StreamingSession | OfflineSession:
    """Open what a name or a path stands for as native code.

    Args:
        source: a registered model's name, a streaming ``.onnx`` artifact for one stream, generated ``.c``, or
            the shared library of it.
        weights: tag of weights that come with the package, for a name; the file of weights of code that has
            none inside.
        backend: as callers name it: ``native``.

    Raises:
        ArtifactError: C cannot be made of it.
        MissingExtraError: no compiler, or what writes C is not installed.
        ValueError: another backend.
    """
    if backend != BACKEND:
        raise ValueError(f"backend {backend!r}: expected {BACKEND!r}, or None for what the artifact runs in")
    if not isinstance(source, (str, os.PathLike)):
        raise ArtifactError(
            f"native code is made of a model's name or of an artifact (.onnx, .c), not of a "
            f"{type(source).__name__}; export it to C: converters.export_c"
        )
    name = os.fspath(source)
    if name in list_models():
        spec = get_spec(name, EnhancementSpec)
        found = packaged_artifact(spec, None if weights is None else os.fspath(weights))
        if found is None:
            raise ArtifactError(
                f"{name}: these weights do not come with the package; make C of them, speechzoo export "
                f"--model {name} --weights ... --target c -o {name}.c, and pass that"
            )
        path = found
    else:
        path = Path(name)
        if path.suffix in NATIVE or weights is not None:
            return session_over(load_artifact(path, weights=weights))
    if path.suffix != ".onnx":
        raise ArtifactError(f"{name}: native code is made of an .onnx or a .c file, or of a registered model")
    return session_over(compiled_graph(path))
