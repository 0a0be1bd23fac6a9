"""What a task's models on a server are: looked up by the task's name, in the module of that name here."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from tritonclient.grpc.model_config_pb2 import ModelConfig

from converters.triton.config import Serving, Shapes
from zoo.artifact.manifest import Manifest
from zoo.runtime.graph import Graph

Record = TypeVar("Record", bound=Manifest)


class ServedModels(ABC, Generic[Record]):
    """How models of a task are served: ``converters/triton/<task>.py`` has one subclass, and ``MODELS``."""

    @abstractmethod
    def name(self, manifest: Record) -> str:
        """What clients call, unless it is given another name."""

    def fit(self, serving: Serving, manifest: Record, profile: Shapes) -> tuple[Serving, Record]:
        """What an engine's profile of the first input leaves of the choices, besides the batch."""
        return serving, manifest

    @abstractmethod
    def write(
        self, graph: Graph, manifest: Record, serving: Serving, name: str
    ) -> tuple[tuple[ModelConfig, ...], str]:
        """Configure the models, the one that clients call first, and write the README.

        Raises:
            ArtifactError: the graph cannot be served like that.
            ValueError: seconds that are too short.
        """


def find_models(task: str) -> ServedModels[Any] | None:
    """What the models of a task are on a server; None of a task that is not served."""
    module = f"{__package__}.{task}"
    if find_spec(module) is None:
        return None
    models: ServedModels[Any] = importlib.import_module(module).MODELS
    return models
