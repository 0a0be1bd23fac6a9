"""Many streams through one session: what waits in all of them is computed together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from zoo.arrays import Array
from zoo.builtin import packaged_artifact
from zoo.errors import ArtifactError, AudioError, CheckpointError
from zoo.registry import get_spec
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.session import Session
from zoo.tasks.enhancement.stream import Channel, Latency

FRAMES_AT_ONCE = 64  # of one call, hops x streams, where that much waits: more leave the fastest memory


class BatchedStream:
    """One of the streams of a ``StreamBatcher``; made by ``join``.

    Attributes:
        sample_rate: of input and output, in Hz.
        latency: how late the output is, apart from the wait for a call.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.sample_rate: int = channel.sample_rate
        self.latency: Latency = channel.latency


class StreamBatcher:
    """Independent streams that share one session and its calls.

    Every stream joins, is reset and leaves by itself, has its own sample rate, and takes blocks of any
    size. Its output is that of a ``Stream`` of its own.

    Attributes:
        session: what computes.
    """

    def __init__(self, source: str | os.PathLike[str] | Session, *, threads: int = 1) -> None:
        """
        Args:
            source: name of a model whose weights come with the package; or path of an artifact that was
                exported with ``streams="streams"``, best with ``hops="hops"`` too; or its session.
            threads: of ONNX Runtime.

        Raises:
            ArtifactError: an artifact that cannot be read, or takes one stream at a time.
            UnknownModelError: no such model.
            CheckpointError: no weights of the model come with the package.
        """
        session = _open(source, threads) if isinstance(source, (str, os.PathLike)) else source
        if not (session.streaming and session.batched):
            raise ArtifactError(
                f"{session.name} takes one stream at a time; export the model with streaming=True and "
                f'streams="streams"'
            )
        self.session = session
        self._rows: dict[BatchedStream, int] = {}
        self._state: dict[str, Array] = {}  # a row for each stream

    def __len__(self) -> int:
        return len(self._rows)

    def join(self, sample_rate: int | None = None) -> BatchedStream:
        """Begin a stream; without ``sample_rate`` at the model's own.

        Raises:
            AudioError: a rate that is not a whole number from 1000 to 768000.
        """
        stream = BatchedStream(Channel(self.session, sample_rate))
        fresh = self.session.initial_state()
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
        row = self._row(stream)
        del self._rows[stream]
        self._rows = {other: new for new, other in enumerate(self._rows)}
        self._state = {name: np.delete(value, row, axis=0) for name, value in self._state.items()}

    def reset(self, stream: BatchedStream) -> None:
        """Take a stream back to before its first sample.

        Raises:
            AudioError: it is not one of these streams.
        """
        row = self._row(stream)
        stream._channel.reset()
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
                a sample that is NaN or infinite; no stream has changed. Or an output that is not finite: that
                stream must ``leave`` or be ``reset``, and the others have lost the output of this call.
        """
        checked: dict[BatchedStream, Array] = {}
        for turn, (stream, block) in enumerate(blocks.items()):
            self._row(stream)
            try:
                checked[stream] = stream._channel.check(block)
            except AudioError as error:
                raise AudioError(f"block {turn}: {error}") from error
        enhanced = self._run({stream: stream._channel.take(block) for stream, block in checked.items()})
        return _outputs(
            {stream: partial(stream._channel.give, output) for stream, output in enhanced.items()}
        )

    def flush(self, streams: Iterable[BatchedStream]) -> dict[BatchedStream, Array]:
        """End some streams: give the rest of their output. They stay until they ``leave`` or are ``reset``.

        Returns:
            (M,) float32 for each of them; nothing for one that was flushed before.

        Raises:
            AudioError: a stream that is not one of these, or an output that is not finite.
        """
        asked = list(streams)
        for stream in asked:
            self._row(stream)
        open_ones = [stream for stream in asked if not stream._channel.ended]
        enhanced = self._run({stream: stream._channel.take_rest() for stream in open_ones})
        rest = _outputs({stream: partial(stream._channel.give_rest, out) for stream, out in enhanced.items()})
        return {stream: rest.get(stream, np.zeros(0, np.float32)) for stream in asked}

    def _row(self, stream: BatchedStream) -> int:
        row = self._rows.get(stream)
        if row is None:
            raise AudioError("this stream is not one of the batcher's: it has left, or joined another one")
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
            enhanced = self._call(together, [self._rows[stream] for stream in ready])
            for stream, output in zip(ready, enhanced, strict=True):
                outputs[stream].append(output)
            done += step
        return {
            stream: np.concatenate([np.zeros(0, np.float32), *parts])[None]
            for stream, parts in outputs.items()
        }

    def _call(self, blocks: Array, rows: list[int]) -> Array:
        """(B, K x block_length) of the streams in these rows."""
        if rows == list(range(len(self._rows))):
            output, state = self.session.run(blocks, self._state)
            self._state = dict(state)
            return output
        output, state = self.session.run(blocks, {name: value[rows] for name, value in self._state.items()})
        for name, value in state.items():
            self._state[name][rows] = value
        return output


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
