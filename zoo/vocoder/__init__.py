"""From log-mel frames to a waveform, and back.

Griffin-Lim is built in: it needs no weights. ``open_vocoder`` loads a trained vocoder's ONNX file instead,
whoever made it; those of the zoo are in ``zoo.tasks.vocoder``.
"""

from __future__ import annotations

import os
from typing import Protocol

from zoo.arrays import Array
from zoo.errors import ArtifactError
from zoo.spec import MelSpectrum
from zoo.vocoder.griffin_lim import GriffinLim


class Vocoder(Protocol):
    """What makes speech of log-mel frames.

    Attributes:
        name: for messages.
        front_end: the frames that it takes.
    """

    name: str
    front_end: MelSpectrum

    def __call__(self, mel: Array) -> Array:
        """(F, mels) natural logarithm of magnitudes -> (F x hop,) float32 in about [-1, 1]"""
        ...


def open_vocoder(source: str | os.PathLike[str], front_end: MelSpectrum, *, threads: int = 1) -> Vocoder:
    """The vocoder of that name, or in that file.

    Args:
        source: ``griffin-lim``, or the path of an ONNX file: one input, log-mel frames (B, mels, F) or
            (B, F, mels); one output, the waveform, F x hop samples in any shape.
        front_end: the frames that it must take.
        threads: of ONNX Runtime.

    Raises:
        ArtifactError: neither, or a file that does not take such frames.
    """
    if os.fspath(source) == GriffinLim.name:
        return GriffinLim(front_end)
    from zoo.vocoder.onnx import OnnxVocoder

    return OnnxVocoder(source, front_end, threads=threads)


def check_frames(vocoder: Vocoder, front_end: MelSpectrum) -> None:
    """Refuse a vocoder that takes other frames.

    Raises:
        ArtifactError: it does.
    """
    if vocoder.front_end != front_end:
        raise ArtifactError(
            f"{vocoder.name}: it makes speech of {vocoder.front_end}, and the frames are {front_end}; "
            f"take a vocoder "
            f"for those"
        )
