"""A line between a device's two ends: its delay to the sample, what comes late, and memory."""

from __future__ import annotations

import threading
import time
import tracemalloc

import numpy as np
import pytest

from tests.sessions import Halve
from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.live.line import Line
from zoo.live.meter import Meter
from zoo.live.ring import Ring
from zoo.tasks.enhancement.enhancer import Enhancer
from zoo.tasks.enhancement.session import State


def noise(count: int) -> Array:
    return np.random.default_rng(3).uniform(-0.5, 0.5, count).astype(np.float32)


class Stalling(Halve):
    """One that waits where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.go.set()

    def run(self, hops: Array, state: State) -> tuple[Array, State]:
        self.go.wait()
        return super().run(hops, state)


def settled(line: Line) -> None:
    """Wait until all that came is computed."""
    limit = time.monotonic() + 20
    while line.counts[0] < line.heard - line.lost and line.failure is None:
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_a_ring_keeps_order_and_says_what_it_took() -> None:
    ring, wave, got = Ring(100), noise(1000), []
    into, start = np.zeros(77, np.float32), 0
    for step in range(60):
        start += ring.write(wave[start : start + 13 + step % 30])
        if step % 3:
            got.append(into[: ring.read(into)].copy())
    joined = np.concatenate(got)
    np.testing.assert_array_equal(joined, wave[: len(joined)])
    assert len(joined) > 500
    ring.skip(1000)
    assert len(ring) == 0 and ring.write(wave) == 100 and ring.skip(30) == 30 and len(ring) == 70


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize("sizes", [(480,), (64, 480, 1, 333)])
def test_the_delay_is_the_one_that_is_told(rate: int, sizes: tuple[int, ...]) -> None:
    """Of what is given, and of what others get: that begins with the first sample."""
    wave, enhancer = noise(rate), Enhancer(Halve())
    expected = enhancer(wave, rate)
    line = Line(enhancer.stream(rate), max(sizes), 100, others=1)
    line.start()
    played, recorded, start = [], [], 0
    while start < len(wave):
        block = wave[start : start + sizes[len(played) % len(sizes)]]
        settled(line)  # one block later at the latest
        line.feed(block)
        played.append(np.empty(len(block), np.float32))
        line.give(played[-1])
        start += len(block)
    rest = line.stop()
    into = np.empty(rate, np.float32)
    recorded = [into[: line.rings[0].read(into)], rest]
    late = np.concatenate(played)
    assert line.latency == line.stream.latency.total + max(sizes) + 100
    assert not late[: line.latency].any()
    np.testing.assert_array_equal(late[line.latency :], expected[: len(late) - line.latency])
    np.testing.assert_array_equal(np.concatenate(recorded), expected)
    assert (line.underruns, line.missing, line.lost, line.unread) == (0, 0, 0, 0)


def test_what_comes_late_is_silence_and_counted_and_the_delay_stays() -> None:
    wave, session = noise(32000), Stalling()
    expected = Enhancer(Halve())(wave)
    line = Line(Enhancer(session).stream(), 160, 0)
    line.start()
    played = np.empty_like(wave)
    for turn, start in enumerate(range(0, len(wave), 160)):
        if turn == 50:
            session.go.clear()
        if turn == 80:
            session.go.set()
        if session.go.is_set():
            settled(line)
        line.feed(wave[start : start + 160])
        line.give(played[start : start + 160])
    line.stop()
    aligned, missed = played[line.latency :], 0
    for found, wanted in zip(aligned, expected, strict=False):
        missed += bool(found != wanted)
        assert found in (wanted, 0)
    assert 20 <= line.underruns <= 31 and line.missing == missed
    np.testing.assert_array_equal(aligned[-16000:], expected[: len(aligned)][-16000:])


def test_what_finds_no_room_is_told() -> None:
    session, wave = Stalling(), noise(16000 * 6)
    line = Line(Enhancer(session).stream(), 1600, 0, others=1)
    line.start()
    session.go.clear()
    into, played = np.empty(1600, np.float32), []
    for start in range(0, len(wave), 1600):
        line.feed(wave[start : start + 1600])
        line.give(into)
    assert line.lost > 16000
    session.go.set()
    settled(line)
    for start in range(0, len(wave), 1600):
        line.feed(wave[start : start + 1600])
        settled(line)
        line.give(into)
        played.append(into.copy())
    np.testing.assert_array_equal(  # the delay is what it was
        np.concatenate(played)[-32000:], Enhancer(Halve())(wave)[: -line.latency][-32000:]
    )
    line.stop()
    assert line.unread > 0  # nobody read the ring


def test_an_error_ends_it_and_is_kept() -> None:
    line = Line(Enhancer(Halve()).stream(), 160, 0)
    line.start()
    line.feed(np.full(160, np.nan, np.float32))
    settled(line)
    assert not line.stop().size
    assert isinstance(line.failure, AudioError) and "nan" in str(line.failure)


def test_the_device_s_thread_takes_no_memory() -> None:
    """Besides views and numbers, less than a block has; and in the long run nothing grows."""
    line, block, into = (
        Line(Enhancer(Halve()).stream(48000), 4800, 0),
        noise(4800),
        np.empty(4800, np.float32),
    )
    tracemalloc.start()
    try:
        line.feed(block)
        line.give(into)
        taken = []
        for _ in range(5):  # other threads of the tests' process take memory too, at times
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            for _ in range(20):
                line.feed(block)
                line.give(into)
            taken.append(tracemalloc.get_traced_memory()[1] - before)
        assert min(taken) < 2000
        line.start()
        sizes = []
        for _ in range(200):
            settled(line)
            sizes.append(tracemalloc.get_traced_memory()[0])
            line.feed(block)
            line.give(into)
        assert max(sizes[150:]) < max(sizes[50:100]) + 10_000
    finally:
        tracemalloc.stop()
        line.stop()


def test_meters() -> None:
    line = Line(Enhancer(Halve()).stream(), 160, 0)
    line.start()
    meter = Meter(line)
    assert meter.levels() == [-60, -60]
    line.feed(np.full(16000, 0.5, np.float32))
    settled(line)
    before, after = meter.levels()
    assert abs(before + 6.02) < 0.01 and abs(before - after - 6.02) < 0.1
    text = meter.text()
    assert "in [" in text and "0 dB quieter" in text and "underruns 0" in text
    assert "bypassed" in meter.text("bypassed")
    line.stop()
