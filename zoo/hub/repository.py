"""Training folders that are repositories of the Hub, named directly: ``ORG/NAME`` or ``ORG/NAME@REVISION``.

In the cache ``repositories/ORG--NAME/COMMIT/`` holds the files of a commit, with a list of their hashes, and
``repositories/ORG--NAME/refs/`` which commit a branch or tag was when it was last asked for.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from zoo.errors import CheckpointError, HubError
from zoo.hub import client
from zoo.hub.client import Say
from zoo.hub.folder import checkpoint_among, config_among
from zoo.registry import get_spec, list_models
from zoo.spec import HUB_SCHEME, Weights

_NAME = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*)(@(?P<revision>[\w./-]+))?")
# what a path that is not there may end in, and a repository's name hardly does
_ENDINGS = (
    ".pt", ".pth", ".tar", ".zip", ".safetensors", ".onnx", ".ts", ".pt2", ".engine", ".bin", ".yaml",
    ".json",
)  # fmt: skip
_LIST = ".files.json"


@dataclass(frozen=True)
class Fetched:
    """A commit's training folder on this machine.

    Attributes:
        path: the folder; or the checkpoint alone, if it says itself what it is.
        name: ``ORG/NAME@COMMIT``, which means this and no other.
        provenance: source, and the terms of a model's tag if that is of the same commit.
    """

    path: Path
    name: str
    provenance: dict[str, str]


def is_repository(name: str) -> bool:
    """Whether a name is meant as a repository of the Hub: of that form, and nothing on this machine."""
    return bool(_NAME.fullmatch(name)) and not name.endswith(_ENDINGS) and not os.path.exists(name)


def fetched_folder(name: str, say: Say) -> Fetched:
    """The training folder of a repository: its configuration and its checkpoint, downloaded once.

    Args:
        name: ``ORG/NAME``, at the commit that a tag of a registered model pins, or else at its branch
            ``main`` as it is now; or ``ORG/NAME@REVISION``.
        say: called with a line for what is done.

    Raises:
        HubError: no such repository or revision, none with a training folder, or not to be had.
    """
    match = _NAME.fullmatch(name)
    assert match is not None
    repo, pin = match["repo"], _pin(match["repo"])
    revision = match["revision"] or (pin.location()[1] if pin else "main")
    try:
        commit, files = _listing(repo, revision, say)
    except HubError as error:
        raise HubError(f"{name} is no file or folder here; as a repository of the Hub: {error}") from error
    known = {"source": f"{repo}@{commit[:12]}"}
    if pin is not None and pin.location()[1] == commit:
        known |= pin.terms
    folder = repository_folder(repo) / commit
    for file, (size, sha256) in files.items():
        _keep(repo, commit, file, size, sha256, folder / file, say)
    alone = next((folder / file for file in files if file.endswith(".safetensors")), None)
    return Fetched(alone or folder, f"{repo}@{commit}", known)


def repository_folder(repo: str) -> Path:
    """Where the cache has what is of a repository."""
    return client.cache_folder() / "repositories" / repo.replace("/", "--")


def recalled(repo: str, revision: str) -> str | None:
    """The commit that a branch or tag was when it was last asked for; None if it never was."""
    path = repository_folder(repo) / "refs" / quote(revision, safe="")
    return path.read_text().strip() if path.is_file() else None


def remember(repo: str, revision: str, commit: str) -> None:
    """Keep in the cache which commit a branch or tag is.

    Raises:
        HubError: the cache cannot be written.
    """
    if recalled(repo, revision) != commit:
        client.write(commit.encode(), repository_folder(repo) / "refs" / quote(revision, safe=""))


def _pin(repo: str) -> Weights | None:
    """Weights of a registered model that are in a repository, at a commit that was looked at."""
    every = (weights for name in list_models() for weights in get_spec(name).weights)
    return next((w for w in every if w.url.startswith(f"{HUB_SCHEME}{repo}@")), None)


def _listing(repo: str, revision: str, say: Say) -> tuple[str, dict[str, tuple[int, str]]]:
    """The commit of a revision, and size and hash of the files that make its training folder.

    The hash is the sha256 of large files, and that of the Git blob, 40 digits, of others.
    """
    commit = revision if client.COMMIT.fullmatch(revision) else recalled(repo, revision)
    if commit and (client.offline() or commit == revision):
        kept = repository_folder(repo) / commit / _LIST
        if kept.is_file():
            return commit, {file: (size, sha) for file, (size, sha) in json.loads(kept.read_text()).items()}
    commit, everything = client.list_files(repo, revision, say)
    where = f"{repo}@{commit[:12]}"
    try:
        checkpoint = checkpoint_among(everything, where)
    except CheckpointError as error:
        raise HubError(str(error)) from error
    config = None if checkpoint.endswith(".safetensors") else config_among(everything)
    if config is None and not checkpoint.endswith(".safetensors"):
        raise HubError(f"{where}: it has no config.yaml beside {checkpoint} that says what model it is")
    files = {file: everything[file] for file in (config, checkpoint) if file}
    if commit != revision:
        say(f"{repo}: {revision} is commit {commit}; {repo}@{commit} pins it")
        remember(repo, revision, commit)
    client.write(json.dumps(files).encode(), repository_folder(repo) / commit / _LIST)
    return commit, files


def _keep(repo: str, commit: str, file: str, size: int, digest: str, target: Path, say: Say) -> None:
    """Fetch a file of a commit, unless the cache has it."""
    if client.COMMIT.fullmatch(digest):  # of a Git blob
        if not target.is_file() or client.blob_hash(target.read_bytes()) != digest:
            client.write(client.read(repo, client.Revision(commit, digest), file, size, say), target)
        return
    item = client.repository_file(repo, commit, file, size, digest)
    if not client.has(target, size, digest):
        with client.exclusive(item, say):
            if not client.has(target, size, digest):
                say(f"{item.name}: fetching {size / 1e6:,.1f} MB")
                client.keep(client.fetch(item, say), target)
