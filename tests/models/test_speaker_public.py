"""Speaker networks against what the public code gives with the same made-up parameters.

The numbers are of wespeaker (dfa7419) and 3D-Speaker (09e7806) in 64 bits, with parameters and features made
here by ``filled`` and ``features``, and narrow first stages where the code lets that be set.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.create import build
from zoo.layers.pooling import StatisticsPooling
from zoo.networks.speaker import SpeakerNetwork
from zoo.registry import get_spec
from zoo.spec import SpeakerSpec
from zoo.streaming.conversion import fold

NARROW = {"channels": 16}
PUBLIC: dict[str, tuple[dict[str, Any], list[list[float]], float]] = {
    # options that differ; first four elements of the embeddings of two rows; the largest magnitude
    "simam_resnet34": (
        NARROW,
        [[1.6778, -2.68066, -5.32546, -2.18721], [2.87235, 0.174322, -8.02745, -2.29103]],
        11.3133,
    ),
    "gemini_dfresnet60": (
        {},
        [[9.59938, 0.870872, -0.422664, -7.0699], [9.25279, 1.17504, -0.827245, -7.20337]],
        19.9711,
    ),
    "eres2net_aug": (
        NARROW,
        [[-24.5813, 22.2799, 48.0294, -2.57901], [-25.1376, 15.9835, 31.3023, -6.33082]],
        57.433,
    ),
    "eres2netv2": (
        NARROW,
        [[18.0815, -17.2951, 23.5268, -4.26652], [24.3876, -13.8087, 21.1441, -2.65669]],
        35.3559,
    ),
    "eres2netv2_w24s4ep4": (
        NARROW,
        [[-1.66179, 26.4488, 9.68378, 14.5932], [-3.2825, 35.162, 5.78874, 12.8527]],
        44.4365,
    ),
}


def filled(params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters that depend on their names and shapes alone."""
    made = {}
    for name, value in params.items():
        random, shape = np.random.RandomState(zlib.crc32(name.encode())), tuple(value.shape)
        x = random.standard_normal(shape)
        if name.endswith("num_batches_tracked"):
            made[name] = value
            continue
        if name.endswith("running_var"):
            x = 0.5 + random.random_sample(shape)
        elif value.ndim > 1:
            x = x * value[0].numel() ** -0.5
        else:
            x = 1 + 0.2 * x if name.endswith("weight") else 0.2 * x
        made[name] = torch.from_numpy(x.astype(np.float32))
    return made


def features() -> Tensor:
    return torch.from_numpy((3 * np.random.RandomState(0).standard_normal((2, 61, 80))).astype(np.float32))


@pytest.mark.parametrize("name", PUBLIC)
@torch.inference_mode()
def test_the_public_code(name: str) -> None:
    """Training form, deployment form, and a row in a batch of longer ones."""
    changes, expected, largest = PUBLIC[name]
    spec = get_spec(name, SpeakerSpec)
    model = build(replace(spec, options={**spec.options, **changes})).eval()
    assert isinstance(model, SpeakerNetwork)
    model.load_state_dict(filled(model.state_dict()))
    model, feats = model.double(), features().double()
    padded = torch.nn.functional.pad(feats, (0, 0, 0, 40), value=5.0)
    folded = fold(model)
    for found in (model(feats), folded(feats), folded(padded, torch.tensor([61, 61]))):
        np.testing.assert_allclose(found[:, :4], expected, atol=1e-5 * largest)
        assert float(found.abs().max()) == pytest.approx(largest, rel=1e-5)


@torch.inference_mode()
def test_the_floor_of_a_variance() -> None:
    """What is added is there, however little, also where an exporter would take it for zero."""
    still = torch.full((1, 3, 20), 0.25)
    for floor in (1e-7, 1e-8):
        mean, deviation = StatisticsPooling(floor)(still).chunk(2, dim=1)
        torch.testing.assert_close(mean, torch.full((1, 3), 0.25))
        torch.testing.assert_close(deviation, torch.full((1, 3), floor**0.5), rtol=1e-6, atol=0)
    x = torch.randn(2, 3, 20, generator=torch.Generator().manual_seed(0))
    pooled = StatisticsPooling(1e-8)(x)[:, 3:]
    torch.testing.assert_close(pooled, (x.var(2) + 1e-8).sqrt(), rtol=1e-6, atol=0)
