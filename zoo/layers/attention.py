"""Self-attention over frequency and over the past, with their streaming twins."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.streaming import State, Stateful

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
        kinds = ("query", "key", "value")
        return {
            f"{kind}.{name.removeprefix('qkv.')}": rows
            for name, value in own.items()
            for kind, rows in zip(kinds, rows_by_kind(value, self.heads).chunk(3), strict=True)
        }


class GroupedSelfAttention(nn.Module):
    """Twin of ``SelfAttention``; in an ONNX file one operator behind three linear layers, if it may be.

    Attributes:
        fused: whether an ONNX file gets that operator.
    """

    onnx_opset = 23  # the first with ``Attention``

    def __init__(self, channels: int, heads: int, *, bias: bool) -> None:
        super().__init__()
        self.heads, self.fused = heads, True
        self.query, self.key, self.value = (nn.Linear(channels, channels, bias=bias) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) -> (B, L, C)"""
        kinds = self.query(x), self.key(x), self.value(x)
        if self.fused and torch.onnx.is_in_onnx_export():
            return torch.onnx.ops.attention(
                *kinds, scale=1.0, q_num_heads=self.heads, kv_num_heads=self.heads
            )[0]
        query, key, value = (kind.unflatten(-1, (self.heads, -1)).transpose(1, 2) for kind in kinds)
        y = (query @ key.transpose(2, 3)).softmax(-1) @ value  # (B, H, L, C / H)
        return y.transpose(1, 2).flatten(2)


class AttentionWindow(nn.Module, Stateful):
    """Which frames ``CausalAttention`` may see, and what their distance adds to their scores.

    A frame sees itself and ``past`` frames before it, but none from before the stream began. All layers of
    a network share one window. No parameters.

    Args:
        past: frames before the present one.
    """

    def __init__(self, past: int) -> None:
        super().__init__()
        self.past = past

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"seen": (self.past,)}  # 1 where there was a frame, the last one last

    def forward(self, distances: Tensor, frames: int, state: State) -> tuple[Tensor, State]:
        """The bias of the scores, minus infinity for what is not seen.

        Args:
            distances: (H, past + 1), what is added for each distance, the farthest first.
            frames: T

        Returns:
            (B, 1, H, T, past + T), or in pieces (B, 1, H, N, past, 2 x past); see ``in_pieces``.
        """
        name = self.state_name("seen")
        seen = torch.cat([state[name], state[name].new_ones(state[name].shape[0], frames)], dim=1)
        state = {**state, name: seen[:, -self.past :]}
        exists = seen.log()[:, None, None]  # (B, 1, 1, past + T), 0 or minus infinity
        if not in_pieces(frames, self.past):
            return banded(distances, frames) + exists.unsqueeze(3), state
        exists = exists[..., piece_indices(frames, self.past, 2, seen.device)].unsqueeze(4)
        return banded(distances, self.past).unsqueeze(1) + exists, state


class CausalAttention(nn.Module, Stateful):
    """Multi-head self-attention over time without output projection, shared by all rows (frequencies).

    Parameters ``qkv.*`` as in ``SelfAttention``. The twin groups them by kind and has the scale in the
    query's rows.

    Args:
        channels: in and out.
        heads: number of heads.
        rows: how many sequences a stream has.
        past: frames before the present one that are remembered.
    """

    def __init__(self, channels: int, heads: int, *, rows: int, past: int) -> None:
        super().__init__()
        self.channels, self.heads, self.rows, self.past = channels, heads, rows, past
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        shape = (self.rows, self.heads, self.past, self.channels // self.heads)
        return {"key": shape, "value": shape}

    def forward(self, x: Tensor, bias: Tensor, state: State) -> tuple[Tensor, State]:
        """(T, B, R, C) -> (T, B, R, C), with the bias of an ``AttentionWindow``."""
        frames = x.shape[0]
        query, key, value = self.project(x)  # (B, R, H, T, C / H)
        names = self.state_name("key"), self.state_name("value")
        key = torch.cat([state[names[0]], key], dim=3)  # (B, R, H, past + T, C / H)
        value = torch.cat([state[names[1]], value], dim=3)
        after = {names[0]: key[:, :, :, -self.past :], names[1]: value[:, :, :, -self.past :]}
        if in_pieces(frames, self.past):
            query = query[:, :, :, piece_indices(frames, self.past, 1, x.device)]  # (B, R, H, N, past, C / H)
            pairs = piece_indices(frames, self.past, 2, x.device)
            key, value = key[:, :, :, pairs], value[:, :, :, pairs]
            y = attend(query, key, value, bias).flatten(3, 4)
            y = y.index_select(3, torch.arange(frames, device=x.device))  # a slice would bound a free length
        else:
            y = attend(query, key, value, bias)
        return y.permute(3, 0, 1, 2, 4).reshape(x.shape), {**state, **after}

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(T, B, R, C) -> scaled query, key and value, each (B, R, H, T, C / H)"""
        qkv = self.qkv(x).unflatten(-1, (self.heads, -1)).permute(1, 2, 3, 0, 4)  # (B, R, H, T, 3 x C / H)
        query, key, value = qkv.chunk(3, dim=-1)
        return query * (self.channels // self.heads) ** -0.5, key, value

    def streaming_twin(self) -> GroupedCausalAttention:
        return GroupedCausalAttention(self.channels, self.heads, rows=self.rows, past=self.past)

    def streaming_parameters(self, own: Params) -> Params:
        return {name: rows_by_kind(value, self.heads) for name, value in own.items()}


class GroupedCausalAttention(CausalAttention):
    """Twin of ``CausalAttention``."""

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(T, B, R, C) -> scaled query, key and value, each (B, R, H, T, C / H)"""
        qkv = self.qkv(x).unflatten(-1, (3 * self.heads, -1)).permute(1, 2, 3, 0, 4)
        query, key, value = qkv.chunk(3, dim=2)
        return query, key, value


def rows_by_kind(rows: Tensor, heads: int) -> Tensor:
    """(3 x C, ...) grouped by head -> grouped by kind, the query scaled by (C / H)^(-1/2)."""
    kinds = rows.unflatten(0, (heads, 3, -1)).transpose(0, 1).clone()
    kinds[0] *= kinds.shape[2] ** -0.5
    return kinds.flatten(0, 2)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Softmax of scores and bias, times values: (..., T, C), (..., S, C), (..., S, C) -> (..., T, C)"""
    return (query @ key.transpose(-2, -1) + bias).softmax(-1) @ value


def in_pieces(frames: int, past: int) -> bool:
    """Whether attention over a window is computed in pieces of ``past`` frames.

    Every piece looks at itself and the one before it, so that long recordings take no more memory than
    their length asks for. The free length of an offline graph is no ``int``, and goes in pieces too.
    """
    return not isinstance(frames, int) or frames > past


def piece_indices(frames: int, past: int, pieces: int, device: torch.device) -> Tensor:
    """Indices of the frames of every piece, or of that piece and the next: (N, pieces x past).

    Beyond the last of frames that are ``past`` more for every piece more, the last one is repeated.
    """
    count = (frames - 1) // past + 2  # one to spare: exporters need to know that there are two
    starts = torch.arange(count, device=device).unsqueeze(1) * past
    indices = starts + torch.arange(pieces * past, device=device)
    return indices.clamp(max=frames + (pieces - 1) * past - 1)


def banded(distances: Tensor, count: int) -> Tensor:
    """(H, P + 1) -> (H, count, P + count): row t begins at column t; minus infinity elsewhere."""
    rows = distances.unsqueeze(1).expand(-1, count, -1)
    rows = functional.pad(rows, (0, count), value=-torch.inf)  # (H, count, P + count + 1)
    return rows.flatten(1)[:, :-count].unflatten(1, (count, -1))
