"""The training form of what is exported."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from zoo import create_model
from zoo.networks.streaming import StreamingModule

WeightsFor = Callable[[str], Path]


@pytest.fixture(scope="session")
def network(weights_for: WeightsFor) -> Callable[[str], StreamingModule]:
    """``network(name)``: the training form of what ``exported`` exports."""
    return cache(lambda name: create_model(name, weights_for(name)))
