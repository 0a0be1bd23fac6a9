"""Log-mel frames against librosa's numbers; speech through Griffin-Lim; other vocoders' files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from onnx import TensorProto, helper, numpy_helper

from tests.data import Speech
from zoo.errors import ArtifactError, AudioError
from zoo.signal.mel import filters, istft, log_mel, stft, to_log_mel
from zoo.signal.resample import resample
from zoo.spec import MelSpectrum
from zoo.vocoder import open_vocoder
from zoo.vocoder.griffin_lim import GriffinLim, magnitudes

FRONT_END = MelSpectrum()


def test_filters_are_librosas() -> None:
    """librosa 0.11.0: filters.mel(sr=22050, n_fft=1024, n_mels=80, fmin=0, fmax=8000)."""
    matrix = filters(FRONT_END)
    assert matrix.shape == (513, 80)
    assert matrix.sum() == pytest.approx(3.7136884, rel=1e-6)
    assert matrix[:, [0, 79]].argmax(0).tolist() == [2, 358]
    np.testing.assert_allclose(matrix[15:22, 10], [0, 0, 0, 0.01096482, 0.02649254, 0.01168657, 0], atol=1e-8)


def test_frames_are_librosas() -> None:
    """A sine of 440 Hz, frame 40, by librosa 0.11.0."""
    sine = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)
    mel = log_mel(sine, FRONT_END)
    expected = [
        -7.1559,
        -7.0055,
        -6.7459,
        -6.3779,
        -6.0407,
        -5.5956,
        -4.9697,
        -4.2165,
        -3.2363,
        -1.7188,
        1.4148,
    ]
    assert mel.shape == (87, 80)
    np.testing.assert_allclose(mel[40, :11], expected, atol=1e-3)
    assert mel[40, -1] == pytest.approx(np.log(1e-5))


@pytest.mark.parametrize("samples", [600, 1024, 5000, 8192])
def test_the_transform_comes_back(samples: int) -> None:
    wave = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    spectrum = stft(wave, FRONT_END)
    assert spectrum.shape == (1 + samples // 256, 513)
    np.testing.assert_allclose(istft(spectrum, FRONT_END)[:samples], wave, atol=1e-5)


def test_a_real_recording(shared: Path) -> None:
    """Griffin-Lim's speech has the log-mel frames that it was made of, to 0.1 on average; so has its text."""
    errors = []
    for path in ["real/speech_48k_clean.flac", *sorted((shared / "data/speech/valid").glob("*.flac"))[:2]]:
        speech, rate = soundfile.read(shared / "data" / path, dtype="float32", frames=3 * 48000)
        speech = resample(speech, rate, FRONT_END.sample_rate)[: 3 * 22050]
        mel = log_mel(speech, FRONT_END)
        vocoder = open_vocoder("griffin-lim", FRONT_END)
        wave = vocoder(mel)
        assert wave.shape == (len(mel) * 256,) and wave.dtype == np.float32
        np.testing.assert_array_equal(wave, vocoder(mel))  # the same every time
        errors.append(np.abs(log_mel(wave, FRONT_END)[: len(mel)] - mel).mean())
    assert np.mean(errors) < 0.1 and max(errors) < 0.11
    few = GriffinLim(FRONT_END, iterations=5)(mel)
    assert np.abs(log_mel(few, FRONT_END)[: len(mel)] - mel).mean() > 1.3 * errors[-1]


def test_magnitudes_give_the_bands(speech: Speech) -> None:
    mel = log_mel(speech(22050, 1.0, 2.0), FRONT_END)
    found = magnitudes(mel, FRONT_END)
    assert found.min() >= 0
    assert np.abs(to_log_mel(found, FRONT_END) - mel).mean() < 0.01


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_few_frames(frames: int) -> None:
    wave = GriffinLim(FRONT_END)(np.full((frames, 80), -2.0, np.float32))
    assert wave.shape == (frames * 256,) and np.isfinite(wave).all()


def test_silence_is_silent() -> None:
    wave = GriffinLim(FRONT_END)(np.full((20, 80), np.log(1e-5), np.float32))
    assert np.abs(wave).max() < 1e-3


@pytest.mark.parametrize("shape", [(512,), (1, 4000)])
def test_what_has_no_frames(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match=r"a waveform \(N,\) longer than 512 samples"):
        log_mel(np.zeros(shape, np.float32), FRONT_END)


def vocoder_file(path: Path, *, frames: int | str = "frames", last: bool = False, hop: int = 256) -> Path:
    """A vocoder that gives each frame's first band as ``hop`` equal samples."""
    weight = np.zeros((80, 1, hop), np.float32)
    weight[0] = 1
    shape = [1, frames, 80] if last else [1, 80, frames]
    source = "turned" if last else "mel"
    nodes = [helper.make_node("ConvTranspose", [source, "weight"], ["audio"], strides=[hop])]
    if last:
        nodes.insert(0, helper.make_node("Transpose", ["mel"], ["turned"], perm=[0, 2, 1]))
    graph = helper.make_graph(
        nodes,
        "vocoder",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [1, 1, None])],
        [numpy_helper.from_array(weight, "weight")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.mark.parametrize("frames", ["frames", 9])
@pytest.mark.parametrize("last", [False, True], ids=["mels first", "mels last"])
def test_another_vocoders_file(tmp_path: Path, frames: int | str, last: bool) -> None:
    vocoder = open_vocoder(vocoder_file(tmp_path / "v.onnx", frames=frames, last=last), FRONT_END)
    mel = np.random.default_rng(0).standard_normal((7, 80)).astype(np.float32)
    np.testing.assert_allclose(vocoder(mel), np.repeat(mel[:, 0], 256))
    assert vocoder(mel[:0]).shape == (0,) and vocoder.name == "v.onnx"


def test_what_is_no_vocoder(tmp_path: Path, shared: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no.onnx: there is no such file"):
        open_vocoder(tmp_path / "no.onnx", FRONT_END)
    with pytest.raises(ArtifactError, match=r"a vocoder with one input, log-mel frames \(B, 80, F\)"):
        open_vocoder(shared / "data/onnx/gtcrn_stream_upstream.onnx", FRONT_END)
    with pytest.raises(ArtifactError, match=r"1400 samples for 7 frames; expected are 256"):
        open_vocoder(vocoder_file(tmp_path / "v.onnx", hop=200), FRONT_END)(np.zeros((7, 80), np.float32))
    with pytest.raises(ArtifactError, match=r"it takes 9 frames and the speech has 10"):
        open_vocoder(vocoder_file(tmp_path / "w.onnx", frames=9), FRONT_END)(np.zeros((10, 80), np.float32))
