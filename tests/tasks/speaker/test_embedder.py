"""Embedder: recordings of any rate, length and number of channels, alone and together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from zoo import Embedder
from zoo.arrays import Array
from zoo.builtin import packaged_artifact
from zoo.errors import ArtifactError, AudioError, CheckpointError, UnknownModelError
from zoo.signal.resample import resample
from zoo.tasks.speaker.embedder import similarity

Folder = Callable[[str], Path]

CLOSE = 1e-4  # of the largest value


@pytest.fixture(scope="module", params=["feats", "wav", "torch"])
def embedder(request: pytest.FixtureRequest, speaker_graph: Folder, speaker_folder: Folder) -> Embedder:
    """Of each kind of session."""
    if request.param == "torch":
        return Embedder(speaker_folder("ResNet18"), batch=3)
    return Embedder(speaker_graph("resnet18" if request.param == "feats" else "resnet18-wav"), batch=3)


def error(candidate: Array, reference: Array) -> float:
    assert candidate.shape == reference.shape and np.isfinite(candidate).all()
    return float(np.abs(candidate - reference).max() / np.abs(reference).max())


def test_many_recordings_are_each_what_they_are_alone(embedder: Embedder, speech_16k: Array) -> None:
    lengths = (16000, 8000, 16000, 20000, 16100, 16000, 9000, 16000)
    recordings = [speech_16k[1000 * i :][:length] for i, length in enumerate(lengths)]
    together = embedder.embed(recordings)
    assert together.shape == (8, 256) and together.dtype == np.float32
    for recording, embedding in zip(recordings, together, strict=True):
        assert error(embedding, embedder(recording)) < CLOSE
    assert together.tobytes() == embedder.embed(recordings).tobytes()
    assert embedder.embed([]).shape == (0, 256)


def test_calls_are_of_what_the_session_takes(embedder: Embedder, speech_16k: Array) -> None:
    """No call holds more recordings than the batch, or several lengths if the session cannot mask."""
    calls, run = [], embedder.session.run
    embedder.session.run = lambda rows: calls.append([len(row) for row in rows]) or run(rows)
    lengths = [16000, 8000, 16000, 20000, 16000, 16000, 8050, 16000]
    embedder.embed([speech_16k[:length] for length in lengths])
    del embedder.session.run
    assert (
        sorted(length for call in calls for length in call) == sorted(lengths) and max(map(len, calls)) == 3
    )
    frames = embedder.session.front_end.frames
    if embedder.session.mixed:
        assert len(calls) == 3
    else:
        assert all(len({frames(length) for length in call}) == 1 for call in calls)
        assert [8000, 8050] in calls  # of as many frames


def test_rates_and_channels(embedder: Embedder, speech_16k: Array) -> None:
    speech = speech_16k[:32000]
    plain = embedder(speech)
    fast = resample(speech, 16000, 44100)
    assert similarity(embedder(fast, 44100), plain) > 0.99
    assert similarity(embedder(fast), plain) < 0.99  # the rate matters
    other = speech_16k[32000:64000]
    stereo = np.stack([speech, other])
    np.testing.assert_array_equal(embedder(stereo), plain)
    mixed = embedder(stereo, mix_down=True)
    assert error(mixed, embedder((speech + other) / 2)) < CLOSE
    np.testing.assert_array_equal(embedder(speech.astype(np.float64)), plain)


def test_long_recordings_are_cut(embedder: Embedder, speech_16k: Array) -> None:
    cutting = Embedder(embedder.session, window=1.0)
    speech = speech_16k[:40001]
    pieces = [speech[:13333], speech[13333:26667], speech[26667:]]
    expected = np.mean([embedder(piece) for piece in pieces], axis=0)
    assert error(cutting(speech), expected) < CLOSE
    assert error(cutting(speech[:16000]), embedder(speech[:16000])) < CLOSE
    with pytest.raises(
        ValueError, match=r"a window of 0\.1 s is too short for .*; at least 0\.21 s are needed"
    ):
        Embedder(embedder.session, window=0.1)
    with pytest.raises(ValueError, match="batch must be at least 1"):
        Embedder(embedder.session, batch=0)


@pytest.mark.parametrize("seconds", [1, 2, 7])
def test_a_file_that_is_too_long_to_be_held(
    embedder: Embedder, speech_16k: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """It is read twice, and embedded as one that is in memory, whichever parts it comes in."""
    channels = np.stack([resample(speech_16k[k:][:40001], 16000, 22050) for k in (0, 30000)])
    path = tmp_path / "long.wav"
    soundfile.write(path, channels.T, 22050, subtype="FLOAT")
    monkeypatch.setattr("zoo.tasks.speaker.reading._SECONDS", 1)
    mean = None if embedder.mean_subtracted else np.ones(256)
    cutting = Embedder(embedder.session, window=float(seconds), mean=mean)
    found = [[*cutting.files([path, path], mix_down=mix)] for mix in (False, True)]
    monkeypatch.setattr("zoo.tasks.speaker.embedder._SECONDS_AT_ONCE", 0.5)
    again = [[*cutting.files([path, path], mix_down=mix)] for mix in (False, True)]
    for rows, others in zip(found, again, strict=True):
        assert len(rows) == len(others) == 2
        for row, other in zip(rows, others, strict=True):
            assert (row.source, row.seconds, row.speech) == (other.source, other.seconds, other.speech)
            assert row.embedding is not None and other.embedding is not None
            assert error(other.embedding, row.embedding) < CLOSE
    soundfile.write(path, np.full(44100, 0.25), 22050)
    assert not next(iter(cutting.files([path]))).speech


def test_files(embedder: Embedder, speech_16k: Array, tmp_path: Path) -> None:
    """The bad ones are told, the others done, all in order; the same file gives the same bytes."""
    good, stereo, narrow = tmp_path / "a b.wav", tmp_path / "stereo.flac", tmp_path / "narrow.wav"
    empty, broken, short = tmp_path / "empty.wav", tmp_path / "broken.wav", tmp_path / "short.wav"
    soundfile.write(good, speech_16k[:24000], 16000, subtype="FLOAT")
    soundfile.write(stereo, np.stack([speech_16k[:24000], speech_16k[24000:48000]], 1), 16000)
    soundfile.write(narrow, speech_16k[: 2 * 16000 : 2], 8000)
    empty.touch()
    broken.write_bytes(b"RIFF no audio")
    soundfile.write(short, speech_16k[:1000], 16000)
    sources = [broken, good, empty, stereo, tmp_path / "none.wav", narrow, short, good]
    results = list(embedder.files(sources))
    assert [result.source for result in results] == [str(source) for source in sources]
    messages = ["not readable as audio", "", "is empty", "", "there is no file", "", "too short for", ""]
    for result, message in zip(results, messages, strict=True):
        assert message in result.error and bool(message) == (result.embedding is None)
        assert not message or result.source in result.error
    assert error(results[1].embedding, embedder(speech_16k[:24000])) < CLOSE
    assert similarity(results[3].embedding, results[1].embedding) > 0.999  # the first channel, of 16 bits
    assert error(results[1].embedding, results[7].embedding) < CLOSE
    assert [result.seconds for result in results if not result.error] == [1.5, 1.5, 2.0, 1.5]
    again = list(embedder.files(sources))
    assert [r.embedding.tobytes() for r in again if r.embedding is not None] == [
        r.embedding.tobytes() for r in results if r.embedding is not None
    ]


def test_the_mean(speaker_graph: Folder, speaker_folder: Folder, speech_16k: Array, tmp_path: Path) -> None:
    file = speaker_folder("ResNet18") / "mean_vec.npy"
    mean, speech = np.load(file), speech_16k[:16000]
    plain, inside = Embedder(speaker_graph("resnet18")), Embedder(speaker_graph("resnet18-wav"))
    assert (plain.mean_subtracted, inside.mean_subtracted) == (False, True)
    for given in (file, str(file), mean):
        embedder = Embedder(speaker_graph("resnet18"), mean=given)
        assert embedder.mean_subtracted
        np.testing.assert_array_equal(embedder(speech), plain(speech) - mean)
        assert error(embedder(speech), inside(speech)) < CLOSE
    with pytest.raises(ArtifactError, match=r"subtracts the mean of a cohort already; .* subtracted twice"):
        Embedder(speaker_graph("resnet18-wav"), mean=mean)
    np.save(tmp_path / "short.npy", mean[:100])
    for wrong, message in (
        (mean[:100], r"the mean: expected 256 finite values for resnet18.onnx, got shape \(100,\)"),
        (tmp_path / "short.npy", "short.npy: expected 256 finite values"),
        (tmp_path / "none.npy", r"none.npy: expected a .npy file with a mean vector"),
        (speaker_graph("resnet18"), "expected a .npy file"),
    ):
        with pytest.raises(ArtifactError, match=message):
            Embedder(speaker_graph("resnet18"), mean=wrong)


def test_similarity() -> None:
    a, b = np.array([3.0, 4.0]), np.array([4.0, 3.0])
    assert similarity(a, b) == pytest.approx(0.96) and similarity(a, -a) == -1
    assert similarity(a, np.zeros(2)) == 0
    for wrong in (np.zeros(3), np.zeros((2, 1)), np.array([np.nan, 1])):
        with pytest.raises(ValueError):
            similarity(a, wrong)


def test_compare(speaker_graph: Folder) -> None:
    embedder = Embedder(speaker_graph("resnet18"))
    a, b = np.array([3.0, 4.0]), np.array([4.0, 3.0])
    found = embedder.compare(a, b, 0.96)
    assert (round(found.similarity, 6), found.threshold) == (0.96, 0.96)
    assert embedder.compare(a, b, 0.9).same and not embedder.compare(a, b, 0.97).same


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros((16000, 2), np.float32), r"if its channels come last, pass waveform.T"),
        (np.zeros((1, 2, 3), np.float32), r"\(N,\) or \(channels, N\) is expected"),
        (np.zeros(16000, np.int16), r"pass \(block / 32768\)"),
        (np.full(16000, np.nan, np.float32), "nan"),
        (np.zeros(100, np.float32), "at least 9 frames are needed, 0.105 s of audio, and there are 0"),
        (np.zeros(0, np.float32), "at least 9 frames"),
    ],
)
def test_what_is_no_recording(embedder: Embedder, waveform: Array, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        embedder(waveform)
    with pytest.raises(AudioError, match="recording 1: "):
        embedder.embed([np.ones(16000, np.float32), waveform])
    with pytest.raises(AudioError, match="sample rate"):
        embedder(np.zeros(16000, np.float32), 0)


def test_silence_has_an_embedding(embedder: Embedder) -> None:
    assert np.isfinite(embedder(np.zeros(16000, np.float32))).all()


def test_sources(speaker_folder: Folder, speaker_graph: Folder, tmp_path: Path) -> None:
    folder = speaker_folder("ResNet18")
    assert Embedder("resnet18", folder).backend == Embedder(zoo.create_model("resnet18")).backend == "torch"
    assert Embedder(folder).name == "resnet18"
    (tmp_path / "x.pt").touch()
    for source, weights, kind, message in (
        ("resnet18", None, CheckpointError, "resnet18 needs weights: none come with the package"),
        ("resnet34", folder, CheckpointError, "not one of resnet34, but of resnet18"),
        ("resnet19", None, UnknownModelError, "did you mean .*resnet18"),
        ("gtcrn", None, UnknownModelError, "gtcrn is a model for enhancement, used by zoo.Enhancer"),
        (
            str(tmp_path / "x.pt"),
            None,
            ArtifactError,
            "artifacts end in .onnx, .*; for a checkpoint pass the",
        ),
        (str(tmp_path), None, CheckpointError, "does not say which model it is"),
        (speaker_graph("resnet18"), folder, ArtifactError, "an artifact has its own weights"),
        (folder, folder, CheckpointError, "a training folder has its own weights"),
        (zoo.create_model("resnet18"), folder, CheckpointError, "weights go with a model's name"),
        (
            zoo.create_model("gtcrn"),
            None,
            UnknownModelError,
            "a network or a session for speaker is expected",
        ),
        (tmp_path / "none.onnx", None, ArtifactError, "there is no such file"),
    ):
        with pytest.raises(kind, match=message):
            Embedder(source, weights)
    enhancer = packaged_artifact(zoo.get_spec("gtcrn"))
    with pytest.raises(ArtifactError, match="it is for enhancement, not for speaker"):
        Embedder(enhancer)
