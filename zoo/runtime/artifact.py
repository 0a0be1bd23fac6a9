"""Opens finished artifacts of every kind, which their file names' endings tell."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.errors import ArtifactError
from zoo.runtime.enhancement import OfflineSession, StreamingSession, session_over
from zoo.runtime.loaded import Loaded

SUFFIXES = (".onnx", ".ts", ".pt2")


def is_artifact(path: str | os.PathLike[str]) -> bool:
    """Whether a path's ending is that of an artifact."""
    return Path(path).suffix in SUFFIXES


def open_artifact(path: str | os.PathLike[str], *, threads: int = 1) -> StreamingSession | OfflineSession:
    """The session of one of our enhancers' artifacts.

    Args, Raises: as ``load_artifact``; it is also an error if the file is for another task.
    """
    return session_over(load_artifact(path, threads=threads))


def load_artifact(path: str | os.PathLike[str], *, threads: int = 1) -> Loaded:
    """Load an artifact: ONNX, TorchScript or an exported program.

    Args:
        path: the file.
        threads: of ONNX Runtime; PyTorch keeps its own setting.

    Raises:
        ArtifactError: another ending, or a file that is damaged or has no manifest of ours.
        MissingExtraError: what runs it is not installed.
    """
    if not Path(path).is_file():
        raise ArtifactError(f"{path}: there is no such file; expected an artifact")
    suffix = Path(path).suffix
    if suffix == ".onnx":
        from zoo.runtime.graph import Graph

        return Graph(path, threads=threads)
    if suffix in (".ts", ".pt2"):
        from zoo.runtime.torch_files import TorchGraph

        return TorchGraph(path)
    raise ArtifactError(f"{path}: artifacts end in {', '.join(SUFFIXES)}, this one in {suffix or 'nothing'}")
