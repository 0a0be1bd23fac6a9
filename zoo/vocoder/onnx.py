"""A trained vocoder in an ONNX file, whoever exported it."""

from __future__ import annotations

import os

import numpy as np

from zoo.arrays import Array
from zoo.errors import ArtifactError
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import MelSpectrum


class OnnxVocoder:
    """Log-mel frames through a graph of one input and one output, float32.

    Args:
        path: the file.
        front_end: the frames that go in. The file does not say which it was trained on: they must be its own.
        threads: of a call.

    Raises:
        ArtifactError: it cannot be loaded, or takes something else.
    """

    def __init__(self, path: str | os.PathLike[str], front_end: MelSpectrum, *, threads: int = 1) -> None:
        self._graph, self.front_end = OnnxGraph(path, threads=threads), front_end
        self.name = self._graph.path.name
        inputs, mels = self._graph.inputs, front_end.mels
        shape = inputs[0].shape if len(inputs) == 1 and inputs[0].dtype == "float32" else ()
        if len(shape) != 3 or mels not in shape[1:] or len(self._graph.outputs) != 1:
            found = ", ".join(f"{i.name} {i.shape} {i.dtype}" for i in inputs)
            raise ArtifactError(
                f"{path}: a vocoder with one input, log-mel frames (B, {mels}, F) or (B, F, {mels}) in "
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
        wave = np.asarray(self._graph(signal)[0], np.float32).reshape(-1)
        if len(wave) != width * hop:
            raise ArtifactError(
                f"{self.name}: {len(wave)} samples for {width} frames; expected are {hop} a frame, as at "
                f"{self.front_end.sample_rate} Hz"
            )
        return wave[: frames * hop]
