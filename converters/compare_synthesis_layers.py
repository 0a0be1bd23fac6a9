"""Layer by layer through a network from text to frames: at one size, by one duration for each token, and no
further than the text and its speech reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from converters.compare_layers import Backend, Layer, Valid, verify_layers
from converters.subjects.synthesis import SynthesisGraph, default_buckets
from converters.targets.tracing import OPSETS
from zoo.artifact.engine import Precision
from zoo.errors import TextError
from zoo.networks.synthesis import SynthesisNetwork
from zoo.spec import Tolerance
from zoo.tasks.synthesis.session import Utterance, inputs

BACKENDS: tuple[Backend, ...] = ("onnx", "engine")


def verify_synthesis_layers(
    model: SynthesisNetwork,
    texts: Sequence[Utterance],
    against: Backend,
    *,
    bucket: tuple[int, int] | None = None,
    own_durations: bool = False,
    precision: Precision = "fp32",
    tolerance: Tolerance | None = None,
    build: Callable[..., object] | None = None,
) -> list[Layer]:
    """Compare every module's output in PyTorch with a backend's, both padded to one size.

    PyTorch's durations are forced on the backend: one that falls to the other side of a half would move every
    frame behind it, and hide the rest. The predicted durations are compared all the same. Padding is not.

    Args:
        model: in eval mode.
        texts: one a call.
        against: ``onnx`` or ``engine``.
        bucket: tokens and frames; by default the smallest of the model's sizes that holds the texts.
        own_durations: each takes the durations that it predicts itself.
        precision, tolerance, build, Returns: as ``verify_layers``.

    Raises:
        TextError: a text that does not fit.
        ValueError: a backend or a size for which there is no export, no texts, or a model in training mode.
    """
    name = model.spec.name
    if against not in BACKENDS:
        raise ValueError(
            f"{name} is not exported for {against!r}; expected is one of {', '.join(BACKENDS)}, which "
            f"export_synthesis and build_engine make"
        )
    if model.training or not texts:
        raise ValueError(f"{name}: expected are texts, and the model in eval mode; call model.eval()")
    size, durations = _fit(model, texts, [bucket] if bucket else default_buckets(model))
    if not own_durations:
        texts = [replace(text, forced=tuple(own)) for text, (own, _) in zip(texts, durations, strict=True)]
    return verify_layers(
        SynthesisGraph(model, size[1]).eval(),
        [inputs([text], size[0]) for text in texts],
        against,
        inputs=["ids", "lengths", "alpha", "forced"],
        outputs=["mel", "mel_lengths", "durations"],
        precision=precision,
        tolerance=tolerance,
        opset=OPSETS[0],  # as the files that engines are built from
        valid=_valid(model, [(len(own), frames) for own, frames in durations]),
        within="model",
        inputs_of=model.compared_inputs,
        build=build,
    )


@torch.inference_mode()
def _fit(
    model: SynthesisNetwork, texts: Sequence[Utterance], buckets: Sequence[tuple[int, int]]
) -> tuple[tuple[int, int], list[tuple[list[float], int]]]:
    """The first size that holds all texts; at that size the durations of each text's tokens, and its frames.

    A text's own forced durations, if it has some, stay.
    """
    most = max(len(text.ids) for text in texts)
    wanted = 0
    for tokens, frames in buckets:
        if min(tokens, frames) < 1 or max(tokens, frames) > model.longest:
            raise ValueError(
                f"{tokens} tokens and {frames} frames: each must be from 1 to {model.longest}, for which "
                f"{model.spec.name} has positions"
            )
        if most > tokens:
            continue
        found = []
        for text in texts:
            values = inputs([text], tokens)
            _, lengths, predicted = SynthesisGraph(model, frames)(*map(torch.from_numpy, values))
            forced = values[3][0, : len(text.ids)]
            own = np.where(forced < 0, predicted[0, : len(text.ids)].numpy(), forced)
            found.append((own.tolist(), int(lengths[0])))
        wanted = max(count for _, count in found)
        if wanted <= frames:
            return (tokens, frames), found
    tokens, frames = buckets[-1]
    raise TextError(
        f"the longest text has {most} tokens" + (f" and takes {wanted} frames" if wanted else "") + f", and "
        f"the size is {tokens} tokens to {frames} frames; name a larger bucket, a shorter text or a smaller "
        f"alpha"
    )


def _valid(model: SynthesisNetwork, sizes: Sequence[tuple[int, int]]) -> Valid:
    """Cuts padding away, of tokens or of frames."""
    transposed = {path for path, module in model.named_modules() if isinstance(module, nn.Conv1d)}

    def cut(name: str, value: NDArray[Any], call: int) -> NDArray[Any]:
        if value.ndim == 1:
            return value  # one number a text
        over_frames = name == "mel" or any(fnmatch(name, pattern) for pattern in model.over_frames)
        length = sizes[call][over_frames]
        return value[:, :, :length] if name in transposed else value[:, :length]

    return cut
