"""A network between its transforms: waveform in, waveform out."""

from __future__ import annotations

from torch import Tensor

from zoo.errors import ShapeError
from zoo.layers.stft import ISTFT, STFT, DoubleSTFT, OverlapAdd
from zoo.networks.streaming import State, StreamingModule


class WaveformModel(StreamingModule):
    """STFT, network, inverse STFT, over the next hops of a waveform.

    Args:
        core: a network from spectrum to spectrum.
    """

    def __init__(self, core: StreamingModule) -> None:
        super().__init__()
        self.spec = core.spec
        self.stft = (DoubleSTFT if core.reads_phase else STFT)(core.spec.front_end)
        self.core = core
        self.istft = (OverlapAdd if core.ends_in_time else ISTFT)(core.spec.front_end)
        self.name_states()

    def check_input(self, x: Tensor) -> None:
        """Refuse anything but waveforms (B, K x hop) with at least one hop.

        Raises:
            ShapeError: another shape.
        """
        hop = self.spec.front_end.hop_length
        if x.ndim != 2 or x.shape[1] < hop or x.shape[1] % hop:
            raise ShapeError(
                f"{self.spec.name}: expected a waveform (B, K x {hop}) of whole hops, got {tuple(x.shape)}; "
                f"zoo.Enhancer takes any length"
            )

    def process(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, K x hop) -> (B, K x hop), ``spec.latency`` samples late."""
        spectrum, state = self.stft(x, state)
        process = self.core.process_to_frames if self.core.ends_in_time else self.core.process
        enhanced, state = process(spectrum, state)
        return self.istft(enhanced, state)
