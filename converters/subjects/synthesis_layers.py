"""Layer by layer through a network from text to frames: at one size, by one duration for each token, and no
further than the text and its speech reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from converters.subjects.sized_network import SizedNetwork
from converters.subjects.subject import Calls, Progress, Valid
from zoo.errors import TextError
from zoo.networks.synthesis import SynthesisNetwork
from zoo.tasks.synthesis.session import Utterance, inputs
from zoo.tasks.synthesis.synthesizer import LEAST_ALPHA, MOST_ALPHA
from zoo.text.dictionary import as_read
from zoo.text.normalise import write_out
from zoo.text.sentences import split
from zoo.text.symbols import encode


def padded_calls(
    model: SynthesisNetwork,
    texts: Sequence[Utterance],
    buckets: Sequence[tuple[int, int]],
    own_durations: bool = False,
) -> Calls:
    """Give calls padded to one size; padding is not compared.

    PyTorch's durations are forced on the backend: one that falls to the other side of a half would move every
    frame behind it, and hide the rest. The predicted durations are compared all the same.

    Args:
        model: in eval mode.
        texts: one a call.
        buckets: sizes, of which the first that holds all texts is taken.
        own_durations: each takes the durations that it predicts itself.

    Raises:
        TextError: a text that does not fit.
        ValueError: a size for which there is no export, no texts, or a model in training mode.
    """
    if model.training or not texts:
        raise ValueError(
            f"{model.spec.name}: expected are texts, and the model in eval mode; call model.eval()"
        )
    size, durations = _fit(model, texts, buckets)
    if not own_durations:
        texts = [replace(text, forced=tuple(own)) for text, (own, _) in zip(texts, durations, strict=True)]
    described = {
        "inputs": ["ids", "lengths", "alpha", "forced"],
        "outputs": ["mel", "mel_lengths", "durations"],
        "valid": _valid(model, [(len(own), frames) for own, frames in durations]),
        "within": "model",
        "inputs_of": model.compared_inputs,
        "opset": 18,  # as the files that engines are built from
    }
    values = [inputs([text], size[0]) for text in texts]
    return Calls(SizedNetwork(model, size[1]).eval(), values, described, worst_first=True)


def sentences(symbols: Sequence[str], text: str, alpha: float, most: int, say: Progress) -> list[Utterance]:
    """Sentences of a text.

    Args:
        symbols: that the network has.
        text: what is spoken.
        alpha: how slowly.
        most: tokens of one.
        say: called with what is left out.

    Raises:
        ValueError: nothing in it can be spoken, or an alpha that no synthesizer takes.
    """
    if not LEAST_ALPHA <= alpha <= MOST_ALPHA:
        raise ValueError(f"alpha {alpha!r}: expected from {LEAST_ALPHA:g} to {MOST_ALPHA:g}")
    said, _ = as_read(write_out(text), symbols)
    if unknown := encode(said, symbols).unknown:
        say(f"left out, since there are no symbols for them: {' '.join(unknown)}")
    pieces = split(said, lambda part: len(encode(part, symbols).ids), max(1, most))
    found = [encode(piece.text, symbols).ids for piece in pieces]
    texts = [Utterance(ids, alpha) for ids in found if ids]
    if not texts:
        raise ValueError(f"{text!r}: nothing in it can be spoken")
    return texts


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
            _, lengths, predicted = SizedNetwork(model, frames)(*map(torch.from_numpy, values))
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
