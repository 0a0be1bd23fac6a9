"""A vocoder over a network in torch."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.arrays import Array
from zoo.artifact import golden
from zoo.artifact.manifest import Golden
from zoo.artifact.parity import ParityReport, compare
from zoo.networks.base import Network
from zoo.networks.vocoder import VocoderNetwork
from zoo.signal.mel import log_mel
from zoo.streaming.conversion import to_streaming
from zoo.tasks.vocoder.session import State, StreamingVocoder


class TorchVocoder(StreamingVocoder):
    """Frames through a network.

    Args:
        model: in training or streaming form.
    """

    backend = "torch"
    hops = None

    def __init__(self, model: VocoderNetwork) -> None:
        self._model = to_streaming(model) if model.form == "training" else model
        self.name, self.front_end, self.latency = model.spec.name, model.spec.front_end, model.spec.latency

    def initial_state(self) -> State:
        return {name: value.numpy() for name, value in self._model.initial_state().items()}

    @torch.inference_mode()
    def run(self, mel: Array, state: State) -> tuple[Array, State]:
        """See ``StreamingVocoder``."""
        given = {name: torch.from_numpy(value) for name, value in state.items()}
        wave, following = self._model(torch.from_numpy(mel)[None], given)
        return wave[0].numpy(), {name: value.numpy() for name, value in following.items()}


def open_network(model: Network) -> TorchVocoder | None:
    """Open a session; see ``Task.open_network``."""
    return TorchVocoder(model) if isinstance(model, VocoderNetwork) else None


def verify_parameters(model: VocoderNetwork, path: Path, form: str, where: str) -> ParityReport:
    """Run a network on the recording of one of its graphs; see ``Task.verify_parameters``."""
    front_end = model.spec.front_end
    recording = golden.read_golden(path, Golden, where)
    speech, expected = golden.unpack(recording, where, front_end.sample_rate)
    made = TorchVocoder(model).waveform(log_mel(speech, front_end))[: len(expected)]
    tolerance = golden.golden_tolerance(model.spec.tolerance)
    return compare(expected, made, tensor="wav_out", tolerance=tolerance, frame_length=front_end.hop_length)
