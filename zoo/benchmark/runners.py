"""Models in endless use: every call gets noise and the states of the call before, as in a stream."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zoo.arrays import Array
from zoo.artifact.manifest import Form
from zoo.benchmark.cases import Case, open_streaming
from zoo.errors import ArtifactError
from zoo.runtime.native_cache import compiled_graph

if TYPE_CHECKING:
    from torch import Tensor


NOISE_SAMPLES = 1 << 16


class Runner(Protocol):
    """What can be called again and again.

    Attributes:
        name: for messages.
        state_bytes: of one stream.
    """

    name: str
    state_bytes: int

    def prepare(self) -> None:
        """Before some calls, after others have run."""

    def call(self) -> Array:
        """Process the next frames; what came out."""


class OnnxRunner:
    """A streaming graph in ONNX Runtime.

    Args:
        path: ONNX file of ours or of others.
        threads: of a call.
        streams, hops: of a call, where the graph leaves them free.

    Raises:
        ArtifactError: the file cannot be loaded.
    """

    def __init__(self, path: Path, *, threads: int = 1, streams: int = 1, hops: int = 1) -> None:
        session = open_streaming(path, threads=threads)
        self.name = path.name
        self._graph, self._next_states = session.graph, session.next_states
        signal, *states = [spec.shape for spec in session.graph.inputs]
        free = [streams, session.front_end.bins, hops, 2]
        if len(signal) == 2:
            free = [streams, hops * session.front_end.hop_length]
        shape = [want if isinstance(n, str) else n for n, want in zip(signal, free, strict=True)]
        self._signals = noise(shape)
        self._states = [
            np.zeros([streams if isinstance(n, str) else n for n in state], np.float32) for state in states
        ]
        self._calls = 0
        self.state_bytes = sum(state.nbytes for state in self._states) // shape[0]

    def prepare(self) -> None:
        """Nothing: every session has its own threads."""

    def call(self) -> Array:
        """Process the next frames.

        Raises:
            ArtifactError: ONNX Runtime cannot run the graph.
        """
        self._calls += 1
        try:
            outputs = self._graph(self._signals[self._calls % len(self._signals)], *self._states)
        except Exception as error:  # ONNX Runtime's own classes share no other base
            raise ArtifactError(
                f"{self.name}: it fails on a signal {self._signals[0].shape} "
                f"({str(error).splitlines()[0][:200]}); export it again"
            ) from error
        self._states = [outputs[index] for index in self._next_states]
        return outputs[0]


class NativeRunner:
    """A streaming graph as native code, called without copies of its state, as from C.

    Args:
        path: ONNX file of ours.
        streams: of a call, side by side.

    Raises:
        ArtifactError: C cannot be made of it, or compiled.
    """

    def __init__(self, path: Path, *, streams: int = 1) -> None:
        graph = compiled_graph(path, streams)
        self.name, self.state_bytes = f"{path.name} as C", graph.state_bytes
        self._stream = graph.stream()
        self._signals = noise([streams, *(size for size in graph.inputs[0].shape if isinstance(size, int))])
        self._calls = 0

    def prepare(self) -> None:
        """Nothing: it has no threads."""

    def call(self) -> Array:
        """Process the next frames, a stream a row."""
        self._calls += 1
        return self._stream(self._signals[self._calls % len(self._signals)])


class TorchRunner:
    """A streaming form in PyTorch, uncompiled.

    Args:
        word: registered model, or MODEL=WEIGHTS.
        form: of the streaming form.
        threads: of all of PyTorch, while this runs.
        streams, hops: of a call.
    """

    def __init__(self, word: str, form: Form, *, threads: int = 1, streams: int = 1, hops: int = 1) -> None:
        from zoo.benchmark.exports import seeded_model

        model, _, weights = word.partition("=")
        training = seeded_model(model, weights)  # says what it lacks, before torch is imported here
        import torch

        from zoo.streaming.conversion import to_streaming

        self.name, self._threads, self._torch = f"{word} in PyTorch", threads, torch
        self._module = to_streaming(training, form)
        front_end = training.spec.front_end
        shape = [streams, front_end.bins, hops, 2]
        if form == "wav2wav":
            shape = [streams, hops * front_end.hop_length]
        self._signals = [torch.from_numpy(signal) for signal in noise(shape)]
        self._state: dict[str, Tensor] = self._module.initial_state(streams)
        self._calls = 0
        self.state_bytes = sum(state.nbytes for state in self._state.values()) // streams

    def prepare(self) -> None:
        """Set the number of threads, which is PyTorch's own."""
        self._torch.set_num_threads(self._threads)

    def call(self) -> Array:
        """Process the next frames."""
        self._calls += 1
        with self._torch.inference_mode():
            output, self._state = self._module(self._signals[self._calls % len(self._signals)], self._state)
        return output.numpy()


def open_runner(case: Case) -> Runner:
    """What runs a case.

    Raises:
        SpeechZooError: it cannot be loaded, or needs a package that is not installed.
    """
    numbers = {"threads": case.threads, "streams": case.streams, "hops": case.hops}
    if case.path is None:
        return TorchRunner(case.name, case.form, **numbers)
    if case.backend == "native":
        return NativeRunner(case.path, streams=case.streams)
    return OnnxRunner(case.path, **numbers)


def noise(shape: list[int]) -> list[Array]:
    """Some signals of a shape: 16 small ones, fewer large ones."""
    random = np.random.default_rng(0)
    count = min(16, max(1, NOISE_SAMPLES // math.prod(shape)))
    return [0.1 * random.standard_normal(shape, np.float32) for _ in range(count)]
