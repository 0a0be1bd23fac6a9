"""A Hub of our own on the loopback address, an empty cache, and a repository of what is in the package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest

from tests.hub.server import Files, Hub, serving
from zoo.builtin import TAG, packaged_artifact
from zoo.hub.index import GOLDEN, INDEX, File, Index
from zoo.hub.weights import locate
from zoo.registry import get_spec
from zoo.runtime.onnx import OnnxGraph

REPO = "someone/small"
MODEL = "fastenhancer_t"
GRAPH = f"onnx/{MODEL}.wav2wav.onnx"
PARAMETERS = "model.safetensors"


@pytest.fixture
def server() -> Iterator[Hub]:
    with serving() as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path, server: Hub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; and the client speaks to the server, without a proxy or a token of the user's."""
    folder = tmp_path / "cache"
    for name, value in environment(server, folder).items():
        monkeypatch.setenv(name, value)
    for name in (
        "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HF_TOKEN", "HF_HUB_OFFLINE", "SPEECHZOO_REPO",
        "HF_HUB_DOWNLOAD_TIMEOUT",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    return folder


def environment(server: Hub, cache: Path) -> dict[str, str]:
    """What makes a process use the server and the cache."""
    return {
        "HF_ENDPOINT": server.url,
        "HF_HOME": str(cache.parent / "hf"),
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "SPEECHZOO_CACHE": str(cache),
    }


@pytest.fixture
def files() -> Files:
    """A small repository with all that takes no export."""
    spec = get_spec(MODEL)
    artifact = packaged_artifact(spec, TAG)
    assert artifact is not None
    manifest = OnnxGraph(artifact).manifest
    assert manifest is not None and manifest.golden is not None
    return indexed(
        {
            GRAPH: artifact.read_bytes(),
            PARAMETERS: locate(spec, TAG).path.read_bytes(),
            GOLDEN: json.dumps(asdict(manifest.golden)).encode(),
            "README.md": b"# A card\n",
        },
        dict(manifest.weights),
    )


def indexed(files: Files, weights: dict[str, str] | None = None, **changed: object) -> Files:
    """Files with a new index of them, in which fields of files or of itself may be changed.

    Args:
        files: with or without an index, from which the weights are taken then.
        weights: of the index.
        changed: fields of the index by name, fields of a file by ``path``.
    """
    if weights is None:
        weights = json.loads(files[INDEX])["weights"]
    kinds = {".safetensors": "safetensors", ".onnx": "onnx", ".json": "golden", ".md": "card"}
    entries = []
    for path, content in files.items():
        if path == INDEX:
            continue
        graph = path.endswith(".onnx")
        entries.append(
            File(
                path,
                kinds[Path(path).suffix],
                len(content),
                sha256(content).hexdigest(),
                ("spec2spec" if "spec2spec" in path else "wav2wav") if graph else "",
                ".offline" not in path if graph else None,
            )
        )
    index = Index(MODEL, "enhancement", weights, tuple(entries), {"speechzoo": "0.1.0"})
    index = replace(index, **changed)
    return {**{path: data for path, data in files.items() if path != INDEX}, INDEX: index.to_json().encode()}


def publish(server: Hub, files: Files, repo: str = REPO) -> str:
    """Put files on the server, as one commit; gives its name."""
    from tests.hub.server import Repository

    return server.repositories.setdefault(repo, Repository()).commit(files)


def kept(cache: Path) -> list[str]:
    """What is in the cache apart from the locks: names relative to it."""
    paths = [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return sorted(path.relative_to(cache).as_posix() for path in paths)
