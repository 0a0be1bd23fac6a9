"""``python -m scripts.triton_client`` against a real Triton server."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from scripts import triton_client
from tests.data import ROOT
from tests.triton.serving import MANY, Served, run
from zoo.arrays import Array
from zoo.errors import ServerError
from zoo.triton.connection import Connection
from zoo.triton.enhancement import RemoteEnhancer
from zoo.triton.load import is_right, measure

OTHER = ROOT / "zoo/models/gtcrn/packaged/gtcrn.onnx"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def recordings(tmp_path: Path, speech_16k: Array) -> Path:
    """A folder with good and bad files, and names with spaces."""
    folder = tmp_path / "some recordings"
    (folder / "inside").mkdir(parents=True)
    soundfile.write(folder / "a 1.wav", speech_16k[:16000], 16000, subtype="FLOAT")
    soundfile.write(folder / "inside/b.flac", np.stack([speech_16k[:9000]] * 2, axis=1), 8000)
    (folder / "broken.wav").write_bytes(b"RIFF0000WAVE")
    return folder


def test_enhance_a_folder(served: Served, recordings: Path, tmp_path: Path, capsys: Capture) -> None:
    """What can be enhanced is, as here; the rest is named, and the exit status says so."""
    words = ["enhance", str(recordings), "-o", str(tmp_path / "out"), "--recursive"]
    server = ["--model", "enhancer", "--url", served.url]
    assert triton_client.main([*words, *server]) == 1
    told = capsys.readouterr()
    assert "a 1.wav (1.0 s)" in told.out and "b.flac (1.1 s)" in told.out
    assert "broken.wav: not readable as audio" in told.err and "1 of 3 recordings failed" in told.err
    enhancer = zoo.Enhancer(MANY)
    for name in ("a 1.wav", "inside/b.flac"):
        noisy, rate = soundfile.read(recordings / name, dtype="float32", always_2d=True)
        output, out_rate = soundfile.read(tmp_path / "out" / name, dtype="float32", always_2d=True)
        assert rate == out_rate
        np.testing.assert_allclose(output.T, enhancer(noisy.T, rate), atol=1.1 / 32768)
    assert not (tmp_path / "out/broken.wav").exists()
    assert triton_client.main([*words, *server]) == 1
    assert "exists; pass another name, or --force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["enhance", "nowhere.wav", "-o", "x.wav", "--model", "enhancer"], "there is no file nowhere.wav"),
        (["enhance", "a", "-o", "x.wav", "--model", "nothing"], "no model nothing is ready; ready are"),
        (["enhance", "a", "-o", "x.wav", "--model", "m", "--timeout", "0"], "time-out of 0.0 s"),
        (["load", "nowhere.wav", "--model", "enhancer"], "there is no file nowhere.wav"),
        (["perf-input", "nowhere.wav", "-o", "x", "--model", "enhancer"], "there is no file nowhere.wav"),
    ],
)
def test_what_is_not_there(
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    words: list,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert triton_client.main([*words, "--url", served.url]) == 1
    error = capsys.readouterr().err
    assert "speechzoo: " in error and message in error
    assert os.listdir(tmp_path) == []


def test_load(served: Served, tmp_path: Path, capsys: Capture) -> None:
    """At every concurrency all requests are answered, and right."""
    figures = tmp_path / "load.json"
    words = ["load", str(ROOT / "examples/noisy.wav"), "--seconds", "0.4", "--requests", "150"]
    server = ["--model", "fixed_hop", "--url", served.url, "--json", str(figures)]
    assert triton_client.main([*words, "--concurrency", "1", "8", *server]) == 0
    reports = json.loads(figures.read_text())
    for report, concurrency in zip(reports, (1, 8), strict=True):
        assert (report["concurrency"], report["requests"]) == (concurrency, 150)
        assert report["failed"] == report["wrong"] == 0
        assert report["throughput"] == pytest.approx(150 / report["seconds"])
        assert 0 < report["latency"][0] <= report["latency"][1] <= report["latency"][2] < report["seconds"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["concurrency", "requests", "failed", "wrong"]
    assert [line.split()[:4] for line in lines[1:]] == [["1", "150", "0", "0"], ["8", "150", "0", "0"]]


def test_load_notices_wrong_and_missing_answers(served: Served, speech_16k: Array) -> None:
    """A client that asks something else, and one whose third request fails."""

    async def work() -> None:
        async with Connection(served.url) as connection:
            enhancer = await RemoteEnhancer.find(connection, "fixed_hop")
            wave = speech_16k[16000:20000]
            answers = enhancer.answers(wave, await enhancer.alone(wave))

            async def disturbed():
                async with enhancer.stream() as stream:
                    async for right in answers():
                        yield right and not np.abs(await stream.push(speech_16k[:256])).any()

            async def failing():
                for _ in range(2):
                    yield True
                raise ServerError("lost")

            report = await measure(disturbed, 10, 1)
            assert report.wrong >= 8 and report.failed == 0
            report = await measure(failing, 9, 1)
            assert (report.failed, report.wrong, report.error) == (3, 0, "lost")
            with pytest.raises(ValueError, match="must be at least 1"):
                await measure(answers, 0, 1)

    run(work())


def test_load_is_no_praise_of_what_is_wrong(served: Served, tmp_path: Path, capsys: Capture) -> None:
    """NaN and silence are no answers to compare with, and those of another artifact are not these."""
    soundfile.write(tmp_path / "silence.wav", np.zeros(8000), 16000)
    noisy, words = (
        str(ROOT / "examples/noisy.wav"),
        ["--requests", "20", "--concurrency", "1", "--seconds", "0.4"],
    )
    for recording, model, options, message in (
        (noisy, "not_a_number", [], "output is not finite from sample 0 on"),
        (str(tmp_path / "silence.wav"), "fixed_hop", [], "nothing but zeros"),
        (noisy, "fixed_hop", ["--artifact", str(OTHER)], "answer: SNR"),
    ):
        asked = ["load", recording, *words, *options, "--model", model, "--url", served.url]
        assert triton_client.main(asked) == 1
        assert message in capsys.readouterr().err
    asked = ["load", noisy, *words, "--artifact", str(MANY), "--model", "fixed_hop", "--url", served.url]
    assert triton_client.main(asked) == 0
    assert f"fixed_hop: as {MANY}; answer: SNR" in capsys.readouterr().out


def test_a_part_that_is_not_a_number_is_wrong() -> None:
    expected = np.linspace(-1, 1, 8, dtype=np.float32)
    assert is_right(expected + 1e-5, expected, 1.0)
    for wrong in (expected + 2e-4, np.where(expected > 0.5, np.nan, expected), expected[1:]):
        assert not is_right(wrong, expected, 1.0)
    assert not is_right(expected, np.full(8, np.nan, np.float32), float("nan"))


@pytest.mark.parametrize(("name", "shape"), [("fixed_hop", (256,)), ("spectral", (257, 1, 2))])
def test_an_input_for_perf_analyzer(served: Served, tmp_path: Path, name: str, shape: tuple) -> None:
    """Its steps, sent as one sequence, are the recording."""
    path = tmp_path / "input.json"
    words = ["perf-input", str(ROOT / "examples/noisy.wav"), "--seconds", "0.5", "-o", str(path)]
    assert triton_client.main([*words, "--model", name, "--url", served.url]) == 0
    (steps,) = json.loads(path.read_text())["data"]
    assert len(steps) == 8000 // 256
    signals = []
    for step in steps:
        ((tensor, content),) = step.items()
        assert tuple(content["shape"]) == shape
        signals.append(np.frombuffer(base64.b64decode(content["b64"]), "<f4").reshape(shape))
    noisy, _ = soundfile.read(ROOT / "examples/noisy.wav", dtype="float32")
    if name == "fixed_hop":
        np.testing.assert_array_equal(np.concatenate(signals), noisy[: 31 * 256])
        assert tensor == "wav_in"
    else:
        frame = np.fft.rfft(
            noisy[256 : 256 + 512] * np.hanning(513)[:512]
        )  # the frame that ends the third hop
        np.testing.assert_allclose(signals[2][:, 0, 0] + 1j * signals[2][:, 0, 1], frame, atol=1e-5)
        assert tensor == "spec_in"
