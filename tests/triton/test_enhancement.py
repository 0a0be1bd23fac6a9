"""Enhancers on a real Triton server: the same as here, however the streams mix, and clear when it fails."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from tests.triton.server import TritonServer
from tests.triton.serving import MANY, Served, batch_sizes, run
from zoo.arrays import Array
from zoo.errors import AudioError, ServerError
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.stream import Stream
from zoo.triton.connection import Connection, retrying, tensors
from zoo.triton.enhancement import RemoteEnhancer, RemoteStream, enhance_file


def alone(artifact: Path, wave: Array, rate: int | None = None) -> Array:
    stream = Stream(open_session(artifact), rate)
    return np.concatenate([stream.push(wave), stream.flush()])


def same(expected: Array, computed: Array) -> None:
    assert expected.shape == computed.shape
    assert np.abs(expected - computed).max() <= 1e-5 * np.abs(expected).max()


async def enhanced(stream: RemoteStream, wave: Array, sizes: list[int]) -> Array:
    """A recording in blocks of these sizes, again and again."""
    outputs, start, turn = [], 0, 0
    while start < len(wave):
        size = sizes[turn % len(sizes)]
        outputs.append(await stream.push(wave[start : start + size]))
        start, turn = start + size, turn + 1
    return np.concatenate([*outputs, await stream.flush()])


@pytest.mark.parametrize("name", ["enhancer", "fixed_hop", "spectral"])
def test_a_stream_is_that_of_the_artifact(served: Served, speech_16k: Array, name: str) -> None:
    wave = speech_16k[16000:40000]

    async def work() -> None:
        async with Connection(served.url) as connection:
            enhancer = await RemoteEnhancer.find(connection, name)
            expected = alone(served.artifacts[name], wave)
            for sizes in ([len(wave)], [1000, 37, 0, 4000]):
                async with enhancer.stream() as stream:
                    same(expected, await enhanced(stream, wave, sizes))
                    assert stream.latency == Stream(open_session(served.artifacts[name])).latency

    run(work())


def test_other_rates(served: Served, speech: Callable[..., Array]) -> None:
    async def work() -> None:
        async with Connection(served.url) as connection:
            enhancer = await RemoteEnhancer.find(connection, "enhancer")
            for rate in (8000, 44100):
                wave = speech(rate, 1.0, 1.5)
                async with enhancer.stream(rate) as stream:
                    same(alone(served.artifacts["enhancer"], wave, rate), await enhanced(stream, wave, [777]))

    run(work())


def test_interleaved_sequences_do_not_mix_and_share_calls(served: Served, speech_16k: Array) -> None:
    """Eight streams at once, each with its own start, length and blocks: each as if it were alone.

    On a model whose requests wait a little for others, so that a busy machine makes no difference.
    """
    waves = [speech_16k[4000 * i :][: 8000 + 700 * i] for i in range(8)]
    sizes = [[256], [512, 256], [256, 100], [300], [256], [64], [1000, 1], [256]]
    before = batch_sizes(served, "patient")

    async def work() -> list[Array]:
        async with Connection(served.url) as connection:
            enhancer = await RemoteEnhancer.find(connection, "patient")
            streams = [enhancer.stream() for _ in waves]
            assert len({stream.sequence for stream in streams}) == 8
            return await asyncio.gather(*map(enhanced, streams, waves, sizes))

    for wave, output in zip(waves, run(work()), strict=True):
        same(alone(served.artifacts["patient"], wave), output)
    after = batch_sizes(served, "patient")
    calls = {size: count - before.get(size, 0) for size, count in after.items()}
    hops = sum(size * count for size, count in calls.items())
    assert hops >= sum(len(wave) // 256 for wave in waves)
    shared = sum(size * count for size, count in calls.items() if size > 1)
    assert shared > hops / 2, calls  # more than half of all hops were computed beside those of other streams


def test_a_left_stream_frees_its_sequence(served: Served, speech_16k: Array) -> None:
    """Leaving in the middle ends the sequence on the server; its number then starts afresh."""
    wave = speech_16k[16000:24000]

    async def work() -> None:
        async with Connection(served.url) as connection:
            enhancer = await RemoteEnhancer.find(connection, "enhancer")
            async with enhancer.stream() as stream:
                await stream.push(wave)
            with pytest.raises(ServerError, match="must specify the START flag"):
                await raw(connection, "enhancer", wave[None, :256], sequence_id=stream.sequence)
            again = enhancer.stream()
            again.sequence = stream.sequence
            same(alone(served.artifacts["enhancer"], wave), await enhanced(again, wave, [5000]))
            assert (await again.flush()).shape == (0,)
            with pytest.raises(AudioError, match="was flushed"):
                await again.push(wave)

    run(work())


async def raw(connection: Connection, model: str, signal: Array, **flags: object) -> Array:
    """A request as another client may send it."""
    request = connection._client.infer(model, tensors({"wav_in": signal}), client_timeout=10, **flags)
    return (await connection.call(request, model)).as_numpy("wav_out")


@pytest.mark.parametrize(
    ("shape", "flags", "message"),
    [
        ((1, 256), {"sequence_id": 77}, "sequence 77 to model 'fixed_hop' must specify the START flag"),
        ((1, 256), {}, "must specify a non-zero or non-empty correlation ID"),
        ((1, 300), {"sequence_id": 78, "sequence_start": True}, r"Expected \[-1,256\], got \[1,300\]"),
        ((256,), {"sequence_id": 79, "sequence_start": True}, r"inference request batch-size must be <= 32"),
        (
            (1, 257, 1, 2),
            {"sequence_id": 80, "sequence_start": True},
            r"Expected \[-1,256\], got \[1,257,1,2\]",
        ),
    ],
)
def test_wrong_requests_are_refused(served: Served, shape: tuple, flags: dict, message: str) -> None:
    async def work() -> None:
        async with Connection(served.url) as connection:
            with pytest.raises(ServerError, match=message) as caught:
                await raw(connection, "fixed_hop", np.zeros(shape, np.float32), **flags)
            assert not caught.value.temporary

    run(work())


def test_unknown_models(served: Served) -> None:
    async def work() -> None:
        async with Connection(served.url) as connection:
            with pytest.raises(ServerError, match="no model nothing is ready; ready are enhancer, fixed_hop"):
                await RemoteEnhancer.find(connection, "nothing")

    run(work())


def test_no_server(tmp_path: Path) -> None:
    async def work() -> None:
        async with Connection("127.0.0.1:9", timeout=5) as connection:
            with pytest.raises(
                ServerError, match=r"127.0.0.1:9: the server cannot be reached .* check --url"
            ):
                await RemoteEnhancer.find(connection, "enhancer")

    run(work())
    with pytest.raises(ServerError, match="time-out of 0 s is not above 0"):
        Connection(timeout=0)


def test_a_killed_model_process(served: Served, speech_16k: Array, tmp_path: Path) -> None:
    """A running stream is lost, and a file leaves nothing; when the model is loaded again, all is well."""
    wave = speech_16k[16000:24000]
    source, target = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, wave, 16000, subtype="FLOAT")

    async def work() -> None:
        async with Connection(served.url, timeout=10) as connection:
            enhancer = await RemoteEnhancer.find(connection, "victim")
            stream = enhancer.stream()
            await stream.push(wave)
            for stub in served.server.stubs("victim"):
                os.kill(stub, signal.SIGKILL)
            with pytest.raises(ServerError, match=r"victim: .* is not healthy") as caught:
                await stream.push(wave)
            assert caught.value.temporary
            with pytest.raises(ServerError, match="Load the model again or restart the server"):
                await enhance_file(enhancer, source, target)
            assert os.listdir(tmp_path) == ["in.wav"]
            attempt = asyncio.create_task(retrying(lambda: enhance_file(enhancer, source, target), retries=7))
            await connection._client.unload_model("victim")
            while await connection._client.is_model_ready("victim"):
                await asyncio.sleep(0.05)
            await connection._client.load_model("victim")
            assert await attempt == 0.5

    run(work())
    output, _ = soundfile.read(target, dtype="float32")
    same(alone(served.artifacts["victim"], wave), output)


def test_a_server_that_hangs_and_is_gone(
    wheel: Path, tmp_path: Path, speech_16k: Array, served: Served
) -> None:
    from converters.triton.repository import write_repository

    write_repository(served.artifacts["enhancer"], tmp_path / "repository", name="enhancer")
    soundfile.write(tmp_path / "in.wav", speech_16k[:48000], 16000)

    async def work(server: TritonServer) -> None:
        async with Connection(server.url, timeout=2) as connection:
            enhancer = await RemoteEnhancer.find(connection, "enhancer")
            stream = enhancer.stream()
            server.process.send_signal(signal.SIGSTOP)
            with pytest.raises(ServerError, match="enhancer gave no answer within 2 s") as caught:
                await stream.push(speech_16k[:8000])
            assert caught.value.temporary
            server.process.send_signal(signal.SIGCONT)
            with pytest.raises(ServerError, match="this stream has ended or was lost"):
                await stream.push(speech_16k[:8000])
            stream = enhancer.stream()
            await stream.push(speech_16k[:8000])
            server.process.kill()
            server.process.wait()
            with pytest.raises(ServerError, match=r"enhancer|cannot be reached") as caught:
                await stream.push(speech_16k[:8000])
            assert caught.value.temporary
            with pytest.raises(ServerError, match="the server cannot be reached"):
                await enhance_file(enhancer, tmp_path / "in.wav", tmp_path / "out.wav")

    with TritonServer(wheel, [tmp_path / "repository/models"], tmp_path) as server:
        run(work(server))
    assert sorted(os.listdir(tmp_path)) == ["backends", "in.wav", "repository", "server.log"]


def test_a_file_with_two_channels(served: Served, speech: Callable[..., Array], tmp_path: Path) -> None:
    """As the enhancer here writes it: rate, channels, format and samples."""
    stereo = np.stack([speech(44100, 1.0, 1.2), speech(44100, 2.0, 1.2)])
    source, target = tmp_path / "two channels.flac", tmp_path / "out.flac"
    soundfile.write(source, stereo.T, 44100, subtype="PCM_16")
    told: list[float] = []

    async def work() -> float:
        async with Connection(served.url) as connection:
            enhancer = await RemoteEnhancer.find(connection, "enhancer")
            return await enhance_file(enhancer, source, target, progress=told.append)

    seconds = run(work())
    assert seconds == pytest.approx(1.2) == sum(told)
    output, rate = soundfile.read(target, dtype="float32")
    noisy, _ = soundfile.read(source, dtype="float32")
    assert (rate, soundfile.info(target).subtype) == (44100, "PCM_16")
    expected = zoo.Enhancer(served.artifacts["enhancer"])(noisy.T, 44100)
    np.testing.assert_allclose(output.T, expected, atol=1.1 / 32768)


def test_streams_that_are_forgotten_or_wait(wheel: Path, speech_16k: Array, tmp_path: Path) -> None:
    """After a pause a stream is told of; with every place taken another one waits."""
    from converters.triton.repository import Serving, write_repository

    write_repository(MANY, tmp_path / "repository", Serving(idle=1.5, streams=1, instances=1), name="few")
    wave = speech_16k[16000:20096]
    with TritonServer(wheel, [tmp_path / "repository/models"], tmp_path) as server:

        async def work() -> None:
            async with (
                Connection(server.url, timeout=10) as connection,
                Connection(server.url, timeout=0.5) as hasty,
            ):
                enhancer = await RemoteEnhancer.find(connection, "few")
                stream = enhancer.stream()
                await stream.push(wave)
                other = (await RemoteEnhancer.find(hasty, "few")).stream()
                with pytest.raises(ServerError, match="or all its places for streams taken"):
                    await other.push(wave)
                await asyncio.sleep(4)
                with pytest.raises(ServerError, match="the server does not know this stream: it forgets one"):
                    await stream.push(wave)

        run(work())


def test_a_stream_recovers(served: Served, speech_16k: Array) -> None:
    """What the server remembers is forgotten where it is not finite; a stream of its own follows."""
    wave = speech_16k[16000:32000].copy()
    wave[2600] = 90.0  # in the 11th hop, after which a state is not finite
    begun = 11 * 256
    expected = alone(served.artifacts["forgetful"], wave[begun:])

    async def work() -> None:
        async with Connection(served.url) as connection:
            enhancer = await RemoteEnhancer.find(connection, "forgetful")
            async with enhancer.stream() as stream:
                output = await enhanced(stream, wave, [256])
                assert len(output) == len(wave) and np.isfinite(output).all() and stream.resets == 1
                same(expected, output[begun:])

    run(work())
