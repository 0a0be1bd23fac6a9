"""Load on a server: how fast it answers so many clients at once, and whether every answer is right."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.artifact.engine import TOLERANCES
from zoo.artifact.manifest import Manifest
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ServerError
from zoo.triton.connection import Connection

Answers = Callable[[], AsyncGenerator[bool, None]]  # an endless client: whether each answer is right

TOLERANCE = 1e-4  # of the largest value: answers may be computed in batches of other sizes


class Loadable(Protocol):
    """A model on a server that can be put under load.

    ``zoo/triton/<task>.py`` has a class of this kind as ``LOADABLE``, which finds a model by its name.

    Attributes:
        sample_rate: of the recordings that it takes, in Hz.
        sequence: whether its requests belong together.
    """

    sample_rate: int
    sequence: bool

    async def alone(self, wave: Array) -> Array:
        """Ask with a recording (N,) while nothing else is asked, and give the answer.

        Raises:
            AudioError: it is too short.
            ServerError: the server failed.
        """
        ...

    def answers(self, wave: Array, expected: Array) -> Answers:
        """Make clients that ask with a recording (N,) again and again, and expect what it gave alone."""
        ...

    def reference(self, artifact: str | os.PathLike[str], wave: Array) -> Array:
        """Compute here, with an artifact, what the server should give for a recording (N,).

        Raises:
            ArtifactError: it cannot be read, or is for another task.
            AudioError: the recording is too short.
        """
        ...

    def requests(self, wave: Array) -> list[dict[str, NDArray[Any]]]:
        """Give the tensors of each request with a recording (N,), by name, without the axis of the batch.

        Raises:
            AudioError: it is too short.
        """
        ...


async def find_loadable(connection: Connection, model: str) -> Loadable:
    """Find a model of any task by its name on a server.

    Raises:
        ServerError: no server, no such model, or one of a task that no client is for.
    """
    manifest = await connection.manifest(model, Manifest)
    try:
        kind = importlib.import_module(f"zoo.triton.{manifest.task}").LOADABLE
    except ModuleNotFoundError as error:
        raise ServerError(f"{connection.url}: {model} is for {manifest.task}, and no client is") from error
    found: Loadable = await kind.find(connection, model)
    return found


@dataclass(frozen=True)
class LoadReport:
    """What a server did with some clients at once.

    Attributes:
        concurrency: clients, each of which waits for its answer before it asks again.
        requests: asked.
        failed: without an answer.
        wrong: answered with other values than when nothing else was asked.
        seconds: that all took.
        latency: seconds of an answer: median, 95th and 99th percentile.
        error: the first one.
    """

    concurrency: int
    requests: int
    failed: int
    wrong: int
    seconds: float
    latency: tuple[float, float, float]
    error: str = ""

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return (self.requests - self.failed) / self.seconds

    def __str__(self) -> str:
        median, p95, p99 = (f"{1e3 * value:8.1f}" for value in self.latency)
        return (
            f"{self.concurrency:11} {self.requests:8} {self.failed:6} {self.wrong:5} {self.throughput:10.1f} "
            f"{median} {p95} {p99}"
        )


HEADER = "concurrency requests failed wrong  answers/s  median ms   95%      99%"


async def measure(answers: Answers, requests: int, concurrency: int) -> LoadReport:
    """Let so many clients ask until all requests are spent.

    Raises:
        ValueError: numbers below 1.
    """
    if requests < 1 or concurrency < 1:
        raise ValueError(f"requests ({requests}) and concurrency ({concurrency}) must be at least 1")
    left, wrong, latencies, errors = requests, 0, [], []

    async def client() -> None:
        nonlocal left, wrong
        asked = answers()
        while left > 0:
            left -= 1
            started = time.perf_counter()
            try:
                right = await anext(asked)
            except ServerError as error:
                errors.append(str(error))
                asked = answers()
                continue
            latencies.append(time.perf_counter() - started)
            wrong += not right
        await asked.aclose()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(concurrency)))
    seconds = time.perf_counter() - started
    median, p95, p99 = np.percentile(latencies, [50, 95, 99]).tolist() if latencies else [float("nan")] * 3
    error = errors[0] if errors else ""
    return LoadReport(concurrency, requests, len(errors), wrong, seconds, (median, p95, p99), error)


async def expected_answer(
    loadable: Loadable, wave: Array, artifact: str | os.PathLike[str] | None = None
) -> tuple[Array, ParityReport | None]:
    """What the server answers when nothing else is asked, once it is known that others can differ from it.

    Args:
        loadable: the model.
        wave: (N,) recording.
        artifact: whose answer it must be, to the tolerance of an engine with 16 bits.

    Returns:
        the answer, and how far it lies from the artifact's.

    Raises:
        AudioError: the recording is too short.
        ArtifactError: the artifact cannot be read, or is for another task.
        ServerError: the server failed, or its answer is silent or not finite.
        ParityError: it is not the artifact's.
    """
    expected = await loadable.alone(wave)
    if not np.isfinite(expected).all():
        raise ServerError("the answer has values that are not finite, so the model does not work there")
    if not expected.any():
        raise ServerError("the answer is nothing but zeros, with which no other can be compared; send speech")
    if artifact is None:
        return expected, None
    reference = loadable.reference(artifact, wave)
    return expected, compare(
        reference, expected, tensor="answer", tolerance=TOLERANCES["fp16"], unit="sample"
    )


def is_right(answer: Array, expected: Array, peak: float) -> bool:
    """Whether an answer, or a part of one, is what was expected; NaN is not.

    Args:
        answer, expected: of one shape, if it is.
        peak: largest magnitude of the whole expected answer.
    """
    return answer.shape == expected.shape and bool((np.abs(answer - expected) <= TOLERANCE * peak).all())


def perf_analyzer_input(requests: Sequence[Mapping[str, NDArray[Any]]], *, sequence: bool) -> str:
    """What perf_analyzer reads with ``--input-data``.

    Args:
        requests: tensors of each by name, without the axis of the batch.
        sequence: whether they belong together.
    """
    steps = []
    for tensors in requests:
        contents = {}
        for name, value in tensors.items():
            data = value.astype(value.dtype.newbyteorder("<")).tobytes()
            contents[name] = {"b64": base64.b64encode(data).decode(), "shape": list(value.shape)}
        steps.append(contents)
    return json.dumps({"data": [steps] if sequence else steps})
