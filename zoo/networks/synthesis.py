"""The root of every network that makes speech of text: what it takes, and what it refuses."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.errors import ShapeError
from zoo.networks.base import Network
from zoo.spec import SynthesisSpec


class Prediction(NamedTuple):
    """What a network makes of a batch of texts.

    Attributes:
        mel: (B, F, mels) natural logarithm of mel magnitudes. Past an utterance's end the rows are not
            silence but whatever the network makes of padding: cut them off by ``mel_lengths``.
        mel_lengths: (B,) int64, frames that the durations ask for. More than F means that F was too few and
            the end of the speech is missing.
        durations: (B, S) float32, predicted frames of each token before rounding, 0 for padding.
        log_durations: (B, S) float32, log(durations + 1) as predicted, 0 for padding: for the training loss.
    """

    mel: Tensor
    mel_lengths: Tensor
    durations: Tensor
    log_durations: Tensor


class SynthesisNetwork(Network):
    """Log-mel frames from token ids, padded to one length, any number at a time.

    Training and inference are the same call: with ``durations`` the frames are those of the targets. A
    network of this kind has no time that it could be run along: its deployment form is itself in eval mode,
    at a fixed number of tokens and frames.

    Subclasses define ``longest`` and ``predict``.

    Attributes:
        over_frames: patterns (``fnmatch``) of the paths of modules whose outputs run over frames; others run
            over tokens.
        compared_inputs: last names of modules whose first input is worth a comparison too, since no module
            gives it.
    """

    spec: SynthesisSpec
    over_frames: tuple[str, ...] = ()
    compared_inputs: tuple[str, ...] = ()

    @property
    def longest(self) -> int:
        """Tokens and frames at most."""
        raise TypeError(f"{type(self).__name__} must define longest")

    def predict(
        self, ids: Tensor, lengths: Tensor, alpha: Tensor, durations: Tensor | None, frames: int | None
    ) -> Prediction:
        """Compute what ``forward`` promises, of arguments that were checked."""
        raise TypeError(f"{type(self).__name__} must define predict(ids, lengths, alpha, durations, frames)")

    def forward(
        self,
        ids: Tensor,
        lengths: Tensor,
        *,
        alpha: Tensor | float = 1.0,
        durations: Tensor | None = None,
        frames: int | None = None,
    ) -> Prediction:
        """Predict log-mel frames.

        Args:
            ids: (B, S) int64 token ids from 0 to symbols - 1; what lies past an utterance's length is
                ignored.
            lengths: (B,) int64, tokens of each utterance, up to S.
            alpha: how slowly to speak: all durations times this, a number or (B,) float32.
            durations: (B, S) float32, frames of each token to take in place of the predicted ones; where one
                is negative, the predicted one is taken.
            frames: width of the result; by default that of the longest utterance, or of all positions if it
                is longer. What does not fit is cut off, and ``mel_lengths`` tells.

        Raises:
            ShapeError: shapes that do not belong together, or more tokens or frames than the network has
                positions for.
        """
        self._check(ids, lengths, durations)
        if frames is not None and frames > self.longest:
            raise ShapeError(
                f"{self.spec.name}: {frames} frames, and it has positions for {self.longest}; "
                f"pass shorter text"
            )
        slowness = torch.as_tensor(alpha, dtype=torch.float32, device=next(self.parameters()).device)
        return self.predict(ids, lengths, slowness, durations, frames)

    def _check(self, ids: Tensor, lengths: Tensor, durations: Tensor | None) -> None:
        if torch.compiler.is_exporting():
            return  # the shapes are the exporter's own there
        name, batch = self.spec.name, ids.shape[:1]
        if ids.ndim != 2 or lengths.shape != batch:
            raise ShapeError(
                f"{name}: expected ids (B, S) and lengths (B,), got {tuple(ids.shape)} and "
                f"{tuple(lengths.shape)}"
            )
        if durations is not None and durations.shape != ids.shape:
            raise ShapeError(
                f"{name}: expected durations {tuple(ids.shape)}, one a token, got {tuple(durations.shape)}"
            )
        if ids.shape[1] > self.longest:
            raise ShapeError(
                f"{name}: {ids.shape[1]} tokens, and it has positions for {self.longest}; pass shorter text"
            )
        if bool((lengths < 0).any()) or bool((lengths > ids.shape[1]).any()):
            raise ShapeError(
                f"{name}: lengths {lengths.tolist()} for ids of width {ids.shape[1]}; they count each row's "
                f"tokens"
            )
