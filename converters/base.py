"""What every converter shares: the reference it is judged by, and the gate before its file appears."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from converters.files import gate as gate
from zoo.artifact import golden
from zoo.artifact.manifest import Golden
from zoo.artifact.parity import ParityReport, compare
from zoo.runtime.loaded import as_array as as_array
from zoo.runtime.session import Session
from zoo.spec import Tolerance
from zoo.streaming.session import TorchSession
from zoo.streaming.state import StreamingModule
from zoo.streaming.waveform import WaveformModel

Array = NDArray[np.float32]
Progress = Callable[[str], None]

TORCH_HOPS = 16  # frames that PyTorch takes at once while it makes references


class Reference:
    """The training form's output for the package's own speech: what every artifact must reproduce.

    Args:
        training: a network in training form.
        length: samples of a graph of fixed length, to which the speech is cut, or padded with silence.
    """

    def __init__(self, training: StreamingModule, length: int | None = None) -> None:
        self.spec, self._training, self._length = training.spec, training, length
        self.noisy = self._fitted(golden.parity_speech(self.spec.front_end.sample_rate)[None])  # (1, N)
        self.enhanced = whole_waveform(training, self.noisy)  # (1, N)

    def check(self, session: Session, tensor: str, tolerance: Tolerance | None = None) -> ParityReport:
        """Compare what a session makes of the speech; by default with the model's tolerance.

        Raises:
            ParityError: it differs by more than that.
        """
        return compare(
            self.enhanced,
            session.whole(self.noisy),
            tensor=tensor,
            tolerance=tolerance or self.spec.tolerance,
            frame_length=self.spec.front_end.hop_length,
        )

    def check_converted(self, converted: StreamingModule) -> ParityReport:
        """Compare a streaming form, or what takes its place, run in PyTorch."""
        form = "streaming form" if converted.spec.streaming else "folded form"
        return self.check(TorchSession(converted, hops=TORCH_HOPS), f"waveform of the {form}")

    def recording(self) -> Golden:
        """The recording for an artifact, at most a second."""
        rate = self.spec.front_end.sample_rate
        noisy = self.noisy[:, :rate]
        enhanced = whole_waveform(self._training, self._fitted(noisy))[:, : noisy.shape[1]]
        return golden.pack(noisy[0], enhanced[0], rate)

    def _fitted(self, noisy: Array) -> Array:
        """(1, N) -> (1, length), or as it is if any length will do."""
        if self._length is None:
            return noisy
        return np.pad(noisy[:, : self._length], ((0, 0), (0, max(0, self._length - noisy.shape[1]))))


@torch.inference_mode()
def whole_waveform(training: StreamingModule, waveform: Array) -> Array:
    """Training form on a whole recording, on the stream's frame grid and aligned: (1, N) -> (1, N)."""
    model = WaveformModel(training)
    latency, length = model.spec.latency, waveform.shape[1]
    padding = model.spec.front_end.padding(length, latency)
    wave, _ = model(torch.from_numpy(np.pad(waveform, ((0, 0), (0, padding)))))
    return wave[:, latency : latency + length].numpy()
