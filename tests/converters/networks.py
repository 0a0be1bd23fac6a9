"""Networks for the exporters: one a family, one that is fast to export, one that is fast to compile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import converters.layers
from tests.contract import STREAMING
from zoo import get_spec, to_streaming
from zoo.arrays import Array
from zoo.artifact.manifest import EnhancementManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.layers.conv import CausalConv2d
from zoo.layers.spectrum import complex_product
from zoo.networks.streaming import State, StreamingModule
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import EnhancementSpec, FrontEnd, Tolerance

# the first of each that streams
ONE_A_FAMILY = sorted({get_spec(name).family: name for name in reversed(STREAMING)}.values())
FORMS = ("spec2spec", "wav2wav")
SMALLEST_OF_FAMILIES = sorted(
    min(
        (name for name in STREAMING if get_spec(name).family == family),
        key=lambda name: get_spec(name).parameters,
    )
    for family in {get_spec(name).family for name in STREAMING}
)
SMALLEST = "fastenhancer_t"  # the fastest to export


def same(reference: Array, candidate: Array, snr_db: float = 110, max_error: float = 1e-5) -> ParityReport:
    return compare(
        reference, candidate, tensor="enhanced", tolerance=Tolerance(snr_db, max_error), frame_length=256
    )


def manifest_of(path: Path) -> EnhancementManifest:
    manifest = OnnxGraph(path).manifest
    assert manifest is not None
    return manifest


def changed(training: StreamingModule, form: str, tensor: str, element: bool) -> StreamingModule:
    """A streaming form with one tensor, or its largest element alone, 0.1 % larger."""
    streaming = to_streaming(training, form)
    values = streaming.get_parameter(tensor).data
    if element:
        values.view(-1)[values.abs().argmax()] *= 1.001
    else:
        values *= 1.001
    return streaming


class Masked(StreamingModule):
    """A network small enough to be compiled within a test."""

    def __init__(self) -> None:
        super().__init__()
        front_end = FrontEnd(sample_rate=16000, n_fft=512, hop_length=256)
        self.spec = EnhancementSpec(
            name="masked", family="masked", title="Masked", paper="", url="", licence="MIT",
            front_end=front_end, network="", options={}, parameters=0, macs_per_second=0,
        )  # fmt: skip
        self.conv = CausalConv2d(2, 4, (3, 5), bins=front_end.bins)
        self.mask = nn.Conv2d(4, 2, 1)
        self.name_states()

    def process(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        parts = x.permute(0, 3, 2, 1)
        y, state = self.conv(parts, state)
        mask = self.mask(y.relu()).transpose(1, 2)
        return complex_product(parts.transpose(1, 2), mask).permute(0, 3, 1, 2), state


def slip(monkeypatch: pytest.MonkeyPatch, parameter: str) -> None:
    """Let the backend get another network than PyTorch: one parameter 0.1 % larger."""
    real = converters.layers._open

    def faulty(against: Any, probed: nn.Module, *rest: Any) -> Any:
        values = probed.get_parameter(parameter).data
        kept = values.clone()
        values *= 1.001
        opened = real(against, probed, *rest)
        values.copy_(kept)
        return opened

    monkeypatch.setattr(converters.layers, "_open", faulty)
