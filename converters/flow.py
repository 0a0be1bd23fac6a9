"""The one way from a network to a file, for every task and target.

A subject knows the task: the deployment form, the reference, how a file is held against it. A target knows
the format: how that form is traced, written and loaded. Between them is the same for all: the deployment form
compared, the file under a temporary name, the file run and held against the training form, and only then its
golden recording and its name.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from converters.subjects import get_subject
from converters.subjects.subject import Exportable, Progress
from converters.targets import get_target
from converters.targets.target import Target
from zoo.artifact.parity import ParityReport
from zoo.checkpoint import digest
from zoo.files import atomic
from zoo.networks.base import Network
from zoo.version import __version__


def export(
    model: Network,
    out: str | os.PathLike[str],
    target: str = "onnx",
    *,
    progress: Progress | None = None,
    **options: Any,
) -> Any:
    """Export a network of any task to one file of any target.

    Args:
        model: training form, in eval mode.
        out: the file to write; its folder is made.
        target: name of one, see ``converters.targets.TARGETS``.
        progress: called with a line for each step.
        options: of the target, and of the task's graphs: of enhancers ``form``, ``streaming``, ``streams``,
            ``hops``, ``frames``; of speaker networks ``form``, ``mean``, ``language``; of text to speech
            ``tokens``, ``frames``, ``batch``.

    Returns:
        how close the file comes to the training form; of an engine what was built.

    Raises:
        ArtifactError: the target cannot, and why.
        MissingExtraError: what it needs is not installed.
        ParityError: the file does not compute what the training form computes; no file is left.
        ValueError: no such target or option, options that contradict each other or the model, or a model in
            training mode.
    """
    return get_target(target).export(model, out, progress=progress, **options)


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
            weights={**training.provenance, "sha256": digest(training.state_dict())},
            tolerance=target.tolerance or training.spec.tolerance,
            toolchain={"speechzoo": __version__, "torch": torch.__version__, **target.toolchain(program)},
        )
        target.save(program, manifest, temporary, graph.metadata)
        say(f"{graph.name}: checking it in {target.name}")
        report = graph.check(target.load(temporary), manifest.tolerance)
        finished: Any = replace(manifest, golden=graph.recording())  # type: ignore[call-arg]  # every task's
        target.save(program, finished, temporary, graph.metadata)
    return report
