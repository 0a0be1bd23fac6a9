"""Speaker embeddings from a Triton server, which computes the features too."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.arrays import Array
from zoo.artifact.manifest import SpeakerManifest
from zoo.errors import ServerError
from zoo.tasks.speaker.embedder import Embedder, FileEmbedding
from zoo.tasks.speaker.session import check_lengths
from zoo.triton.connection import TIMEOUT, URL, Connection, retrying
from zoo.triton.load import Answers, is_right

WAVEFORM, EMBEDDINGS = "WAV", "EMBEDDINGS"  # of the model that joins features and graph
RETRIES = 3
LONGEST = "speechzoo_seconds"  # of a model's configuration: the longest recording that it takes
WINDOW = 60.0  # seconds, of a server that does not say
CONCURRENCY = 16  # recordings at once


class RemoteSpeakerSession:
    """A speaker model on a server, as a ``SpeakerSession``. A context manager.

    Recordings of a call are sent at the same time, each as a request of its own; threads may share it.

    Attributes:
        name: on the server.
        backend: ``triton``.
        manifest: its record.
        longest: seconds of the longest recording that it takes.
    """

    backend = "triton"
    mixed = True

    def __init__(
        self, name: str, url: str = URL, *, timeout: float = TIMEOUT, retries: int = RETRIES
    ) -> None:
        """
        Args:
            name: of the model on the server.
            url: host and port for gRPC.
            timeout: seconds for one answer.
            retries: of a request that failed for now.

        Raises:
            ServerError: no server, no such model, or one for something else.
            MissingExtraError: the client library is not installed.
        """
        self.name, self._retries, self.longest = name, retries, WINDOW
        self._connection = Connection(url, timeout=timeout)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self.manifest = self._wait(self._find())
        except BaseException:
            self.close()
            raise
        self.front_end, self.embedding = self.manifest.front_end, self.manifest.embedding
        self.least_frames = self.manifest.least_frames
        self.mean_subtracted = self.manifest.mean_subtracted
        self.weights = self.manifest.weights.get("sha256", "")

    def run(self, waveforms: Sequence[Array]) -> Array:
        """See ``SpeakerSession``.

        Raises:
            AudioError: a recording with fewer frames than the model needs.
            ServerError: the server failed, again and again if it may have been only for now.
        """
        check_lengths(self, waveforms)
        return self._wait(self._embed(waveforms))

    def close(self) -> None:
        """Close the connection."""
        if not self._loop.is_closed():
            self._wait(self._connection.__aexit__(None, None, None))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> RemoteSpeakerSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _find(self) -> SpeakerManifest:
        await self._connection.__aenter__()
        manifest = await self._connection.manifest(self.name, SpeakerManifest)
        with suppress(ValueError):
            self.longest = float((await self._connection.parameters(self.name)).get(LONGEST, WINDOW))
        return manifest

    async def _embed(self, waveforms: Sequence[Array]) -> Array:
        return np.concatenate(await asyncio.gather(*map(self._embed_one, waveforms)))

    async def _embed_one(self, waveform: Array) -> Array:
        """(N,) -> (1, E)"""
        inputs, output = request(self.manifest, waveform)

        async def attempt() -> Array:
            return await self._connection.infer(self.name, inputs, output)

        embedding = await retrying(attempt, self._retries)
        if embedding.shape != (1, self.embedding) or not np.isfinite(embedding).all():
            raise ServerError(
                f"{self._connection.url}: {self.name} gave an embedding of shape {embedding.shape}, or with "
                f"values that are not finite; expected (1, {self.embedding}): see the server's log"
            )
        return embedding

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class RemoteEmbedder(Embedder):
    """An embedder whose model is on a server; files are read, resampled and sent several at a time."""

    def __init__(
        self,
        session: RemoteSpeakerSession,
        *,
        mean: ArrayLike | str | os.PathLike[str] | None = None,
        window: float | None = None,
        concurrency: int = CONCURRENCY,
    ) -> None:
        """
        Args:
            session: to the server.
            mean: as of ``Embedder``.
            window: seconds of the longest piece; by default what the server takes.
            concurrency: recordings at once.

        Raises:
            ArtifactError: a mean that cannot be read, or would be subtracted twice.
            ValueError: a window or a concurrency that is too small.
        """
        super().__init__(session, mean=mean, window=session.longest if window is None else window)
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {concurrency}")
        self._concurrency = concurrency

    def files(
        self, sources: Iterable[str | os.PathLike[str]], *, mix_down: bool = False
    ) -> Iterator[FileEmbedding]:
        """See ``Embedder.files``; what the server refuses is a result with an error, too."""

        def embed(source: str | os.PathLike[str]) -> FileEmbedding:
            try:
                (result,) = super(RemoteEmbedder, self).files([source], mix_down=mix_down)
                return result
            except ServerError as error:
                return FileEmbedding(os.fspath(source), None, error=str(error))

        with ThreadPoolExecutor(self._concurrency) as pool:
            yield from pool.map(embed, sources)


def request(manifest: SpeakerManifest, waveform: Array) -> tuple[Mapping[str, NDArray[Any]], str]:
    """The inputs of a request with a recording (N,) at the model's rate, and the name of the output."""
    if manifest.form == "wav":
        wave, lengths = (spec.name for spec in manifest.inputs)
        counts = np.array([[len(waveform)]], np.int64)
        return {wave: waveform[None], lengths: counts}, manifest.outputs[0].name
    return {WAVEFORM: waveform[None]}, EMBEDDINGS


class RemoteSpeaker:
    """A speaker model on a server, asked with one recording at a time; made by ``find``. See ``Loadable``.

    Attributes:
        manifest: its record.
    """

    sequence = False

    def __init__(self, connection: Connection, name: str, manifest: SpeakerManifest) -> None:
        self._connection, self._name, self.manifest = connection, name, manifest
        self.sample_rate = manifest.front_end.sample_rate

    @classmethod
    async def find(cls, connection: Connection, name: str) -> RemoteSpeaker:
        """Find the model of that name.

        Raises:
            ServerError: no server, no such model, or one for something else.
        """
        return cls(connection, name, await connection.manifest(name, SpeakerManifest))

    def requests(self, wave: Array) -> list[dict[str, NDArray[Any]]]:
        """See ``Loadable``; there is one."""
        inputs, _ = request(self.manifest, wave)
        return [{name: value[0] for name, value in inputs.items()}]

    async def alone(self, wave: Array) -> Array:
        """See ``Loadable``."""
        return await self._connection.infer(self._name, *request(self.manifest, wave))

    def answers(self, wave: Array, expected: Array) -> Answers:
        """See ``Loadable``."""
        peak = float(np.abs(expected).max())

        async def answers() -> AsyncGenerator[bool, None]:
            while True:
                yield is_right(await self.alone(wave), expected, peak)

        return answers

    def reference(self, artifact: str | os.PathLike[str], wave: Array) -> Array:
        """See ``Loadable``."""
        return Embedder(artifact)(wave, self.sample_rate)[None]


LOADABLE = RemoteSpeaker
