"""A model with a NaN among its weights gives an error, and no file: not silence, and not NaN."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from tests.graphs import with_nan
from zoo.arrays import Array
from zoo.cli import main
from zoo.errors import ArtifactError, AudioError
from zoo.tasks.enhancement.session import check_output
from zoo.tasks.synthesis.session import Utterance
from zoo.tasks.synthesis.synthesizer import Synthesizer

Exported = Callable[..., Path]
Folder = Callable[[str], Path]
Capture = pytest.CaptureFixture[str]
MESSAGE = r"nan\.onnx: its output is not finite from sample \d+ on; its weights are damaged"


@pytest.fixture(
    params=[("gtcrn", "wav2wav", {}), ("gtcrn", "spec2spec", {}), ("gtcrn", "wav2wav", {"streaming": False})],
    ids=["stream", "spectra", "offline"],
)
def enhancer(request: pytest.FixtureRequest, exported: Exported, tmp_path: Path) -> zoo.Enhancer:
    name, form, options = request.param
    return zoo.Enhancer(with_nan(exported(name, form, **options), tmp_path / "nan.onnx"))


@pytest.mark.parametrize("rate", [16000, 48000])
def test_recordings(enhancer: zoo.Enhancer, speech_16k: Array, rate: int) -> None:
    with pytest.raises(AudioError, match=rf"channel 0: {MESSAGE}"):
        enhancer(speech_16k[:20000], rate)


def test_streams(exported: Exported, tmp_path: Path, speech_16k: Array) -> None:
    stream = zoo.Enhancer(with_nan(exported("gtcrn"), tmp_path / "nan.onnx")).stream()
    with pytest.raises(AudioError, match=MESSAGE):
        stream.push(speech_16k[:4000])
    stream.reset()
    assert len(stream.push(speech_16k[:0])) == 0
    stream.push(speech_16k[:100])
    with pytest.raises(AudioError, match=MESSAGE):
        stream.flush()


def test_the_sample_is_the_first_that_is_not_finite() -> None:
    output = np.zeros((1, 9), np.float32)
    assert check_output(output, "m") is output
    output[0, [4, 7]] = np.inf, np.nan
    with pytest.raises(AudioError, match=r"^m: its output is not finite from sample 104 on"):
        check_output(output, "m", 100)


def test_many_streams(exported: Exported, speech_16k: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stream's fault is told by its place; the others go on, one block poorer."""
    batcher = zoo.StreamBatcher(exported("fastenhancer_t", "wav2wav", streams="streams", hops="hops"))
    first, second = batcher.join(), batcher.join()
    run = batcher.session.run

    def spoil(blocks: Array, state: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        output, after = run(blocks, state)
        output[0] = np.nan
        return output, after

    monkeypatch.setattr(batcher.session, "run", spoil)
    with pytest.raises(AudioError, match=r"stream 0: .* its output is not finite from sample 0 on"):
        batcher.push({first: speech_16k[:4096], second: speech_16k[:4096]})
    monkeypatch.setattr(batcher.session, "run", run)
    rest = batcher.push({second: speech_16k[4096:8192]})[second]
    alone = zoo.Enhancer(batcher.session).stream()
    alone.push(speech_16k[:4096])
    np.testing.assert_allclose(rest, alone.push(speech_16k[4096:8192]), atol=1e-6)


@pytest.mark.parametrize("streaming", [True, False])
def test_enhance(exported: Exported, tmp_path: Path, capsys: Capture, streaming: bool) -> None:
    graph = with_nan(exported("gtcrn", streaming=streaming), tmp_path / "nan.onnx")
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(folder / name, 0.1 * np.random.default_rng(0).standard_normal(16000), 16000)
    words = ["enhance", str(folder), "--artifact", str(graph), "-o", str(tmp_path / "out/"), "--json"]
    assert main(words) == 1
    told = capsys.readouterr()
    assert "its output is not finite from sample" in told.err and "Traceback" not in told.err
    assert len(json.loads(told.out)["failed"]) == 2
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("form", ["resnet18", "resnet18-wav"])
def test_embeddings(
    speaker_graph: Folder, speech_16k: Array, tmp_path: Path, capsys: Capture, form: str
) -> None:
    graph = with_nan(speaker_graph(form), tmp_path / "nan.onnx")
    embedder = zoo.Embedder(graph)
    with pytest.raises(AudioError, match=r"^nan\.onnx: the embedding is not finite"):
        embedder(speech_16k[:16000])
    with pytest.raises(AudioError, match=r"^recording 0: nan\.onnx: the embedding"):
        embedder.embed([speech_16k[:16000], speech_16k[:18000]])
    soundfile.write(tmp_path / "a.wav", speech_16k[:16000], 16000)
    (result,) = embedder.files([tmp_path / "a.wav"])
    assert result.embedding is None and "a.wav: nan.onnx: the embedding is not finite" in result.error
    one, out = str(tmp_path / "a.wav"), tmp_path / "out.npz"
    assert main(["embed", one, "--artifact", str(graph), "-o", str(out)]) == 1
    assert main(["compare", one, one, "--artifact", str(graph)]) == 1
    told = capsys.readouterr()
    assert told.err.count("the embedding is not finite") >= 2 and "similarity" not in told.out
    assert not out.exists()


def test_speech(synthesis_files: list[Path], tmp_path: Path, capsys: Capture) -> None:
    graph = with_nan(synthesis_files[0], tmp_path / "nan.onnx")
    with pytest.raises(ArtifactError, match=r"nan\.onnx: the (durations|frames) of utterance 0 are not fin"):
        Synthesizer(graph).frames([Utterance((5, 6, 7))])
    out = tmp_path / "out.wav"
    assert main(["speak", "hello", "--artifact", str(graph), "-o", str(out)]) == 1
    assert "not finite" in capsys.readouterr().err and not out.exists()


def test_a_vocoder(synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    vocoder = synthesizer.vocoder

    class Broken:
        name, front_end = "broken.onnx", vocoder.front_end

        def __call__(self, mel: Array) -> Array:
            wave = vocoder(mel).copy()
            wave[77] = np.inf
            return wave

    monkeypatch.setattr(synthesizer, "vocoder", Broken())
    with pytest.raises(
        ArtifactError, match=r"broken\.onnx: its waveform of 'hello' is not finite from sam.* 77"
    ):
        synthesizer("hello")
