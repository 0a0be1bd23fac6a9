"""What models are for: one folder a task, with its record in ``task.py``, and what is asked of any task."""

from __future__ import annotations

import importlib
import os
import pkgutil
from functools import cache
from typing import Any

from zoo.artifact.parity import ParityReport
from zoo.errors import ArtifactError, UnknownModelError
from zoo.hub.recognition import recognise
from zoo.runtime.artifact import load_artifact
from zoo.runtime.graph import Graph
from zoo.tasks.limits import check_limits
from zoo.tasks.task import Task


@cache
def list_tasks() -> tuple[str, ...]:
    """Names of all tasks: the folders here."""
    return tuple(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)


def get_task(name: str) -> Task[Any, Any]:
    """The record of a task.

    Raises:
        UnknownModelError: there is no such task.
    """
    if name not in list_tasks():
        raise UnknownModelError(f"there is no task {name!r}; there are {', '.join(list_tasks())}")
    task: Task[Any, Any] = importlib.import_module(f"{__name__}.{name}.task").TASK
    return task


def task_of(graph: Graph) -> Task[Any, Any]:
    """The task of a loaded graph.

    Raises:
        ArtifactError: it does not say.
    """
    if graph.manifest is None:
        known = recognise(graph.path)
        raise ArtifactError(
            f"{graph.path}: it has no speechzoo manifest"
            + (f", though its bytes are those of {known.name}" if known else "")
            + "; export it with speechzoo, or run a public graph as it is: `speechzoo enhance --artifact`, "
            "`speechzoo embed --artifact`, or `speechzoo test` with --sample-rate, --hop-size, --win-type"
        )
    return get_task(graph.manifest.task)


def load(
    path: str | os.PathLike[str], *, trust: bool = False, weights: str | os.PathLike[str] | None = None
) -> Graph:
    """Load an artifact of any task; see ``load_artifact``."""

    def register_plugins() -> None:
        for name in list_tasks():
            get_task(name).register_plugins()

    return load_artifact(path, register_plugins=register_plugins, trust=trust, weights=weights)


def verify(
    path: str | os.PathLike[str], *, trust: bool = False, weights: str | os.PathLike[str] | None = None
) -> ParityReport:
    """Run an artifact on its golden recording and compare with the training form's output.

    Needs nothing but the file and what runs it: no network, and for ONNX no torch.

    Args:
        path: ONNX file, TorchScript file, exported program or engine with our manifest.
        trust: open an exported program that is code, as every compiled one is; see docs/trust.md.
        weights: the file of weights of native code that has none inside; the recording is in it.

    Raises:
        ArtifactError: damaged, without manifest or recording, or with a manifest that does not fit its model.
        ParityError: it computes something else than it should.
    """
    return verify_graph(load(path, trust=trust, weights=weights))


def verify_graph(graph: Graph) -> ParityReport:
    """Run a loaded artifact on its golden recording, within the limits of its model; see ``verify``."""
    task = task_of(graph)
    if graph.manifest is not None:
        check_limits(graph.manifest, graph.path)
    return task.verify(graph)
