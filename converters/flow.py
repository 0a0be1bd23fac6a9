"""The one way from a network to a file, for every task and target.

A subject knows the task: the deployment form, the reference, how a file is held against it. A target knows
the format: how that form is traced, written and loaded. Between them is the same for all: the deployment form
compared, the file under a temporary name, the file run and held against the training form, and only then its
golden recording and its name.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from converters.subjects import get_subject
from converters.subjects.subject import Exportable, Progress, Traceable
from zoo.artifact.manifest import RANDOM, Manifest
from zoo.artifact.parity import ParityReport
from zoo.checkpoint import digest
from zoo.errors import ArtifactError
from zoo.files import atomic
from zoo.networks.base import Network
from zoo.runtime.graph import Graph
from zoo.spec import TensorSpec, Tolerance
from zoo.version import __version__

Program = TypeVar("Program")


class Target(ABC, Generic[Program]):
    """One kind of file.

    Attributes:
        name: what runs it, for reports.
        tolerance: what its files are held to; None: what the model declares.
    """

    name: str
    tolerance: Tolerance | None = None

    @abstractmethod
    def trace(self, given: Traceable) -> Program:
        """Make the program of a module.

        Raises:
            ArtifactError, ValueError: the target cannot, and why.
        """

    @abstractmethod
    def tensors(self, program: Program) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """Give its inputs and outputs, in its order."""

    @abstractmethod
    def toolchain(self, program: Program) -> Mapping[str, str]:
        """Give versions of the packages that made it, besides PyTorch and this one."""

    @abstractmethod
    def save(self, program: Program, manifest: Manifest, path: Path, metadata: Mapping[str, str]) -> None:
        """Write it with its manifest, and with metadata for other readers if there is a place for that.

        Raises:
            ArtifactError: it does not fit into one file.
        """

    @abstractmethod
    def load(self, path: Path) -> Graph:
        """Load what was written."""


def exportable(model: Network, **options: Any) -> Exportable:
    """A graph of a network, by options of its task; see ``Subject.exportable``."""
    return get_subject(model.spec.task).exportable(model, **options)


def export_graph(
    graph: Exportable, out: str | os.PathLike[str], target: Target[Any], progress: Progress | None = None
) -> ParityReport:
    """Export a graph to one file of a kind, through the gate.

    Args:
        graph: of a network.
        out: the file to write; its folder is made.
        target: which kind of file.
        progress: called with a line for each step.

    Returns:
        how close the file comes to the training form.

    Raises:
        ArtifactError, ValueError: the target cannot, and why; no file is left.
        ParityError: it does not compute what the training form computes; no file is left.
    """
    training, say = graph.training, progress or (lambda line: None)
    given = graph.prepare(say)
    with atomic(Path(out)) as temporary:
        say(f"{graph.name}: exporting {graph.kind}")
        program = target.trace(given)
        manifest = graph.manifest(
            *target.tensors(program),
            model=training.spec.name,
            weights=_weights(training),
            tolerance=target.tolerance or training.spec.tolerance,
            toolchain={"speechzoo": __version__, "torch": torch.__version__, **target.toolchain(program)},
        )
        target.save(program, manifest, temporary, graph.metadata)
        say(f"{graph.name}: checking it in {target.name}")
        try:
            report = graph.check(target.load(temporary), manifest.tolerance)
        except ArtifactError as error:  # it does not run: told of the file that was asked for
            raise ArtifactError(str(error).replace(str(temporary), os.fspath(out))) from error
        finished: Any = replace(manifest, golden=graph.recording())  # type: ignore[call-arg]  # every task's
        target.save(program, finished, temporary, graph.metadata)
    return report


def _weights(training: Network) -> dict[str, str]:
    """What the manifest says of the weights: random ones only as long as nobody has changed them."""
    known, sha256 = dict(training.provenance), digest(training.state_dict())
    if known.get("source") == RANDOM and known["sha256"] != sha256:
        del known["source"]
    return {**known, "sha256": sha256}
