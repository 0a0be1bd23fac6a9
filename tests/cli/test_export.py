"""`speechzoo export`: which model, which file, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.checkpoints import CONFIG
from tests.cli.shell import speechzoo
from zoo import Enhancer, verify
from zoo.artifact.parity import compare
from zoo.cli import main
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance

Exported = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def training_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights_for: Callable[[str], Path]
) -> Path:
    """logs/mine as FastEnhancer's training leaves it, in a working folder of its own."""
    import torch

    folder = tmp_path / "logs" / "mine"
    folder.mkdir(parents=True)
    from zoo import create_model

    good = create_model("fastenhancer_t", weights_for("fastenhancer_t")).state_dict()
    torch.save({"model": create_model("fastenhancer_t").state_dict(), "epoch": 90}, folder / "00090.pth")
    torch.save({"model": good, "epoch": 100}, folder / "00100.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    monkeypatch.chdir(tmp_path)
    return folder


def test_export_from_a_training_folder(
    training_folder: Path, exported: Exported, speech_16k: np.ndarray, tmp_path: Path
) -> None:
    """-n NAME in the working folder: the model by its configuration, the newest of its checkpoints."""
    done = speechzoo("export", "-n", "mine", "--onnx-path", "out/mine.onnx", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("out/mine.onnx: ") and "SNR" in done.stdout
    assert "fastenhancer_t: exporting wav2wav, streaming" in done.stderr
    assert verify(tmp_path / "out/mine.onnx").passed
    speech = speech_16k[16000:48000]
    expected = Enhancer(exported("fastenhancer_t", "wav2wav"))(speech)
    compare(expected, Enhancer(tmp_path / "out/mine.onnx")(speech), tensor="x", tolerance=Tolerance())
    assert os.listdir(tmp_path / "out") == ["mine.onnx"]


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        (["--form", "spec2spec", "--streams", "0", "--hops", "2"], ("streams", 257, 2, 2)),
        (["--offline", "--frames", "63"], (1, 61 * 256)),
    ],
)
def test_export_options(
    weights_for: Callable[[str], Path], tmp_path: Path, capsys: Capture, words: list[str], shape: tuple
) -> None:
    path = tmp_path / "x.onnx"
    source = ["--model", "fastenhancer_t", "--checkpoint", str(weights_for("fastenhancer_t"))]
    assert main(["export", *source, *words, "--onnx-path", str(path)]) == 0
    assert OnnxGraph(path).inputs[0].shape == shape
    assert verify(path).passed
    assert f"{path}: " in capsys.readouterr().out


def test_a_sidecar_is_the_record_for_what_reads_no_metadata(
    weights_for: Callable[[str], Path], tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "x.onnx"
    source = ["export", "--model", "fastenhancer_t", "--checkpoint", str(weights_for("fastenhancer_t"))]
    with pytest.raises(SystemExit):
        main([*source, "--sidecar", "-o", str(tmp_path / "x.ts")])
    assert "--sidecar goes with --target onnx, not with torchscript" in capsys.readouterr().err
    assert main([*source, "--sidecar", "-o", str(path)]) == 0
    record, manifest = json.loads((tmp_path / "x.json").read_text()), OnnxGraph(path).manifest
    assert manifest is not None and "golden" not in record
    expected = json.loads(manifest.to_json())
    del expected["golden"]
    assert record == expected
    assert sorted(os.listdir(tmp_path)) == ["x.json", "x.onnx"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "gtcm"], "there is no model 'gtcm'; did you mean gtcrn"),
        (
            ["--model", "gtcrn", "--weights", "nowhere.pt"],
            "gtcrn has no weights 'nowhere.pt' (known tags: speechzoo, dns3",
        ),
        (["--model", "gtcrn", "--checkpoint", "logs/mine/00100.pth"], "not a checkpoint of gtcrn"),
        (["--model", "gtcrn", "--hops", "-1"], "must be at least 1"),
        (["--model", "gtcrn", "--frames", "63"], "frames fixes the length of an offline graph"),
        (["-n", "theirs"], "logs/theirs: there is no training folder with a config.yaml"),
        (["-n", "../logs/empty"], "it does not say which model it is one of, as a training folder with"),
        (["-n", "mine", "--model", "gtcrn"], "not a checkpoint of gtcrn"),
        ([], "--model is needed, unless -n names a training folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_export_of_what_is_not_there(
    training_folder: Path, tmp_path: Path, capsys: Capture, words: list[str], message: str
) -> None:
    (training_folder.parent / "empty").mkdir()
    assert main(["export", *words, "--onnx-path", "x.onnx"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("speechzoo: ") and message in error
    assert os.listdir(tmp_path) == ["logs"]


def test_export_tells_errors_without_a_traceback(tmp_path: Path) -> None:
    done = speechzoo("export", "--model", "gtcm", "--onnx-path", "x.onnx", cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == "" and os.listdir(tmp_path) == []
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "speechzoo: there is no model 'gtcm'; did you mean gtcrn?"
    done = speechzoo("export", "--model", "gtcrn", "--form", "wav", cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "usage:" in done.stderr


def test_export_to_where_nothing_can_be(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").touch()
    assert main(["export", "--model", "fastenhancer_t", "--onnx-path", f"{tmp_path}/file/x.onnx"]) == 1
    assert "file/x.onnx: it cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--model", "gtcrn"], ["--onnx-path", "x", "--weights", "a", "-n", "b"], ["--onnx-path", "x", "-x"]],
    ids=" ".join,
)
def test_wrong_words(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main(["export", *words])
    assert left.value.code == 2 and "usage: speechzoo export" in capsys.readouterr().err
