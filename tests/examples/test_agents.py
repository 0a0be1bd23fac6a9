"""The filters for LiveKit and Pipecat, in those packages themselves, where they are installed."""

from __future__ import annotations

import asyncio
import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.data import ROOT
from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.tasks.enhancement.enhancer import Enhancer

RATE = 48000


def example(name: str, package: str) -> ModuleType:
    """A module of ``examples/agents``, if what it is for is there."""
    pytest.importorskip(package, reason=f"needs {package}")
    folder = str(ROOT / "examples/agents")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def noisy() -> Array:
    """Two channels of speech, (2, N), as 16 bits hold it."""
    speech = parity_speech(RATE)[RATE : 3 * RATE]
    return np.round(np.stack([speech, speech[::-1]]) * 32000).astype(np.int16) / np.float32(32768)


def as_bytes(wave: Array) -> bytes:
    return np.round(wave.T * 32768).astype(np.int16).tobytes()


def check(found: Array, noisy: Array, limit: float | None = None) -> None:
    """Held against the enhancer, a stream's latency late; the rest of the recording has not come."""
    enhancer = Enhancer(attenuation_limit=limit)
    late, expected = enhancer.latency(RATE).total, enhancer(noisy, RATE)
    assert found.shape == noisy.shape and not found[..., :late].any()
    sure = noisy.shape[-1] - RATE // 20  # an enhancer knows of the end
    np.testing.assert_allclose(found[..., late:sure], expected[..., : sure - late], atol=0.6 / 32768)


def test_livekit_frames(noisy: Array) -> None:
    """Stereo, of several lengths; as many samples out as in, and what belongs to a frame stays with it."""
    rtc: Any = pytest.importorskip("livekit.rtc", reason="needs livekit")
    filter_ = example("livekit_filter", "livekit").SpeechzooFilter(attenuation_limit=20)
    assert isinstance(filter_, rtc.FrameProcessor) and filter_.enabled
    output, start, sizes = [], 0, (480, 960, 441)
    while start < noisy.shape[1]:
        piece = noisy[:, start : start + sizes[len(output) % 3]]
        frame = rtc.AudioFrame(as_bytes(piece), RATE, 2, piece.shape[1], userdata={"at": start})
        given = filter_._process(frame)
        assert (given.sample_rate, given.num_channels, given.userdata) == (RATE, 2, {"at": start})
        output.append(np.frombuffer(given.data, np.int16).reshape(-1, 2))
        start += piece.shape[1]
    check(np.concatenate(output).T / np.float32(32768), noisy, 20)
    filter_._close()


def test_livekit_stream(noisy: Array) -> None:
    """Through a track of its own, as an application has them, without a server."""
    rtc: Any = pytest.importorskip("livekit.rtc", reason="needs livekit")
    make = example("livekit_filter", "livekit").SpeechzooFilter

    async def run() -> Array:
        source = rtc.AudioSource(RATE, 1)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        stream = rtc.AudioStream.from_track(
            track=track, sample_rate=RATE, num_channels=1, noise_cancellation=make()
        )
        received: list[Array] = []

        async def receive() -> None:
            async for event in stream:
                received.append(np.frombuffer(event.frame.data, np.int16) / np.float32(32768))

        task = asyncio.create_task(receive())
        for start in range(0, noisy.shape[1], 480):
            piece = noisy[:1, start : start + 480]
            await source.capture_frame(rtc.AudioFrame(as_bytes(piece), RATE, 1, piece.shape[1]))
        await asyncio.sleep(0.5)
        task.cancel()
        return np.concatenate(received)

    found, expected = asyncio.run(asyncio.wait_for(run(), 60)), Enhancer()(noisy[0], RATE)
    product = np.fft.rfft(found, 1 << 18) * np.conj(np.fft.rfft(expected, 1 << 18))
    late = int(np.argmax(np.fft.irfft(product)[: 2 * RATE]))
    heard = found[late:]
    assert late >= Enhancer().latency(RATE).total - 480  # LiveKit may leave out its first frames
    assert np.corrcoef(heard, expected[: len(heard)])[0, 1] > 0.98


def test_pipecat_transport(noisy: Array) -> None:
    """Before all else that an input transport does; turned off and on at the same delay."""
    module = example("pipecat_filter", "pipecat")
    frames: Any = pytest.importorskip("pipecat.frames.frames")
    base: Any = pytest.importorskip("pipecat.transports.base_input")
    params: Any = pytest.importorskip("pipecat.transports.base_transport")
    utils: Any = pytest.importorskip("pipecat.tests.utils")

    class Transport(base.BaseInputTransport):  # type: ignore[misc]
        async def start(self, frame: Any) -> None:
            await super().start(frame)
            await self.set_transport_ready(frame)

    transport = Transport(
        params.TransportParams(
            audio_in_enabled=True, audio_in_sample_rate=RATE, audio_in_filter=module.SpeechzooFilter()
        )
    )
    sent = [
        frames.InputAudioRawFrame(as_bytes(noisy[:1, start : start + 960]), RATE, 1)
        for start in range(0, noisy.shape[1], 960)
    ]
    down, _ = asyncio.run(utils.run_test(transport, frames_to_send=[*sent, utils.SleepFrame(2.0)]))
    audio = [frame.audio for frame in down if isinstance(frame, frames.InputAudioRawFrame)]
    check(np.frombuffer(b"".join(audio), np.int16) / np.float32(32768), noisy[0])


def test_pipecat_turned_off(noisy: Array) -> None:
    module = example("pipecat_filter", "pipecat")
    frames: Any = pytest.importorskip("pipecat.frames.frames")

    async def run() -> Array:
        filter_ = module.SpeechzooFilter()
        await filter_.start(RATE)
        await filter_.process_frame(frames.FilterEnableFrame(enable=False))
        before = await filter_.filter(as_bytes(noisy[:1, :RATE]))
        await filter_.process_frame(frames.FilterEnableFrame(enable=True))
        after = await filter_.filter(as_bytes(noisy[:1, RATE:]))
        await filter_.stop()
        return np.frombuffer(before + after, np.int16) / np.float32(32768)

    found, late = asyncio.run(run()), Enhancer().latency(RATE).total
    settled = RATE // 50  # 10 ms of fading, twice
    np.testing.assert_allclose(found[late + settled : RATE], noisy[0, settled : RATE - late], atol=1e-4)
    expected = Enhancer()(noisy[0], RATE)
    begin, sure = RATE + late + settled, len(found) - RATE // 20
    np.testing.assert_allclose(found[begin:sure], expected[begin - late : sure - late], atol=1e-4)
