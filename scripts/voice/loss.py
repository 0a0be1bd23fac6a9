"""What FastSpeech is trained on, as its public implementation weighs it."""

from __future__ import annotations

from torch import Tensor

from zoo.layers.length import length_mask
from zoo.networks.synthesis import Prediction


def losses(prediction: Prediction, lengths: Tensor, mel: Tensor, durations: Tensor) -> tuple[Tensor, Tensor]:
    """Squared errors of log-mel frames and of log durations, each averaged over a batch's whole width.

    Padding counts as no error, but it counts: short utterances among long ones weigh less.

    Args:
        prediction: of the network in training mode, with ``durations`` forced and as many frames as ``mel``.
        lengths: (B,) int64, tokens of each utterance.
        mel: (B, F, mels) targets; what lies past an utterance's end is ignored.
        durations: (B, S) targets in frames.

    Returns:
        the two losses, scalars; their sum is what to minimise.
    """
    frames = length_mask(prediction.mel_lengths, mel.shape[1]).unsqueeze(2)
    tokens = length_mask(lengths, durations.shape[1])
    mel_error = (prediction.mel - mel).square().where(frames, 0)
    duration_error = (prediction.log_durations - durations.log1p()).square().where(tokens, 0)
    return mel_error.mean(), duration_error.mean()
