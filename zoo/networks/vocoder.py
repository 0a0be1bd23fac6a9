"""The root of every network that makes a waveform of log-mel frames."""

from __future__ import annotations

from torch import Tensor

from zoo.errors import ShapeError
from zoo.networks.streaming import StreamingModule
from zoo.spec import VocoderSpec


class VocoderNetwork(StreamingModule):
    """Log-mel frames in, samples out, ``spec.latency`` late; the contract is that of every
    ``StreamingModule``."""

    spec: VocoderSpec  # type: ignore[assignment]  # which has all that a stream asks of its record

    def check_input(self, x: Tensor) -> None:
        """Refuse anything but frames (B, T, mels), at least one.

        Raises:
            ShapeError: another shape.
        """
        mels = self.spec.front_end.mels
        if x.ndim != 3 or x.shape[2] != mels or x.shape[1] < 1:
            raise ShapeError(
                f"{self.spec.name}: expected log-mel frames (B, T, {mels}), got {tuple(x.shape)}"
            )
