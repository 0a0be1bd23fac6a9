"""A trained vocoder in an ONNX file, whoever exported it."""

from __future__ import annotations

import os

import numpy as np

from zoo.arrays import Array
from zoo.errors import ArtifactError
from zoo.runtime.graph import Graph
from zoo.runtime.onnx import OnnxGraph
from zoo.signal.mel import istft
from zoo.spec import MelSpectrum

_PARTS = 3  # outputs of a graph that leaves the inverse transform to others: magnitude, cosine and sine


class OnnxVocoder:
    """Log-mel frames through a graph of one input, float32.

    Its output is the waveform; or, as public exports of Vocos have it, there are three: magnitudes, and
    cosines and sines of phases, (B, bins, F) each, of the centred transform that the frames were made with.

    Args:
        source: the file, or what was loaded of it.
        front_end: the frames that go in. The file does not say which it was trained on: they must be its own.
        threads: of a call.

    Raises:
        ArtifactError: it cannot be loaded, or takes something else.
    """

    def __init__(
        self, source: str | os.PathLike[str] | Graph, front_end: MelSpectrum, *, threads: int = 1
    ) -> None:
        loaded = isinstance(source, (str, os.PathLike))
        self._graph: Graph = OnnxGraph(source, threads=threads) if loaded else source  # type: ignore[arg-type,assignment]
        self.front_end, self.backend, self.name = front_end, self._graph.backend, self._graph.path.name
        inputs, mels = self._graph.inputs, front_end.mels
        shape = inputs[0].shape if len(inputs) == 1 and inputs[0].dtype == "float32" else ()
        if len(shape) != 3 or mels not in shape[1:] or len(self._graph.outputs) not in (1, _PARTS):
            found = ", ".join(f"{i.name} {i.shape} {i.dtype}" for i in inputs)
            raise ArtifactError(
                f"{self._graph.path}: a vocoder with one input, log-mel frames (B, {mels}, F) or (B, F, "
                f"{mels}) in "
                f"float32, and one output is expected; this one takes {found}"
            )
        self._mels_first = shape[1] == mels
        frames = shape[2] if self._mels_first else shape[1]
        self._width = None if isinstance(frames, str) else frames

    def __call__(self, mel: Array) -> Array:
        """(F, mels) -> (F x hop,)

        Raises:
            ArtifactError: the graph's frames are too few, or it gives another number of samples.
        """
        frames, hop = len(mel), self.front_end.hop_length
        if frames == 0:
            return np.zeros(0, np.float32)
        width = self._width or frames
        if frames > width:
            raise ArtifactError(
                f"{self.name}: it takes {width} frames and the speech has {frames}; "
                f"export it with a free length"
            )
        mel = np.pad(mel, ((0, width - frames), (0, 0)), constant_values=np.log(self.front_end.floor))
        signal = np.ascontiguousarray((mel.T if self._mels_first else mel)[None], np.float32)
        wave = self._wave(self._graph(signal), width)
        if len(wave) != width * hop:
            raise ArtifactError(
                f"{self.name}: {len(wave)} samples for {width} frames; expected are {hop} a frame, as at "
                f"{self.front_end.sample_rate} Hz"
            )
        return wave[: frames * hop]

    waveform = __call__

    def _wave(self, outputs: list[Array], frames: int) -> Array:
        """The waveform of what the graph gives."""
        if len(outputs) < _PARTS:
            return np.asarray(outputs[0], np.float32).reshape(-1)
        shape = (1, self.front_end.n_fft // 2 + 1, frames)
        if any(part.shape != shape for part in outputs):
            raise ArtifactError(
                f"{self.name}: its outputs are {[part.shape for part in outputs]}; expected are "
                f"magnitudes, cosines "
                f"and sines of {shape}"
            )
        magnitude, cosine, sine = (part[0].T for part in outputs)
        return istft((magnitude * (cosine + 1j * sine)).astype(np.complex64), self.front_end)
