"""What the README shows is run as it stands there; its "Add a model" in test_add_a_model.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import zoo
from tests.data import ROOT

SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def snippet(marker: str) -> str:
    """The one block of Python that holds ``marker``."""
    found = [code for code in SNIPPETS if marker in code]
    assert len(found) == 1, f"{len(found)} snippets of the README hold {marker!r}"
    return found[0]


def test_an_exported_file_runs_in_plain_onnx_runtime(
    exported: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gtcrn.onnx").symlink_to(exported("gtcrn", "wav2wav"))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(snippet("ort.InferenceSession"), {})
    noisy, rate = soundfile.read("examples/noisy.wav", dtype="float32")
    plain, _ = soundfile.read("clean.wav", dtype="float32")
    np.testing.assert_allclose(plain, zoo.Enhancer("gtcrn.onnx")(noisy, rate), atol=1.1 / 32768)


def test_the_enhancer_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    code = snippet("enhancer.stream(rate)")
    played: list[np.ndarray] = []
    names: dict[str, object] = {"play": played.append}
    monkeypatch.chdir(ROOT)
    exec(code, names)
    np.testing.assert_allclose(np.concatenate(played), names["clean"], atol=1e-6)


def test_the_network_streams() -> None:
    hop = torch.randn(1, zoo.get_spec("fastenhancer_b").front_end.hop_length)
    names: dict[str, object] = {"zoo": zoo, "noisy_hop": hop}
    exec(snippet("noisy_hop"), names)
    assert names["clean"].shape == hop.shape


def test_speakers_are_compared(
    speaker_graph: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "resnet34.onnx").symlink_to(speaker_graph("resnet18"))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(snippet("embedder.compare"), names)
    assert -1 <= names["found"].similarity <= 1 and isinstance(names["found"].same, bool)


def test_the_readmes_example(synthesis_graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "graphs").symlink_to(synthesis_graphs)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"zoo": zoo}
    exec(snippet("zoo.Synthesizer("), names)
    assert len(names["speech"].pieces) >= 2 and names["speech"].unknown == ()
