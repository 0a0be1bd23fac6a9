"""Layers between sequences of two lengths: masks, position codes, and the length regulator.

Everything is in operators that ONNX and TensorRT have natively: no loop, no scatter, and where a width is
given no shape that depends on data.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


def length_mask(lengths: Tensor, width: int) -> Tensor:
    """Which elements of padded sequences are theirs.

    Args:
        lengths: (B,) integers.
        width: of the padded sequences.

    Returns:
        (B, width) bool.
    """
    return torch.arange(width, device=lengths.device) < lengths.unsqueeze(1)


def longest_of(lengths: Tensor, most: int) -> int:
    """The longest of sequences, from 1 to ``most``: a number that exporters follow, though data decides it.

    Args:
        lengths: (B,) integers.
        most: what is given where one is longer.
    """
    longest = cast(int, lengths.max().clamp(1, most).item())  # int() would ask for a number while exporting
    torch._check(longest >= 1)
    torch._check(longest <= most)
    return longest


class AddPositions(nn.Module):
    """Adds a position code to every element of a padded sequence, and nothing to its padding.

    Sine on even and cosine on odd dimensions of p / 10000^(2 floor(i / 2) / channels), for positions p from
    1. The table is fixed, yet saved with the weights, as the public checkpoints do; its row 0 is zeros, for
    padding.

    Args:
        channels: of a sequence.
        longest: positions in the table.
    """

    def __init__(self, channels: int, longest: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(position_code(channels, longest), requires_grad=False)

    @property
    def longest(self) -> int:
        """The longest sequence that the table reaches."""
        return self.weight.shape[0] - 1

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) and mask (B, T) -> (B, T, C), float32 or half precision"""
        return add_code(x, self.weight[1 : x.shape[1] + 1].to(x.dtype), mask)


def add_code(x: Tensor, code: Tensor, mask: Tensor) -> Tensor:
    """(B, T, C), a code (T, C) of the same type and mask (B, T) -> (B, T, C): nothing is added to padding"""
    return x + torch.where(mask.unsqueeze(2), code, torch.zeros_like(code[:1]))


def position_code(channels: int, longest: int) -> Tensor:
    """(longest + 1, channels) float32: the codes of positions 0 (zeros) to ``longest``."""
    exponent = 2 * (torch.arange(channels, dtype=torch.float64) // 2) / channels
    angle = torch.arange(longest + 1, dtype=torch.float64).unsqueeze(1) / 10000**exponent
    code = torch.where(torch.arange(channels) % 2 == 0, angle.sin(), angle.cos())
    code[0] = 0
    return code.float()


class Repeat(nn.Module):
    """The length regulator: every element as often as its count says, zeros behind the last.

    Element i of the output is the one at which the running sum of counts passes i, so its index is the number
    of sums up to i: compare and count, then gather. An index past the last element finds a row of zeros. The
    gather keeps values exact in any precision.

    The running sum is a product with a triangular matrix of ones, in float32, since compilers turn a
    cumulative sum into a loop. It is exact: counts up to 2048 have no more digits than TensorFloat-32 keeps,
    and the sums are whole numbers far below 2^24.
    """

    def forward(self, x: Tensor, repeats: Tensor, width: int) -> Tensor:
        """Repeat elements.

        Args:
            x: (B, T, C).
            repeats: (B, T) float32, whole numbers from 0.
            width: of the output; what does not fit is cut off.

        Returns:
            (B, width, C) of ``x``'s type.
        """
        tokens = x.shape[1]
        before = torch.ones(tokens, tokens, dtype=torch.float32, device=x.device).triu()
        ends = repeats.float() @ before  # (B, T): where each element's run ends
        frames = torch.arange(width, dtype=torch.float32, device=x.device)
        index = (ends.unsqueeze(1) <= frames.unsqueeze(1)).sum(2)  # (B, width), T past the end
        rows = torch.cat([x, torch.zeros_like(x[:, :1])], dim=1).flatten(0, 1)  # (B x (T + 1), C)
        first = torch.arange(x.shape[0], device=x.device).unsqueeze(1) * (tokens + 1)
        return functional.embedding(index + first, rows)  # which becomes a plain Gather


def repeat_counts(durations: Tensor, alpha: Tensor) -> Tensor:
    """How many frames each duration gets: rounded, halves to the even number.

    Args:
        durations: (B, T) float32 in frames, from 0.
        alpha: (B,) or a scalar: how much slower than the durations say.

    Returns:
        (B, T) float32, whole numbers.
    """
    return (durations * alpha.reshape(-1, 1)).round()
