"""Networks under weight norm can be copied, whatever was done with them before."""

from __future__ import annotations

import copy

import pytest
import torch

import zoo
from zoo.layers.recurrent import TimeGRU


@pytest.mark.parametrize("used", ["moved", "trained"])
def test_a_network_is_converted_after_use(used: str) -> None:
    torch.manual_seed(0)
    model = zoo.create_model("fastenhancer_t")
    x = torch.randn(1, 257, 3, 2)
    if used == "moved":
        model = model.to("cpu")
    else:
        model.train()(x)[0].square().sum().backward()
        model.eval()
    expected = model(x)[0]
    for form in ("spec2spec", "wav2wav"):
        zoo.to_streaming(model, form)
    twin = copy.deepcopy(model)
    assert torch.equal(twin(x)[0], expected)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(1.1)
    assert torch.equal(model(x)[0], expected) and not torch.equal(twin(x)[0], expected)


def test_a_copied_gru_trains_its_own_weights() -> None:
    gru = TimeGRU(3, 4, rows=1)
    twin = copy.deepcopy(gru)
    x = torch.randn(5, 1, 1, 3)
    state = {"hidden": torch.zeros(1, 1, 4)}
    twin(x, state)[0].sum().backward()
    assert all(p.grad is not None for p in twin.parameters())
    assert all(p.grad is None for p in gru.parameters())
    assert all(a is b for a, b in zip(twin._flat_weights, twin.parameters(), strict=True))
