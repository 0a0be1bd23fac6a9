"""Graphs beside each other: the inputs of their calls, and how far their outputs lie apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ParityError
from zoo.runtime.graph import Graph, as_array
from zoo.spec import Tolerance


class Recorder:
    """A graph that keeps what it is fed with.

    Attributes:
        calls: inputs by name, a dict a call.
    """

    def __init__(self, graph: Graph) -> None:
        self.path, self.backend, self.manifest = graph.path, graph.backend, graph.manifest
        self.inputs, self.outputs = graph.inputs, graph.outputs
        self.calls: list[dict[str, NDArray[Any]]] = []
        self._graph = graph

    def __call__(self, *values: NDArray[Any]) -> list[Array]:
        """Run once; see ``Graph``."""
        self.calls.append({spec.name: value for spec, value in zip(self.inputs, values, strict=True)})
        return self._graph(*values)


def compare_calls(
    graph: Graph, candidate: Graph, feeds: Sequence[Mapping[str, NDArray[Any]]], tolerance: Tolerance
) -> ParityReport:
    """Hold all outputs of a graph against another's, call by call; whole numbers must be the same.

    Returns:
        the worst case.

    Raises:
        ParityError: they differ by more than the tolerance, or there is nothing to compare.
    """
    reports = []
    for feed in feeds:
        values = [feed[spec.name] for spec in graph.inputs]
        found = map(as_array, candidate(*values))
        for spec, a, b in zip(graph.outputs, graph(*values), found, strict=True):
            if np.issubdtype(np.asarray(a).dtype, np.integer) and not np.array_equal(a, b):
                raise ParityError(f"{spec.name}: expected {np.ravel(a)[:8]}, got {np.ravel(b)[:8]}")
            if np.issubdtype(np.asarray(a).dtype, np.floating) and np.any(a):
                reports.append(compare(a, b, tensor=spec.name, tolerance=tolerance))
    if not reports:
        raise ParityError(f"{graph.path}: there is nothing to compare a reduced graph on; pass feeds")
    return min(reports, key=lambda report: report.snr_db)
