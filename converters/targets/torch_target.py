"""What files that PyTorch loads have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from converters.flow import Target
from converters.subjects.subject import Traceable
from zoo.runtime.torch_files import TorchGraph
from zoo.spec import TensorSpec

Module = TypeVar("Module")


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
        return TorchGraph(path, trust=True)
