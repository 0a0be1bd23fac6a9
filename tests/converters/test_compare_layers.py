"""Layer by layer: every backend on the CPU agrees, and a layer that does not is named first."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.layers import Layer, verify_layers
from converters.subjects.enhancement import Layout, Traceable, traceable
from scripts import verify_layers as script
from tests.converters.networks import Masked, slip
from zoo.arrays import Array
from zoo.runtime.nvidia import find_gpu
from zoo.streaming.conversion import to_streaming
from zoo.tasks.enhancement.spectrum import Transforms

CALLS = 12


@pytest.fixture(scope="module")
def given() -> Traceable:
    torch.manual_seed(0)
    return traceable(to_streaming(Masked().eval(), "spec2spec"), Layout("spec2spec"))


@pytest.fixture(scope="module")
def frames(speech_16k: Array) -> list[tuple[Array]]:
    hops = speech_16k[None, 16000 : 16000 + CALLS * 256]
    past = np.zeros((1, 256), np.float32)
    spectrum = Transforms(Masked().spec.front_end).analyse(hops, past)[0]
    return [(np.ascontiguousarray(spectrum[:, :, i : i + 1]),) for i in range(CALLS)]


def compared(given: Traceable, frames: list[tuple[Array]], against: str, **options: Any) -> list[Layer]:
    return verify_layers(
        given.module,
        frames,
        against,  # type: ignore[arg-type]
        inputs=[spec.name for spec in given.inputs],
        outputs=[spec.name for spec in given.outputs],
        states=len(given.inputs) - 1,
        **options,
    )


@pytest.mark.parametrize("against", ["onnx", "torchscript", "exported"])
def test_every_layer_agrees(given: Traceable, frames: list[tuple[Array]], against: str) -> None:
    layers = compared(given, frames, against)
    names = [layer.name for layer in layers]
    assert {"core.conv", "core.mask", "spec_out", "conv.past.next"} <= set(names)
    assert len(set(names)) == len(names) and all(layer.passed for layer in layers)
    assert all(layer.snr_db > 100 for layer in layers)
    assert names.index("core.conv") < names.index("core.mask") < names.index("spec_out"), "as computed"


def test_the_cause_comes_first(
    given: Traceable, frames: list[tuple[Array]], monkeypatch: pytest.MonkeyPatch
) -> None:
    slip(monkeypatch, "module.core.mask.weight")
    layers = compared(given, frames, "torchscript")
    assert [layer.name for layer in layers[:3]] == ["core.mask", "core", "spec_out"]
    assert 0 <= layers[0].first_call < CALLS and 40 < layers[0].snr_db < 80
    assert all(layer.passed for layer in layers[3:]) and "core.conv" in {x.name for x in layers[3:]}


def test_what_does_not_count_is_not_judged() -> None:
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twice = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            """Rows 4 and on are padding, and undefined: here they are other at every call."""
            noise = torch.rand(6, 1) * (torch.arange(6)[:, None] >= 4)
            return self.twice(x) + noise

    torch.manual_seed(0)
    calls = [(np.random.default_rng(i).standard_normal((6, 3)).astype(np.float32),) for i in range(3)]
    verify = partial(verify_layers, Padded().eval(), calls, "torchscript", inputs=["x"], outputs=["y"])
    assert [layer.name for layer in verify() if not layer.passed] == ["y"]
    assert all(layer.passed for layer in verify(valid=lambda name, value, call: value[:4]))


def test_backends_that_are_none(given: Traceable, frames: list[tuple[Array]]) -> None:
    with pytest.raises(ValueError, match="backend 'keras' is none of onnx, torchscript, exported, engine"):
        compared(given, frames, "keras")


@pytest.mark.skipif(find_gpu() is not None, reason="needs a machine without a GPU")
def test_an_engine_compiles_with_all_its_layers(
    given: Traceable, frames: list[tuple[Array]], tmp_path: Path
) -> None:
    """As far as it can be seen without a GPU: to run it takes one, and is asked for in one sentence."""
    from converters import build_engine
    from zoo.errors import MissingExtraError

    built: list[Any] = []

    def build(onnx: Path, engine: Path) -> None:
        try:
            built.append(build_engine(onnx, engine, flavour="tensorrt_rtx", targets=["8.6"]))
        except MissingExtraError as error:
            pytest.skip(f"needs tensorrt-rtx: {error}")

    with pytest.raises(MissingExtraError, match="needs an NVIDIA GPU and PyTorch with CUDA"):
        compared(given, frames, "engine", build=build)
    assert built[0].layers > 5


def test_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", "fastenhancer_t", "--weights", "speechzoo", "--against", "torchscript"]
    words += ["--calls", "9"]
    assert script.main([*words, "--json", "--plot", str(tmp_path / "layers.png")]) == 0
    layers = json.loads(capsys.readouterr().out)
    assert len(layers) > 40 and all(layer["passed"] for layer in layers)
    assert (tmp_path / "layers.png").stat().st_size > 10_000
    assert script.main([*words, "--snr", "500", "--max-error", "-1"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].split()[0] == "layer" and told[-1].endswith("fail") and " 0 fail" not in told[-1]
    assert script.main([*words[:-2], "--form", "spec2spec", "--offline", "--frames", "5000"]) == 1
    assert "5000 frames are more than the speech" in capsys.readouterr().err
