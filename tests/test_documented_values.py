"""What blocks of the documents compute; that they run at all is in test_documents.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import zoo
from tests.data import ROOT

SNIPPETS = [
    code
    for page in sorted(ROOT.glob("docs/*.md"))
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
]


def snippet(marker: str) -> str:
    """The one block of Python in the documents that holds ``marker``."""
    found = [code for code in SNIPPETS if marker in code]
    assert len(found) == 1, f"{len(found)} snippets of the documents hold {marker!r}"
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


def test_the_enhancer_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(snippet("live.write(stream.flush())"), names)
    played, rate = soundfile.read("live.wav", dtype="float32")
    assert rate == names["rate"]
    np.testing.assert_allclose(played, names["clean"], atol=1.1 / 32768)  # 16 bits in the file
    exec(snippet("batcher.push("), names)
    first = np.concatenate([names[part][names["first"]] for part in ("enhanced", "rest")])
    np.testing.assert_allclose(first[:8000], names["clean"][:8000], atol=1e-5)  # before the end tells
    exec(snippet("zoo.to_streaming("), names)
    assert names["clean"].shape == names["hops"].shape


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
