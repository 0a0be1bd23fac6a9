"""Streams and files through an enhancer on a Triton server, which keeps each stream's state."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import EnhancementManifest
from zoo.errors import AudioError, ServerError
from zoo.signal.audio import AudioReader, AudioWriter, output_format
from zoo.tasks.enhancement.enhancer import Enhancer
from zoo.tasks.enhancement.spectrum import Transforms
from zoo.tasks.enhancement.stream import Channel
from zoo.triton.connection import Connection, output_of, tensors
from zoo.triton.load import Answers, is_right

HOPS_AT_ONCE = 64  # of one request, where the graph takes any number


class RemoteEnhancer:
    """A streaming enhancer on a server; made by ``find``.

    Attributes:
        connection: to the server.
        name: on the server.
        manifest: its record.
        front_end: sample rate, window and hop.
        latency: samples by which its output lags.
        block_length: samples of the shortest request.
        longest: samples of the longest request.
    """

    sequence = True

    def __init__(self, connection: Connection, name: str, manifest: EnhancementManifest) -> None:
        self.connection, self.name, self.manifest = connection, name, manifest
        self.front_end, self.latency = manifest.front_end, manifest.latency
        hops = manifest.hops
        self.block_length = (1 if isinstance(hops, str) else hops) * self.front_end.hop_length
        self.longest = self.block_length * (HOPS_AT_ONCE if isinstance(hops, str) else 1)
        self.input, self.output = manifest.inputs[0].name, manifest.outputs[0].name

    @property
    def sample_rate(self) -> int:
        """The model's own, in Hz."""
        return self.front_end.sample_rate

    @classmethod
    async def find(cls, connection: Connection, name: str) -> RemoteEnhancer:
        """The model of that name.

        Raises:
            ServerError: no server, no such model, or one for something else.
        """
        return cls(connection, name, await connection.manifest(name, EnhancementManifest))

    def stream(self, sample_rate: int | None = None) -> RemoteStream:
        """Begin a stream; without ``sample_rate`` at the model's own.

        Raises:
            AudioError: a rate that is not a whole number from 1000 to 768000.
        """
        return RemoteStream(self, sample_rate)

    def requests(self, wave: Array) -> list[dict[str, NDArray[Any]]]:
        """See ``Loadable``; the shortest ones that there are."""
        count = len(wave) // self.block_length
        if not count:
            raise AudioError(
                f"a recording of at least {self.block_length} samples is needed, not {len(wave)}"
            )
        signal, axis = wave[None, : count * self.block_length], 1
        if self.manifest.form == "spec2spec":
            transforms = Transforms(self.front_end)
            past = transforms.initial_state()["stft.past"]
            signal, axis = transforms.analyse(signal, past)[0], 2  # (1, F, T, 2)
        blocks = np.split(np.ascontiguousarray(signal), count, axis=axis)
        return [{self.input: block[0]} for block in blocks]

    async def alone(self, wave: Array) -> Array:
        """See ``Loadable``; the recording is streamed, as a whole number of blocks."""
        wave = self._whole_blocks(wave)
        if len(wave) < 2 * self.block_length:
            raise AudioError(
                f"the recording has no two blocks of {self.block_length} samples; pass a longer one"
            )
        async with self.stream() as stream:
            return np.concatenate([await stream.push(wave), await stream.flush()])

    def answers(self, wave: Array, expected: Array) -> Answers:
        """See ``Loadable``; each client streams the recording, a request a block."""
        block, wave, peak = self.block_length, self._whole_blocks(wave), float(np.abs(expected).max())

        async def answers() -> AsyncGenerator[bool, None]:
            while True:
                async with self.stream() as stream:
                    done = 0
                    for start in range(0, len(wave), block):
                        output = await stream.push(wave[start : start + block])
                        yield is_right(output, expected[done : done + len(output)], peak)
                        done += len(output)

        return answers

    def reference(self, artifact: str | os.PathLike[str], wave: Array) -> Array:
        """See ``Loadable``."""
        return Enhancer(artifact)(self._whole_blocks(wave), self.sample_rate)

    def _whole_blocks(self, wave: Array) -> Array:
        return wave[: len(wave) // self.block_length * self.block_length]


LOADABLE = RemoteEnhancer


class RemoteStream:
    """One channel of noisy audio in, the same channel enhanced out; the server keeps its state.

    As with a ``Stream``, the outputs of all pushes and of the flush, joined, are as long as the input and
    aligned with it to the sample. An asynchronous context manager, which ends the sequence on the server.

    Attributes:
        sample_rate: of input and output, in Hz.
        latency: how late the output is, the way to the server and back not counted.
        sequence: its number on the server.
        resets: how often a sequence was begun anew, because what came was not finite.
    """

    def __init__(self, enhancer: RemoteEnhancer, sample_rate: int | None = None) -> None:
        self._enhancer, self._connection = enhancer, enhancer.connection
        self._channel = Channel(enhancer, sample_rate)
        self.sample_rate, self.latency = self._channel.sample_rate, self._channel.latency
        self.sequence = secrets.randbits(62) + 1
        self._transforms = Transforms(enhancer.front_end) if enhancer.manifest.form == "spec2spec" else None
        self._memory = self._transforms.initial_state() if self._transforms else {}
        self.resets = 0
        self._sent = 0  # requests
        self._fresh = True  # its next request begins a sequence
        self._open = False  # on the server
        self._waiting: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._answers: Any = None

    async def __aenter__(self) -> RemoteStream:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def push(self, block: ArrayLike) -> Array:
        """Take the next samples and give all output that they complete.

        Args:
            block: (N,) float32 or float64 in [-1, 1]; N of 0 or more.

        Returns:
            (M,) float32, M of 0 or more.

        Raises:
            AudioError: another shape or type, a sample that is NaN or infinite, or a push after ``flush``.
            ServerError: an error of the server; the stream is lost.
        """
        blocks = self._channel.take(self._channel.check(block))
        return self._channel.give(await self._run(blocks, last=False))

    async def flush(self) -> Array:
        """End the stream: give the rest of its output.

        Returns:
            (M,) float32; nothing when called again.

        Raises:
            ServerError: an error of the server.
        """
        if self._channel.ended:
            return np.zeros(0, np.float32)
        rest = self._channel.take_rest()
        enhanced = await self._run(rest, last=bool(rest.size))
        await self.close()
        return self._channel.give_rest(enhanced)

    async def close(self) -> None:
        """End the sequence on the server, if it is not, and forget what it would still answer."""
        if self._open:
            with suppress(ServerError):
                await self._run(np.zeros((1, self._enhancer.block_length), np.float32), last=True)
        self._abandon()

    async def _run(self, blocks: Array, *, last: bool) -> Array:
        """(1, K x block_length) through the server; from the start again if what comes is not finite."""
        enhanced = await self._exchange(blocks, last=last)
        if np.isfinite(enhanced).all():
            return enhanced
        if self._open:
            await self._exchange(np.zeros((1, self._enhancer.block_length), np.float32), last=True)
        self.sequence, self._fresh = secrets.randbits(62) + 1, True
        self._memory = self._transforms.initial_state() if self._transforms else {}
        self.resets += 1
        return await self._exchange(blocks, last=last)

    async def _exchange(self, blocks: Array, *, last: bool) -> Array:
        """(1, K x block_length) through the server, in requests of which none waits for the one before."""
        step = self._enhancer.longest
        pieces = [blocks[:, start : start + step] for start in range(0, blocks.shape[1], step)]
        for index, piece in enumerate(pieces):
            self._send(piece, end=last and index == len(pieces) - 1)
        try:
            enhanced = [await self._receive(self._sent - len(pieces) + index) for index in range(len(pieces))]
        except BaseException:
            self._open = False
            self._abandon()
            raise
        self._open = self._open and not last
        return np.concatenate([np.zeros((1, 0), np.float32), *enhanced], axis=1)

    def _send(self, block: Array, *, end: bool) -> None:
        signal = block
        if self._transforms:
            signal, self._memory["stft.past"] = self._transforms.analyse(block, self._memory["stft.past"])
        if not self._fresh and not self._open:
            raise ServerError(f"{self._enhancer.name}: this stream has ended or was lost; begin another one")
        if self._answers is None:
            self._answers = self._connection.exchange(self._requests())
        self._waiting.put_nowait(
            {
                "model_name": self._enhancer.name,
                "inputs": tensors({self._enhancer.input: signal}),
                "request_id": str(self._sent),
                "sequence_id": self.sequence,
                "sequence_start": self._fresh,
                "sequence_end": end,
            }
        )
        self._sent += 1
        self._fresh, self._open = False, True

    async def _requests(self) -> AsyncIterator[dict[str, Any]]:
        while (request := await self._waiting.get()) is not None:
            yield request

    async def _receive(self, number: int) -> Array:
        """(1, n) of the answer to a request."""
        name = self._enhancer.name
        try:
            result, error = await self._connection.call(anext(self._answers), name)
        except StopAsyncIteration as ended:
            raise ServerError(f"{name}: the server ended the stream", temporary=True) from ended
        if error is not None:
            raise self._connection.failure(error, name)
        if result.get_response().id != str(number):
            raise ServerError(f"{name}: answer {result.get_response().id} came where {number} was due")
        signal = output_of(result, self._enhancer.output, name)
        if self._transforms:
            signal, self._memory["istft.overlap"] = self._transforms.synthesise(
                signal, self._memory["istft.overlap"]
            )
        return signal

    def _abandon(self) -> None:
        self._waiting.put_nowait(None)
        if self._answers is not None:
            self._answers.cancel()


async def enhance_file(
    enhancer: RemoteEnhancer,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    force: bool = False,
    progress: Callable[[float], None] = lambda seconds: None,
) -> float:
    """Enhance a recording of any rate, every channel by itself; give its length in seconds.

    Args:
        enhancer: on the server.
        source: file to read.
        target: file to write, under a temporary name until it is complete.
        force: replace the target.
        progress: called with the seconds of every part that is done.

    Raises:
        AudioError: the recording cannot be read, or the target not be written.
        ServerError: the server failed; no target is left.
    """
    with AudioReader(source) as reader:
        rate, channels = reader.format.sample_rate, reader.format.channels
        stored = output_format(reader, target, channels)
        streams = [enhancer.stream(rate) for _ in range(channels)]
        try:
            with AudioWriter(target, stored, force=force) as writer:
                for block in reader.blocks(rate):
                    rows = zip(streams, block, strict=True)
                    writer.write(np.stack(await _together([s.push(row) for s, row in rows])))
                    progress(block.shape[1] / rate)
                writer.write(np.stack(await _together([stream.flush() for stream in streams])))
                return writer.frames / rate
        finally:
            await asyncio.gather(*(stream.close() for stream in streams))


async def _together(calls: list[Any]) -> list[Array]:
    """All results, once every call has ended; or the first error."""
    results: list[Array] = []
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results
