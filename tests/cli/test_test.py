"""`speechzoo test`: graphs of every kind on a recording, and the figures."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.shell import speechzoo
from tests.data import ROOT
from zoo import Enhancer
from zoo.cli import main

Exported = Callable[..., Path]
Capture = pytest.CaptureFixture[str]

EXAMPLE = ROOT / "examples/noisy.wav"


def test_a_file_of_ours_needs_no_options(exported: Exported, tmp_path: Path) -> None:
    """All is in its metadata; the sound written is the enhancer's, in the input's rate and format."""
    noisy, rate = soundfile.read(EXAMPLE, dtype="float32")
    path = exported("gtcrn", "spec2spec")
    words = ["test", "--onnx-path", path, "--audio-path", EXAMPLE, "--save-output", "out.wav"]
    done = speechzoo(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    for name in ("mean", "median", "99th percentile", "minimum", "maximum"):
        assert float(told[f"real-time factor, {name}"]) > 0 and float(told[f"ms a block, {name}"]) > 0
    enhanced, out_rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert (out_rate, enhanced.shape) == (rate, noisy.shape)
    assert soundfile.info(tmp_path / "out.wav").subtype == soundfile.info(EXAMPLE).subtype
    np.testing.assert_allclose(enhanced, Enhancer(path)(noisy, rate), atol=1.1 / 32768)


def test_figures_as_json(exported: Exported, capsys: Capture) -> None:
    assert main(["test", "--onnx-path", str(exported("gtcrn", "wav2wav")), "--json"]) == 0
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
    assert main(["test", "--onnx-path", str(public), *words, str(theirs), *options]) == 0
    assert main(["test", "--onnx-path", str(exported("gtcrn", "wav2wav")), *words, str(ours)]) == 0
    assert "real-time factor, median" in capsys.readouterr().out
    (a, _), (b, _) = (soundfile.read(path, dtype="int16") for path in (theirs, ours))
    assert len(a) == soundfile.info(speech).frames and np.abs(a.astype(int) - b).max() <= 1


def test_an_offline_file(exported: Exported, tmp_path: Path, capsys: Capture) -> None:
    path = exported("fastenhancer_t", "wav2wav", streaming=False, frames=63)
    out = tmp_path / "out.flac"
    words = ["--onnx-path", str(path), "--audio-path", str(EXAMPLE), "--runs", "3", "--json"]
    words += ["--save-output", str(out)]
    assert main(["test", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {f"ms a second of audio, {n}" for n in ("mean", "minimum", "maximum")} <= set(told)
    assert 0 < told["ms a second of audio, minimum"] <= told["ms a second of audio, mean"]
    assert "latency in ms" not in told
    noisy, rate = soundfile.read(EXAMPLE, dtype="float32")
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
    assert main(["test", *words]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("speechzoo: ") and message in told.err and told.err.count("\n") == 1
    assert told.out == "" and sorted(os.listdir()) == ["bad.onnx", "ours.onnx", "public.onnx"]


@pytest.mark.parametrize("words", [["--onnx-path", "x.onnx", "--runs", "0"], []], ids=" ".join)
def test_wrong_words(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main(["test", *words])
    assert left.value.code == 2 and "usage: speechzoo test" in capsys.readouterr().err


def test_a_speaker_models_graph(speaker_graph: Exported, capsys: Capture) -> None:
    """On the package's own utterance, since no recording is named."""
    path = str(speaker_graph("resnet18-wav"))
    assert main(["test", path, "--runs", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert 0 < told["real-time factor, minimum"] <= told["real-time factor, median"]
    assert told["ms a second of audio, mean"] == pytest.approx(1e3 * told["real-time factor, mean"])
    assert main(["test", path, "--hop-size", "256"]) == 1
    assert "it has no window and hop of that kind; leave --hop-size out" in capsys.readouterr().err


def test_a_graph_of_text_to_speech(capsys: Capture) -> None:
    graph = ROOT / "zoo/models/fastspeech/packaged/fastspeech_small.onnx"
    assert main(["test", str(graph)]) == 1
    assert "it takes text; speechzoo speak TEXT --artifact" in capsys.readouterr().err


def test_a_torchscript_file(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "t.ts"
    assert main(["export", "--model", "fastenhancer_t", "--weights", "speechzoo", "-o", str(path)]) == 0
    assert main(["test", str(path), "--audio-path", str(EXAMPLE)]) == 0
    assert "latency in ms" in capsys.readouterr().out


def test_options_that_contradict_the_graph(exported: Exported, capsys: Capture) -> None:
    path = str(exported("gtcrn", "wav2wav"))
    for option, known, other in (
        ("--n-fft", "512", "400"),
        ("--win-size", "512", "400"),
        ("--hop-size", "256", "100"),
        ("--sr", "16000", "8000"),
        ("--win-type", "hann-sqrt", "hann"),
    ):
        assert main(["test", path, option, known, "--json"]) == 0
        assert main(["test", path, option, other]) == 1
        assert f"in this graph, not {other}; leave it out" in capsys.readouterr().err


def test_output_beside_the_recording(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(exported("gtcrn", "wav2wav"))
    noisy = tmp_path / "in" / "x.wav"
    noisy.parent.mkdir()
    shutil.copy(EXAMPLE, noisy)
    monkeypatch.chdir(tmp_path)
    assert main(["test", path, "--audio-path", str(noisy), "--save-output"]) == 0
    assert main(["test", path, "--save-output"]) == 0
    assert sorted(os.listdir()) == ["in", "speech.enhanced.flac"]
    assert sorted(os.listdir("in")) == ["x.enhanced.wav", "x.wav"]
