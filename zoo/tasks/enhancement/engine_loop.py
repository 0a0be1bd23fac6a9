"""Streams through an engine whose states stay on the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.arrays import Array
from zoo.errors import ArtifactError
from zoo.runtime.tensorrt import CALLS_BEFORE_CAPTURE, Engine, Shape
from zoo.tasks.enhancement.graph import StreamingSession, enhancement_manifest, session_over


class Loop:
    """Streams through an engine whose states never leave its buffers.

    One for an engine at a time. A call is: audio in from pinned memory, the engine, states in the place of
    those before, audio out into pinned memory; all of it one CUDA graph.

    Args:
        engine: of a streaming graph.
        streams, hops: of a call, where the engine leaves them free.
    """

    def __init__(self, engine: Engine, *, streams: int = 1, hops: int = 1) -> None:
        session = session_over(engine)
        if not isinstance(session, StreamingSession):
            raise ArtifactError(f"{engine.path}: it takes whole recordings and has no stream")
        self._engine, torch = engine, engine._torch
        manifest = enhancement_manifest(engine)
        front_end = manifest.front_end
        asked: Shape = (streams, front_end.bins, hops, 2)
        if manifest.form == "wav2wav":
            asked = (streams, hops * front_end.hop_length)
        declared = manifest.inputs[0].shape
        self.shape = tuple(n if isinstance(n, int) else m for n, m in zip(declared, asked, strict=True))
        shapes = [self.shape]
        shapes += [(self.shape[0], *(int(n) for n in spec.shape[1:])) for spec in engine.inputs[1:]]
        self._bound = engine.bind(shapes)
        self._before = torch.zeros(self.shape).pin_memory()
        self._after = torch.zeros(tuple(self._bound.outputs[0].shape)).pin_memory()
        self._recording: Any = None
        self.reset()

    def reset(self) -> None:
        """Take all streams back to before their first sample."""
        with self._engine._torch.cuda.stream(self._engine._stream):
            for tensor in self._bound.inputs:
                tensor.zero_()
        self._engine._stream.synchronize()

    def step(self, signal: Array) -> Array:
        """The next frames of every stream.

        Args:
            signal: of ``shape``, float32.

        Returns:
            what came out, the caller's own.

        Raises:
            ArtifactError: another shape.
        """
        if signal.shape != self.shape:
            raise ArtifactError(
                f"{self._engine.path}: a signal of {self.shape} is expected, got {signal.shape}"
            )
        torch, stream = self._engine._torch, self._engine._stream
        self._before.copy_(torch.from_numpy(np.ascontiguousarray(signal, np.float32)))
        with torch.cuda.stream(stream):
            if self._recording is None:
                self._capture()
            if self._recording is None:
                self._enqueue()
            else:
                self._recording.replay()
        stream.synchronize()
        return self._after.numpy().copy()

    def _capture(self) -> None:
        """Record a call, once the library has run and has what it needs; states stay as they were."""
        if not self._engine._replays:
            return
        torch, states = self._engine._torch, self._bound.inputs[1:]
        kept = [state.clone() for state in states]
        for _ in range(CALLS_BEFORE_CAPTURE):
            self._enqueue()
        self._engine._stream.synchronize()
        recording = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recording, stream=self._engine._stream):
            self._enqueue()
        if states:
            torch._foreach_copy_(states, kept)
        self._recording = recording

    def _enqueue(self) -> None:
        bound = self._bound
        bound.inputs[0].copy_(self._before, non_blocking=True)
        bound.enqueue()
        if len(bound.inputs) > 1:
            self._engine._torch._foreach_copy_(bound.inputs[1:], bound.outputs[1:])
        self._after.copy_(bound.outputs[0], non_blocking=True)
