"""Attention over time against its definition."""

from __future__ import annotations

import pytest
import torch

from tests.layers.hosts import OverTime


@pytest.mark.parametrize("frames", [1, 4, 5, 23])
def test_attention_over_time(frames: int) -> None:
    """Against its definition: each frame sees itself and so many before it, and none before the first."""
    torch.manual_seed(0)
    heads, past, layer = 2, 4, OverTime(6, 2, rows=3, past=4)
    x = torch.randn(frames, 2, 3, 6)
    state = {
        "seen": torch.zeros(2, past),
        **{name: torch.zeros(2, 3, heads, past, 3) for name in ("key", "value")},
    }
    with torch.no_grad():
        y, _ = layer(x, state)
        query, key, value = layer.attention.qkv(x).unflatten(-1, (heads, 3, 3)).unbind(-2)
        for t in range(frames):
            first = max(0, t - past)
            scores = torch.einsum("brhc,sbrhc->brhs", query[t], key[first : t + 1]) / 3**0.5
            scores += layer.distances[:, first - t - 1 :]
            expected = torch.einsum("brhs,sbrhc->brhc", scores.softmax(-1), value[first : t + 1])
            torch.testing.assert_close(y[t], expected.flatten(2))
