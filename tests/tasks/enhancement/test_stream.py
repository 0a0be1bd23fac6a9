"""Streams over a small real session: alignment, cuts, delay, errors, and streams that share a session."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from zoo.errors import AudioError
from zoo.signal.windows import analysis_window, synthesis_window
from zoo.spec import FrontEnd
from zoo.tasks.enhancement.session import State
from zoo.tasks.enhancement.stream import SAMPLES_AT_ONCE, Latency, Stream

RATES = [8000, 11025, 16000, 22050, 44100, 48000, 96000]


class Level:
    """An STFT session with memory: each frame is scaled by a gain that follows the level so far."""

    name, backend, streaming = "level", "numpy", True

    def __init__(
        self, front_end: FrontEnd | None = None, follow: float = 0, look_ahead: int = 0, hops: int = 1
    ) -> None:
        self.front_end = front_end or FrontEnd(16000, 512, 256, "sqrt_hann")
        self.look_ahead, self.follow = look_ahead, follow
        self.latency = self.front_end.delay + look_ahead * self.front_end.hop_length
        self.block_length = hops * self.front_end.hop_length
        self.largest = 0

    def initial_state(self) -> State:
        f = self.front_end
        return {
            "past": np.zeros((1, f.delay), np.float32),
            "overlap": np.zeros((1, f.n_fft), np.float32),
            "level": np.zeros((1, 1), np.float32),
            "spectra": np.zeros((1, self.look_ahead, f.bins), np.complex64),
        }

    def run(self, hops: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        f = self.front_end
        assert hops.shape[0] == 1 and hops.shape[1] % self.block_length == 0 and hops.dtype == np.float32
        self.largest = max(self.largest, hops.shape[1])
        signal = np.concatenate([state["past"], hops], axis=1)
        overlap, level, spectra = state["overlap"].copy(), state["level"].copy(), state["spectra"]
        output = []
        for start in range(0, hops.shape[1], f.hop_length):
            frame = signal[:, start : start + f.n_fft] * analysis_window(f)
            level = 0.9 * level + 0.1 * np.abs(frame).mean()
            spectra = np.concatenate([spectra, np.fft.rfft(frame)[:, None]], axis=1)
            spectrum, spectra = spectra[:, 0], spectra[:, 1:]
            gain = 1 / (1 + self.follow * level)
            overlap += np.fft.irfft(gain * spectrum, f.n_fft) * synthesis_window(f)
            output.append(overlap[:, : f.hop_length].copy())
            overlap = np.concatenate([overlap[:, f.hop_length :], 0 * output[-1]], axis=1)
        after = {"past": signal[:, -f.delay :], "overlap": overlap, "level": level, "spectra": spectra}
        return np.concatenate(output, axis=1).astype(np.float32), after

    def whole(self, waveform: np.ndarray) -> np.ndarray:
        raise AssertionError("a stream has no use for this")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def tones(rate: int, count: int) -> np.ndarray:
    """A signal below 3.5 kHz that no shift maps onto itself, faded at both ends."""
    time = np.arange(count) / rate
    frequencies = np.array([150, 433, 1130, 2240, 3475])
    signal = np.sin(2 * np.pi * frequencies * time[:, None] + frequencies).mean(1)
    return signal * np.sin(np.pi / 2 * np.minimum(1, np.minimum(time, time[-1] - time) / 0.05)) ** 4


def enhance(stream: Stream, blocks: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([*(stream.push(block) for block in blocks), stream.flush()])


def longest_wait(stream: Stream, count: int) -> int:
    """Largest number of samples that an output sample came after its own input, with single samples."""
    sent, worst = 0, 0
    for received in range(count):
        first, sent = sent, sent + len(stream.push(np.zeros(1, np.float32)))
        if sent > first:
            worst = max(worst, received - first)
    assert count - sent <= worst  # and none is later still
    return worst


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("look_ahead", [0, 2])
def test_length_and_alignment(rate: int, look_ahead: int) -> None:
    x = tones(rate, rate // 2 + 17)
    output = enhance(Stream(Level(look_ahead=look_ahead), rate), [x])
    assert output.shape == x.shape and output.dtype == np.float32
    error = 10 * np.log10(np.sum(x**2) / np.sum((x - output) ** 2))
    assert error > (110 if rate == 16000 else 85)


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 257, 511, 512, 513])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_short_recordings_keep_their_length(rate: int, count: int, rng: np.random.Generator) -> None:
    x = rng.normal(size=count)
    for size in (1, 100, 1000):
        stream = Stream(Level(), rate)
        assert len(enhance(stream, np.split(x, range(size, count, size)))) == count


@pytest.mark.parametrize("rate", RATES)
def test_cuts_do_not_matter(rate: int, rng: np.random.Generator) -> None:
    x = 0.3 * rng.normal(size=12000).astype(np.float32)
    stream = Stream(Level(follow=20), rate)
    whole = enhance(stream, [x])
    for cuts in (np.cumsum(rng.integers(1, 5000, 9)), np.arange(1, 600), [0, 0, 7, 7]):
        stream.reset()
        joined = enhance(stream, np.split(x, [c for c in cuts if c < len(x)]))
        np.testing.assert_allclose(joined, whole, rtol=0, atol=5e-6)


@pytest.mark.parametrize("look_ahead", [0, 1])
@pytest.mark.parametrize(
    "front_end",
    [FrontEnd(16000, 512, 256), FrontEnd(16000, 320, 200, "sine"), FrontEnd(16000, 500, 100)],
    ids=["512-256", "320-200", "500-100"],
)
@pytest.mark.parametrize("rate", [*RATES, 44101])
def test_latency_is_exact(rate: int, front_end: FrontEnd, look_ahead: int) -> None:
    stream = Stream(Level(front_end, look_ahead=look_ahead), rate)
    count = 26 * front_end.hop_length * rate // 16000
    wait = longest_wait(stream, count)
    assert wait <= stream.latency.total
    assert stream.latency.total - wait <= (2 if rate == 44101 else 0)  # its pattern is longer than the test


def test_latency_in_parts() -> None:
    latency = Stream(Level(look_ahead=1)).latency
    assert latency == Latency(16000, window=256, look_ahead=256, resampling=0, buffering=255)
    assert latency.total == latency.samples["total"] == 767
    assert latency.milliseconds == {
        "window": 16.0, "look_ahead": 16.0, "resampling": 0.0, "buffering": 15.9375, "total": 47.9375
    }  # fmt: skip


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
def test_latency_of_larger_blocks(rate: int) -> None:
    stream = Stream(Level(FrontEnd(16000, 256, 128), hops=3), rate)
    assert stream.latency.total == longest_wait(stream, 30 * 128 * rate // 16000)
    assert stream.latency.buffering == round(383 * rate / 16000)
    x = tones(rate, rate // 10 + 3)
    stream.reset()
    np.testing.assert_allclose(enhance(stream, [x]), x, atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
def test_resampling_costs_little(rate: int) -> None:
    assert Stream(Level(), rate).latency.milliseconds["resampling"] < 20


def test_memory_is_bounded(rng: np.random.Generator) -> None:
    session = Level(FrontEnd(16000, 8192, 4096))
    enhance(Stream(session), [rng.normal(size=SAMPLES_AT_ONCE * 5 // 2)])
    assert session.largest == SAMPLES_AT_ONCE


def test_streams_share_a_session(rng: np.random.Generator) -> None:
    session = Level(follow=20)
    x = rng.normal(size=(2, 6000))
    alone = [enhance(Stream(session, 8000), [row]) for row in x]
    streams = [Stream(session, 8000) for _ in x]
    parts: list[list[np.ndarray]] = [[], []]
    for start, stop in pairwise(range(0, 6001, 500)):
        for stream, row, part in zip(streams, x, parts, strict=True):
            part.append(stream.push(row[start:stop]))
    for stream, part, expected in zip(streams, parts, alone, strict=True):
        np.testing.assert_allclose(np.concatenate([*part, stream.flush()]), expected, atol=5e-6)


def test_reset_is_a_fresh_start(rng: np.random.Generator) -> None:
    x = rng.normal(size=5000)
    stream = Stream(Level(follow=20), 11025)
    fresh = enhance(stream, [x])
    stream.reset()
    stream.push(rng.normal(size=3333))
    stream.reset()
    np.testing.assert_array_equal(enhance(stream, [x]), fresh)


def test_the_end() -> None:
    stream = Stream(Level())
    assert len(enhance(stream, [np.ones(100)])) == 100
    assert len(stream.flush()) == 0
    with pytest.raises(AudioError, match=r"call reset\(\)"):
        stream.push(np.ones(100))


def test_both_float_types_and_lists(rng: np.random.Generator) -> None:
    x = rng.normal(size=600).astype(np.float32)
    expected = enhance(Stream(Level()), [x])
    np.testing.assert_array_equal(enhance(Stream(Level()), [x.astype(np.float64)]), expected)
    np.testing.assert_array_equal(enhance(Stream(Level()), [x.tolist()]), expected)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (np.zeros(9, np.int16), r"got int16; pass \(block / 32768\)\.astype\(np\.float32\)"),
        (np.zeros(9, np.int32), r"got int32; pass \(block / 2147483648\)"),
        (np.zeros(9, np.uint8), r"float32 or float64 .* got uint8"),
        (np.zeros(9, np.complex64), r"float32 or float64 .* got complex64"),
        ("noise", r"float32 or float64"),
        ([[0.0], [0.0, 1.0]], r"array of numbers"),
        (np.zeros((2, 9)), r"shape \(N,\) is expected, got \(2, 9\); one stream is one channel"),
        (np.float32(1), r"shape \(N,\) is expected, got \(\)"),
    ],
)
def test_wrong_blocks(block: object, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        Stream(Level()).push(block)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_bad_samples_leave_the_stream_as_it_was(value: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=3000)
    stream = Stream(Level(follow=20), 8000)
    first = stream.push(x[:1000])
    bad = x[1000:].copy()
    bad[234:] = value
    with pytest.raises(AudioError, match=r"sample 1234 is (nan|-?inf|1e\+300)"):
        stream.push(bad)
    output = np.concatenate([first, stream.push(x[1000:]), stream.flush()])
    np.testing.assert_allclose(output, enhance(Stream(Level(follow=20), 8000), [x]), atol=5e-6)


def test_impossible_rate() -> None:
    with pytest.raises(AudioError, match="sample rate 0 is not"):
        Stream(Level(), 0)
