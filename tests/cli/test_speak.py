"""speechzoo speak."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.synthesis import TEXT
from zoo.cli import main
from zoo.tasks.synthesis.synthesizer import Synthesizer

Capture = pytest.CaptureFixture[str]


def test_speak(
    synthesis_files: list[Path], tmp_path: Path, capsys: Capture, synthesizer: Synthesizer
) -> None:
    out, picture = tmp_path / "out.flac", tmp_path / "out.png"
    words = ["speak", TEXT, "-o", str(out), "--artifact", *map(str, synthesis_files), "--alpha", "1.5"]
    assert main([*words, "--plot", str(picture), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    speech = Synthesizer(synthesis_files)(TEXT, alpha=1.5)
    assert told["frames"] == len(speech.mel) and told["backend"] == "onnxruntime"
    assert [piece["text"] for piece in told["pieces"]] == [piece.text for piece in speech.pieces]
    wave, rate = soundfile.read(out, dtype="float32")
    assert rate == 22050 and len(wave) == len(speech.waveform)
    np.testing.assert_allclose(wave, np.clip(speech.waveform, -1, 1), atol=1.1 / 32768)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(words) == 1 and "out.flac exists" in capsys.readouterr().err


def test_speak_from_a_checkpoint(
    fastspeech_checkpoint: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.StringIO("one ~ two"))
    out = tmp_path / "out.wav"
    assert main(["speak", "-", "-o", str(out), "--weights", str(fastspeech_checkpoint)]) == 0
    told = capsys.readouterr()
    assert "s of speech in" in told.out and "no symbol stands for it: ~" in told.err
    assert soundfile.info(out).frames > 5000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hi", "--model", "fastspeech"], "fastspeech needs weights: none come with the package"),
        (["hi", "--model", "gtcrn"], "gtcrn is a model for enhancement"),
        (["hi", "--weights", "no.pt"], "fastspeech has no weights 'no.pt'"),
        (["{XX}", "--artifact", "GRAPH"], "'XX' in {XX} is not ARPAbet"),
        (
            ["hi", "--artifact", "GRAPH", "--model", "fastspeech"],
            "--artifact has its model and weights inside",
        ),
        (["hi", "--artifact", "GRAPH", "--vocoder", "GRAPH"], "a vocoder with one input"),
        (["hi", "--artifact", "GRAPH", "-o", "x.xyz"], "unknown output format 'xyz'"),
        (["🙂", "--artifact", "GRAPH"], "nothing in it can be spoken"),
    ],
)
def test_speak_what_cannot_be(
    synthesis_files: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    words: list,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(synthesis_files[0]) if word == "GRAPH" else word for word in words]
    words += [] if "-o" in words else ["-o", "x.wav"]
    assert main(["speak", *words]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("speechzoo: ") and message in told.err and told.err.count("\n") == 1
    assert os.listdir() == []


def test_subtitles_and_pauses(synthesis_files: list[Path], tmp_path: Path, capsys: Capture) -> None:
    out, srt = tmp_path / "out.wav", tmp_path / "out.srt"
    words = ["speak", "Dr. Lee paid £20. It rained!", "--artifact", *map(str, synthesis_files)]
    words += ["-o", str(out), "--srt", str(srt)]
    assert main([*words, "--sentence-pause", "2"]) == 0
    assert "the first of it after" in capsys.readouterr().out
    lines = srt.read_text().splitlines()
    assert lines[::2] == ["1", "Dr. Lee paid £20.", "2", "It rained!"]
    times = [line.replace(",", ".").split(" --> ") for line in lines[1::4]]
    begins, ends = zip(*([float(t[6:]) for t in pair] for pair in times), strict=True)
    assert begins[0] == 0 and begins[1] - ends[0] == pytest.approx(2, abs=0.01)
    assert ends[1] == pytest.approx(soundfile.info(out).duration, abs=0.01)
    assert main([*words, "--force"]) == 0
    assert soundfile.info(out).duration < ends[1] - 1
    assert main(words) == 1 and "out.srt exists" in capsys.readouterr().err
    assert main([*words, "--srt", str(tmp_path / "no/x.srt")]) == 1
    assert main(["speak", "()", *words[2:], "--force"]) == 1
    assert "nothing in it can be spoken" in capsys.readouterr().err
    assert soundfile.info(out).duration > 1, "the file that was there stays"


def test_speak_to_a_pipe(synthesis_files: list[Path], tmp_path: Path, capsysbinary: Capture) -> None:
    """WAV of unknown length, the same samples as in a file."""
    words = ["speak", TEXT, "--artifact", *map(str, synthesis_files), "-o"]
    assert main([*words, "-"]) == 0
    piped = capsysbinary.readouterr().out
    assert main([*words, str(tmp_path / "x.wav")]) == 0
    samples, _ = soundfile.read(tmp_path / "x.wav", dtype="int16")
    assert piped[:4] == b"RIFF" and piped.endswith(samples.astype("<i2").tobytes())
