"""The scripts of a clone, as they are called from a shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from scripts import benchmark, export_onnx, test_onnx
from tests.checkpoints import CONFIG
from tests.data import ROOT
from zoo import Enhancer, verify
from zoo.artifact.parity import compare
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance

Exported = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def shell(module: str, *words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """``python -m scripts.<module>`` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", f"scripts.{module}", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


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


# scripts.export_onnx


def test_export_from_a_training_folder(
    training_folder: Path, exported: Exported, speech_16k: np.ndarray, tmp_path: Path
) -> None:
    """-n NAME in the working folder: the model by its configuration, the newest of its checkpoints."""
    done = shell("export_onnx", "-n", "mine", "--onnx-path", "out/mine.onnx", cwd=tmp_path)
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
    assert export_onnx.main([*source, *words, "--onnx-path", str(path)]) == 0
    assert OnnxGraph(path).inputs[0].shape == shape
    assert verify(path).passed
    assert f"{path}: " in capsys.readouterr().out


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
    assert export_onnx.main([*words, "--onnx-path", "x.onnx"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert os.listdir(tmp_path) == ["logs"]


def test_export_tells_errors_without_a_traceback(tmp_path: Path) -> None:
    done = shell("export_onnx", "--model", "gtcm", "--onnx-path", "x.onnx", cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == "" and os.listdir(tmp_path) == []
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "error: there is no model 'gtcm'; did you mean gtcrn?"
    done = shell("export_onnx", "--model", "gtcrn", "--form", "wav", cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "usage:" in done.stderr


def test_export_to_where_nothing_can_be(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").touch()
    assert export_onnx.main(["--model", "fastenhancer_t", "--onnx-path", f"{tmp_path}/file/x.onnx"]) == 1
    assert "file/x.onnx: it cannot be written" in capsys.readouterr().err


# scripts.test_onnx


def test_a_file_of_ours_needs_no_options(exported: Exported, tmp_path: Path) -> None:
    """All is in its metadata; the sound written is the enhancer's, in the input's rate and format."""
    noisy, rate = soundfile.read(ROOT / "examples/noisy.wav", dtype="float32")
    path = exported("gtcrn", "spec2spec")
    done = shell("test_onnx", "--onnx-path", path, "--save-output", "out.wav", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    for name in ("mean", "median", "99th percentile", "minimum", "maximum"):
        assert float(told[f"real-time factor, {name}"]) > 0 and float(told[f"ms a block, {name}"]) > 0
    enhanced, out_rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert (out_rate, enhanced.shape) == (rate, noisy.shape)
    assert soundfile.info(tmp_path / "out.wav").subtype == soundfile.info(ROOT / "examples/noisy.wav").subtype
    np.testing.assert_allclose(enhanced, Enhancer(path)(noisy, rate), atol=1.1 / 32768)


def test_figures_as_json(exported: Exported, capsys: Capture) -> None:
    assert test_onnx.main(["--onnx-path", str(exported("gtcrn", "wav2wav")), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    block = told["ms of audio in a block"]
    assert block == 16 and told["latency in ms"] == pytest.approx((512 - 1) / 16)
    order = [told[f"ms a block, {name}"] for name in ("minimum", "median", "99th percentile", "maximum")]
    assert order == sorted(order) and order[0] <= told["ms a block, mean"] <= order[-1]
    assert told["real-time factor, median"] == pytest.approx(told["ms a block, median"] / block)


def test_a_public_file_and_its_options(
    shared: Path, exported: Exported, tmp_path: Path, capsys: Capture
) -> None:
    speech, public = shared / "data/real/gtcrn_mix_16k.wav", shared / "data/onnx/gtcrn_stream_upstream.onnx"
    words = ["--audio-path", str(speech), "--save-output"]
    theirs, ours = tmp_path / "theirs.wav", tmp_path / "ours.wav"
    options = ["--sample-rate", "16000", "--hop-size", "256", "--win-type", "hann-sqrt"]
    assert test_onnx.main(["--onnx-path", str(public), *words, str(theirs), *options]) == 0
    assert test_onnx.main(["--onnx-path", str(exported("gtcrn", "wav2wav")), *words, str(ours)]) == 0
    assert "real-time factor, median" in capsys.readouterr().out
    (a, _), (b, _) = (soundfile.read(path, dtype="int16") for path in (theirs, ours))
    assert len(a) == soundfile.info(speech).frames and np.abs(a.astype(int) - b).max() <= 1


def test_an_offline_file(exported: Exported, tmp_path: Path, capsys: Capture) -> None:
    path = exported("fastenhancer_t", "wav2wav", streaming=False, frames=63)
    out = tmp_path / "out.flac"
    words = ["--onnx-path", str(path), "--runs", "3", "--save-output", str(out), "--json"]
    assert test_onnx.main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert {f"ms a second of audio, {n}" for n in ("mean", "minimum", "maximum")} <= set(told)
    assert 0 < told["ms a second of audio, minimum"] <= told["ms a second of audio, mean"]
    assert "latency in ms" not in told
    noisy, rate = soundfile.read(ROOT / "examples/noisy.wav", dtype="float32")
    assert soundfile.info(out).format == "FLAC" and soundfile.info(out).frames == len(noisy)
    np.testing.assert_allclose(soundfile.read(out)[0], Enhancer(path)(noisy, rate), atol=1.1 / 32768)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--onnx-path", "missing.onnx"], "missing.onnx: there is no such file"),
        (["--onnx-path", "bad.onnx"], "bad.onnx: ONNX Runtime "),
        (["--onnx-path", "ours.onnx", "--audio-path", "missing.wav"], "missing.wav"),
        (["--onnx-path", "ours.onnx", "--audio-path", "bad.onnx"], "not readable as audio"),
        (["--onnx-path", "ours.onnx", "--save-output", "none/out.wav"], "none"),
        (["--onnx-path", "public.onnx", "--hop-size", "500"], "frames every 500 samples do not cover"),
        (["--onnx-path", "public.onnx", "--sample-rate", "7"], "rate 7 is not"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_run(
    shared: Path, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture,
    words: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.onnx").write_text("not ONNX" * 9)
    shutil.copy(exported("fastenhancer_t", "wav2wav"), "ours.onnx")
    shutil.copy(shared / "data/onnx/fastenhancer_16k_t_spec2spec.onnx", "public.onnx")
    assert test_onnx.main(words) == 1
    told = capsys.readouterr()
    assert told.err.startswith("error: ") and message in told.err and told.err.count("\n") == 1
    assert told.out == "" and sorted(os.listdir()) == ["bad.onnx", "ours.onnx", "public.onnx"]


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (benchmark.main, ["x.onnx", "--rounds", "0"]),
        (benchmark.main, ["x.onnx", "--calls", "-1"]),
        (benchmark.main, ["x.onnx", "--seconds", "nan"]),
        (benchmark.main, ["x.onnx", "--streams", "1", "0"]),
        (benchmark.main, ["x.onnx", "--hops", "some"]),
        (benchmark.main, ["gtcrn", "--backends", "tensorrt"]),
        (benchmark.main, ["x.onnx", "--from", "times.json"]),
        (benchmark.main, []),
        (test_onnx.main, ["--onnx-path", "x.onnx", "--runs", "0"]),
        (test_onnx.main, []),
        (export_onnx.main, ["--model", "gtcrn"]),
        (export_onnx.main, ["--onnx-path", "x", "--weights", "a", "-n", "b"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value.__module__,
)
def test_wrong_words(main: Callable[[list[str]], int], words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2 and "usage: python -m scripts." in capsys.readouterr().err


# scripts.gpu_check


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
