"""A trained network whose output another learns from, beside the clean signal (distillation)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

import zoo
from zoo.errors import SpeechZooError
from zoo.networks.streaming import State, StreamingModule
from zoo.spec import EnhancementSpec
from zoo.streaming.waveform import WaveformModel


class Teacher:
    """Trained weights of any enhancement model at the sample rate of the one that learns.

    Args:
        row: MODEL=TAG or MODEL=PATH, as ``speechzoo evaluate`` takes it.
        sample_rate: of the mixtures, in Hz.
        device: to compute on.

    Raises:
        SpeechZooError: no weights are named, they cannot be had, or they are for another sample rate.
    """

    def __init__(self, row: str, sample_rate: int, device: torch.device | str = "cpu") -> None:
        name, _, weights = row.partition("=")
        if not weights:
            raise SpeechZooError(f"{row!r}: a teacher is MODEL=TAG or MODEL=PATH, such as ulunas=dns3")
        spec = zoo.get_spec(name, EnhancementSpec)
        if spec.front_end.sample_rate != sample_rate:
            raise SpeechZooError(
                f"{row}: a teacher at {spec.front_end.sample_rate} Hz, but the mixtures are at "
                f"{sample_rate} Hz; take one at that rate"
            )
        network = zoo.create_model(name, weights)
        assert isinstance(network, StreamingModule), "what an EnhancementSpec builds"
        self.model = WaveformModel(network).to(device).eval()

    @torch.no_grad()
    def targets(self, noisy: Tensor, clean: Tensor) -> Tensor:
        """What the teacher makes of mixtures; the clean signal where that is no nearer than the mixture.

        Args:
            noisy, clean: (B, N).

        Returns:
            (B, N)
        """
        _, wave = streamed(self.model, noisy)
        before, after = ((x - clean).square().sum(1) for x in (noisy, wave))
        helps = (after < before) & clean.any(1)
        return torch.where(helps[:, None], wave, clean)


def streamed(model: WaveformModel, noisy: Tensor) -> tuple[Tensor, Tensor]:
    """Enhance a batch as a stream would, from a state of zeros.

    Args:
        model: in training or eval mode.
        noisy: (B, N).

    Returns:
        the network's spectrum, (B, F, T, 2), and the waveform, (B, N), aligned with the input.
    """
    front, latency, length = model.spec.front_end, model.spec.latency, noisy.shape[1]
    padded = functional.pad(noisy, (0, latency + -(length + latency) % front.hop_length))
    state: State = model.initial_state(noisy.shape[0])
    spectrum, state = model.stft(padded, state)
    spectrum, state = model.core.process(spectrum, state)
    wave, _ = model.istft(spectrum, state)
    return spectrum[:, :, model.spec.look_ahead :], wave[:, latency : latency + length]
