"""Engines without a GPU: which one of several is chosen, and every way in which one is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import zoo
from tests.engines import RECORD, RTX
from zoo.artifact.engine import record_path
from zoo.errors import ArtifactError, MissingExtraError
from zoo.files import sha256_of
from zoo.runtime.buckets import choose_bucket, fits
from zoo.runtime.nvidia import find_gpu

SMALL = {"x": ((1, 1, 80), (1, 100, 80), (8, 200, 80))}
LARGE = {"x": ((1, 1, 80), (8, 500, 80), (64, 1000, 80))}
LONG = {"x": ((1, 200, 80), (1, 2000, 80), (1, 3000, 80))}


@pytest.mark.parametrize(
    ("shape", "chosen"),
    [
        ((1, 1, 80), 1),
        ((8, 200, 80), 1),
        ((9, 200, 80), 0),
        ((1, 201, 80), 2),
        ((2, 201, 80), 0),
        ((1, 3000, 80), 2),
    ],
)
def test_the_smallest_that_fits(shape: tuple[int, ...], chosen: int) -> None:
    assert choose_bucket([LARGE, SMALL, LONG], {"x": shape, "fixed": (3,)}) == chosen


@pytest.mark.parametrize("shape", [(1, 3001, 80), (65, 10, 80), (1, 10, 81), (10, 80), (0, 1, 80)])
def test_overflow(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArtifactError, match=r"no engine takes x \(.*\); they take x \(1, 1, 80\) to \(64"):
        choose_bucket([LARGE, SMALL, LONG], {"x": shape})
    assert not fits(SMALL, {"x": shape})


@pytest.mark.skipif(find_gpu() is not None, reason="needs a machine without a GPU")
@pytest.mark.parametrize("record", [RECORD, RTX])
def test_an_engine_where_there_is_no_gpu(tmp_path: Path, record: object) -> None:
    """One clear sentence, whichever part is missing."""
    engine = tmp_path / "gtcrn.engine"
    engine.write_bytes(b"plan")
    record_path(engine).write_text(replace(record, engine_sha256=sha256_of(engine)).to_json())  # type: ignore[type-var]
    with pytest.raises(
        MissingExtraError, match=r"is not installed |needs an NVIDIA GPU and PyTorch with CUDA"
    ):
        zoo.verify(engine)
    with pytest.raises(MissingExtraError):
        zoo.Enhancer(engine)
    engine.write_bytes(b"plam")
    with pytest.raises(ArtifactError, match="it is damaged, or not the engine"):
        zoo.Enhancer(engine)


def test_providers_that_are_not_there() -> None:
    """ONNX Runtime would fall back to the CPU without a word."""
    import onnxruntime

    assert zoo.Enhancer(providers=["cpu"]).backend == "onnxruntime"
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("needs ONNX Runtime without CUDA")
    for name in ("cuda", "CUDAExecutionProvider", "quantum"):
        with pytest.raises(ArtifactError, match=rf"provider '{name}': this ONNX Runtime .* has .*-gpu"):
            zoo.Enhancer(providers=[name, "cpu"])
    with pytest.raises(ArtifactError, match="runs in PyTorch with these weights; providers are"):
        zoo.Enhancer("dpcrn", weights="x.pt", providers=["cuda"])


def test_a_provider_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the GPU build of ONNX Runtime does on a machine without a GPU: it lists CUDA, and uses the CPU."""
    import onnxruntime

    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    session, wanted = onnxruntime.InferenceSession, []

    def fall_back(path: str, options: object, providers: list[object]) -> object:
        wanted.extend(providers)
        return session(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", fall_back)
    with pytest.raises(ArtifactError, match=r"cannot start CUDAExecutionProvider and would compute"):
        zoo.Enhancer(providers=["cuda", "cpu"])
    assert wanted == [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"]
