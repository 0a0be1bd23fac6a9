"""What every converter shares: the reference it is judged by, and the gate before its file appears."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.artifact import golden
from zoo.artifact.manifest import Golden
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError
from zoo.runtime.session import Session
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
        samples: use only so many of the speech's first samples.
    """

    def __init__(self, training: StreamingModule, samples: int | None = None) -> None:
        self.spec = training.spec
        self.noisy = golden.parity_speech(self.spec.front_end.sample_rate)[None, :samples]  # (1, N)
        self.enhanced = whole_waveform(training, self.noisy)  # (1, N)

    def check(self, session: Session, tensor: str) -> ParityReport:
        """Compare what a session makes of the speech.

        Raises:
            ParityError: it differs by more than the model's tolerance.
        """
        return compare(
            self.enhanced,
            session.whole(self.noisy),
            tensor=tensor,
            tolerance=self.spec.tolerance,
            frame_length=self.spec.front_end.hop_length,
        )

    def check_streaming(self, streaming: StreamingModule) -> ParityReport:
        """Compare a streaming form, run in PyTorch."""
        return self.check(TorchSession(streaming, hops=TORCH_HOPS), "waveform of the streaming form")

    def recording(self) -> Golden:
        """The recording for an artifact."""
        return golden.pack(self.noisy[0], self.enhanced[0], self.spec.front_end.sample_rate)


@torch.inference_mode()
def whole_waveform(training: StreamingModule, waveform: Array) -> Array:
    """Training form on a whole recording, on the stream's frame grid and aligned: (1, N) -> (1, N)."""
    model = WaveformModel(training)
    front_end, latency, length = model.spec.front_end, model.spec.latency, waveform.shape[1]
    padding = -(length + latency) % front_end.hop_length + latency
    wave, _ = model(torch.from_numpy(np.pad(waveform, ((0, 0), (0, padding)))))
    return wave[:, latency : latency + length].numpy()


@contextmanager
def gate(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place if the block ends well, else disappears.

    Raises:
        ArtifactError: there or under that name nothing can be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path}: it cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def as_array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy()
