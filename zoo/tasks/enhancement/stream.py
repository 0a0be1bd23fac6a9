"""A running signal through a session: any block size, any sample rate, and an exact account of the delay."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.signal.resample import Resampler, check_rate
from zoo.signal.samples import all_finite, check_samples
from zoo.tasks.copies import Bound
from zoo.tasks.enhancement.limit import Mix
from zoo.tasks.enhancement.loop import Loop
from zoo.tasks.enhancement.recovery import run_recovering
from zoo.tasks.enhancement.session import Framing, Session, State, check_output

SAMPLES_AT_ONCE = 1 << 16  # about the most that one call of a session gets, so that memory stays bounded


@dataclass(frozen=True)
class Latency:
    """By how much the output of a stream comes after its input, in samples at the stream's rate.

    Attributes:
        sample_rate: the stream's, in Hz.
        window: the part of the analysis window that overlaps the next frames.
        look_ahead: the future that the network reads.
        resampling: both filters together, with the rounding of the other parts to whole samples.
        buffering: the wait until a block of the session is full, at worst.
    """

    sample_rate: int
    window: int
    look_ahead: int
    resampling: int
    buffering: int

    @property
    def total(self) -> int:
        """Output sample i has come at the latest when input sample i + total has been pushed."""
        return self.window + self.look_ahead + self.resampling + self.buffering

    @property
    def samples(self) -> dict[str, int]:
        """The parts and the total by name."""
        return {
            "window": self.window,
            "look_ahead": self.look_ahead,
            "resampling": self.resampling,
            "buffering": self.buffering,
            "total": self.total,
        }

    @property
    def milliseconds(self) -> dict[str, float]:
        """The parts and the total by name."""
        return {name: 1000 * count / self.sample_rate for name, count in self.samples.items()}


class Channel:
    """What surrounds the computing of one stream: resampling, cutting into blocks, alignment.

    ``take`` and ``take_rest`` turn input into whole blocks for a session; ``give`` and ``give_rest`` turn
    what the session made of them into output.

    Attributes:
        sample_rate: of input and output, in Hz.
        latency: how late the output is.
        mix: what of the noisy signal stays in the output.
        ended: whether the input was ended by ``take_rest``.
    """

    def __init__(
        self, session: Framing, sample_rate: int | None = None, attenuation_limit: float | None = None
    ) -> None:
        """
        Raises:
            AudioError: a rate that is not a whole number from 1000 to 768000.
            ValueError: a limit that is no number of dB from 0 on.
        """
        model_rate = session.front_end.sample_rate
        self.sample_rate = model_rate if sample_rate is None else check_rate(sample_rate)
        self._name = session.name
        self._session_latency, self._block_length = session.latency, session.block_length
        self._before = Resampler(self.sample_rate, model_rate)
        self._after = Resampler(model_rate, self.sample_rate)
        self.latency = self._account(session)
        self.mix = Mix(self.sample_rate, attenuation_limit)
        self.reset()

    def reset(self) -> None:
        """Go back to before the first sample."""
        self.mix.reset()
        self._before.reset()
        self._after.reset()
        self._waiting = np.zeros((1, 0), np.float32)  # less than a block, at the model's rate
        self._received = 0  # samples pushed
        self._enhanced = -self._session_latency  # aligned samples at the model's rate
        self._given = 0  # samples of output
        self.ended = False

    def check(self, block: ArrayLike) -> Array:
        """A block as (1, N) float32; nothing changes.

        Raises:
            AudioError: another shape or type, a sample that is NaN, infinite or beyond
                ``samples.LARGEST``, or the input has ended.
        """
        if self.ended:
            raise AudioError("this stream was flushed; call reset() before the next recording")
        return check_samples(block, self._received)

    def take(self, samples: Array) -> Array:
        """(1, N) of ``check`` -> (1, K x block_length) at the model's rate, K of 0 or more."""
        self._received += samples.shape[1]
        self.mix.take(samples)
        samples = np.concatenate([self._waiting, self._before.push(samples)], axis=1)
        whole = samples.shape[1] // self._block_length * self._block_length
        self._waiting = samples[:, whole:].copy()
        return samples[:, :whole]

    def give(self, enhanced: Array) -> Array:
        """(1, K x block_length) of the session -> (M,) output that it completes.

        Raises:
            AudioError: it is not finite.
        """
        return self._checked(self._resampled(self._aligned(enhanced)))

    def take_rest(self) -> Array:
        """End the input: (1, K x block_length) with all that is left and zeros behind it."""
        self.ended = True
        samples = np.concatenate([self._waiting, self._before.flush()], axis=1)
        self._length = self._before.output_length(self._received)
        blocks = -((self._enhanced - self._length) // self._block_length)
        return np.pad(samples, ((0, 0), (0, blocks * self._block_length - samples.shape[1])))

    def give_rest(self, enhanced: Array) -> Array:
        """(1, K x block_length) of the session -> (M,), the end of the output.

        Raises:
            AudioError: it is not finite.
        """
        missing = self._length - max(0, self._enhanced)
        output = self._resampled(self._aligned(enhanced)[:, :missing])
        return self._checked(np.concatenate([output, self._after.flush(self._received)], axis=1))

    def _aligned(self, enhanced: Array) -> Array:
        """Without what lies before the first sample."""
        late = max(0, -self._enhanced)
        self._enhanced += enhanced.shape[1]
        return enhanced[:, late:]

    def _resampled(self, aligned: Array) -> Array:
        """At the stream's rate."""
        if all_finite(aligned):
            return self._after.push(aligned)
        with np.errstate(invalid="ignore"):  # an error follows, which needs no warning before it
            return self._after.push(aligned)

    def _checked(self, output: Array) -> Array:
        """(1, M) that goes out -> (M,)"""
        check_output(output, self._name, self._given)
        self._given += output.shape[1]
        return self.mix.give(output)[0]

    def _account(self, session: Framing) -> Latency:
        """The exact delay, from the one output sample a block that waits longest."""
        source, model = self.sample_rate, session.front_end.sample_rate
        common = math.gcd(source, model)
        up, down = source // common, model // common
        delay = session.latency + self._after.latency
        # Blocks after which the positions of blocks and samples repeat, beginning where output exists.
        length = self._block_length
        blocks = np.arange(down // math.gcd(length, down)) + -(-delay // length)
        first = -(-(blocks * length - delay) * up // down)  # the first output that needs this block
        last = ((blocks + 1) * length - 1) * up // down + self._before.latency  # the input it waits for
        total = int((last - first).max())

        def at_source(samples: int) -> int:
            return round(samples * up / down)

        window = at_source(session.front_end.delay)
        look_ahead = at_source(session.latency - session.front_end.delay)
        buffering = at_source(length - 1)
        return Latency(source, window, look_ahead, total - window - look_ahead - buffering, buffering)


class Stream(Bound):
    """One channel of noisy audio in, the same channel enhanced out.

    The outputs of all pushes and of the flush, joined, are as long as the input and aligned with it to
    the sample, however the input was cut. Streams may share a session: each has its own state.

    Attributes:
        session: what enhances.
        sample_rate: of input and output, in Hz.
        latency: how late the output is.
        resets: how often since the start the network began anew, because what it computed or remembered was
            not finite; the output goes on, aligned.
    """

    advice = "pass the enhancer, or its model or artifact, and begin a stream where it is used"

    def __init__(
        self, session: Session, sample_rate: int | None = None, attenuation_limit: float | None = None
    ) -> None:
        """Begin a stream; without ``sample_rate`` at the model's own, without a limit as of ``Enhancer``.

        Raises:
            AudioError: a rate that is not a whole number from 1000 to 768000.
            ValueError: a limit that is no number of dB from 0 on.
        """
        self.session = session
        self._channel = Channel(session, sample_rate, attenuation_limit)
        self.sample_rate, self.latency = self._channel.sample_rate, self._channel.latency
        make = getattr(session, "loop", None)
        self._loop: Loop | None = make() if make else None
        self._state = session.initial_state()  # apart from the loop's
        self.resets = 0

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        """Do nothing: a stream holds only memory. Those of a batcher leave it here."""

    @property
    def attenuation_limit(self) -> float | None:
        """In dB, or None; may be set at any time, and the output fades to it in 10 ms at most."""
        return self._channel.mix.limit

    @attenuation_limit.setter
    def attenuation_limit(self, limit: float | None) -> None:
        self._channel.mix.limit = limit

    def reset(self) -> None:
        """Go back to before the first sample, as a fresh stream."""
        self._channel.reset()
        self.resets = 0
        self._go_on(self.session.initial_state())

    def push(self, block: ArrayLike) -> Array:
        """Take the next samples and give all output that they complete.

        Args:
            block: (N,) float32 or float64 in [-1, 1]; N of 0 or more.

        Returns:
            (M,) float32, M of 0 or more.

        Raises:
            AudioError: another shape or type, a sample that is NaN, infinite or beyond ``samples.LARGEST``
                (the stream is as it was before the call, and can go on), a push after ``flush`` without
                ``reset``, or an output that is not finite though the network began anew.
        """
        return self._channel.give(self._run(self._channel.take(self._channel.check(block))))

    def flush(self) -> Array:
        """End the stream: give the rest of its output. ``reset`` begins another recording.

        Returns:
            (M,) float32; nothing when called again.

        Raises:
            AudioError: the output is not finite.
        """
        if self._channel.ended:
            return np.zeros(0, np.float32)
        return self._channel.give_rest(self._run(self._channel.take_rest()))

    def _run(self, blocks: Array) -> Array:
        """(1, K x block_length) through the session, not too much at once."""
        length = self.session.block_length
        if not blocks.shape[1]:
            return blocks
        if blocks.shape[1] == length and self._loop is not None:
            output, anew = self._loop.step(blocks)
            self.resets += anew
            return output
        outputs, state = [], self._state if self._loop is None else self._loop.state
        step = max(1, SAMPLES_AT_ONCE // length) * length
        for start in range(0, blocks.shape[1], step):
            part = np.ascontiguousarray(blocks[:, start : start + step])
            output, state, begun = run_recovering(self.session, part, state)
            self.resets += len(begun)
            outputs.append(output)
        self._go_on(state)
        return np.concatenate(outputs, axis=1)

    def _go_on(self, state: State) -> None:
        """Keep the state that the next block begins with."""
        if self._loop is None:
            self._state = state
        else:
            self._loop.load(state)
