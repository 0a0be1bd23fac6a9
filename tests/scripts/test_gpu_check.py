"""scripts.gpu_check on a machine without a GPU."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

Capture = pytest.CaptureFixture[str]


def test_gpu_check_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """What needs none is run and judged; what does is said to be missing, and nothing passes for it."""
    from scripts import gpu_check
    from zoo.runtime.nvidia import find_gpu

    if find_gpu() is not None:
        pytest.skip("needs a machine without a GPU")
    assert gpu_check.main(["--report", str(tmp_path / "gpu.md")]) == 1
    assert "there is no NVIDIA GPU" in capsys.readouterr().err and os.listdir(tmp_path) == []
    words = ["--models", "fastenhancer_t=speechzoo", "--frames", "20", "--without-gpu"]
    assert gpu_check.main([*words, "--report", str(tmp_path / "gpu.md")]) == 0
    rows = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    outcomes = {row["backend"]: row["outcome"] for row in rows}
    assert [name for name, outcome in outcomes.items() if outcome == "passed"] == [
        "ONNX Runtime, CPU",
        "PyTorch, cpu",
    ]
    assert set(outcomes.values()) == {"passed", "not here"} and len(outcomes) == 12
    assert all(row["reason"] for row in rows if row["outcome"] == "not here")
    assert "| `fastenhancer_t` | PyTorch, cpu | passed | 1" in (tmp_path / "gpu.md").read_text()


def test_gpu_check_of_text_to_speech(fastspeech_checkpoint: Path, tmp_path: Path) -> None:
    """Every layer in ONNX Runtime, in both precisions; the engines take a GPU."""
    from scripts import gpu_check
    from zoo.runtime.nvidia import find_gpu

    if find_gpu() is not None:
        pytest.skip("needs a machine without a GPU")
    model = f"fastspeech={fastspeech_checkpoint}"
    words = ["--models", model, "--without-gpu", "--report", str(tmp_path / "gpu.md")]
    assert gpu_check.main(words) == 0
    rows = {row["backend"]: row for row in json.loads((tmp_path / "gpu.json").read_text())["rows"]}
    snr = {name: row["snr_db"] for name, row in rows.items() if row["outcome"] == "passed"}
    assert list(snr) == [f"ONNX Runtime, CPU, {precision}, every layer" for precision in ("fp32", "fp16")]
    assert min(snr.values()) > 40 and snr["ONNX Runtime, CPU, fp32, every layer"] > 100
    assert len(rows) == 14 and {row["outcome"] for row in rows.values()} == {"passed", "not here"}
    assert (
        "| `fastspeech` | ONNX Runtime, CPU, fp16, every layer | passed |"
        in (tmp_path / "gpu.md").read_text()
    )
