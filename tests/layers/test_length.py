"""The length regulator and position codes: against public outputs, and against plain repetition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.layers.length import AddPositions, Repeat, length_mask, position_code, repeat_counts


def test_public_cases(shared: Path) -> None:
    """Forty cases with halves and zeros, at their own width, wider and cropped: bit for bit."""
    cases = np.load(shared / "oracles/fastspeech/length_regulator.npz")
    assert int(cases["n"]) == 40
    for i in range(40):
        x, durations, alpha = (torch.from_numpy(cases[f"{i}/{name}"]) for name in ("x", "dur", "alpha"))
        repeats = repeat_counts(durations, alpha)
        for suffix in ("", "_fixed"):
            expected, positions = cases[f"{i}/y{suffix}"], cases[f"{i}/pos{suffix}"]
            y = Repeat()(x, repeats, expected.shape[1])
            np.testing.assert_array_equal(y.numpy(), expected)
            mask = length_mask(repeats.sum(1).long(), expected.shape[1])
            np.testing.assert_array_equal(mask.numpy(), positions > 0)


def test_the_public_plugins_vector(shared: Path) -> None:
    vector = json.loads((shared / "oracles/fastspeech/repeat_plugin_vector.json").read_text())
    x, repeats = torch.tensor(vector["input"]).float(), torch.tensor(vector["repeats"]).float()
    y = Repeat()(x, repeats, vector["max_output_length"])
    assert y.tolist() == vector["expected"]


def test_ten_thousand_random_durations() -> None:
    """None differs from numpy's rounding and repetition; zeros, halves, cropping and alpha included."""
    random = np.random.default_rng(7)
    halves = 0
    for _ in range(100):
        tokens, width = int(random.integers(1, 40)), int(random.integers(1, 300))
        shape = (100, tokens)
        kinds = (
            random.integers(0, 20, shape) / 2,
            random.exponential(6, shape),
            np.zeros(shape),
            random.integers(0, 12, shape),
        )
        durations = np.choose(random.integers(0, 4, shape), kinds).astype(np.float32)
        alpha = random.choice([0.5, 0.7, 1.0, 1.25, 1.5], 100).astype(np.float32)
        x = random.standard_normal((*shape, 3)).astype(np.float32)
        repeats = repeat_counts(torch.from_numpy(durations), torch.from_numpy(alpha))
        y = Repeat()(torch.from_numpy(x), repeats, width).numpy()
        exact = durations * alpha[:, None]
        halves += int((exact % 1 == 0.5).sum())
        for row in range(100):
            expected = np.repeat(x[row], np.rint(exact[row]).astype(int), axis=0)[:width]
            np.testing.assert_array_equal(y[row, : len(expected)], expected)
            assert not y[row, len(expected) :].any()
    assert halves > 10_000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_repeating_keeps_values_exact(dtype: torch.dtype) -> None:
    x = torch.randn(1, 128, 5).to(dtype)
    repeats = torch.full((1, 128), 8.0)
    y = Repeat()(x, repeats, 1024)
    assert y.dtype == dtype and torch.equal(y, x.repeat_interleave(8, 1))


def test_a_token_that_is_not_finite_stays_where_it_is() -> None:
    x = torch.tensor([[[1.0], [torch.nan], [3.0]]])
    y = Repeat()(x, torch.tensor([[2.0, 0.0, 1.0]]), 6)
    assert y.flatten().tolist() == [1, 1, 3, 0, 0, 0]


def test_gradients_are_those_of_repetition() -> None:
    x = torch.randn(1, 3, 2, requires_grad=True)
    repeats = torch.tensor([[2.0, 0.0, 3.0]])
    Repeat()(x, repeats, 7).sum().backward()
    assert torch.equal(x.grad, repeats.unsqueeze(2).expand(1, 3, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_position_codes(dtype: torch.dtype) -> None:
    """The formula, element by element; nothing is added to padding."""
    layer, x = AddPositions(6, 9), torch.randn(2, 5, 6).to(dtype)
    y = layer(x, length_mask(torch.tensor([5, 2]), 5))
    assert y.dtype == dtype
    for position in range(1, 6):
        for i in range(6):
            angle = position / 10000 ** (2 * (i // 2) / 6)
            code = np.sin(angle) if i % 2 == 0 else np.cos(angle)
            assert y[0, position - 1, i].item() == pytest.approx(
                x[0, position - 1, i].item() + code, abs=1e-6 if dtype == torch.float32 else 4e-3
            )
    assert torch.equal(y[1, 2:], x[1, 2:]) and not torch.equal(y[1, :2], x[1, :2])
    assert not position_code(6, 9)[0].any()
