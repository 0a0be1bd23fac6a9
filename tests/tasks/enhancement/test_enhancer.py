"""The enhancer over a small real session: shapes, rates, channels, and what it cannot be made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.sessions import Halve
from zoo.errors import ArtifactError, AudioError, CheckpointError, UnknownModelError
from zoo.tasks.enhancement.enhancer import Enhancer


def tone(rate: int, seconds: float = 1.5) -> np.ndarray:
    time = np.arange(int(rate * seconds)) / rate
    return np.sin(2 * np.pi * 700 * time) * np.sin(np.pi * time / seconds) ** 4


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("rate", [None, 8000, 16000, 44100, 48000])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_keeps_shape_and_place(streaming: bool, rate: int | None, channels: int | None) -> None:
    x = tone(rate or 16000)
    if channels:
        x = x * np.arange(1, channels + 1)[:, None] / 4
    enhanced = Enhancer(Halve(streaming))(x, rate)
    assert enhanced.shape == x.shape and enhanced.dtype == np.float32
    np.testing.assert_allclose(enhanced, x / 2, atol=2e-5)


def test_long_recordings_and_progress() -> None:
    x, told = np.stack([tone(8000, 25)] * 2), []
    enhanced = Enhancer(Halve())(x, 8000, progress=told.append)
    np.testing.assert_allclose(enhanced, x / 2, atol=2e-5)
    assert told == sorted(told) and told[-1] == 1 and len(told) > 4


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("shape", [(0,), (2, 0), (1,), (2, 1)])
def test_next_to_nothing(streaming: bool, shape: tuple[int, ...]) -> None:
    assert Enhancer(Halve(streaming))(np.zeros(shape), 44100).shape == shape


def test_what_it_tells() -> None:
    enhancer = Enhancer(Halve())
    assert (enhancer.name, enhancer.backend, enhancer.sample_rate) == ("halve", "numpy", 16000)
    assert enhancer.latency().total == 256 + 255
    assert enhancer.latency(48000) == enhancer.stream(48000).latency


def test_streams_are_apart() -> None:
    enhancer, x = Enhancer(Halve()), tone(16000)
    first, second = enhancer.stream(), enhancer.stream()
    second.push(np.ones(1000))
    np.testing.assert_allclose(np.concatenate([first.push(x), first.flush()]), x / 2, atol=1e-6)


def test_no_stream_of_an_offline_artifact() -> None:
    with pytest.raises(
        ArtifactError, match=r"halve takes whole recordings .*call the enhancer on the waveform"
    ):
        Enhancer(Halve(streaming=False)).stream()


@pytest.mark.parametrize("streaming", [True, False])
def test_wrong_waveforms(streaming: bool) -> None:
    enhancer, bad = Enhancer(Halve(streaming)), np.zeros((2, 1000))
    bad[1, 77] = np.nan
    with pytest.raises(AudioError, match=r"channel 1: sample 77 is nan"):
        enhancer(bad)
    with pytest.raises(AudioError, match=r"got int16; pass \(block / 32768\)"):
        enhancer(np.zeros(100, np.int16))
    with pytest.raises(AudioError, match=r"got \(16000, 2\); if its channels come last, pass waveform\.T"):
        enhancer(np.zeros((16000, 2)))
    with pytest.raises(AudioError, match=r"\(N,\) or \(channels, N\) is expected, got \(1, 1, 9\)"):
        enhancer(np.zeros((1, 1, 9)))
    with pytest.raises(AudioError, match="sample rate 0 is not"):
        enhancer(np.zeros(100), 0)


def test_a_name_needs_weights() -> None:
    advice = r"none come with the package\. Take a model .*fastenhancer_t.* or pass as weights the path"
    with pytest.raises(CheckpointError, match=advice):
        Enhancer("dpcrn")


def test_unknown_sources(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="there is no model 'gtcm'"):
        Enhancer("gtcm")
    with pytest.raises(ArtifactError, match=r"missing\.onnx: there is no such file"):
        Enhancer(tmp_path / "missing.onnx")
    with pytest.raises(ArtifactError, match="an artifact has its own weights"):
        Enhancer(tmp_path / "missing.onnx", weights="dns3")
    with pytest.raises(CheckpointError, match="a network or session has its own"):
        Enhancer(Halve(), weights="dns3")
    (tmp_path / "model.tar").touch()
    with pytest.raises(
        ArtifactError, match=r"artifacts end in \.onnx, \.ts, .*; for a checkpoint pass the model's name"
    ):
        Enhancer(tmp_path / "model.tar")
    pytest.importorskip("torch")
    with pytest.raises(
        UnknownModelError, match="a network or a session for enhancement is expected, got int"
    ):
        Enhancer(3)  # type: ignore[arg-type]


def test_finished_artifacts_need_only_the_core() -> None:
    code = (
        "import sys, zoo.tasks.enhancement.enhancer, zoo.tasks.enhancement.stream, zoo.cli.enhance\n"
        "sys.exit(str({'torch', 'matplotlib', 'converters'} & set(sys.modules) or ''))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.strip() == ""
