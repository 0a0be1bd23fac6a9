"""Speed as it was measured: of every model, in one run on one machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("speeds.json")


@dataclass(frozen=True)
class Speeds:
    """Real-time factors: computing time over the audio's own duration, below 1 in time for a stream.

    Attributes:
        processor: on which.
        onnxruntime: its version.
        threads: of ONNX Runtime.
        real_time_factor: by model: of the streaming wav2wav graph, the median of a hop; of models without
            a stream, of the offline one.
    """

    processor: str
    onnxruntime: str
    threads: int
    real_time_factor: dict[str, float]

    def __str__(self) -> str:
        threads = "one thread" if self.threads == 1 else f"{self.threads} threads"
        return f"ONNX Runtime {self.onnxruntime}, {threads} of {self.processor}"


@cache
def speeds() -> Speeds:
    """What the package knows."""
    return Speeds(**json.loads(FILE.read_text()))
