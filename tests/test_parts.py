"""Parameters of which the package holds only what their graph does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import zoo
from scripts.share_parameters import share
from zoo import builtin as packaged
from zoo.builtin import TAG, folder, packaged_recipe
from zoo.errors import ArtifactError
from zoo.files import sha256_of
from zoo.hub.packaged import packaged_parameters
from zoo.parts import join
from zoo.registry import find_weights, get_spec

VOICE = "fastspeech_small"


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Path, Path, bytes]:
    """Parameters, a file with some of them in it, and what the parameters are."""
    rng = np.random.default_rng(1)
    tensors = {
        "as it is": rng.standard_normal((64, 48)).astype(np.float16),
        "turned": rng.standard_normal((40, 60, 3)).astype(np.float16),
        "only here": rng.standard_normal((50, 50)).astype(np.float32),
        "small": np.ones(3, np.float16),
    }
    parameters, graph = tmp_path / "x.safetensors", tmp_path / "x.onnx"
    save_file(tensors, parameters, metadata={"speechzoo": "{}"})
    turned = tensors["turned"].transpose(2, 0, 1)
    graph.write_bytes(b"begin" + turned.tobytes() + b"..." + tensors["as it is"].tobytes())
    return parameters, graph, parameters.read_bytes()


def test_what_is_shared_is_kept_once(shared: tuple[Path, Path, bytes]) -> None:
    parameters, graph, content = shared
    recipe = share(parameters, graph)
    assert not parameters.exists() and join(recipe) == content
    taken = 2 * 64 * 48 + 2 * 40 * 60 * 3
    assert recipe.stat().st_size < len(content) - taken + 200


def test_the_voice_is_put_together_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path))
    weights = find_weights(get_spec(VOICE), TAG)
    path = packaged_parameters(weights)
    assert path.is_relative_to(tmp_path) and path.name == f"{VOICE}.safetensors"
    assert (sha256_of(path), path.stat().st_size) == (weights.sha256, weights.size)
    assert zoo.pull(VOICE, format="safetensors", out=tmp_path / "out").name == path.name
    path.write_bytes(b"damaged")
    assert sha256_of(packaged_parameters(weights)) == weights.sha256


def test_a_damaged_recipe_or_graph_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = get_spec(VOICE)
    weights = find_weights(spec, TAG)
    copy = tmp_path / "models" / spec.family / "packaged"
    shutil.copytree(folder(spec), copy)
    monkeypatch.setattr(packaged, "_ROOT", tmp_path)
    monkeypatch.setenv("SPEECHZOO_CACHE", str(tmp_path / "cache"))
    recipe, graph = packaged_recipe(weights.url), copy / f"{VOICE}.onnx"
    assert recipe is not None and recipe.parent == copy
    good, text = graph.read_bytes(), recipe.read_bytes()
    plan = json.loads(text.partition(b"\n")[0])
    graph.write_bytes(good[: len(good) // 2])
    with pytest.raises(ArtifactError, match=r"\.parts: it is damaged .*; install speechzoo again"):
        packaged_parameters(weights)
    largest = max((piece for piece in plan["pieces"] if isinstance(piece, list)), key=lambda piece: piece[1])
    graph.write_bytes(good[: largest[0]] + bytes([good[largest[0]] ^ 1]) + good[largest[0] + 1 :])
    with pytest.raises(ArtifactError, match="should have the sha256"):
        packaged_parameters(weights)
    graph.write_bytes(good)
    for bad in (b"", b"{}\n", b'{"from": "absent.onnx", "pieces": [1]}\n'):
        recipe.write_bytes(bad)
        with pytest.raises(ArtifactError, match=r"\.parts: it is damaged"):
            packaged_parameters(weights)
    assert not (tmp_path / "cache").exists()
