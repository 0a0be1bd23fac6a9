"""What exporting knows of a task, one ``Subject`` each, and of one graph of a network, an ``Exportable``."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray
from torch import Tensor, nn

from zoo.artifact.manifest import Golden, GoldenEmbedding, GoldenSpeech, Manifest
from zoo.artifact.parity import ParityReport
from zoo.networks.base import Network
from zoo.runtime.graph import Graph
from zoo.spec import TensorSpec, Tolerance

Progress = Callable[[str], None]
Valid = Callable[[str, NDArray[Any], int], NDArray[Any]]
Model = TypeVar("Model", bound=Network)
Options = TypeVar("Options")


@dataclass(frozen=True)
class Traceable:
    """A module that takes and gives tensors only, and what is needed to trace it.

    Attributes:
        name: of the model, for errors.
        module: a deployment form as its graph has it, states in a row.
        arguments: example tensors.
        shapes: what is free of each argument, for ``torch.export``.
        inputs, outputs: all tensors by name and shape.
        unrolled: what to say where ``torch.export`` cannot leave a dimension free; empty if it can.
    """

    name: str
    module: nn.Module
    arguments: tuple[Tensor, ...]
    shapes: tuple[Any, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    unrolled: str = ""


class Exportable(ABC):
    """A network and which graph of it: what a target traces, and what its file is held against.

    Attributes:
        training: the network in training form, which judges.
        name: of what is exported, in lines of progress.
        kind: which graph of it, in lines of progress.
        metadata: what other readers of ONNX files want to know, by key.
    """

    training: Network
    name: str
    kind: str
    metadata: Mapping[str, str] = {}

    @abstractmethod
    def prepare(self, say: Progress) -> Traceable:
        """Make the deployment form, and hold it against the training form where they differ in arithmetic.

        Raises:
            ParityError: it computes something else.
        """

    @abstractmethod
    def manifest(
        self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], **common: Any
    ) -> Manifest:
        """Make the file's record, still without its recording.

        Args:
            inputs, outputs: all tensors of the file.
            common: what every record has: model, weights, tolerance and toolchain.
        """

    @abstractmethod
    def check(self, graph: Graph, tolerance: Tolerance) -> ParityReport:
        """Hold a loaded file against the training form, on speech or text and over calls with states.

        Raises:
            ParityError: it computes something else.
        """

    @abstractmethod
    def recording(self) -> Golden | GoldenEmbedding | GoldenSpeech:
        """Make the golden recording for the file."""


@dataclass(frozen=True)
class Planned:
    """A graph that a repository is to hold.

    Attributes:
        path: in the repository.
        format, form, streaming: as the index has them; the format is the name of a target too.
        options: of ``converters.export``.
    """

    path: str
    format: str
    form: str
    streaming: bool | None
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Calls:
    """A module, and calls of it, whose layers can be compared.

    Attributes:
        module, values: as ``verify_layers`` has them; the values are its ``calls``.
        described: more for it: names of inputs and outputs, and what particular the module has.
        worst_first: whether the layer that is furthest off is the one to look at, not the first that differs.
    """

    module: nn.Module
    values: Sequence[Sequence[NDArray[Any]]]
    described: Mapping[str, Any]
    worst_first: bool = False


class Subject(ABC, Generic[Model, Options]):
    """What exporting knows of a task. ``converters/subjects/<task>.py`` has one subclass, and ``SUBJECT``.

    Attributes:
        task: as in ``ModelSpec.task``.
        networks: what its models are called, in errors: "enhancers".
        options: the dataclass of the options of its graphs.
        words: names of the options of ``speechzoo export`` that say which graph.
        forms: what ``--form`` may be, the command's default first.
        keeps: whether the command keeps files that are there and the same, and replaces others only by force.
        pipeline: the Hub's tag for what its models do.
        tags: more words by which they are found.
    """

    task: ClassVar[str]
    networks: ClassVar[str]
    options: ClassVar[type[Any]]
    words: ClassVar[tuple[str, ...]]
    forms: ClassVar[tuple[str, ...]] = ()
    keeps: ClassVar[bool] = False
    pipeline: ClassVar[str]
    tags: ClassVar[tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the options."""
        return tuple(option.name for option in dataclasses.fields(self.options))

    def exportable(self, model: Network, **options: Any) -> Exportable:
        """Choose a graph of a network.

        Args:
            model: training form, or a deployment form made from it where the task allows.
            options: by name; those left out, or None, are as the dataclass has them.

        Raises:
            ValueError: a network of another task, options that contradict each other or the model, one that
                there is not, or a model in training mode.
        """
        self.check_model(model)
        given = {name: value for name, value in options.items() if value is not None}
        if unknown := [name for name in given if name not in self.names]:
            raise ValueError(
                f"{model.spec.name} is a model for {self.task}, whose graphs have no option "
                f"{', '.join(unknown)}; they have {', '.join(self.names)}"
            )
        if model.training:
            raise ValueError(
                f"this {model.spec.name} is in training mode; call model.eval() before exporting"
            )
        return self.graph(model, self.options(**given))  # type: ignore[arg-type]  # as was checked

    def check_model(self, model: Network) -> None:
        """Refuse a network of another task.

        Raises:
            ValueError: it is one.
        """
        if model.spec.task != self.task:
            raise ValueError(
                f"{model.spec.name} is a model for {model.spec.task}; this exports {self.networks}"
            )

    @abstractmethod
    def graph(self, model: Model, options: Options) -> Exportable:
        """Make what ``exportable`` gives, of a network of the task in eval mode.

        Raises:
            ValueError: options that contradict each other or the model.
        """

    @abstractmethod
    def wanted(
        self, model: Model, out: Path | None, words: Mapping[str, Any], ending: str
    ) -> dict[Path, dict[str, Any]]:
        """Give the files that ``speechzoo export`` makes, each with its options of ``converters.export``.

        Args:
            model: training form.
            out: file or folder; None where ``words`` tell.
            words: the command's options, of ``words``.
            ending: of the files' names, where they are not the user's own.
        """

    def is_same(self, path: Path, model: Model, **options: Any) -> bool:
        """Whether a file that is there is what an export would make; never where the task keeps no files.

        Raises:
            ArtifactError: it is no artifact of ours for the task.
        """
        return False

    @abstractmethod
    def planned(self, model: Model, also: Sequence[str]) -> Iterator[Planned]:
        """Give the graphs of a network that are published; the recording of the first proves the parameters.

        Args:
            model: training form.
            also: targets besides ONNX.
        """

    def reference(self, model: Model) -> Any:
        """Give what compiled C is held against: its ``check(graph, tensor, tolerance)`` gives a report.

        Args:
            model: training form.

        Raises:
            ValueError: C is not made of such networks.
        """
        raise ValueError(
            f"{model.spec.name} is a model for {self.task}; C is made of those that run as a stream"
        )

    @abstractmethod
    def purpose(self, spec: Any) -> str:
        """Say in a sentence what a model does."""

    @abstractmethod
    def use(self, name: str, repo: str, graph: str) -> str:
        """Write Markdown, commands and code; ``graph`` is the file that a pull without a form gives."""

    @abstractmethod
    def calls(self, model: Model, say: Progress, **options: Any) -> Calls:
        """Give a module of a network and calls of it, to compare its layers.

        Args:
            model: training form.
            say: called with what is to be told.
            options: the task's own.

        Raises:
            ValueError: options that there are not, or that contradict each other or the model.
        """
