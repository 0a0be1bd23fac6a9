"""A small repository of what is in the package, changed as tests need it, and put on the server."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from tests.hub.server import Files, Hub
from zoo.hub.index import INDEX, File, Index

REPO = "someone/small"
MODEL = "fastenhancer_t"
GRAPH = f"onnx/{MODEL}.wav2wav.onnx"
PARAMETERS = "model.safetensors"


def environment(server: Hub, cache: Path) -> dict[str, str]:
    """What makes a process use the server and the cache."""
    return {
        "HF_ENDPOINT": server.url,
        "HF_HOME": str(cache.parent / "hf"),
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "SPEECHZOO_CACHE": str(cache),
    }


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
