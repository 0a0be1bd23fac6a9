"""What can process a waveform: the interface between a backend and its callers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from zoo.arrays import Array
from zoo.errors import AudioError
from zoo.signal.samples import all_finite
from zoo.spec import FrontEnd

State = Mapping[str, Any]


class Framing(Protocol):
    """How a model takes a waveform, wherever it computes: see ``Session``."""

    name: str
    front_end: FrontEnd
    latency: int
    block_length: int


class Session(Framing, Protocol):
    """A loaded model that turns hops of noisy waveform into hops of enhanced waveform.

    A session holds no stream's state: that goes in and out of ``run``, so that any number of streams
    may share a session.

    Attributes:
        name: the model or file, for messages.
        backend: what computes, for reports: ``onnxruntime``, ``torch``, ...
        front_end: sample rate, window and hop.
        latency: samples by which the output of ``run`` lags its input.
        block_length: samples that ``run`` takes at once, a multiple of the hop.
        streaming: False if the model only takes whole recordings.
        batched: whether ``run`` takes several streams at once, a row each, states along their axis 0.
    """

    backend: str
    streaming: bool
    batched: bool

    def initial_state(self) -> State:
        """The state of one stream before its first sample."""
        ...

    def run(self, hops: Array, state: State) -> tuple[Array, State]:
        """Process whole blocks of one stream.

        Args:
            hops: (1, K x block_length) float32 in [-1, 1], K at least 1; (B, K x block_length) if batched.
            state: of the call before, or ``initial_state()``; not changed.

        Returns:
            float32 of that shape, and the state for the next call; both are the caller's own.
        """
        ...

    def whole(self, waveform: Array) -> Array:
        """Process a whole recording, aligned: (1, N) -> (1, N) float32."""
        ...


def check_output(output: Array, name: str, begin: int = 0) -> Array:
    """Output (..., N) of a model of that name, once it is known to be finite; ``begin`` is its first sample.

    Raises:
        AudioError: it is not, with the first sample that is not.
    """
    if not all_finite(output):
        finite = np.isfinite(output)
        first = int(np.argwhere(~finite)[:, -1].min())
        raise AudioError(
            f"{name}: its output is not finite from sample {begin + first} on; its weights are damaged, "
            f"or the audio is far beyond [-1, 1]: verify the one, scale the other, and begin anew"
        )
    return output
