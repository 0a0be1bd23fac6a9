"""What every loaded file that computes is to its callers, and how it is held against its record."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import Manifest
from zoo.errors import ArtifactError
from zoo.spec import TensorSpec

Record = TypeVar("Record", bound=Manifest)


class Graph(Protocol):
    """A loaded file that computes its outputs from its inputs and keeps nothing.

    Attributes:
        backend: what computes, for reports: ``onnxruntime``, ``torchscript``, ...
        inputs, outputs: its tensors, in its order.
    """

    backend: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def manifest(self) -> Manifest | None:
        """The file's record, or None for a file made by others."""
        ...

    def __call__(self, *values: NDArray[Any]) -> list[Array]:
        """Run once with values in the order of ``inputs``; the outputs are new arrays."""
        ...


def manifest_of(graph: Graph, kind: type[Record], unknown: str) -> Record:
    """The record of a graph of ours for one task.

    Args:
        graph: the loaded file.
        kind: the task's class of records.
        unknown: what follows, in words, where there is no record.

    Raises:
        ArtifactError: it has none, or one of another task.
    """
    if graph.manifest is None:
        raise ArtifactError(f"{graph.path}: it has no speechzoo manifest, so {unknown}")
    return manifest_for(graph.manifest, kind, graph.path)


def manifest_for(manifest: Manifest, kind: type[Record], path: Path) -> Record:
    """A record, once it is known to be one for a task; ``kind`` is the task's class of records.

    Raises:
        ArtifactError: it is for another one.
    """
    if not isinstance(manifest, kind):
        raise ArtifactError(f"{path}: it is for {manifest.task}, not for {kind.task}")
    return manifest


def as_array(value: Any) -> NDArray[Any]:
    """An output as an array, wherever it lies: an engine leaves all but the first on the GPU."""
    return value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()


def check_record(
    path: Path, manifest: Manifest, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> None:
    """Hold the tensors that a file has against its record.

    Raises:
        ArtifactError: they are others, or the record contradicts itself.
    """
    for kind, found, expected in (
        ("inputs", inputs, manifest.graph_inputs),
        ("outputs", outputs, manifest.graph_outputs),
    ):
        wrong = [
            f"{e.name if e else 'nothing'} {e.shape if e else ''} became {f.name if f else 'nothing'} "
            f"{f.shape if f else ''}"
            for e, f in zip_longest(expected, found)
            if e is None or f is None or e.name != f.name or not e.fits(f.shape)
        ]
        if wrong:
            raise ArtifactError(
                f"{path}: its {kind} are not those of its manifest ({'; '.join(wrong)}); "
                f"export or download it again"
            )
    contradiction = manifest.contradiction()
    if contradiction:
        raise ArtifactError(f"{path}: {contradiction}; export or download it again")
