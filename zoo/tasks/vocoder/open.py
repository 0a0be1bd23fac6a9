"""Vocoders by any of their names."""

from __future__ import annotations

import os

from zoo.registry import list_models
from zoo.spec import MelSpectrum
from zoo.tasks.open import open_source
from zoo.tasks.vocoder.task import TASK
from zoo.vocoder import GriffinLim, Vocoder, check_frames

BETWEEN = ":"  # a model's name and the tag of its weights


def find_vocoder(source: str | os.PathLike[str], front_end: MelSpectrum, *, threads: int = 1) -> Vocoder:
    """The vocoder of that name, or in that file.

    Args:
        source: ``griffin-lim``; the name of a registered vocoder, perhaps with a tag of its weights
            (``vocos:vocos-22khz-univ``); or the path of an ONNX file, ours or anybody's: see
            ``zoo.vocoder.OnnxVocoder``.
        front_end: the frames that it must take.
        threads: of ONNX Runtime.

    Raises:
        ArtifactError: none of these, or one that does not take such frames.
        CheckpointError: weights that there are not, or that cannot be downloaded.
        UnknownModelError: the name of a model for something else.
    """
    name = os.fspath(source)
    if name == GriffinLim.name:
        return GriffinLim(front_end)
    model, _, tag = name.partition(BETWEEN)
    vocoder: Vocoder
    if model in list_models():
        vocoder = open_source(TASK, model, tag or None, threads=threads)
    else:
        vocoder = open_source(TASK, name, threads=threads)
    check_frames(vocoder, front_end)
    return vocoder
