"""Finds the sizes of a FastSpeech in the shapes of a checkpoint's parameters.

The public training folders hold no configuration beside their checkpoints, and need none: every size but the
number of heads shows in a shape. Nothing here imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zoo.errors import CheckpointError

HEADS = 2  # in every public configuration


def read_shapes(shapes: Mapping[str, tuple[int, ...]], where: str) -> dict[str, Any]:
    """Options of the network from the shapes of its parameters.

    Args:
        shapes: by parameter, a leading ``module.`` removed.
        where: the checkpoint, for errors.

    Raises:
        CheckpointError: a parameter that tells a size is missing, or has another number of dimensions.
    """
    try:
        symbols, channels = shapes["word_emb.weight"]
        positions, _ = shapes["phoneme_side.position.weight"]
        _, projected = shapes["phoneme_side.layer_stack.0.slf_attn.fc.weight"]
        filters, _, kernel = shapes["phoneme_side.layer_stack.0.pos_ffn.w_1.weight"]
        regulator = "length_regulator.duration_predictor.conv1d_1.weight"
        duration_filters, _, duration_kernel = shapes[regulator]
        mels, _ = shapes["mel_linear.weight"]
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{where}: not a checkpoint of a FastSpeech ({type(error).__name__}: {error}); expected are its "
            f"public implementation's parameters"
        ) from error
    return {
        "symbols": symbols,
        "channels": channels,
        "phoneme_layers": _layers(shapes, "phoneme_side"),
        "mel_layers": _layers(shapes, "mel_side"),
        "heads": HEADS,
        "head_channels": projected // HEADS,
        "filters": filters,
        "kernel": kernel,
        "duration_filters": duration_filters,
        "duration_kernel": duration_kernel,
        "mels": mels,
        "longest": positions - 1,
    }


def _layers(shapes: Mapping[str, tuple[int, ...]], side: str) -> int:
    """How many blocks a side has: its highest number and one."""
    found = [re.match(rf"{side}\.layer_stack\.(\d+)\.", name) for name in shapes]
    return 1 + max((int(match[1]) for match in found if match), default=-1)
