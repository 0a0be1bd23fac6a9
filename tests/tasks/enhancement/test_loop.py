"""Streams whose states stay in buffers of their own: the same output, and buffers that no one else sees."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from zoo.arrays import Array
from zoo.errors import ArtifactError, AudioError
from zoo.tasks.enhancement.graph import StreamingSession
from zoo.tasks.enhancement.loop import Loop
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.stream import Stream

Exported = Callable[..., Path]


@pytest.fixture
def session(exported: Exported) -> StreamingSession:
    opened = open_session(exported("fastenhancer_t"))
    assert isinstance(opened, StreamingSession)
    return opened


def loop_of(stream: Stream) -> Loop:
    assert stream._loop is not None
    return stream._loop


def hops(wave: Array, length: int) -> list[Array]:
    return [wave[None, i : i + length] for i in range(0, len(wave) - length + 1, length)]


def test_blocks_one_by_one_are_what_the_session_makes(session: StreamingSession, speech_16k: Array) -> None:
    """To the bit, for two streams that take turns; and what was given is not written over."""
    waves = [speech_16k[20000:26000], speech_16k[30000:36000]]
    loops = [session.loop(), session.loop()]
    states = [session.initial_state() for _ in waves]
    given: list[tuple[Array, Array]] = []
    for blocks in zip(*(hops(wave, session.block_length) for wave in waves), strict=True):
        for i, (loop, block) in enumerate(zip(loops, blocks, strict=True)):
            assert loop is not None
            output, anew = loop.step(block)
            expected, states[i] = session.run(block, states[i])
            assert not anew and output.shape == expected.shape
            given.append((output, expected))
            for name, value in states[i].items():
                np.testing.assert_array_equal(loop.state[name], value)
    for output, expected in given:
        np.testing.assert_array_equal(output, expected)


def test_threads_with_a_stream_each(session: StreamingSession, speech_16k: Array) -> None:
    waves = [speech_16k[i * 9000 :][:12000] for i in range(8)]

    def enhance(wave: Array) -> Array:
        stream = Stream(session)
        return np.concatenate([*(stream.push(part) for part in np.split(wave, 75)), stream.flush()])

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(enhance, waves))
    for wave, output in zip(waves, together, strict=True):
        np.testing.assert_array_equal(output, enhance(wave))


@pytest.mark.parametrize("rate", [16000, 48000])
def test_single_and_many_blocks_in_turn(session: StreamingSession, rate: int, speech_16k: Array) -> None:
    x = speech_16k[16000:48000]
    whole, mixed = Stream(session, rate), Stream(session, rate)
    expected = np.concatenate([whole.push(x), whole.flush()])
    cuts = np.cumsum([rate // 100] * 20 + [5000] + [rate // 100] * 20 + [7000, 3])
    parts = [mixed.push(part) for part in np.split(x, cuts)]
    np.testing.assert_allclose(np.concatenate([*parts, mixed.flush()]), expected, atol=1e-6)
    mixed.reset()
    again = [mixed.push(part) for part in np.split(x, cuts)]
    for first, second in zip(parts, again, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_state_that_is_not_finite_begins_anew(
    session: StreamingSession, value: float, speech_16k: Array
) -> None:
    blocks = hops(speech_16k[20000:26000], session.block_length)
    stream, fresh = Stream(session), Stream(session)
    for block in blocks[:10]:
        stream.push(block[0])
    for state in loop_of(stream).state.values():
        state[...] = value
    for turn, block in enumerate(blocks[10:]):
        got, expected = stream.push(block[0]), fresh.push(block[0])
        assert np.isfinite(got).all() and len(got) == session.block_length
        if turn > 1:  # before, a fresh stream gives less, to be aligned
            np.testing.assert_array_equal(got, expected)
    assert stream.resets == 1 and fresh.resets == 0


def test_output_that_is_never_finite_is_an_error(session: StreamingSession, speech_16k: Array) -> None:
    """A graph that is broken, here in its call, is told in our words, without a warning besides."""
    stream = Stream(session, 48000)
    loop = loop_of(stream)

    def broken() -> None:
        loop._output.fill(np.inf)

    for part in np.split(speech_16k[:4800], 10):
        stream.push(part)
    loop._calls = [broken, broken]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(AudioError, match="its output is not finite from sample"):
            stream.push(speech_16k[4800:5568])  # one block


def test_memory_of_the_wrong_size_is_refused(session: StreamingSession) -> None:
    bind = session.graph.bind_arrays  # type: ignore[attr-defined]
    states = [np.zeros((1, 3), np.float32) for _ in session.graph.inputs[1:]]
    arrays = [np.zeros((1, 256), np.float32), *states]
    with pytest.raises(ArtifactError, match="cannot run it"):
        bind(arrays, {0: np.zeros((1, 256), np.float32)})()


@pytest.mark.parametrize(("form", "streams"), [("spec2spec", 1), ("wav2wav", 2), ("spec2spec", "streams")])
def test_sessions_without_a_loop(
    exported: Exported, form: str, streams: int | str, speech_16k: Array
) -> None:
    session = open_session(exported("fastenhancer_t", form, streams=streams))
    assert isinstance(session, StreamingSession) and session.loop() is None
    assert np.isfinite(Stream(session).push(speech_16k[:256])).all()
