"""A Hub of our own on the loopback address, an empty cache, and a repository of what is in the package."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from tests.hub.repository import GRAPH, MODEL, PARAMETERS, environment, indexed
from tests.hub.server import Files, Hub, serving
from tests.hub.tasks import OPTIONS, TERMS
from zoo.builtin import TAG, packaged_artifact
from zoo.checkpoint import write_parameters
from zoo.cli import main
from zoo.create import build
from zoo.hub.index import GOLDEN
from zoo.hub.weights import locate
from zoo.registry import get_spec
from zoo.runtime.onnx import OnnxGraph


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


@pytest.fixture(scope="session")
def parameters(cache_folder: Path) -> Callable[[str], Path]:
    """``parameters(name)``: a safetensors file with random parameters of a model."""
    from filelock import FileLock

    def write(name: str) -> Path:
        path = cache_folder / f"{name}.random.safetensors"
        with FileLock(f"{path}.lock"):
            if not path.is_file():
                torch.manual_seed(1)
                spec = get_spec(name)
                spec = replace(spec, options={**spec.options, **OPTIONS[name]})
                write_parameters(build(spec).eval(), spec, {"source": "random"}, path)
        return path

    return write


@pytest.fixture(scope="session")
def built(cache_folder: Path, parameters: Callable[[str], Path]) -> Callable[[str], Path]:
    """``built(name)``: a model's repository as the command line builds it, made once a run."""
    from filelock import FileLock

    def make(name: str) -> Path:
        folder = cache_folder / f"repository-{name}"
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                words = ["publish", name, "--weights", str(parameters(name)), *TERMS]
                assert main([*words, "--folder", str(folder)]) == 0
        return folder

    return make


@pytest.fixture
def files_of(built: Callable[[str], Path]) -> Callable[[str], Files]:
    def read(name: str) -> Files:
        folder = built(name)
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    return read
