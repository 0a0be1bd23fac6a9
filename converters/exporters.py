"""Exports of any task to any target: by options of Python, and by those of ``speechzoo export``.

What the command's options of a task mean is the subject's affair; those of targets are few and stand here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converters.subjects import get_subject
from converters.subjects.subject import Progress, Subject
from converters.targets import TARGETS, TargetRecord, get_target
from zoo.errors import ArtifactError
from zoo.networks.base import Network
from zoo.tasks import list_tasks

FORCE = "force"  # replace what is there
Reports = dict[Path, object]  # what each file came to; None: it was there, and is the same


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


def words_of(task: str, target: str) -> tuple[str, ...]:
    """Names of the options that go with a task and a target."""
    subject = get_subject(task)
    words = *subject.words, *((FORCE,) if subject.keeps else ()), *TARGETS[target].words
    return tuple(dict.fromkeys(words))


def takers(word: str) -> list[tuple[str, str]]:
    """Tasks and targets that know an option."""
    return [(task, target) for task in list_tasks() for target in TARGETS if word in words_of(task, target)]


def export_files(
    model: Network, out: Path | None, target: TargetRecord, words: Mapping[str, Any], progress: Progress
) -> Reports:
    """Export what the options ask for.

    Args:
        model: training form, in eval mode.
        out: a file, or for text to speech a folder; None where the options name a configuration.
        target: of the files.
        words: options that were given, by name.
        progress: called with a line for each step.

    Raises:
        ArtifactError: a file is there that is something else. Or as ``converters.export``.
        MissingExtraError, ParityError, ValueError: as ``converters.export``.
    """
    subject, task_words = get_subject(model.spec.task), dict(words)
    force = bool(task_words.pop(FORCE, False))
    target_words = {name: task_words.pop(name) for name in target.words if name in task_words}
    options = target_options(target_words)
    if out is None and target.name == "engine":
        return _configured(model, task_words, options, force, progress)
    ending = target.endings[0] if target.endings else ".pt2"
    reports: Reports = {}
    for path, of_graph in subject.wanted(model, out, task_words, ending).items():
        if subject.keeps and path.exists() and not force:
            _check_same(subject, path, model, target, of_graph)
            reports[path] = None
            continue
        reports[path] = target.export(model, path, progress=progress, **of_graph, **options)
    return reports


def target_options(words: Mapping[str, Any]) -> dict[str, Any]:
    """What the options of a target are called in ``converters.export``.

    Raises:
        ValueError: two contradict each other.
    """
    options = dict(words)
    reduced = [name for name in ("fp16", "int8") if options.pop(name, False)]
    if len(reduced) > 1:
        raise ValueError("--fp16 and --int8 contradict each other; leave one out")
    if reduced:
        options["precision"] = reduced[0]
    if options.pop("rtx", False):
        options["flavour"] = "tensorrt_rtx"
    if profiles := options.pop("profile", None):
        options["profiles"] = ",".join(profiles)
    return options


def _check_same(
    subject: Subject[Any, Any], path: Path, model: Network, target: TargetRecord, options: Mapping[str, Any]
) -> None:
    if target.name == "engine":  # of which more decides than the graph
        raise ValueError(f"{path}: it is there; --force replaces it")
    if not subject.is_same(path, model, **options):
        raise ArtifactError(f"{path}: it is there, of other weights or another size; --force replaces it")


def _configured(
    model: Network, words: Mapping[str, Any], options: Mapping[str, Any], force: bool, progress: Progress
) -> Reports:
    """Engines where a configuration has them."""
    from converters.tensorrt.from_config import build_from_config
    from zoo.tasks.synthesis.engine_config import read_engine_config

    for name in ("precision", "profiles"):
        if name in options:
            option = {"precision": options[name], "profiles": "profile"}[name]
            raise ValueError(f"--{option}: the file of --config says that; leave it out")
    config: Any = read_engine_config(words["config"])
    made: Any = model
    return dict(
        build_from_config(config, model=made, force=force, described=dict(options), progress=progress)
    )
