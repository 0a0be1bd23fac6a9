"""A session over the streaming form in torch, or over what takes its place for whole recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from zoo.arrays import Array
from zoo.artifact.golden import parity_speech, read_golden
from zoo.artifact.manifest import Golden
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.networks.base import Network
from zoo.networks.streaming import StreamingModule
from zoo.spec import Tolerance
from zoo.streaming.conversion import to_deployment
from zoo.streaming.waveform import WaveformModel
from zoo.tasks.enhancement.golden import verify_session
from zoo.tasks.enhancement.public_graph import open_published
from zoo.tasks.enhancement.session import State


class TorchSession:
    """Hops through the streaming form; whole recordings through a model that has none.

    Args:
        model: a network in training form, or a deployment form of either kind.
        hops: frames of a call.
    """

    backend = "torch"
    batched = False

    def __init__(self, model: StreamingModule, *, hops: int = 1) -> None:
        if model.form == "training":
            model = to_deployment(model, "wav2wav")
        self._model = WaveformModel(model) if model.form == "spec2spec" else model
        self.name, self.streaming = model.spec.name, model.spec.streaming
        self.front_end = model.spec.front_end
        self.latency = model.spec.latency
        self.block_length = hops * self.front_end.hop_length

    def initial_state(self) -> State:
        if not self.streaming:
            raise ArtifactError(f"{self.name} reads the whole recording and has no stream")
        return self._model.initial_state()

    @torch.inference_mode()
    def run(self, hops: Array, state: State) -> tuple[Array, State]:
        """(1, K x block_length) -> (1, K x block_length); see ``Session``."""
        enhanced, after = [], dict(state)
        for block in torch.from_numpy(np.ascontiguousarray(hops)).split(self.block_length, dim=1):
            wave, after = self._model(block, after)
            enhanced.append(wave)
        return torch.cat(enhanced, dim=1).numpy(), after

    def whole(self, waveform: Array) -> Array:
        """(1, N) -> (1, N), aligned."""
        length = waveform.shape[1]
        if self.streaming:
            padding = -(length + self.latency) % self.block_length + self.latency
            enhanced, _ = self.run(np.pad(waveform, ((0, 0), (0, padding))), self.initial_state())
        else:
            padding = self.front_end.padding(length, self.latency)
            padded = np.pad(waveform, ((0, 0), (0, padding)))
            with torch.inference_mode():
                enhanced = self._model(torch.from_numpy(padded))[0].numpy()
        return enhanced[:, self.latency : self.latency + length]


def open_network(model: Network) -> TorchSession | None:
    """Open a session; see ``Task.open_network``."""
    return TorchSession(model) if isinstance(model, StreamingModule) else None


def verify_parameters(model: StreamingModule, golden: Path, form: str, where: str) -> ParityReport:
    """Run a network on a golden recording, as a stream if it has one; see ``Task.verify_parameters``."""
    recording = read_golden(golden, Golden, where)
    return verify_session(TorchSession(model), recording, model.spec.tolerance, where)


@torch.inference_mode()
def compare_published(model: StreamingModule, paths: Sequence[Path], tolerance: Tolerance) -> ParityReport:
    """Hold a training form against the public graph that its parameters were read from, on speech.

    Args:
        model: in training form, with the parameters.
        paths: as of ``open_published``.
        tolerance: what is allowed.

    Raises:
        ArtifactError: ONNX Runtime cannot run the graph.
        ParityError: they differ by more than the tolerance.
    """
    session, front_end = open_published(paths, model.spec), model.spec.front_end
    noisy = parity_speech(front_end.sample_rate)[None]
    padding = front_end.padding(noisy.shape[1], session.latency)
    wave, _ = WaveformModel(model)(torch.from_numpy(np.pad(noisy, ((0, 0), (0, padding)))))
    return compare(
        session.whole(noisy),
        wave[:, session.latency :][:, : noisy.shape[1]].numpy(),
        tensor="the waveform of the training form",
        tolerance=tolerance,
        frame_length=front_end.hop_length,
    )
