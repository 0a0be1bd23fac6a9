"""The record of a task: all that commands, downloads and exports ask of it."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import Manifest
from zoo.artifact.parity import ParityReport
from zoo.runtime.graph import Graph
from zoo.spec import ModelSpec, Tolerance
from zoo.tasks.public import Told

if TYPE_CHECKING:
    from zoo.networks.base import Network

Feeds = Sequence[Mapping[str, NDArray[Any]]]  # a graph's inputs of some calls, by name
Spec = TypeVar("Spec", bound=ModelSpec)
Record = TypeVar("Record", bound=Manifest)


class Task(ABC, Generic[Spec, Record]):
    """What the zoo knows of a task. Everything that differs between tasks is asked here, by these names.

    ``zoo/tasks/<name>/task.py`` defines one subclass, and ``TASK``, its only instance. What needs PyTorch is
    in ``torch.py`` beside it: ``open_network`` and ``verify_parameters``, as here.

    Attributes:
        spec: class of its models' records.
        manifest: class of its graphs' records.
        marks: attributes by which what computes for callers, a session, is known.
        noun: what a network of the task is made into, in errors: "an enhancer".
        artifact: what may stand in the place of a model, in errors.
    """

    spec: ClassVar[type[ModelSpec]]
    manifest: ClassVar[type[Manifest]]
    marks: ClassVar[tuple[str, ...]]
    noun: ClassVar[str]
    artifact: ClassVar[str]

    @property
    def name(self) -> str:
        """The task's own, as in ``ModelSpec.task``."""
        return self.spec.task

    def is_session(self, source: object) -> bool:
        """Whether this is a session of the task."""
        return all(hasattr(source, name) for name in self.marks)

    @abstractmethod
    def forms(self, spec: Spec) -> tuple[str, ...]:
        """Name the forms that a model can be had in, for people."""

    @abstractmethod
    def open_files(
        self,
        paths: Sequence[Path],
        *,
        threads: int = 1,
        providers: Sequence[str] = (),
        trust: bool = False,
        told: Told | None = None,
    ) -> Any:
        """Open a session over finished artifacts that belong together.

        Args:
            paths: one or more; what several are to each other is the task's own.
            threads: of ONNX Runtime.
            providers: of ONNX Runtime.
            trust: see ``load_artifact``.
            told: what the caller says of a public graph, which has no manifest.

        Raises:
            ArtifactError: damaged, of another task, they do not go together, or too little is known of them.
            MissingExtraError: what runs them is not installed.
        """

    def open_network(self, model: Network) -> Any:
        """Open a session over a network in PyTorch; None if it is not one for this task."""
        return self._torch().open_network(model)

    @abstractmethod
    def verify(self, graph: Graph) -> ParityReport:
        """Run a graph on its golden recording.

        Raises:
            ArtifactError: it carries none, or a damaged one.
            ParityError: it computes something else than it should.
        """

    def verify_parameters(self, model: Any, golden: Path, form: str, where: str) -> ParityReport:
        """Run a network, in PyTorch, on the recording of one of its graphs.

        Args:
            model: one of the task's, in training form, with the parameters.
            golden: a repository's file with the recording.
            form: of the graph whose recording it is.
            where: names the recording in errors.

        Raises:
            ArtifactError: the recording is damaged.
            ParityError: the network computes something else than it should.
        """
        found: ParityReport = self._torch().verify_parameters(model, golden, form, where)
        return found

    def _torch(self) -> Any:
        """What needs PyTorch: ``torch.py`` beside the record, with these two functions."""
        return importlib.import_module(f"zoo.tasks.{self.name}.torch")

    @abstractmethod
    def feeds(
        self,
        graph: Graph,
        count: int,
        recordings: Sequence[Array] = (),
        *,
        exact: bool = False,
        shapes: Mapping[str, tuple[int, ...]] = {},
    ) -> list[dict[str, NDArray[Any]]]:
        """Make inputs of calls of a graph.

        Args:
            graph: one of the task's.
            count: calls at most.
            recordings: speech, each (N,) at the model's rate; by default the package's own.
            exact: only calls in which no rounding decides about the result's length.
            shapes: of inputs with free dimensions, where calls must be of one size, as for an engine.
        """

    @abstractmethod
    def compare(self, graph: Graph, candidate: Graph, feeds: Feeds, tolerance: Tolerance) -> ParityReport:
        """Hold a graph of fewer bits, or an engine, against the graph that it was made from.

        Raises:
            ParityError: it differs by more than the tolerance.
        """

    def register_plugins(self) -> None:
        """Make known to TensorRT what engines of the task call in Python; of most that is nothing."""
        return

    @abstractmethod
    def columns(self, spec: Spec) -> dict[str, str]:
        """Give the cells of ``speechzoo list`` that only this task has, by heading."""

    @abstractmethod
    def facts(self, spec: Spec) -> dict[str, str]:
        """Give the lines of ``speechzoo info`` that only this task has, by heading."""

    @abstractmethod
    def record(self, spec: Spec) -> dict[str, Any]:
        """Give what only this task has for programs, as JSON holds it; also part of ``facts``."""
