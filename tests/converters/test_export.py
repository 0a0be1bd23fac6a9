"""The gate of every exporter: one weight that is off is told, and no file is left."""

from __future__ import annotations

import copy
import os
import re
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from converters import export_onnx
from converters.subjects.enhancement import Reference
from converters.targets import tracing
from tests.converters.networks import SMALLEST, changed, manifest_of
from zoo import to_streaming
from zoo.errors import ArtifactError, ParityError
from zoo.networks.streaming import StreamingModule
from zoo.spec import Tolerance

Exported = Callable[..., Path]
MESSAGE = re.compile(
    r"(?P<tensor>\S.*): SNR (?P<snr>[\d.]+) dB, largest difference (?P<error>\S+) of the peak at frame "
    r"(?P<frame>\d+); allowed are SNR >= 110 dB and 1\.0e-05; would pass with "
    r"Tolerance\(snr_db=(?P<snr_db>\d+), max_error=(?P<max_error>\S+)\)"
)


@pytest.mark.parametrize(
    ("name", "form", "tensor", "element"),
    [
        ("gtcrn", "spec2spec", "encoder.en_convs.2.depth_conv.weight", False),
        ("gtcrn", "wav2wav", "core.dpgrnn1.intra_fc.weight", True),
        ("dpcrn", "wav2wav", "core.encoder.conv_list.4.weight", False),
        ("fastenhancer_48k_t", "wav2wav", "core.rf_block.1.attn.value.weight", False),
        ("fastenhancer_48k_t", "spec2spec", "rf_block.0.rnn.weight_ih_l0", True),
        ("lisennet", "wav2wav", "core.blocks.0.conv_glu.fc1.weight", False),
        ("lisennet", "spec2spec", "encoder.conv_2.low_conv.weight", True),
    ],
)
def test_one_weight_changed_by_a_thousandth_fails(
    network: Callable[[str], StreamingModule],
    shared: Path,  # with random weights these networks hardly use what they compute
    tmp_path: Path,
    name: str,
    form: str,
    tensor: str,
    element: bool,
) -> None:
    streaming = changed(network(name), form, tensor, element)
    with pytest.raises(ParityError) as caught:
        export_onnx(streaming, tmp_path / "model.onnx", form)
    told = MESSAGE.fullmatch(str(caught.value))
    assert told and told["tensor"] == "waveform of the streaming form", str(caught.value)
    assert float(told["snr"]) < 110 or float(told["error"]) > 1e-5
    reference = Reference(network(name))
    assert 0 <= int(told["frame"]) <= reference.noisy.shape[1] // reference.spec.front_end.hop_length
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "every"), [("gtcrn", 8), ("fastenhancer_48k_t", 4)])
def test_every_weight_counts(
    network: Callable[[str], StreamingModule], shared: Path, name: str, every: int
) -> None:
    """0.1 % of nearly any tensor is told; only a slope or two weigh less than rounding."""
    training = network(name)
    reference = Reference(training)
    streaming = to_streaming(training, "wav2wav")
    reference.check_converted(streaming)
    tensors = [(tensor, values) for tensor, values in streaming.named_parameters()][::every]
    assert len(tensors) > 8
    missed = []
    for tensor, values in tensors:
        kept = values.data.clone()
        values.data *= 1.001
        try:
            reference.check_converted(streaming)
            missed.append((tensor, tuple(values.shape)))
        except ParityError:
            pass
        values.data.copy_(kept)
    assert [m for m in missed if m[1] != (1,)] == [] and len(missed) <= 1
    reference.check_converted(streaming)


def test_the_tolerance_that_is_told_would_pass(
    network: Callable[[str], StreamingModule], shared: Path, tmp_path: Path
) -> None:
    training, tensor = copy.deepcopy(network("fastenhancer_48k_t")), "core.enc_pre.0.weight"
    with pytest.raises(ParityError) as caught:
        export_onnx(changed(training, "wav2wav", tensor, True), tmp_path / "model.onnx", "wav2wav")
    told = MESSAGE.fullmatch(str(caught.value))
    assert told
    tolerance = Tolerance(float(told["snr_db"]), float(told["max_error"]))
    training.spec = replace(training.spec, tolerance=tolerance)
    report = export_onnx(changed(training, "wav2wav", tensor, True), tmp_path / "model.onnx", "wav2wav")
    assert report.tolerance == tolerance and report.snr_db < 110
    assert manifest_of(tmp_path / "model.onnx").tolerance == tolerance


@pytest.mark.parametrize(
    ("options", "tensor"),
    [({}, "wav_out"), ({"streaming": False}, "waveform of the wav2wav graph")],
    ids=["streaming", "offline"],
)
def test_one_weight_of_the_graph_changed_by_a_thousandth_fails(
    network: Callable[[str], StreamingModule],
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, bool],
    tensor: str,
) -> None:
    """The tracer's slip rather than the conversion's: the graph alone differs from the network."""
    trace, scaled = tracing.trace, []

    def faulty(*arguments: object) -> onnx.ModelProto:
        proto = trace(*arguments)
        for initializer in proto.graph.initializer:
            if initializer.name.endswith("rf_block.0.rnn_fc.weight") or tuple(initializer.dims) == (
                24,
                24,
                3,
            ):
                values = onnx.numpy_helper.to_array(initializer) * np.float32(1.001)
                initializer.CopyFrom(onnx.numpy_helper.from_array(values, initializer.name))
                scaled.append(initializer.name)
                break
        return proto

    monkeypatch.setattr(tracing, "trace", faulty)
    (tmp_path / "model.onnx").write_bytes(b"an earlier export")
    with pytest.raises(ParityError) as caught:
        export_onnx(network("fastenhancer_48k_t"), tmp_path / "model.onnx", "wav2wav", **options)
    assert len(scaled) == 1
    told = MESSAGE.fullmatch(str(caught.value))
    assert told and told["tensor"] == tensor, str(caught.value)
    assert os.listdir(tmp_path) == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"an earlier export"


def test_nowhere_to_write(network: Callable[[str], StreamingModule], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ArtifactError, match=r"file/model\.onnx: it cannot be written"):
        export_onnx(network(SMALLEST), tmp_path / "file" / "model.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ArtifactError, match=r"folder\.onnx: it cannot be written"):
        export_onnx(network(SMALLEST), tmp_path / "folder.onnx")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    if os.geteuid():  # root may write anywhere
        with pytest.raises(ArtifactError, match=r"model\.onnx: it cannot be written \(Permission denied\)"):
            export_onnx(network(SMALLEST), locked / "model.onnx")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.onnx", "locked"]
    assert (tmp_path / "file").read_text() == "precious"
    assert os.listdir(locked) == os.listdir(tmp_path / "folder.onnx") == []


def test_a_write_that_fails_half_way(network: Callable[[str], StreamingModule], tmp_path: Path) -> None:
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ArtifactError, match=r"model\.onnx: it cannot be written \(File too large\)"):
            export_onnx(network(SMALLEST), tmp_path / "model.onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    assert os.listdir(tmp_path) == []


def test_the_folder_is_made(
    exported: Exported, network: Callable[[str], StreamingModule], tmp_path: Path
) -> None:
    report = export_onnx(network(SMALLEST), str(tmp_path / "a" / "b" / "model.onnx"), "spec2spec")
    assert report.passed and report.snr_db > 110
    assert [p.name for p in tmp_path.rglob("*.*")] == ["model.onnx"]


@pytest.mark.parametrize(
    ("form", "options", "message"),
    [
        ("wav2wav", {"frames": 63}, "frames fixes the length of an offline graph"),
        ("wav2wav", {"streaming": False, "hops": 2}, "streams and hops are for streaming graphs"),
        ("wav2wav", {"streaming": False, "streams": "streams"}, "streams and hops are for streaming graphs"),
        ("spec2spec", {"hops": 0}, "must be at least 1"),
        ("spec2spec", {"hops": "many"}, 'hops is a number, or "hops" to leave it free'),
        ("spec2spec", {"streams": 0}, "must be at least 1"),
        ("spec2spec", {"streams": "many"}, "not 'many'"),
        ("wav2wav", {"streaming": False, "frames": 0}, "must be at least 1"),
        ("wav2wav", {"streaming": False, "frames": 2}, "2 frames hold no hop of audio .* at least 3 do"),
        ("wav", {}, "form 'wav' is neither spec2spec nor wav2wav"),
    ],
)
def test_contradictions(
    network: Callable[[str], StreamingModule], tmp_path: Path, form: str, options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        export_onnx(network(SMALLEST), tmp_path / "model.onnx", form, **options)
    assert os.listdir(tmp_path) == []


def test_the_least_frames(network: Callable[[str], StreamingModule], tmp_path: Path) -> None:
    assert export_onnx(
        network(SMALLEST), tmp_path / "model.onnx", "wav2wav", streaming=False, frames=3
    ).passed


def test_a_streaming_form_of_the_other_kind(
    network: Callable[[str], StreamingModule], tmp_path: Path
) -> None:
    streaming = to_streaming(network(SMALLEST), "wav2wav")
    with pytest.raises(ValueError, match="given is wav2wav, not spec2spec; pass the training form"):
        export_onnx(streaming, tmp_path / "model.onnx", "spec2spec")
    assert os.listdir(tmp_path) == []


def test_a_graph_that_does_not_run_is_an_error_of_ours(
    network: Callable[[str], StreamingModule], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate says so in a sentence that names the file, and leaves none."""
    real = tracing.trace

    def broken(*arguments: Any) -> onnx.ModelProto:
        proto = real(*arguments)
        output = proto.graph.output[0].name
        for node in proto.graph.node:
            node.output[:] = ["before" if name == output else name for name in node.output]
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([9999]), "place"))
        proto.graph.node.append(onnx.helper.make_node("Gather", ["before", "place"], ["beyond"], axis=1))
        proto.graph.node.append(onnx.helper.make_node("Add", ["before", "beyond"], [output]))
        return proto

    monkeypatch.setattr(tracing, "trace", broken)
    with pytest.raises(ArtifactError, match=r"model\.onnx: ONNX Runtime [\d.]+ cannot run it \("):
        export_onnx(network(SMALLEST), tmp_path / "model.onnx", "wav2wav", streams="streams")
    assert not list(tmp_path.iterdir())
