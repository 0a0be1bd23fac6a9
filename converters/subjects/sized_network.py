"""A network for text to speech as its graphs have it: of one size or of any, options as inputs."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.networks.synthesis import Prediction, SynthesisNetwork


class SizedNetwork(nn.Module):
    """A network at a fixed number of frames, or as many as the speech has, its options as inputs."""

    def __init__(self, model: SynthesisNetwork, frames: int | None) -> None:
        super().__init__()
        self.model, self.frames = model, frames

    def forward(
        self, ids: Tensor, lengths: Tensor, alpha: Tensor, forced: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        result: Prediction = self.model(ids, lengths, alpha=alpha, durations=forced, frames=self.frames)
        return result.mel, result.mel_lengths, result.durations
