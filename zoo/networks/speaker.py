"""The root of every speaker network: what it takes, and what it refuses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import ShapeError
from zoo.networks.base import Network
from zoo.spec import SpeakerSpec


class SpeakerNetwork(Network):
    """Features of a recording to an embedding of its speaker.

    Subclasses define ``embed(x, mask)``.
    """

    spec: SpeakerSpec
    training_head = ("projection.",)

    def embed(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, F, T) and a mask (B, 1, T) or none -> (B, E)"""
        raise TypeError(f"{type(self).__name__} must define embed(x, mask)")

    def add_embedding_layers(self, features: int, embedding: int, *, second_layer: bool) -> None:
        """Make the linear layers behind the pooling, by the names that they have in wespeaker's checkpoints.

        Args:
            features: that are pooled.
            embedding: E.
            second_layer: whether a second layer makes the embedding from the first's.
        """
        self.seg_1 = nn.Linear(features, embedding)
        self.second_layer = second_layer
        if second_layer:
            self.seg_bn_1 = nn.BatchNorm1d(embedding, affine=False)
            self.seg_2 = nn.Linear(embedding, embedding)
            self.folded_pre_norms = (("seg_bn_1", "seg_2"),)

    def embedding_of(self, pooled: Tensor) -> Tensor:
        """(B, features) -> (B, E), by what ``add_embedding_layers`` made."""
        embedding: Tensor = self.seg_1(pooled)
        return self.seg_2(self.seg_bn_1(embedding.relu())) if self.second_layer else embedding

    def forward(self, feats: Tensor, frames: Tensor | None = None) -> Tensor:
        """Embed recordings.

        Args:
            feats: (B, T, F) log filterbank energies, less their mean over the recording.
            frames: (B,) frames of each row where rows are padded; its embedding is then that of the row
                without the padding, whatever stands there. None: all of them.

        Returns:
            (B, E), not normalised.

        Raises:
            ShapeError: another shape, or fewer frames than the network needs.
        """
        self._check(feats, frames)
        x = feats.transpose(1, 2)  # (B, F, T)
        if frames is None:
            return self.embed(x, None)
        own = torch.arange(x.shape[2], device=x.device) < frames.unsqueeze(1)  # (B, T)
        mask = own.to(x.dtype).unsqueeze(1)
        return self.embed(x.masked_fill(~own.unsqueeze(1), 0), mask)

    def _check(self, feats: Tensor, frames: Tensor | None) -> None:
        if torch.compiler.is_exporting():
            return  # a graph's shapes are free; its runtime checks them
        spec = self.spec
        if feats.ndim != 3 or feats.shape[2] != spec.front_end.bins:
            raise ShapeError(
                f"{spec.name}: expected features (B, T, {spec.front_end.bins}), got {tuple(feats.shape)}"
            )
        if frames is None:
            self._check_length(feats.shape[1])
            return
        if frames.shape != feats.shape[:1] or frames.is_floating_point():
            raise ShapeError(
                f"{spec.name}: expected a whole number of frames for each of {feats.shape[0]} rows, got "
                f"{frames.dtype} {tuple(frames.shape)}"
            )
        if len(frames):
            self._check_length(int(frames.min()))
            if int(frames.max()) > feats.shape[1]:
                raise ShapeError(
                    f"{spec.name}: a row of {int(frames.max())} frames does not fit into {feats.shape[1]}"
                )

    def _check_length(self, frames: int) -> None:
        shortage = self.spec.front_end.shortage(frames, self.spec.least_frames)
        if shortage:
            raise ShapeError(f"{self.spec.name}: {shortage}")
