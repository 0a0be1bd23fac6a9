"""Files of artifact repositories on the Hub: fetched, proved on this machine, and only then kept.

In the cache ``repositories/ORG--NAME/COMMIT/`` holds the index of a commit and those of its files that were
pulled.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from zoo.artifact.manifest import Manifest
from zoo.artifact.target import FLAVOURS, choose
from zoo.builtin import packaged_artifact
from zoo.errors import ArtifactError, HubError, SpeechZooError
from zoo.extras import extra
from zoo.files import atomic, sha256_of
from zoo.hub import client
from zoo.hub.index import GOLDEN, GRAPHS, INDEX, INDEX_LIMIT, PARAMETERS, File, Index, check_choice
from zoo.hub.packaged import packaged_parameters
from zoo.hub.repository import recalled, remember, repository_folder
from zoo.registry import get_spec, list_models
from zoo.runtime.artifact import is_artifact
from zoo.runtime.nvidia import this_machine
from zoo.spec import PACKAGE_SCHEME
from zoo.tasks import get_task
from zoo.tasks.apart import verify_apart

VARIABLE = "SPEECHZOO_REPO"
Say = Callable[[str], object]


class Build(Protocol):
    """What makes an engine from a graph, or finds one that it made before."""

    def __call__(self, onnx: Path, *, flavour: Any, precision: Any, progress: Say) -> Path: ...


def pull(
    model: str,
    *,
    format: str = "onnx",
    form: str | None = None,
    streaming: bool | None = None,
    precision: str = "fp32",
    streams: int = 1,
    repo: str | None = None,
    revision: str | None = None,
    out: str | os.PathLike[str] | None = None,
    force: bool = False,
    build: Build | None = None,
    trust: bool = False,
    progress: Say | None = None,
) -> Path:
    """A file of a model's artifact repository, proved on this machine.

    Its bytes have the sha256 of the repository's index, its manifest says what the index says, and it
    computes what its golden recording holds; or there is an error and no file. With all 40 digits of a commit
    as revision, what is in the cache needs no request.

    Args:
        model: registered name.
        format: ``onnx``, ``safetensors``, ``tensorrt``, ``tensorrt_rtx``, or another that the repository has.
        form: of a graph. Enhancers: ``wav2wav``, the default, or ``spec2spec``. Speaker models: ``wav``, the
            default, or ``feats``. Text to speech: the size, as ``32/256``, by default the largest.
        streaming: of an enhancer's graph: with states, or a whole recording at once; by default streaming if
            possible.
        precision: of an engine: ``fp32``, ``fp16``, ...
        streams: that an engine must take at once.
        repo: ``ORG/NAME``; by default ``SPEECHZOO_REPO``. Where neither is named, ``out`` gets the graph or
            the parameters that come with the package.
        revision: commit, branch or tag; by default the branch ``main`` as it is now.
        out: a folder to copy the file to.
        force: replace another file there.
        build: ``converters.cached_engine``: makes an engine where the repository has none for this machine.
        trust: prove exported programs that are code, by running them: docs/trust.md.
        progress: called with a line for each step.

    Returns: path in the cache, or in ``out``.

    Raises:
        UnknownModelError: no such model.
        HubError: no repository given, or not to be had, or not its bytes.
        ArtifactError: damaged, of another model, or of a kind that the repository does not have.
        ParityError: it does not compute what its golden recording holds.
        MissingExtraError: proving it takes a package that is not installed.
    """
    check_choice(get_spec(model).task, format, form, streaming)
    say = progress or (lambda line: None)
    unnamed = out is not None and not (repo or revision or os.environ.get(VARIABLE))
    path = _packaged(model, format, form, streaming, say) if unnamed else None
    if path is None:
        source = _open(model, repo, revision, say)
        if format in FLAVOURS:
            path = _engine(source, format, form, streaming, precision, streams, build, say)
        else:
            path = _proved(source, source.index.find(format, source.name, form, streaming), say, trust)
    return path if out is None else _copy(path, Path(out), force)


def _packaged(model: str, format: str, form: str | None, streaming: bool | None, say: Say) -> Path | None:
    """The graph or parameters of a model that come with the package, if they are of the kind asked for."""
    spec = get_spec(model)
    path = packaged_artifact(spec)
    if path is None or streaming is False:
        return None
    if format == PARAMETERS:
        own = next(w for w in spec.weights if w.url.startswith(PACKAGE_SCHEME))
        path = packaged_parameters(own)
    elif format != "onnx" or form not in (None, *Manifest.of_task(spec.task).forms[:1]):
        return None
    say(f"{model}: no repository was named; this is what comes with the package")
    return path


def repository_of(repo: str | None, model: str) -> str:
    """The repository to use: the one given, or that of ``SPEECHZOO_REPO``.

    Raises:
        HubError: neither is given, or it is not ORG/NAME.
    """
    name = repo or os.environ.get(VARIABLE, "")
    if not name:
        ready = ", ".join(n for n in list_models() if packaged_artifact(get_spec(n)))
        raise HubError(
            f"no repository of {model} is known: pass --repo ORG/NAME or set {VARIABLE}. To publish one: "
            f"`speechzoo publish {model} --repo ORG/NAME`. In the package, without a download, are {ready}: "
            f"-o DIR copies their graphs"
        )
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", name):
        raise HubError(f"repository {name!r}: expected ORG/NAME")
    return name


def prove(
    path: Path, file: File, index: Index, golden: Path | None, where: str, *, trust: bool = False
) -> None:
    """Hold a file against its index and against the golden recording.

    Args:
        path: where it is; its bytes are known to be right.
        file: what the index says of it.
        index: of the repository.
        golden: the repository's recording, for parameters; graphs have theirs inside.
        where: the repository, for messages.
        trust: as of ``load_artifact``.

    Raises:
        ArtifactError: damaged, or another than the index says.
        ParityError: it does not compute what it should.
        MissingExtraError: what runs it is not installed.
    """
    with _named(path, f"{where}: {file.path}"):
        if file.format == PARAMETERS:
            if golden is None:
                raise ArtifactError(f"{path}: without {GOLDEN} it cannot be verified")
            _prove_parameters(path, index, golden, f"{where}: {GOLDEN}")
        elif file.format in GRAPHS and is_artifact(path):
            _prove_graph(path, file, index, trust)
        else:
            raise ArtifactError(
                f"{path}: this version of speechzoo cannot verify files of the format {file.format}, and "
                f"what is not verified is not used"
            )


@dataclass(frozen=True)
class _Source:
    """A commit of a repository."""

    repo: str
    commit: str
    index: Index

    @property
    def name(self) -> str:
        return f"{self.repo}@{self.commit[:12]}"

    @property
    def folder(self) -> Path:
        return repository_folder(self.repo) / self.commit


def _open(model: str, repo: str | None, revision: str | None, say: Say) -> _Source:
    """The commit that is meant and its index, which is of that model."""
    repo, revision = repository_of(repo, model), revision or "main"
    pinned = client.COMMIT.fullmatch(revision) is not None
    if pinned:
        found = client.Revision(revision, "")
    elif client.offline():
        if (commit := recalled(repo, revision)) is None:
            raise HubError(
                f"{repo}@{revision}: it is not in the cache {client.cache_folder()}, and HF_HUB_OFFLINE "
                f"forbids to fetch it"
            )
        found = client.Revision(commit, "")
        say(f"{repo}: {revision} was {found.commit} when it was last asked for")
    else:
        found = client.find_revision(repo, revision, INDEX, say)
        say(f"{repo}: {revision} is {found.commit}; --revision {found.commit} pins it")
    kept = repository_folder(repo) / found.commit / INDEX
    where = f"{repo}@{found.commit[:12]}: {INDEX}"
    content = _kept_index(kept, found, where, say)
    if content is not None:
        index = Index.from_json(content, where)
        _check_model(index, model, where)
    else:
        if not found.etag:
            found = client.find_revision(repo, revision, INDEX, say)
        content = client.read(repo, found, INDEX, INDEX_LIMIT, say)
        index = Index.from_json(content, where)
        _check_model(index, model, where)
        client.write(sha256_of(content).encode(), _hash_beside(kept))
        client.write(content, kept)
    if not pinned and not client.offline():
        remember(repo, revision, found.commit)
    return _Source(repo, found.commit, index)


def _kept_index(kept: Path, found: client.Revision, where: str, say: Say) -> bytes | None:
    """The index in the cache as it was written; None if there is none, or it was changed since."""
    if not kept.is_file():
        return None
    content, beside = kept.read_bytes(), _hash_beside(kept)
    known = beside.read_text() if beside.is_file() else ""
    if client.is_content(content, found.etag) if found.etag else known in ("", sha256_of(content)):
        return content
    say(f"{where}: what is in the cache was changed or cut short; fetching it again")
    return None


def _hash_beside(kept: Path) -> Path:
    """Where the sha256 of an index in the cache is; caches of older versions have none."""
    return kept.with_name(f"{kept.name}.sha256")


def _check_model(index: Index, model: str, where: str) -> None:
    if index.model != model:
        raise ArtifactError(f"{where}: the repository is one of {index.model}, not of {model}")
    if index.task != (task := get_spec(model).task):
        raise ArtifactError(f"{where}: it says that {model} is for {index.task}; it is for {task}")


def _proved(source: _Source, file: File, say: Say, trust: bool = False) -> Path:
    """A file in the cache, from where it is or from the network."""
    target = source.folder / file.path
    if client.has(target, file.size, file.sha256):
        return target
    golden = _golden(source, say) if file.format == PARAMETERS else None
    record = source.index.beside(file)
    beside = None if record is None else _helper(source, record, say)
    item = client.repository_file(source.repo, source.commit, file.path, file.size, file.sha256)
    with client.exclusive(item, say):
        if client.has(target, file.size, file.sha256):
            return target
        say(f"{source.name}: fetching {file.path}, {file.size / 1e3:,.0f} kB")
        part = client.fetch(item, say)
        copy = part.with_name(f"{part.name}.json")
        try:
            if beside is not None:
                shutil.copyfile(beside, copy)
            prove(part, file, source.index, golden, source.name, trust=trust)
            client.keep(part, target)
        finally:
            part.unlink(missing_ok=True)
            copy.unlink(missing_ok=True)
    say(f"{source.name}: {file.path} is verified")
    return target


def _golden(source: _Source, say: Say) -> Path:
    """The repository's golden recording."""
    file = next((file for file in source.index.files if file.path == GOLDEN), None)
    if file is None:
        raise ArtifactError(f"{source.name}: it has no {GOLDEN}, so its {PARAMETERS} file cannot be verified")
    return _helper(source, file, say)


def _helper(source: _Source, file: File, say: Say) -> Path:
    """A file that helps to prove others, in the cache."""
    target = source.folder / file.path
    item = client.repository_file(source.repo, source.commit, file.path, file.size, file.sha256)
    if not client.has(target, file.size, file.sha256):
        with client.exclusive(item, say):
            if not client.has(target, file.size, file.sha256):
                client.keep(client.fetch(item, say), target)
    return target


def _engine(
    source: _Source,
    flavour: str,
    form: str | None,
    streaming: bool | None,
    precision: str,
    streams: int,
    build: Build | None,
    say: Say,
) -> Path:
    """The engine for this machine, or else one that is built here from the ONNX file."""
    machine = this_machine(flavour)
    try:
        engines = source.index.graphs(flavour, source.name, form, streaming)
    except ArtifactError:
        engines = []
    target, reason = choose([f.engine for f in engines if f.engine], machine, precision, streams)
    say(f"{source.name}: {reason}")
    if target is not None:
        return _proved(source, next(file for file in engines if file.engine is target), say)
    if streams != 1:
        raise ArtifactError(
            f"{source.name}: {reason}; and its graphs take one stream a call. Export one with --streams 0 "
            f"and build an engine from that"
        )
    graph = source.index.find("onnx", source.name, form, streaming)
    if build is None:
        raise ArtifactError(
            f"{source.name}: {reason}; `speechzoo pull` builds one here, and so does this with "
            f"build=converters.cached_engine"
        )
    say(f"{source.name}: building an engine here from {graph.path}")
    onnx = _proved(source, graph, say)
    return build(onnx, flavour=flavour, precision=precision, progress=say)


def _prove_parameters(path: Path, index: Index, golden: Path, where: str) -> None:
    """A safetensors file against the recording, in PyTorch; ``where`` names the recording."""
    with extra("torch", f"{path}: verifying it", "pull --format onnx"):
        from zoo.create import create_model
    model = create_model(index.model, path)
    if model.provenance["sha256"] != index.weights["sha256"]:
        raise ArtifactError(
            f"{path}: its parameters have the sha256 {model.provenance['sha256']}, not that of the index, "
            f"{index.weights['sha256']}"
        )
    form = next((file.form for file in index.files if file.path == GOLDEN), "")
    with extra("torch", f"{path}: verifying it", "pull --format onnx"):
        get_task(index.task).verify_parameters(model, golden, form, where)


def _prove_graph(path: Path, file: File, index: Index, trust: bool) -> None:
    """A graph against its manifest, the index and the recording inside it."""
    _, manifest = verify_apart(path, trust=trust)
    for what, found, expected in (
        ("model", manifest.model, index.model),
        ("task", manifest.task, index.task),
        ("weights", manifest.weights.get("sha256"), index.weights["sha256"]),
        ("form", getattr(manifest, "form", ""), file.form),
        ("streaming", getattr(manifest, "streaming", None), file.streaming),
    ):
        if found != expected:
            raise ArtifactError(f"{path}: its manifest has {what} {found!r}, the index {expected!r}")


@contextmanager
def _named(path: Path, name: str) -> Iterator[None]:
    """Errors about a temporary file, told by ``REPOSITORY: FILE``, the name that the user knows."""
    try:
        yield
    except SpeechZooError as error:
        text = str(error)
        about_it = str(path) in text or text.startswith(name.partition(": ")[0])
        raise type(error)(text.replace(str(path), name) if about_it else f"{name}: {text}") from error


def _copy(path: Path, folder: Path, force: bool) -> Path:
    """Copy a file of the cache to a folder, whole or not at all."""
    target = folder / path.name
    if target.is_file() and target.read_bytes() == path.read_bytes():
        return target
    if target.exists() and not force:
        raise ArtifactError(f"{target}: there is another file of that name; pass --force to replace it")
    with atomic(target) as temporary:
        shutil.copyfile(path, temporary)
    return target
