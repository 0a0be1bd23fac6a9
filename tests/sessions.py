"""Small real sessions for enhancers, of which it is known what they give."""

from __future__ import annotations

import numpy as np

from zoo.spec import FrontEnd
from zoo.tasks.enhancement.session import State


class Halve:
    """Half the input, 256 samples late; offline it takes the whole recording."""

    name, backend = "halve", "numpy"
    front_end = FrontEnd(16000, 512, 256)
    latency, block_length = 256, 256

    def __init__(self, streaming: bool = True) -> None:
        self.streaming = streaming

    def initial_state(self) -> State:
        return {"past": np.zeros((1, 256), np.float32)}

    def run(self, hops: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        signal = np.concatenate([state["past"], hops], axis=1)
        return signal[:, :-256] / 2, {"past": signal[:, -256:].copy()}

    def whole(self, waveform: np.ndarray) -> np.ndarray:
        return waveform / 2
