"""`speechzoo export` of text to speech: what it is told wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.cli import main

Capture = pytest.CaptureFixture[str]

EXPORT = ("export", "--model", "fastspeech")


@pytest.mark.parametrize(
    "words", [[], ["--output", "a", "--config", "b"], ["--config", "b", "--batch", "2"], ["--buckets", "8"]]
)
def test_wrong_words(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main([*EXPORT, *words])
    assert left.value.code == 2 and "usage: speechzoo export" in capsys.readouterr().err


def test_export_says_what_is_wrong(tmp_path: Path, fastspeech_checkpoint: Path, capsys: Capture) -> None:
    words = ["--weights", str(fastspeech_checkpoint), "--output", str(tmp_path)]
    assert main([*EXPORT, *words, "--buckets", "300/9"]) == 1
    assert "speechzoo: 300 tokens and 9 frames: each must be from 1 to 256" in capsys.readouterr().err
    assert main([*EXPORT, *words, "--buckets", "free", "16/128"]) == 1
    assert "a graph of free size takes all texts; name no others beside it" in capsys.readouterr().err
    assert main([*EXPORT, *words, "--buckets", "free", "--target", "exported"]) == 1
    assert "free sizes are for ONNX; name sizes for .pt2, as --buckets 128/1024" in capsys.readouterr().err
    assert main([*EXPORT, "--weights", "no.pt", "--output", str(tmp_path)]) == 1
    assert "speechzoo: fastspeech has no weights 'no.pt'" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_one_graph_of_free_size(tmp_path: Path, fastspeech_checkpoint: Path, capsys: Capture) -> None:
    words = ["--weights", str(fastspeech_checkpoint), "--output", str(tmp_path), "--buckets", "free"]
    assert main([*EXPORT, *words]) == 0
    assert os.listdir(tmp_path) == ["fastspeech.free.onnx"]
    assert main(["speak", "Hello.", "--artifact", str(tmp_path), "-o", str(tmp_path / "x.wav")]) == 0
    assert main([*EXPORT, *words]) == 0 and "there already, the same" in capsys.readouterr().out
