"""What a target is: one kind of file, from tracing to loading it again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from converters.subjects.subject import Traceable
from zoo.artifact.manifest import Manifest
from zoo.runtime.graph import Graph
from zoo.runtime.torch_files import TorchGraph
from zoo.spec import TensorSpec, Tolerance

Program = TypeVar("Program")
Module = TypeVar("Module")


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


@dataclass(frozen=True)
class Traced(Generic[Module]):
    """What PyTorch made of a module: names and shapes are those that were given."""

    module: Module
    given: Traceable


class TorchTarget(Target[Traced[Module]]):
    """A file that PyTorch loads; it numbers its tensors, whose names are in the manifest alone."""

    def tensors(self, program: Traced[Module]) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        return program.given.inputs, program.given.outputs

    def load(self, path: Path) -> TorchGraph:
        return TorchGraph(path)
