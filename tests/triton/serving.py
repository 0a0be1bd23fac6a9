"""What the tests ask a real Triton server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.data import ROOT
from tests.triton.server import TritonServer

MANY = ROOT / "zoo/models/fastenhancer/packaged/fastenhancer_t.many.onnx"


@dataclass(frozen=True)
class Served:
    """The server, and the artifact behind each enhancer on it."""

    server: TritonServer
    artifacts: dict[str, Path]

    @property
    def url(self) -> str:
        return self.server.url


def batch_sizes(served: Served, model: str) -> dict[int, int]:
    """How many calls of which size the server made so far."""
    import tritonclient.grpc as triton

    with triton.InferenceServerClient(served.url) as client:
        statistics = client.get_inference_statistics(model).model_stats[0]
    return {int(entry.batch_size): int(entry.compute_infer.count) for entry in statistics.batch_stats}


def run(work: Any) -> Any:
    """The result of a coroutine, within a minute."""
    return asyncio.run(asyncio.wait_for(work, 60))
