"""What users may name where a model is wanted, and the session that it becomes: the same for every task."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoo.builtin import packaged_artifacts
from zoo.errors import ArtifactError, CheckpointError, UnknownModelError
from zoo.extras import extra
from zoo.hub.recognition import published, way_without_torch
from zoo.hub.repository import fetched_folder, is_repository
from zoo.hub.weights import default_tag, fetch_graphs, tell, weights_advice
from zoo.registry import get_spec, list_models
from zoo.runtime.artifact import SUFFIXES, check_threads, is_artifact
from zoo.spec import DEFAULT, ModelSpec, Weights
from zoo.tasks.public import Told
from zoo.tasks.task import Task


@dataclass(frozen=True)
class _How:
    """How files are opened: see ``open_source``."""

    threads: int
    providers: Sequence[str]
    trust: bool
    told: Told

    def open(self, task: Task[Any, Any], paths: Sequence[Path], told: Told | None = None) -> Any:
        """A session of a task over these files."""
        return task.open_files(
            paths,
            threads=self.threads,
            providers=self.providers,
            trust=self.trust,
            told=told or self.told,
        )


def open_source(
    task: Task[Any, Any],
    source: Any,
    weights: str | os.PathLike[str] | None = None,
    *,
    threads: int = 1,
    providers: Sequence[str] = (),
    trust: bool = False,
    told: Told | None = None,
) -> Any:
    """Open a session.

    Args:
        task: that it is for.
        source: the name of a registered model; the path of an artifact or of others' public graph, or several
            that belong together; a training folder that says which model it is one of, or
            ``ORG/NAME[@REVISION]``, a repository of the Hub with one; a network; or a session, which is given
            back.
        weights: tag, ``default``, checkpoint or public graph, for a model's name; by default those that come
            with the package, else ``default``.
        threads: of ONNX Runtime; PyTorch keeps its own setting.
        providers: of ONNX Runtime.
        trust: of artifacts, as of ``load_artifact``.
        told: what is said of a public graph that does not say it itself.

    Raises:
        ArtifactError: an artifact that cannot be read or is for another task, or options that it has no use
            for.
        UnknownModelError: no such model, one for another task, or nothing of the kinds above.
        CheckpointError: no weights for a model's name, or some that do not fit or cannot be downloaded.
        HubError: a repository of the Hub cannot be had.
        MissingExtraError: what runs it is not installed.
        ValueError: an impossible number of threads.
    """
    check_threads(threads)
    how = _How(threads, providers, trust, told or Told())
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        if isinstance(source, str) and name not in list_models() and is_repository(name):
            return _open_folder(task, name, weights, how)
        if name in list_models() or not (is_artifact(name) or os.path.exists(name)):
            return _open_name(task, name, weights, how)
        if is_artifact(name):
            return _open_files(task, [Path(name)], weights, how)
        if os.path.isdir(name):
            return _open_folder(task, name, weights, how)
        raise ArtifactError(
            f"{name}: artifacts end in {', '.join(SUFFIXES)}; for a checkpoint pass the model's name and "
            f"weights={name!r}"
        )
    if isinstance(source, Sequence):
        return _open_files(task, [Path(path) for path in source], weights, how)
    if weights is not None:
        raise CheckpointError("weights go with a model's name; a network or session has its own")
    if providers:
        raise ArtifactError("providers are ONNX Runtime's; a network or session has no use for them")
    how.told.refuse_all("a network or session")
    if task.is_session(source):
        return source
    return _open_network(task, source, "a network")


def _open_files(
    task: Task[Any, Any], paths: Sequence[Path], weights: str | os.PathLike[str] | None, how: _How
) -> Any:
    if weights is not None:
        which = (
            f"{paths[0]}: an artifact has its own weights" if paths else "artifacts have their own weights"
        )
        raise ArtifactError(f"{which}; leave weights={os.fspath(weights)!r} out")
    return how.open(task, paths)


def _open_folder(task: Task[Any, Any], name: str, weights: str | os.PathLike[str] | None, how: _How) -> Any:
    """A public training folder, here or on the Hub, whose configuration says which model it is one of."""
    if weights is not None:
        raise CheckpointError(f"{name}: a training folder has its own weights; leave {weights!r} out")
    how.told.refuse_all(name)
    with extra("torch", f"{task.noun} from {name}", f"pass {task.artifact}"):
        from zoo.create import create_model, model_of
    folder = Path(name)
    if is_repository(name):
        fetched = fetched_folder(name, tell)
        folder, name = fetched.path, fetched.name
    model = model_of(folder)
    spec = get_spec(model, task.spec)
    _refuse_providers(spec, how.providers)
    return _open_network(task, create_model(model, name), model)


def _open_name(task: Task[Any, Any], name: str, weights: str | os.PathLike[str] | None, how: _How) -> Any:
    """A registered model: the artifact of weights that come with the package, a public graph, or PyTorch."""
    spec = get_spec(name, task.spec)
    how.told.refuse_all(name)
    tag = None if weights is None else os.fspath(weights)
    if tag is not None and is_artifact(tag):
        return how.open(task, [Path(tag)], replace(how.told, model=spec))
    artifacts = packaged_artifacts(spec, tag)
    if artifacts:
        return how.open(task, artifacts)
    if tag is None or tag == DEFAULT:
        tag = default_tag(spec)
    if tag is None:
        raise CheckpointError(
            f"{name} needs weights: none come with the package. {weights_advice(spec)}, or pass "
            f"{task.artifact} in place of the name"
        )
    known = published(spec, tag)
    if known is not None and (how.providers or not _runs_in_torch(known)):
        return how.open(task, fetch_graphs(spec, known))
    _refuse_providers(spec, how.providers)
    ways = [f"pass {task.artifact}", way_without_torch(spec)]
    with extra("torch", f"{task.noun} from {name}", ", or ".join(filter(None, ways))):
        from zoo.create import create_model
    return _open_network(task, create_model(name, tag), name)


def _runs_in_torch(weights: Weights) -> bool:
    """Whether weights that have a public graph are another file too, and PyTorch is there to run that."""
    return weights.kind != "graph" and find_spec("torch") is not None


def _open_network(task: Task[Any, Any], model: Any, what: str) -> Any:
    with extra("torch", f"{task.noun} from {what}", f"pass {task.artifact}"):
        session = task.open_network(model)
    if session is None:
        raise UnknownModelError(
            f"an artifact's path, a model's name, a network or a session for {task.name} is expected, got "
            f"{type(model).__name__}; see zoo.list_models({task.name!r})"
        )
    return session


def _refuse_providers(spec: ModelSpec, providers: Sequence[str]) -> None:
    if providers:
        raise ArtifactError(f"{spec.name} runs in PyTorch with these weights; providers are ONNX Runtime's")
