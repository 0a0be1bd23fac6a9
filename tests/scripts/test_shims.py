"""`python -m scripts.<name>` for the names that users of the public repositories and of older clones know."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import soundfile

from tests.data import ROOT
from zoo.cli import main
from zoo.runtime.onnx import OnnxGraph

Capture = pytest.CaptureFixture[str]

SHIMS = {
    "benchmark": "benchmark",
    "build_engine": "build",
    "convert_checkpoint": "convert",
    "evaluate": "evaluate",
    "export_onnx": "export",
    "export_onnx_spec": "export",
    "export_program": "export",
    "export_speaker": "export",
    "export_synthesis": "export",
    "export_torchscript": "export",
    "make_triton_repository": "serve",
    "score": "score",
    "test_onnx": "test",
    "test_onnx_spec": "test",
    "triton_client": "client",
    "verify_layers": "compare-layers",
}


def run(name: str, *words: object) -> int:
    """``python -m scripts.<name>`` in this process."""
    path = ROOT / "scripts" / f"{name}.py"
    script = compile(path.read_text(), path, "exec")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(path), *map(str, words)])
        with pytest.raises(SystemExit) as left:
            exec(script, {"__name__": "__main__", "__file__": str(path)})
    return int(left.value.code or 0)


@pytest.mark.parametrize("name", SHIMS)
def test_a_shims_help_is_the_commands(name: str, capsys: Capture) -> None:
    assert run(name, "--help") == 0
    told = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([SHIMS[name], "--help"])
    assert told == capsys.readouterr().out and told.startswith(f"usage: speechzoo {SHIMS[name]} ")


def test_shims_are_all_that_is_short() -> None:
    """A script that calls the command line is one of them, and of a few lines."""
    found = {path.stem: path.read_text() for path in (ROOT / "scripts").glob("*.py") if path.stem != "shims"}
    assert {name for name, text in found.items() if "import shim" in text} == set(SHIMS)
    assert max(len(found[name].splitlines()) for name in SHIMS) < 20


def test_the_public_scripts_words(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """FastEnhancer's scripts, with the options that they have there."""
    monkeypatch.chdir(tmp_path)
    source = ("--model", "fastenhancer_t", "--weights", "speechzoo")
    assert run("export_onnx", *source, "--onnx-path", "onnx/t.onnx") == 0
    assert run("export_onnx_spec", *source, "--onnx-path", "onnx/t.spec.onnx") == 0
    assert OnnxGraph("onnx/t.onnx").inputs[0].shape == (1, 256)
    assert OnnxGraph("onnx/t.spec.onnx").inputs[0].shape == (1, 257, 1, 2)
    noisy = tmp_path / "p232_013.wav"
    noisy.write_bytes((ROOT / "examples/noisy.wav").read_bytes())
    frames = ("--n-fft", 512, "--hop-size", 256)
    audio = ("--audio-path", noisy, "--save-output")
    assert run("test_onnx", "--onnx-path", "onnx/t.onnx", *audio, *frames) == 0
    enhanced = tmp_path / "p232_013.enhanced.wav"
    assert soundfile.info(enhanced).frames == soundfile.info(noisy).frames
    enhanced.unlink()
    window = ("--win-size", 512, "--win-type", "hann", "--sr", soundfile.info(noisy).samplerate)
    assert run("test_onnx_spec", "--onnx-path", "onnx/t.spec.onnx", *frames, *window[:4], *audio) == 0
    assert enhanced.is_file()
    assert "real-time factor, median" in capsys.readouterr().out


def test_older_words(tmp_path: Path) -> None:
    path = tmp_path / "t.ts"
    assert (
        run("export_torchscript", "--model", "fastenhancer_t", "--weights", "speechzoo", "--out", path) == 0
    )
    assert path.is_file()
