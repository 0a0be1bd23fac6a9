"""Random weights are asked for, or told: by ``create_model``, the exports, and what runs those."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from converters import export_onnx
from tests.data import ROOT
from zoo.cli import main
from zoo.runtime.onnx import OnnxGraph

torch = pytest.importorskip("torch")
Capture = pytest.CaptureFixture[str]


def test_random_weights_come_with_a_warning() -> None:
    for call in (
        lambda: zoo.create_model("gtcrn"),
        lambda: torch.hub.load(str(ROOT), "gtcrn", source="local"),
    ):
        with pytest.warns(UserWarning, match=r'gtcrn has random weights, .* pass weights="speechzoo"; '):
            assert call().provenance["source"] == "random"
    with pytest.warns(UserWarning, match=r"dpcrn has random weights, .* or pass as weights the path of a"):
        zoo.create_model("dpcrn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in (
            lambda: zoo.create_model("gtcrn", None),
            lambda: zoo.create_model("gtcrn", weights=None),
            lambda: torch.hub.load(str(ROOT), "gtcrn", source="local", weights=None),
        ):
            assert call().provenance["source"] == "random"
        assert zoo.create_model("gtcrn", "speechzoo").provenance["source"] == "speechzoo"


def test_artifacts_say_that_their_weights_are_random(tmp_path: Path, capsys: Capture) -> None:
    """In the manifest, in ``verify`` and in ``enhance``; ``export`` warns unless they are asked for."""
    words = "--model", "fastenhancer_t", "-o"
    assert main(["export", *words, str(tmp_path / "a.onnx")]) == 0
    warning = [line for line in capsys.readouterr().err.splitlines() if "random" in line]
    assert len(warning) == 1 and 'pass weights="speechzoo" (--weights)' in warning[0]
    assert main(["export", *words, str(tmp_path / "b.onnx"), "--weights", "none"]) == 0
    assert "random" not in capsys.readouterr().err
    for name in ("a.onnx", "b.onnx"):
        manifest = OnnxGraph(tmp_path / name).manifest
        assert manifest is not None and manifest.weights["source"] == "random"
    told = "its weights are random, as fastenhancer_t was exported without trained ones"
    assert main(["verify", str(tmp_path / "a.onnx")]) == 0
    assert told in capsys.readouterr().err
    soundfile.write(tmp_path / "x.wav", np.zeros(800), 16000)
    assert main(["enhance", str(tmp_path / "x.wav"), "--artifact", str(tmp_path / "a.onnx")]) == 0
    assert told in capsys.readouterr().err
    assert main(["verify", "fastenhancer_t"]) == 0
    assert "random" not in capsys.readouterr().err


def test_weights_that_were_loaded_by_hand_are_not_called_random(tmp_path: Path) -> None:
    model = zoo.create_model("fastenhancer_t", None)
    model.load_state_dict(zoo.create_model("fastenhancer_t", "speechzoo").state_dict())
    export_onnx(model, tmp_path / "x.onnx", "wav2wav")
    manifest = OnnxGraph(tmp_path / "x.onnx").manifest
    assert manifest is not None and "source" not in manifest.weights
