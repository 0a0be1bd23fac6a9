"""FastSpeech: speech from text in one pass, by two stacks of transformer blocks and a length regulator.

Y. Ren et al.: FastSpeech: Fast, Robust and Controllable Text to Speech, NeurIPS 2019. Parameter names are
those of NVIDIA's public implementation, whose checkpoints load as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import CheckpointError
from zoo.layers.length import AddPositions, Repeat, length_mask, longest_of, repeat_counts
from zoo.networks.synthesis import Prediction, SynthesisNetwork
from zoo.spec import SynthesisSpec

_MASKED = -65504.0  # a score that no key of the padding overcomes; finite in half precision


class FastSpeech(SynthesisNetwork):
    """The network of the paper. There is nothing in it to fold.

    Args:
        spec: its record.
        symbols: size of the table of tokens, that of padding (0) included: as many as the record has, or
            one more.
        channels: of the sequences.
        phoneme_layers, mel_layers: transformer blocks before and after the length regulator.
        heads: of attention.
        head_channels: of a query, key or value.
        filters, kernel: of the blocks' convolutions.
        duration_filters, duration_kernel: of the duration predictor's.
        mels: bands of a frame.
        longest: tokens and frames at most.
        dropout: while training.

    Raises:
        CheckpointError: a table of another size than the record's.
    """

    over_frames = ("mel_side", "mel_side.*", "mel_linear", "length_regulator", "length_regulator.repeat")
    compared_inputs = ("fc", "layer_norm")  # attention's result, and the sum with the residual

    def __init__(
        self,
        spec: SynthesisSpec,
        *,
        symbols: int,
        channels: int,
        phoneme_layers: int,
        mel_layers: int,
        heads: int,
        head_channels: int,
        filters: int,
        kernel: int,
        duration_filters: int,
        duration_kernel: int,
        mels: int,
        longest: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if not 0 <= symbols - len(spec.symbols) <= 1:  # the public table has a row that nothing uses
            raise CheckpointError(
                f"{spec.name} has {len(spec.symbols)} symbols, these parameters are for {symbols}; take the "
                f"model whose text they learned, see zoo.list_models('synthesis')"
            )
        self.spec = spec

        def block() -> Block:
            return Block(channels, heads, head_channels, filters, kernel, dropout)

        self.word_emb = nn.Embedding(symbols, channels, padding_idx=0)
        self.phoneme_side = Side(channels, longest, [block() for _ in range(phoneme_layers)])
        self.length_regulator = LengthRegulator(channels, duration_filters, duration_kernel, dropout)
        self.mel_side = Side(channels, longest, [block() for _ in range(mel_layers)])
        self.mel_linear = nn.Linear(channels, mels)

    @property
    def longest(self) -> int:
        """Tokens and frames at most."""
        return self.phoneme_side.position.longest

    def predict(
        self, ids: Tensor, lengths: Tensor, alpha: Tensor, durations: Tensor | None, frames: int | None
    ) -> Prediction:
        """See ``SynthesisNetwork``; past an utterance's end the rows are the last layer's bias."""
        mask = length_mask(lengths, ids.shape[1])
        x = self.phoneme_side(self.word_emb(ids), mask)
        log_durations, predicted = self.length_regulator.predict(x, mask)
        wanted = predicted if durations is None else torch.where(durations < 0, predicted, durations) * mask
        repeats = repeat_counts(wanted, alpha)
        mel_lengths = repeats.sum(1).long()
        if frames is None:
            frames = longest_of(mel_lengths, self.longest)
        x = self.length_regulator(x, repeats, frames)
        x = self.mel_side(x, length_mask(mel_lengths, frames))
        return Prediction(self.mel_linear(x), mel_lengths, predicted, log_durations)


class Side(nn.Module):
    """Transformer blocks over a sequence with position codes: of tokens, or of frames."""

    def __init__(self, channels: int, longest: int, blocks: list[Block]) -> None:
        super().__init__()
        self.position = AddPositions(channels, longest)
        self.layer_stack = nn.ModuleList(blocks)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) and mask (B, T) -> (B, T, C), zeros in the padding"""
        x = self.position(x, mask)
        for block in self.layer_stack:
            x = block(x, mask)
        return x


class Block(nn.Module):
    """Self-attention, then two convolutions; after each a residual, a layer norm, zeros in the padding."""

    def __init__(
        self, channels: int, heads: int, head_channels: int, filters: int, kernel: int, dropout: float
    ) -> None:
        super().__init__()
        self.slf_attn = SelfAttention(channels, heads, head_channels, dropout)
        self.pos_ffn = Convolutions(channels, filters, kernel, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) and mask (B, T) -> (B, T, C)"""
        own = mask.unsqueeze(2)
        x = self.slf_attn(x, mask) * own
        return self.pos_ffn(x) * own


class SelfAttention(nn.Module):
    """Multi-head self-attention with its residual and layer norm.

    The rows of ``linear`` are grouped by head: query, key and value of the first, then of the next.
    """

    def __init__(self, channels: int, heads: int, head_channels: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.scale = heads, head_channels**-0.5
        self.linear = nn.Linear(channels, 3 * heads * head_channels)
        self.fc = nn.Linear(heads * head_channels, channels)
        self.layer_norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) and mask (B, T) -> (B, T, C)"""
        heads = self.linear(x).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, H, T, 3 x D)
        query, key, value = heads.chunk(3, dim=3)
        scores = (query * self.scale) @ key.transpose(2, 3)  # (B, H, T, T)
        scores = scores.masked_fill(~mask[:, None, None, :], _MASKED)
        y = self.dropout(scores.softmax(3)) @ value
        y = self.fc(y.transpose(1, 2).flatten(2))
        return self.layer_norm(self.dropout(y) + x)


class Convolutions(nn.Module):
    """Two convolutions over time with their residual and layer norm. They see what lies past the end."""

    def __init__(self, channels: int, filters: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.w_1 = nn.Conv1d(channels, filters, kernel, padding=kernel // 2)
        self.w_2 = nn.Conv1d(filters, channels, kernel, padding=kernel // 2)
        self.layer_norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)"""
        y = self.w_2(self.w_1(x.transpose(1, 2)).relu()).transpose(1, 2)
        return self.layer_norm(self.dropout(y) + x)


class LengthRegulator(nn.Module):
    """Gives each token its frames, as many as a predictor says or as it is told."""

    def __init__(self, channels: int, filters: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.duration_predictor = DurationPredictor(channels, filters, kernel, dropout)
        self.repeat = Repeat()

    def predict(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, C) and mask (B, S) -> log(durations + 1) and durations in frames, (B, S) float32"""
        log_durations = self.duration_predictor(x) * mask
        return log_durations, (log_durations.exp() - 1).clamp_min(0)

    def forward(self, x: Tensor, repeats: Tensor, frames: int) -> Tensor:
        """(B, S, C) and counts (B, S) -> (B, frames, C)"""
        return self.repeat(x, repeats, frames)


class DurationPredictor(nn.Module):
    """Two convolutions over the tokens, each with ReLU and layer norm, and a linear layer."""

    def __init__(self, channels: int, filters: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.conv1d_1 = nn.Conv1d(channels, filters, kernel, padding=kernel // 2)
        self.layer_norm_1 = nn.LayerNorm(filters)
        self.conv1d_2 = nn.Conv1d(filters, filters, kernel, padding=kernel // 2)
        self.layer_norm_2 = nn.LayerNorm(filters)
        self.linear_layer = nn.Linear(filters, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, C) -> (B, S) log(durations + 1)"""
        x = self.conv1d_1(x.transpose(1, 2)).relu().transpose(1, 2)
        x = self.dropout(self.layer_norm_1(x))
        x = self.conv1d_2(x.transpose(1, 2)).relu().transpose(1, 2)
        x = self.dropout(self.layer_norm_2(x))
        return self.linear_layer(x).squeeze(2)
