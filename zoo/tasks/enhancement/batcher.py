"""Many streams through one session: what waits in all of them is computed together."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from zoo.arrays import Array
from zoo.builtin import packaged_artifact
from zoo.errors import ArtifactError, AudioError, CheckpointError, SpeechZooError
from zoo.registry import get_spec
from zoo.runtime.artifact import check_threads
from zoo.tasks.copies import Bound, Reopenable
from zoo.tasks.enhancement.limit import check_limit
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.public_graph import StreamByStream
from zoo.tasks.enhancement.recovery import run_recovering
from zoo.tasks.enhancement.session import Session
from zoo.tasks.enhancement.stream import Channel, Latency

FRAMES_AT_ONCE = 64  # of one call, hops x streams, where that much waits: more leave the fastest memory


class BatchedStream(Bound):
    """One of the streams of a ``StreamBatcher``; made by ``join``. A context manager that leaves at its end.

    Attributes:
        sample_rate: of input and output, in Hz.
        latency: how late the output is, apart from the wait for a call.
        resets: how often since the start the network began anew, as of ``Stream``; the others of the batcher
            do not notice.
    """

    advice = "pass the batcher's model or artifact, and join a stream where it is used"

    def __init__(self, channel: Channel, batcher: StreamBatcher) -> None:
        self._channel, self._batcher = channel, batcher
        self.sample_rate: int = channel.sample_rate
        self.latency: Latency = channel.latency
        self.resets = 0

    def __enter__(self) -> BatchedStream:
        return self

    def __exit__(self, *exception: object) -> None:
        self._batcher._leave(self)

    @property
    def attenuation_limit(self) -> float | None:
        """As of ``Stream``."""
        return self._channel.mix.limit

    @attenuation_limit.setter
    def attenuation_limit(self, limit: float | None) -> None:
        self._channel.mix.limit = limit


@dataclass(eq=False)
class _Request:
    """What a thread wants of some streams, and what became of it.

    Attributes:
        streams: those.
        begin: checks them, then gives whole blocks of those that compute, (1, K x block_length) each; or
            raises before any has changed.
        end: gives a channel's output, (M,), from what became of its blocks.
        output: of each, once it is computed.
        error: why there is none.
        done: whether there is one of both.
    """

    streams: Sequence[BatchedStream]
    begin: Callable[[], dict[BatchedStream, Array]]
    end: Callable[[Channel, Array], Array]
    output: dict[BatchedStream, Array] = field(default_factory=dict)
    error: BaseException | None = None
    done: bool = False


class StreamBatcher(Reopenable):
    """Runs independent streams that share one session and its calls.

    Every stream joins, is reset and leaves by itself, has its own sample rate, and takes blocks of any
    size. Its output is that of a ``Stream`` of its own.

    Any number of threads may call any method at once, for example those of a server, one for every user.
    While one computes, what the others push waits, and the next call computes all of it together. If two
    threads push to one stream, its blocks stay whole, and come in the order in which they are taken.

    A batcher without streams can be pickled and copied: what it was made from is opened again.

    Attributes:
        session: what computes.
        attenuation_limit: of streams that join, in dB, or None.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Session,
        *,
        threads: int = 1,
        attenuation_limit: float | None = None,
    ) -> None:
        """
        Args:
            source: name of a model whose weights come with the package; or path of an artifact that was
                exported with ``streams="streams"``, best with ``hops="hops"`` too; or its session. Of a
                public graph, or the session of one, the streams are computed one after the other.
            threads: of ONNX Runtime.
            attenuation_limit: of streams from their start, as of ``Enhancer``.

        Raises:
            ArtifactError: an artifact that cannot be read, or takes one stream at a time.
            UnknownModelError: no such model.
            CheckpointError: no weights of the model come with the package.
            ValueError: threads that are no whole number from 1 to 1024, or a limit that is no number of dB
                from 0 on.
        """
        check_threads(threads)
        self.attenuation_limit = check_limit(attenuation_limit)
        self._remember(source, threads=threads, attenuation_limit=self.attenuation_limit)
        session = _open(source, threads) if isinstance(source, (str, os.PathLike)) else source
        if session.streaming and bool(getattr(session, "public", False)):
            session = StreamByStream(session)
        if not (session.streaming and session.batched):
            raise ArtifactError(
                f"{session.name} takes one stream at a time; export the model with streaming=True and "
                f'streams="streams"'
            )
        self.session = session
        self._rows: dict[BatchedStream, int] = {}
        self._state: dict[str, Array] = {}  # a row for each stream
        self._lock = threading.Lock()  # held by who reads or changes streams, rows and state
        self._requests: deque[_Request] = deque()  # until who holds the lock takes them

    def __len__(self) -> int:
        return len(self._rows)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._rows:
            raise TypeError(
                f"this StreamBatcher has {len(self)} streams, which cannot be pickled or copied; pass it "
                f"before they join, or make it anew"
            )
        return super().__reduce__()

    def __copy__(self) -> StreamBatcher:
        """A batcher of its own, over the same session."""
        if self._rows:
            self.__reduce__()
        clone = StreamBatcher(self.session, attenuation_limit=self.attenuation_limit)
        clone._given = self._given
        return clone

    def join(self, sample_rate: int | None = None) -> BatchedStream:
        """Begin a stream; without ``sample_rate`` at the model's own.

        Raises:
            AudioError: a rate that is not a whole number from 1000 to 768000.
        """
        stream = BatchedStream(Channel(self.session, sample_rate, self.attenuation_limit), self)
        fresh = self.session.initial_state()
        with self._lock:
            self._state = {
                name: np.concatenate([self._state[name], zeros]) if self._rows else np.array(zeros)
                for name, zeros in fresh.items()
            }
            self._rows[stream] = len(self._rows)
        return stream

    def leave(self, stream: BatchedStream) -> None:
        """Take a stream out, whatever it still held.

        Raises:
            AudioError: it is not one of these streams.
        """
        if not self._leave(stream):
            raise _stranger()

    def reset(self, stream: BatchedStream) -> None:
        """Take a stream back to before its first sample.

        Raises:
            AudioError: it is not one of these streams.
        """
        with self._lock:
            row = self._row(stream)
            stream._channel.reset()
            stream.resets = 0
            for name, zeros in self.session.initial_state().items():
                self._state[name][row] = zeros[0]

    def push(self, blocks: Mapping[BatchedStream, ArrayLike]) -> dict[BatchedStream, Array]:
        """Take the next samples of some streams and give all output that they complete.

        Args:
            blocks: (N,) float32 or float64 in [-1, 1] for each stream; N of 0 or more, each its own.

        Returns:
            (M,) float32 for each of them, M of 0 or more.

        Raises:
            AudioError: a stream that has left or was flushed, or a block of another shape or type, or with
                a sample that is NaN, infinite or beyond ``samples.LARGEST``; no stream has changed.
                Or an output that is not finite, though its stream began anew: the graph is damaged, and the
                others of this call have lost its output.
        """

        def begin() -> dict[BatchedStream, Array]:
            checked: dict[BatchedStream, Array] = {}
            for turn, (stream, block) in enumerate(blocks.items()):
                self._row(stream)
                try:
                    checked[stream] = stream._channel.check(block)
                except AudioError as error:
                    raise AudioError(f"block {turn}: {error}") from error
            return {stream: stream._channel.take(block) for stream, block in checked.items()}

        return self._serve(_Request(list(blocks), begin, Channel.give))

    def flush(self, streams: Iterable[BatchedStream]) -> dict[BatchedStream, Array]:
        """End some streams: give the rest of their output. They stay until they ``leave`` or are ``reset``.

        Returns:
            (M,) float32 for each of them; nothing for one that was flushed before.

        Raises:
            AudioError: a stream that is not one of these, or an output that is not finite.
        """
        asked = list(dict.fromkeys(streams))

        def begin() -> dict[BatchedStream, Array]:
            for stream in asked:
                self._row(stream)
            return {stream: stream._channel.take_rest() for stream in asked if not stream._channel.ended}

        rest = self._serve(_Request(asked, begin, Channel.give_rest))
        return {stream: rest.get(stream, np.zeros(0, np.float32)) for stream in asked}

    def _leave(self, stream: BatchedStream) -> bool:
        """Take a stream out if it is one of these, and say whether it was."""
        with self._lock:
            row = self._rows.pop(stream, None)
            if row is None:
                return False
            self._rows = {other: new for new, other in enumerate(self._rows)}
            self._state = {name: np.delete(value, row, axis=0) for name, value in self._state.items()}
        return True

    def _serve(self, request: _Request) -> dict[BatchedStream, Array]:
        """Compute a request, with all that other threads ask for by then."""
        self._requests.append(request)
        with self._lock:
            while not request.done:  # else the thread that held the lock before has computed it
                self._compute_next()
        if request.error is not None:
            raise request.error
        return request.output

    def _compute_next(self) -> None:
        """Compute the requests that wait, as far as each stream is in one of them only."""
        taken: list[_Request] = []
        waiting: dict[BatchedStream, Array] = {}
        try:
            while self._requests and waiting.keys().isdisjoint(self._requests[0].streams):
                taken.append(self._requests.popleft())
                try:
                    blocks = taken[-1].begin()
                except SpeechZooError as error:
                    taken[-1].error = error
                else:
                    taken[-1].output, waiting = blocks, waiting | blocks
            enhanced = self._run(waiting)
            for request in taken:
                give = {
                    stream: partial(request.end, stream._channel, enhanced[stream])
                    for stream in request.output
                }
                try:
                    request.output = _outputs(give)
                except AudioError as error:
                    request.error = error
        except BaseException as error:
            for request in taken:
                request.error = request.error or error
            raise
        finally:
            for request in taken:
                request.done = True

    def _row(self, stream: BatchedStream) -> int:
        row = self._rows.get(stream)
        if row is None:
            raise _stranger()
        return row

    def _run(self, waiting: dict[BatchedStream, Array]) -> dict[BatchedStream, Array]:
        """Whole blocks of some streams, (1, K x block_length) each, through the session."""
        length = self.session.block_length
        outputs: dict[BatchedStream, list[Array]] = {stream: [] for stream in waiting}
        done = 0
        while ready := [stream for stream, blocks in waiting.items() if blocks.shape[1] > done]:
            least = min(waiting[stream].shape[1] for stream in ready) - done
            step = min(least, max(1, FRAMES_AT_ONCE // len(ready)) * length)
            together = np.concatenate([waiting[stream][:, done : done + step] for stream in ready])
            enhanced = self._call(together, ready)
            for stream, output in zip(ready, enhanced, strict=True):
                outputs[stream].append(output)
            done += step
        return {
            stream: np.concatenate([np.zeros(0, np.float32), *parts])[None]
            for stream, parts in outputs.items()
        }

    def _call(self, blocks: Array, streams: list[BatchedStream]) -> Array:
        """(B, K x block_length) of these streams."""
        rows = [self._rows[stream] for stream in streams]
        all_of_them = rows == list(range(len(self._rows)))
        before = self._state if all_of_them else {name: value[rows] for name, value in self._state.items()}
        output, state, begun = run_recovering(self.session, blocks, before)
        if all_of_them:
            self._state = dict(state)
        else:
            for name, value in state.items():
                self._state[name][rows] = value
        for row in begun:
            streams[row].resets += 1
        return output


def _stranger() -> AudioError:
    return AudioError("this stream is not one of the batcher's: it has left, or joined another one")


def _outputs(give: Mapping[BatchedStream, Callable[[], Array]]) -> dict[BatchedStream, Array]:
    """What each stream gives; an error of one is raised when all have gone on.

    Raises:
        AudioError: of the first stream whose output is not finite.
    """
    outputs: dict[BatchedStream, Array] = {}
    failed = None
    for turn, (stream, output) in enumerate(give.items()):
        try:
            outputs[stream] = output()
        except AudioError as error:
            failed = failed or AudioError(f"stream {turn}: {error}")
    if failed is not None:
        raise failed
    return outputs


def _open(source: str | os.PathLike[str], threads: int) -> Session:
    """The session of an artifact, or of a model's packaged graph for many streams."""
    name = os.fspath(source)
    if name.endswith(".onnx") or os.path.exists(name):
        return open_session(name, threads=threads)
    artifact = packaged_artifact(get_spec(name), many=True)
    if artifact is None:
        raise CheckpointError(
            f'no weights of {name} come with the package; export it with streams="streams" and '
            f'hops="hops", and pass the .onnx artifact'
        )
    return open_session(artifact, threads=threads)
