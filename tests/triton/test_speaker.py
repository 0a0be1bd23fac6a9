"""Speaker models on a real Triton server: the embeddings of the artifact, from recordings of any kind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile

from converters.triton.speaker import frames_of
from scripts import triton_client
from tests.triton.server import TritonServer
from tests.triton.serving import Served, batch_sizes, run
from zoo.arrays import Array
from zoo.errors import AudioError, ServerError
from zoo.spec import Filterbank
from zoo.tasks.speaker.embedder import Embedder
from zoo.tasks.speaker.embeddings import read_embeddings
from zoo.triton.connection import Connection
from zoo.triton.load import expected_answer, measure
from zoo.triton.speaker import RemoteEmbedder, RemoteSpeaker, RemoteSpeakerSession

Capture = pytest.CaptureFixture[str]
FORMS = ("speaker", "waves")


def same(expected: Array, computed: Array) -> None:
    assert expected.shape == computed.shape
    assert np.abs(expected - computed).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", FORMS)
def test_embeddings_are_those_of_the_artifact(speakers: Served, speech_16k: Array, name: str) -> None:
    """Of recordings of several lengths, the shortest that there may be among them; twice the same bits."""
    local = Embedder(speakers.artifacts[name])
    shortest = local.session.front_end.samples(local.session.least_frames)
    waves = [speech_16k[8000:][:n] for n in (shortest, 4000, 16000, 32320, 16000)]
    with RemoteSpeakerSession(name, speakers.url) as session:
        assert (session.embedding, session.mean_subtracted) == (local.embedding, local.mean_subtracted)
        computed = session.run(waves)
        for wave, embedding in zip(waves, computed, strict=True):
            same(local(wave), embedding)
        np.testing.assert_array_equal(session.run([waves[2]]), session.run([waves[2]]))
        with pytest.raises(AudioError, match="too short for"):
            session.run([speech_16k[: shortest - 1]])


def test_features_are_those_of_the_runtime(speakers: Served, speech_16k: Array) -> None:
    """The model in Python by itself, on two recordings in one request."""
    from zoo.tasks.speaker.features import filterbank

    waves = np.stack([speech_16k[4000:20000], speech_16k[20000:36000]])

    async def work() -> Array:
        async with Connection(speakers.url) as connection:
            return await connection.infer("feature_extractor", {"wav": waves}, "speech")

    feats = run(work())
    assert feats.shape == (2, 98, 80)
    for wave, rows in zip(waves, feats, strict=True):
        np.testing.assert_array_equal(rows, filterbank(wave, Filterbank()))


@pytest.mark.parametrize(
    ("name", "wave", "message"),
    [
        ("speaker", np.zeros(400), r"wav: 400 samples, and \d+ are needed, .*send a longer recording"),
        ("speaker", np.zeros(5 * 16000), r"wav: 80000 samples, and less than \d+ are taken"),
        ("speaker", np.full(16000, np.nan), "samples that are NaN or infinite; repair"),
    ],
)
def test_what_the_server_refuses(speakers: Served, name: str, wave: Array, message: str) -> None:
    async def work() -> None:
        async with Connection(speakers.url) as connection:
            with pytest.raises(ServerError, match=message) as caught:
                await connection.infer(name, {"WAV": wave[None].astype(np.float32)}, "EMBEDDINGS")
            assert not caught.value.temporary

    run(work())


def test_what_is_no_speaker_model(speakers: Served) -> None:
    with pytest.raises(ServerError, match="no model nobody is ready; ready are feature_extractor, speaker"):
        RemoteSpeakerSession("nobody", speakers.url)
    with pytest.raises(
        ServerError, match="the configuration of feature_extractor holds no speechzoo manifest"
    ):
        RemoteSpeakerSession("feature_extractor", speakers.url)
    with pytest.raises(ServerError, match="the server cannot be reached"):
        RemoteSpeakerSession("speaker", "127.0.0.1:9", timeout=5)


def test_recordings_share_calls(speakers: Served, speech_16k: Array) -> None:
    """Requests that wait together are computed together, and each is answered with its own embedding."""
    waves = [speech_16k[1000 * i :][:4000] for i in range(24)]
    before = batch_sizes(speakers, "speaker_model")
    with RemoteSpeakerSession("speaker", speakers.url) as session:
        computed = session.run(waves)
    local = Embedder(speakers.artifacts["speaker"])
    for wave, embedding in zip(waves, computed, strict=True):
        same(local(wave), embedding)
    after = batch_sizes(speakers, "speaker_model")
    calls = {size: count - before.get(size, 0) for size, count in after.items()}
    assert sum(size * count for size, count in calls.items()) == 24
    assert sum(calls.values()) < 24, calls


@pytest.fixture
def listed(tmp_path: Path, speech: Callable[..., Array]) -> dict[str, Path]:
    """Recordings of a wav.scp by name: spaces in a path, stereo, 8 kHz, long, short, broken, missing."""
    folder = tmp_path / "my recordings"
    folder.mkdir()
    files = {
        name: folder / f"{name} of it.wav" for name in ("plain", "stereo", "slow", "long", "short", "broken")
    }
    soundfile.write(files["plain"], speech(16000, 1.0, 1.5), 16000)
    soundfile.write(files["stereo"], np.stack([speech(16000, 2.0, 1.0), speech(16000, 4.0, 1.0)], 1), 16000)
    soundfile.write(files["slow"], speech(8000, 1.0, 1.5), 8000)
    soundfile.write(files["long"], speech(16000, 0.5, 7.0), 16000)
    soundfile.write(files["short"], np.zeros(300), 16000)
    files["broken"].write_bytes(b"RIFF")
    files["missing"] = folder / "missing.wav"
    return files


def test_a_list_to_an_archive(
    speakers: Served,
    listed: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    """As the embedder here makes them; the bad ones are named, and the exit status says so."""
    monkeypatch.chdir(tmp_path)
    Path("wav.scp").write_text("".join(f"{name} {path}\n" for name, path in listed.items()))
    server = ["--model", "speaker", "--url", speakers.url, "--window", "3", "--jobs", "4"]
    assert triton_client.main(["embed", "wav.scp", "-o", "out/embeddings.ark", "--json", *server]) == 1
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert (report["backend"], report["embedded"]) == ("triton", 4)
    assert [failure["name"] for failure in report["failed"]] == ["short", "broken", "missing"]
    assert "too short for speaker" in told.err and "3 of 7 recordings failed" in told.err
    assert sorted(os.listdir("out")) == ["embeddings.ark", "embeddings.json", "embeddings.scp"]
    found = dict(kaldiio.load_scp_sequential("out/embeddings.scp"))
    assert list(found) == ["plain", "stereo", "slow", "long"]
    local = Embedder(speakers.artifacts["speaker"], window=3)
    for name, embedding in found.items():
        (expected,) = local.files([listed[name]])
        same(expected.embedding, embedding)
    Path("one.scp").write_text(f"plain {listed['plain']}\n")
    assert triton_client.main(["embed", "one.scp", "-o", "shards", "--shards", "5", *server]) == 0
    assert sorted(os.listdir("shards")) == ["xvector_000.ark", "xvector_000.json", "xvector_000.scp"]
    assert triton_client.main(["embed", "wav.scp", "-o", "out/embeddings.ark", *server]) == 1
    assert "exists; pass another name, or --force" in capsys.readouterr().err


def test_means_are_subtracted_once(speakers: Served, speech_16k: Array, tmp_path: Path) -> None:
    mean, wave = np.arange(192, dtype=np.float32) / 100, speech_16k[8000:24000]
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    np.save(tmp_path / "mean.npy", mean)
    words = ["embed", str(tmp_path / "a.wav"), "-o", str(tmp_path / "a.npz")]
    server = ["--model", "speaker", "--url", speakers.url, "--mean", str(tmp_path / "mean.npy")]
    assert triton_client.main([*words, *server]) == 0
    found, origin = read_embeddings(tmp_path / "a.npz")
    same(Embedder(speakers.artifacts["speaker"])(wave) - mean, found[str(tmp_path / "a.wav")])
    assert origin is not None and origin.mean_subtracted


def test_a_thousand_requests(speakers: Served, speech_16k: Array) -> None:
    """1000 at a concurrency of 32: none lost, none wrong."""

    async def work() -> None:
        async with Connection(speakers.url) as connection:
            speaker, wave = await RemoteSpeaker.find(connection, "speaker"), speech_16k[8000:10000]
            expected, parity = await expected_answer(speaker, wave, speakers.artifacts["speaker"])
            assert parity is not None and parity.snr_db > 80
            report = await measure(speaker.answers(wave, expected), 1000, 32)
            assert (report.requests, report.failed, report.wrong) == (1000, 0, 0), report

    run(work())


@pytest.mark.parametrize("name", FORMS)
def test_an_input_for_perf_analyzer(speakers: Served, tmp_path: Path, name: str) -> None:
    from tests.data import ROOT

    words = [
        "perf-input",
        str(ROOT / "examples/noisy.wav"),
        "--seconds",
        "0.5",
        "-o",
        str(tmp_path / "x.json"),
    ]
    assert triton_client.main([*words, "--model", name, "--url", speakers.url]) == 0
    (tensors,) = json.loads((tmp_path / "x.json").read_text())["data"]
    shapes = {"speaker": {"WAV": [8000]}, "waves": {"wav": [8000], "lengths": [1]}}
    assert {tensor: content["shape"] for tensor, content in tensors.items()} == shapes[name]


def test_what_fails_for_now_is_tried_again(
    speakers: Served, speech_16k: Array, wheel: Path, tmp_path: Path
) -> None:
    """The process of the features is killed, and the model loaded again while a client tries."""
    from converters.triton.repository import write_repository

    write_repository(speakers.artifacts["speaker"], tmp_path / "repository")
    wave = speech_16k[8000:16000]
    with TritonServer(wheel, [tmp_path / "repository/models"], tmp_path) as server:
        with RemoteSpeakerSession("speaker", server.url, retries=0) as session:
            expected = session.run([wave])
            for stub in server.stubs("feature_extractor"):
                os.kill(stub, signal.SIGKILL)
            with pytest.raises(ServerError, match="Load the model again or restart the server"):
                session.run([wave])
            (result,) = RemoteEmbedder(session).files([tmp_path / "none.wav"])
            assert result.embedding is None and "there is no file" in result.error

        async def load_again() -> None:
            async with Connection(server.url) as connection:
                await connection._client.unload_model("feature_extractor")
                await asyncio.sleep(0.5)
                await connection._client.load_model("feature_extractor")

        with RemoteSpeakerSession("speaker", server.url, retries=7) as session:
            loading = asyncio.run_coroutine_threadsafe(load_again(), session._loop)
            np.testing.assert_array_equal(session.run([wave]), expected)
            loading.result(10)


def test_seconds_as_frames() -> None:
    """Lengths that the public documentation of the features names."""
    assert [frames_of(s, Filterbank()) for s in (0.01, 2, 2.02, 30.02)] == [0, 198, 200, 3000]
