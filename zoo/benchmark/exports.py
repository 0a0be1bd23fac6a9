"""Graphs of registered models, each exported once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import zoo
from zoo.artifact.manifest import Form
from zoo.hub.folder import files_of
from zoo.hub.weights import locate
from zoo.registry import get_spec

if TYPE_CHECKING:
    from zoo.networks.streaming import StreamingModule


Export = Callable[..., object]  # called as ``converters.export_onnx``


class Exports:
    """A folder of streaming graphs, reused as long as the code and the packages that made them stay the same.

    Args:
        folder: made if it is not there.
        export: writes a graph; looked up for each one, so that it may say then what it lacks.
        code: packages that a graph depends on besides ``zoo``.
        progress: called with a line for each step of an export.
    """

    def __init__(
        self,
        folder: Path,
        export: Callable[[], Export],
        code: Sequence[ModuleType] = (),
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._folder, self._export, self._progress = folder, export, progress
        self._made_by = hashlib.sha256()
        for package in (zoo, *code):
            for root in map(Path, package.__path__):
                for file in sorted(root.rglob("*.py")):
                    self._made_by.update(str(file.relative_to(root)).encode() + file.read_bytes())
        for name in ("torch", "onnx", "onnxscript", "onnxslim"):
            try:
                self._made_by.update(f"{name} {version(name)}".encode())
            except PackageNotFoundError:
                continue  # the export itself says what it lacks

    def path(self, model: str, weights: str, form: Form, *, free_streams: bool, free_hops: bool) -> Path:
        """Give the graph of a model; without ``weights`` they are random, always the same.

        Raises:
            SpeechZooError: the model or its weights are unknown, or its export fails.
        """
        key = self._made_by.copy()
        if weights:
            for file in files_of(locate(get_spec(model), weights).path):
                key.update(file.read_bytes())
        name = f"{model}-{form}-{'any' if free_streams else 1}x{'any' if free_hops else 1}"
        path = (self._folder / f"{name}-{key.hexdigest()[:16]}.onnx").absolute()
        if not path.is_file():
            self._export()(
                seeded_model(model, weights),
                path,
                form,
                streams="streams" if free_streams else 1,
                hops="hops" if free_hops else 1,
                progress=self._progress,
            )
        return path


def seeded_model(model: str, weights: str) -> StreamingModule:
    """Make a model in training form; without ``weights`` they are random, always the same."""
    create = zoo.create_model  # says what it lacks, before torch is imported here
    import torch

    from zoo.networks.streaming import StreamingModule

    torch.manual_seed(0)
    network = create(model, weights or None)
    assert isinstance(network, StreamingModule), "subjects are enhancers"
    return network
