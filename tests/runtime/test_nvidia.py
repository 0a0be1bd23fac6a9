"""What the NVIDIA card and libraries at hand are, and how it is told that there are none."""

from __future__ import annotations

import pytest

import zoo.runtime.nvidia
from zoo.artifact.engine import Gpu
from zoo.artifact.target import Machine
from zoo.errors import ArtifactError, MissingExtraError
from zoo.runtime.nvidia import find_gpu, load_library, this_machine


def test_what_a_machine_lacks() -> None:
    with pytest.raises(MissingExtraError, match=r"tensorrt_none engines need .*--format onnx runs without"):
        this_machine("tensorrt_none")
    if find_gpu() is None:  # any module will do, since there is no GPU
        with pytest.raises(ArtifactError, match="need an NVIDIA GPU, and no driver tells of one"):
            this_machine("json")


def test_the_bindings_of_tensorrt_for_rtx_are_found_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their wheel brings no module of the flavour's name."""
    bindings = pytest.importorskip("tensorrt_rtx_bindings")
    assert load_library("tensorrt_rtx").__version__ == bindings.__version__
    monkeypatch.setattr(zoo.runtime.nvidia, "find_gpu", lambda: Gpu("NVIDIA L4", "8.9"))
    assert this_machine("tensorrt_rtx") == Machine("NVIDIA L4", "8.9", bindings.__version__)
