"""Self-attention, with its streaming twin."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

Params = dict[str, Tensor]


class SelfAttention(nn.Module):
    """Multi-head self-attention without output projection.

    Parameters ``qkv.*``, whose rows are grouped by head: query, key and value of the first head, then
    of the next. The twin groups them by kind and has the scale in the query's rows.

    Args:
        channels: in and out.
        heads: number of heads.
        bias: whether the projection has one.
    """

    def __init__(self, channels: int, heads: int, *, bias: bool = False) -> None:
        super().__init__()
        self.channels, self.heads = channels, heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) -> (B, L, C)"""
        qkv = self.qkv(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, L, 3 x C / H)
        query, key, value = qkv.chunk(3, dim=-1)
        return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)

    def streaming_twin(self) -> GroupedSelfAttention:
        return GroupedSelfAttention(self.channels, self.heads, bias=self.qkv.bias is not None)

    def streaming_parameters(self, own: Params) -> Params:
        return {name: self._by_kind(value) for name, value in own.items()}

    def _by_kind(self, rows: Tensor) -> Tensor:
        """(3 x C, ...) grouped by head -> grouped by kind, the query scaled by (C / H)^(-1/2)."""
        kinds = rows.unflatten(0, (self.heads, 3, -1)).transpose(0, 1).clone()
        kinds[0] *= (self.channels // self.heads) ** -0.5
        return kinds.flatten(0, 2)


class GroupedSelfAttention(nn.Module):
    """Twin of ``SelfAttention``: few operators, each of which ONNX has."""

    def __init__(self, channels: int, heads: int, *, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) -> (B, L, C)"""
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # (B, L, 3, H, C / H)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (B, H, L, C / H)
        y = (query @ key.transpose(2, 3)).softmax(-1) @ value
        return y.transpose(1, 2).reshape(x.shape)
