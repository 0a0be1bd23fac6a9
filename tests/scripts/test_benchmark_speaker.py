"""Timing speaker graphs side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.benchmark_speaker import main


def test_graphs_of_both_forms(
    speaker_graph: Callable[[str], Path], exported: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(speaker_graph(name)) for name in ("resnet18", "resnet18-wav")]
    assert main([*paths, "--runs", "3", "--seconds", "0.5", "--batch", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    first, second = report["graphs"]
    assert first["graph"] == paths[0] and first["ratio"] == 1 and second["ratio"] > 0
    assert first["milliseconds"] == pytest.approx(1e3 * first["real_time_factor"])  # a second of speech
    assert main([*paths, "--runs", "1", "--seconds", "0.2"]) == 0
    assert f"{paths[0]}: " in capsys.readouterr().out
    assert main([*paths, "--runs", "0"]) == 1
    assert "must be positive" in capsys.readouterr().err
    assert main([str(exported("gtcrn"))]) == 1
    assert "expected the inputs feats" in capsys.readouterr().err
