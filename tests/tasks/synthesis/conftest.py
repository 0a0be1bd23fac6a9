"""ONNX Runtime in the place of TensorRT."""

from __future__ import annotations

import pytest

from tests.engines import InPlaceOfEngine


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[InPlaceOfEngine]:
    monkeypatch.setattr("zoo.runtime.tensorrt.Engine", InPlaceOfEngine)
    monkeypatch.setattr(InPlaceOfEngine, "calls", ())
    return InPlaceOfEngine
