"""``StreamBatcher``: streams that share calls come out as each would alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.arrays import Array
from zoo.errors import ArtifactError, AudioError
from zoo.tasks.enhancement.batcher import BatchedStream
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.session import State
from zoo.tasks.enhancement.stream import Stream

Exported = Callable[..., Path]
RATES = (16000, None, 48000, 8000, 44100)


@pytest.fixture(scope="module", params=["wav2wav", "spec2spec"])
def artifact(request: pytest.FixtureRequest, exported: Exported) -> Path:
    return exported("fastenhancer_t", request.param, streams="streams", hops="hops")


def alone(artifact: Path, wave: Array, rate: int | None) -> Array:
    stream = Stream(open_session(artifact), rate)
    return np.concatenate([stream.push(wave), stream.flush()])


def same(expected: Array, computed: Array) -> None:
    assert expected.shape == computed.shape
    assert np.abs(expected - computed).max() <= 1e-5 * np.abs(expected).max()


def test_joins_leaves_and_resets_amid_the_others(artifact: Path, speech_16k: Array) -> None:
    """A random hour of traffic in small: each stream's output is that of the same input alone."""
    rng = np.random.default_rng(1)
    batcher = zoo.StreamBatcher(artifact)
    pushed: dict[BatchedStream, list[Array]] = {}
    got: dict[BatchedStream, list[Array]] = {}
    checked = 0

    def finish(stream: BatchedStream) -> None:
        nonlocal checked
        got[stream].append(batcher.flush([stream])[stream])
        assert batcher.flush([stream])[stream].shape == (0,)
        wave = np.concatenate([np.zeros(0, np.float32), *pushed[stream]])
        output = np.concatenate(got[stream])
        assert len(output) == len(wave)
        if len(wave) > 4000:
            same(alone(artifact, wave, stream.sample_rate), output)
            checked += 1

    for turn in range(120):
        if len(batcher) < 3 or (len(batcher) < 9 and rng.random() < 0.3):
            stream = batcher.join(RATES[turn % len(RATES)])
            pushed[stream], got[stream] = [], []
        streams = list(pushed)
        if rng.random() < 0.15:
            stream = streams[rng.integers(len(streams))]
            finish(stream)
            if rng.random() < 0.5:
                batcher.leave(stream)
                del pushed[stream], got[stream]
            else:
                batcher.reset(stream)
                pushed[stream], got[stream] = [], []
        blocks = {}
        for stream in pushed:
            if rng.random() < 0.7:
                start, size = rng.integers(60000), rng.choice([0, 1, 100, 256, 1000, 5000])
                blocks[stream] = speech_16k[start : start + size]
        for stream, output in batcher.push(blocks).items():
            pushed[stream].append(blocks[stream])
            got[stream].append(output)
    for stream in list(pushed):
        finish(stream)
        batcher.leave(stream)
    assert len(batcher) == 0 and checked > 8


def test_a_stream_left_in_the_middle_leaves_the_others(artifact: Path, speech_16k: Array) -> None:
    batcher = zoo.StreamBatcher(artifact)
    first, second, third = (batcher.join() for _ in range(3))
    parts = [batcher.push({s: speech_16k[i * 9000 :][:4000] for i, s in enumerate((first, second, third))})]
    batcher.leave(second)
    parts.append(batcher.push({third: speech_16k[22000:26000]}))
    parts.append(batcher.flush([third]))
    same(alone(artifact, speech_16k[18000:26000], None), np.concatenate([part[third] for part in parts]))


def test_latency_is_that_of_a_stream(artifact: Path) -> None:
    batcher, session = zoo.StreamBatcher(artifact), open_session(artifact)
    for rate in RATES:
        assert batcher.join(rate).latency == Stream(session, rate).latency


def test_bad_blocks_change_no_stream(artifact: Path, speech_16k: Array) -> None:
    batcher = zoo.StreamBatcher(artifact)
    good, bad = batcher.join(), batcher.join()
    gone = batcher.join()
    batcher.leave(gone)
    wave = speech_16k[20000:26000]
    parts = [batcher.push({good: wave[:3000]})[good]]
    broken = wave.copy()
    broken[7] = np.inf
    with pytest.raises(AudioError, match="block 1: sample 7 is inf"):
        batcher.push({good: wave[3000:], bad: broken})
    for call in (lambda: batcher.push({good: wave, gone: wave}), lambda: batcher.flush([good, gone])):
        with pytest.raises(AudioError, match="not one of the batcher's: it has left"):
            call()
    for call in (batcher.leave, batcher.reset):
        with pytest.raises(AudioError, match="not one of the batcher's"):
            call(gone)
    parts += [batcher.push({good: wave[3000:]})[good], batcher.flush([good])[good]]
    same(alone(artifact, wave, None), np.concatenate(parts))
    with pytest.raises(AudioError, match=r"block 0: this stream was flushed; call reset\(\)"):
        batcher.push({good: wave})
    with pytest.raises(AudioError, match="sample rate 5 is not"):
        batcher.join(5)
    assert len(batcher) == 2 and batcher.push({}) == {}


def test_what_cannot_be_batched(exported: Exported, tmp_path: Path) -> None:
    for path in (exported("fastenhancer_t"), exported("fastenhancer_t", streaming=False)):
        with pytest.raises(ArtifactError, match=r'takes one stream at a time; export .* streams="streams"'):
            zoo.StreamBatcher(path)
    with pytest.raises(ArtifactError, match="there is no such file"):
        zoo.StreamBatcher(tmp_path / "missing.onnx")


def test_threads_that_join_push_flush_and_leave(artifact: Path, speech_16k: Array) -> None:
    """A server with a thread for every user: each stream is as if it were alone."""
    batcher = zoo.StreamBatcher(artifact)
    together: list[int] = []
    run = batcher.session.run

    def counted(hops: Array, state: State) -> tuple[Array, State]:
        together.append(len(hops))
        return run(hops, state)

    batcher.session.run = counted  # type: ignore[method-assign]
    ready = threading.Barrier(8)

    def serve(user: int) -> list[tuple[Array, int | None, Array]]:
        ready.wait()
        served = []
        for turn in range(8):
            rng = np.random.default_rng([user, turn])
            start, rate = int(rng.integers(40000)), RATES[(user + turn) % len(RATES)]
            wave, parts, done = speech_16k[start : start + 12000], [], 0
            with batcher.join(rate) as stream:
                while done < len(wave):
                    size = int(rng.choice([100, 256, 1000, 3000]))
                    parts.append(batcher.push({stream: wave[done : done + size]})[stream])
                    done += size
                parts.append(batcher.flush([stream])[stream])
            served.append((wave, rate, np.concatenate(parts)))
        return served

    with ThreadPoolExecutor(8) as pool:
        served = [stream for user in pool.map(serve, range(8)) for stream in user]
    assert len(served) == 64 and len(batcher) == 0
    for wave, rate, output in served:
        same(alone(artifact, wave, rate), output)
    assert max(together) > 1  # what waits is computed in one call


def test_an_error_is_that_of_the_thread_that_made_it(artifact: Path, speech_16k: Array) -> None:
    """One request that cannot be computed keeps none of those that wait with it from being computed."""
    batcher = zoo.StreamBatcher(artifact)
    wave = speech_16k[20000:24000]
    good, bad = batcher.join(), batcher.join()
    batcher._lock.acquire()
    with ThreadPoolExecutor(3) as pool:
        calls = []
        for stream, block in ((good, wave), (bad, wave * np.nan), (good, wave)):
            calls.append(pool.submit(batcher.push, {stream: block}))
            while len(batcher._requests) < len(calls):
                time.sleep(0.001)
        batcher._lock.release()
        parts = [calls[0].result()[good], calls[2].result()[good], batcher.flush([good])[good]]
        with pytest.raises(AudioError, match="block 0: sample 0 is nan"):
            calls[1].result()
    same(alone(artifact, np.concatenate([wave, wave]), None), np.concatenate(parts))


def test_a_stream_leaves_at_the_end_of_its_context(artifact: Path) -> None:
    batcher = zoo.StreamBatcher(artifact)
    with batcher.join() as stream:
        assert len(batcher) == 1
    assert len(batcher) == 0
    with pytest.raises(AudioError, match="it has left"):
        batcher.flush([stream])
    with batcher.join() as stream:
        batcher.leave(stream)
