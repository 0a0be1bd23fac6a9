"""What is exported for sherpa-onnx, in sherpa-onnx itself: both denoisers, and what they would get wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import converters
import zoo
from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import compare
from zoo.cli import main
from zoo.errors import ArtifactError
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance

CLOSE = Tolerance(110.0, 1e-5)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By the command, with the packaged weights."""
    pytest.importorskip("onnxscript")
    path = tmp_path_factory.mktemp("sherpa") / "gtcrn.onnx"
    words = ["export", "gtcrn", "--weights", "speechzoo", "--for", "sherpa-onnx", "-o", str(path)]
    assert main(words) == 0
    return path


@pytest.fixture(scope="module")
def noisy() -> Array:
    """With silence before it, where transforms differ in what they take the past for."""
    return np.pad(parity_speech(16000)[:48000], (4096, 0))


def config(graph: Path) -> object:
    sherpa = pytest.importorskip("sherpa_onnx", reason="needs sherpa-onnx")
    gtcrn = sherpa.OfflineSpeechDenoiserGtcrnModelConfig(model=str(graph))
    return sherpa.OfflineSpeechDenoiserModelConfig(gtcrn=gtcrn, num_threads=1)


def test_it_is_an_artifact_as_others_are(graph: Path, noisy: Array) -> None:
    assert zoo.verify(graph).passed
    metadata = OnnxGraph(graph).metadata
    assert metadata["model_type"] == "gtcrn" and metadata["window_type"] == "hann_sqrt"
    shapes = [
        tuple(map(int, metadata[f"{name}_cache_shape"].split(","))) for name in ("conv", "tra", "inter")
    ]
    assert shapes == [spec.shape for spec in OnnxGraph(graph).inputs[1:]]
    compare(zoo.Enhancer("gtcrn")(noisy), zoo.Enhancer(graph)(noisy), tensor="here", tolerance=CLOSE)


def test_the_offline_denoiser(graph: Path, noisy: Array) -> None:
    given = config(graph)
    sherpa = pytest.importorskip("sherpa_onnx")
    denoiser = sherpa.OfflineSpeechDenoiser(sherpa.OfflineSpeechDenoiserConfig(model=given))
    found = np.array(denoiser(noisy, 16000).samples, np.float32)
    sure = len(found) - 512  # it takes the end for something else too
    assert abs(len(found) - len(noisy)) < 256 and denoiser.sample_rate == 16000
    compare(zoo.Enhancer("gtcrn")(noisy)[:sure], found[:sure], tensor="offline", tolerance=CLOSE)


def test_the_online_denoiser(graph: Path, noisy: Array) -> None:
    given = config(graph)
    sherpa = pytest.importorskip("sherpa_onnx")
    denoiser = sherpa.OnlineSpeechDenoiser(sherpa.OnlineSpeechDenoiserConfig(model=given))
    for _ in range(2):
        output = [denoiser.run(noisy[at : at + 1000], 16000).samples for at in range(0, len(noisy), 1000)]
        found = np.concatenate([*output, denoiser.flush().samples]).astype(np.float32)
        assert len(found) == len(noisy)
        compare(zoo.Enhancer("gtcrn")(noisy), found, tensor="online", tolerance=CLOSE)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fastenhancer_t", "--weights", "speechzoo"], "this one's are hann, 512 samples every 256"),
        (["gtcrn", "--weights", "speechzoo", "--form", "wav2wav"], "leave form, streams, hops, frames"),
        (["gtcrn", "--weights", "speechzoo", "--hops", "2"], "leave form, streams, hops, frames"),
        (["gtcrn", "--weights", "speechzoo", "--target", "torchscript"], "--for goes with --target onnx"),
        (["resnet18", "--weights", "none", "--form", "wav"], "sherpa-onnx takes graphs of features"),
        (["fastspeech", "--weights", "none"], "--for is for enhancement and speaker"),
    ],
)
def test_what_it_does_not_take(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", *words, "--for", "sherpa-onnx", "-o", str(tmp_path / "x.onnx")]
    try:
        status = main(words)
    except SystemExit as stop:
        status = int(str(stop.code))
    assert status in (1, 2) and message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_from_python(tmp_path: Path) -> None:
    model = zoo.create_model("gtcrn", "speechzoo")
    with pytest.raises(ValueError, match="'kaldi' is no reader of graphs that is known; sherpa-onnx is"):
        converters.export(model, tmp_path / "x.onnx", reader="kaldi")
    with pytest.raises(ArtifactError, match="which would come out wrong; gtcrn fits"):
        converters.export(zoo.create_model("dpcrn", None), tmp_path / "x.onnx", reader="sherpa-onnx")
