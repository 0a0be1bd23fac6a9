"""Training folders that are repositories of the Hub, named directly where a model or its weights are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from tests.hub.repository import PARAMETERS, REPO, kept, publish
from tests.hub.server import Files, Hub
from zoo import registry
from zoo.builtin import TAG
from zoo.cli import main
from zoo.errors import CheckpointError, HubError, UnknownModelError
from zoo.hub.folder import newest_checkpoint
from zoo.hub.repository import is_repository
from zoo.hub.weights import locate
from zoo.registry import get_spec
from zoo.spec import Weights

NAME = "Wespeaker/wespeaker-voxceleb-resnet18"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def content(speaker_folder: Callable[[str], Path]) -> Files:
    """What such a repository holds: the checkpoint without an ending, its configuration, and more."""
    folder = speaker_folder("ResNet18")
    return {
        "avg_model": (folder / "avg_model.pt").read_bytes(),
        "config.yaml": (folder / "config.yaml").read_bytes(),
        "README.md": b"# ResNet18\n",
        "voxceleb_resnet18.onnx": b"a graph",
    }


def same(model: torch.nn.Module, folder: Path) -> bool:
    expected = zoo.create_model("resnet18", folder).state_dict()
    return all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


def test_a_folder_as_the_hub_has_it(
    content: Files, tmp_path: Path, speaker_folder: Callable[[str], Path]
) -> None:
    for name in ("avg_model", "config.yaml"):
        (tmp_path / name).write_bytes(content[name])
    assert newest_checkpoint(tmp_path) == tmp_path / "avg_model"
    assert same(zoo.create_model("resnet18", tmp_path), speaker_folder("ResNet18"))
    waveform = np.random.default_rng(0).standard_normal(16000).astype(np.float32) / 10
    expected = zoo.Embedder(speaker_folder("ResNet18"))(waveform)
    np.testing.assert_array_equal(zoo.Embedder(tmp_path)(waveform), expected)


def test_a_repository_by_its_name(
    server: Hub,
    cache: Path,
    content: Files,
    capsys: Capture,
    speaker_folder: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At its branch as it is, which is told; two files of it come, once; then without a network."""
    commit = publish(server, content, NAME)
    embedder = zoo.Embedder(NAME)
    folder = f"repositories/{NAME.replace('/', '--')}"
    assert kept(cache) == sorted(
        [f"{folder}/{commit}/{name}" for name in (".files.json", "avg_model", "config.yaml")]
        + [f"{folder}/refs/main"]
    )
    told = capsys.readouterr().err
    assert f"speechzoo: {NAME}: main is commit {commit}; {NAME}@{commit} pins it\n" in told
    waveform = np.random.default_rng(0).standard_normal(16000).astype(np.float32) / 10
    expected = zoo.Embedder(speaker_folder("ResNet18"))(waveform)
    np.testing.assert_array_equal(embedder(waveform), expected)

    server.requests.clear()
    for model in (
        zoo.create_model(f"{NAME}@{commit}"),
        zoo.create_model("resnet18", f"{NAME}@{commit}"),
    ):
        assert same(model, speaker_folder("ResNet18")) and server.requests == []
        assert model.provenance["source"] == f"{NAME}@{commit[:12]}" and "licence" not in model.provenance
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert same(zoo.create_model(NAME), speaker_folder("ResNet18")) and server.requests == []


def test_what_is_damaged_comes_again(
    server: Hub, cache: Path, content: Files, speaker_folder: Callable[[str], Path]
) -> None:
    commit = publish(server, content, NAME)
    folder = locate(get_spec("resnet18"), f"{NAME}@{commit}").path
    for name in ("avg_model", "config.yaml"):
        (folder / name).write_bytes(content[name][:-10])
    assert same(zoo.create_model(NAME), speaker_folder("ResNet18"))
    assert all((folder / name).read_bytes() == content[name] for name in ("avg_model", "config.yaml"))


def test_a_commit_that_a_tag_pins(
    server: Hub, cache: Path, content: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is meant where no revision is named, and its terms are known."""
    pinned = publish(server, content, NAME)
    publish(server, {**content, "config.yaml": b"model: Other\n"}, NAME)
    weights = Weights(
        tag="voxceleb",
        url=f"hf://{NAME}@{pinned}/voxceleb_resnet18.onnx",
        sha256="0" * 64,
        size=None,
        licence="CC-BY-4.0",
        training_data="VoxCeleb2",
        kind="graph",
    )
    monkeypatch.setitem(registry._specs(), "resnet18", replace(get_spec("resnet18"), weights=(weights,)))
    model = zoo.create_model(NAME)
    expected = (f"{NAME}@{pinned[:12]}", "CC-BY-4.0", "VoxCeleb2")
    assert tuple(model.provenance[key] for key in ("source", "licence", "training_data")) == expected
    with pytest.raises(CheckpointError, match="Other"):
        zoo.create_model(f"{NAME}@main")


def test_a_repository_of_ours(server: Hub, cache: Path, files: Files) -> None:
    """Its parameters say themselves what they are."""
    commit = publish(server, files)
    model = zoo.create_model(f"{REPO}@{commit}")
    assert model.spec.name == "fastenhancer_t"
    expected = zoo.create_model("fastenhancer_t", TAG).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    assert [name for name in kept(cache) if name.endswith(PARAMETERS)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("someone/else", r"there is no such repository, or this user has no right to it \(404\)"),
        (f"{NAME}@v9", r"the repository has no such revision \(404\)"),
        (f"{NAME}@{'0' * 40}", r"the repository has no such revision \(404\)"),
        ("someone/graphs", r"expected a training folder with checkpoints .*; found none"),
        ("someone/bare", r"it has no config\.yaml beside avg_model"),
    ],
)
def test_repositories_without_one(
    server: Hub, cache: Path, content: Files, name: str, message: str, capsys: Capture
) -> None:
    publish(server, content, NAME)
    publish(server, {"a.onnx": b"x", "README.md": b"x"}, "someone/graphs")
    publish(server, {"avg_model": content["avg_model"]}, "someone/bare")
    expected = rf"^{re.escape(name)} is no file or folder here; as a repository of the Hub: .*{message}"
    for attempt in (lambda: zoo.Embedder(name), lambda: zoo.create_model("resnet18", name)):
        with pytest.raises(HubError, match=expected):
            attempt()
    assert kept(cache) == [] and "\n" not in capsys.readouterr().err.strip()


def test_a_file_that_is_not_the_commits(server: Hub, cache: Path, content: Files) -> None:
    """Large or small, it is not used, and not kept."""
    for name in ("avg_model", "config.yaml"):
        commit = publish(server, {**content, "README.md": name.encode()}, NAME)
        server.faults = {name: lambda handler, data, before: handler.send(200, data[::-1]) or True}
        with pytest.raises(HubError, match=f"{commit[:12]}: {name}: .* it is not used"):
            zoo.create_model(f"{NAME}@{commit}")
        server.faults = {}
        assert not [path for path in kept(cache) if path.endswith(f"{commit}/{name}")]
        assert zoo.create_model(f"{NAME}@{commit}")


def test_without_a_network(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match=f"^{NAME} is no file or folder here; .* cannot be reached"):
        zoo.Embedder(NAME)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError, match=r"HF_HUB_OFFLINE forbids to fetch it"):
        zoo.create_model(NAME)
    with pytest.raises(CheckpointError, match="a repository of the Hub has its own weights; leave 'x' out"):
        zoo.create_model(NAME, "x")


def test_the_command_line(
    server: Hub, cache: Path, content: Files, tmp_path: Path, capsys: Capture, speech_16k: np.ndarray
) -> None:
    import soundfile

    publish(server, content, NAME)
    soundfile.write(tmp_path / "a.wav", speech_16k[:16000], 16000)
    words = ["embed", str(tmp_path / "a.wav"), "-o", str(tmp_path / "a.npz"), "--weights", NAME]
    assert main([*words, "--offline"]) == 1
    assert "--offline forbids to fetch it" in capsys.readouterr().err
    assert main(words) == 0 and (tmp_path / "a.npz").is_file()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (NAME, True),
        (f"{NAME}@main", True),
        (f"{NAME}@refs/pr/1", True),
        ("resnet18", False),
        ("exp/run/avg_model", False),
        ("exp/avg_model.pt", False),
        ("./exp", False),
        ("../exp", False),
        ("/exp/run", False),
        ("exp/run.zip", False),
        ("tests/hub", False),
        ("a b/c", False),
    ],
)
def test_what_is_meant_as_a_repository(name: str, meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.data import ROOT

    monkeypatch.chdir(ROOT)
    assert is_repository(name) == meant
    if name == "./exp":
        with pytest.raises(UnknownModelError, match="there is no file or folder of that name"):
            zoo.create_model("resnet18", name)
