"""The ONNX exporter: what is in its files, that they compute what the network does, and its gate."""

from __future__ import annotations

import copy
import os
import re
import resource
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from converters import export_onnx
from converters.export import Reference, whole_waveform
from converters.targets import tracing
from tests.contract import STREAMING
from zoo import Enhancer, create_model, get_spec, to_streaming
from zoo.arrays import Array
from zoo.artifact.manifest import EnhancementManifest
from zoo.artifact.parity import ParityReport, compare
from zoo.errors import ArtifactError, ParityError
from zoo.networks.streaming import StreamingModule
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance
from zoo.tasks.enhancement.spectrum import Transforms

Exported = Callable[..., Path]
WeightsFor = Callable[[str], Path]

# the first of each that streams
ONE_A_FAMILY = sorted({get_spec(name).family: name for name in reversed(STREAMING)}.values())
FORMS = ("spec2spec", "wav2wav")
UNREADABLE = {"STFT", "DFT", "ScatterND", "ScatterElements", "Scatter", "Loop", "If", "Scan", "NonZero"}
SMALLEST = "fastenhancer_t"  # the fastest to export


@pytest.fixture(scope="module")
def network(weights_for: WeightsFor) -> Callable[[str], StreamingModule]:
    """``network(name)``: the training form of what ``exported`` exports."""
    return cache(lambda name: create_model(name, weights_for(name)))


def same(reference: Array, candidate: Array, snr_db: float = 110, max_error: float = 1e-5) -> ParityReport:
    return compare(
        reference, candidate, tensor="enhanced", tolerance=Tolerance(snr_db, max_error), frame_length=256
    )


def manifest_of(path: Path) -> EnhancementManifest:
    manifest = OnnxGraph(path).manifest
    assert manifest is not None
    return manifest


def shape_of(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)


# What is in a file


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ONE_A_FAMILY)
@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "offline"])
def test_a_file_holds_what_other_compilers_read(
    exported: Exported, name: str, form: str, streaming: bool
) -> None:
    model = onnx.load(exported(name, form) if streaming else exported(name, form, streaming=False))
    onnx.checker.check_model(model, full_check=True)
    assert [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")] >= [18]
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not model.functions
    assert not {node.op_type for node in model.graph.node} & UNREADABLE
    assert not [i.name for i in model.graph.initializer if i.external_data], "one file has all"
    inputs = {value.name for value in model.graph.input}
    assert not inputs & {i.name for i in model.graph.initializer}, "weights are constants"
    values = [*model.graph.input, *model.graph.output]
    assert {v.type.tensor_type.elem_type for v in values} == {onnx.TensorProto.FLOAT}


def test_an_older_opset_gets_older_operators(
    network: Callable[[str], StreamingModule], tmp_path: Path
) -> None:
    model = network("fastenhancer_t")
    kinds = {}
    for opset in (18, None):
        export_onnx(model, tmp_path / "x.onnx", opset=opset)
        graph = onnx.load(tmp_path / "x.onnx")
        kinds[graph.opset_import[0].version] = {node.op_type for node in graph.graph.node}
        assert manifest_of(tmp_path / "x.onnx").toolchain["opset"] == str(graph.opset_import[0].version)
    assert sorted(kinds) == [18, 23]
    assert "Attention" in kinds[23] and "Attention" not in kinds[18] and "Softmax" in kinds[18]
    with pytest.raises(ValueError, match="opset 17 is not one from 18 to 23"):
        export_onnx(model, tmp_path / "y.onnx", opset=17)
    assert not (tmp_path / "y.onnx").exists()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ONE_A_FAMILY)
def test_streaming_files_have_static_named_states(
    exported: Exported, network: Callable[[str], StreamingModule], name: str, form: str
) -> None:
    path = exported(name, form)
    graph, manifest = onnx.load(path).graph, manifest_of(path)
    inputs = {value.name: shape_of(value) for value in graph.input}
    outputs = {value.name: shape_of(value) for value in graph.output}
    assert all(isinstance(n, int) and n > 0 for shape in inputs.values() for n in shape), inputs
    states = {n: (1, *s) for n, s in to_streaming(network(name), form).state_shapes().items()}
    front_end = get_spec(name).front_end
    signal, shape = form[: form.index("2")], (1, front_end.hop_length)
    if form == "spec2spec":
        shape = (1, front_end.bins, 1, 2)
    assert inputs == {f"{signal}_in": shape, **states}
    assert outputs == {f"{signal}_out": shape, **{f"{n}.next": s for n, s in states.items()}}
    assert list(inputs) == [f"{signal}_in", *states], "states in the declared order"

    assert {s.name: s.shape for s in (*manifest.inputs, *manifest.states)} == inputs
    assert {s.name: s.shape for s in manifest.outputs} == {f"{signal}_out": shape}
    assert (manifest.model, manifest.form, manifest.streaming) == (name, form, True)
    assert (manifest.hops, manifest.streams, manifest.front_end) == (1, 1, front_end)
    assert manifest.latency == get_spec(name).latency
    assert manifest.golden is not None
    assert manifest.weights["sha256"] == network(name).provenance["sha256"]
    assert {"torch", "onnx", "onnxruntime", "opset", "speechzoo"} <= set(manifest.toolchain)


# What it computes


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ONE_A_FAMILY)
def test_real_speech(
    exported: Exported,
    network: Callable[[str], StreamingModule],
    speech_16k: Array,
    name: str,
    form: str,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """A whole utterance, at once and as a stream in blocks of any size, against the training form."""
    enhancer = Enhancer(exported(name, form))
    assert enhancer.backend == "onnxruntime" and enhancer.streaming
    reference = whole_waveform(network(name), speech_16k[None])[0]
    tolerance = get_spec(name).tolerance
    report = same(reference, enhancer(speech_16k), tolerance.snr_db, tolerance.max_error)
    record_testsuite_property(f"{name} {form} ONNX against training form, dB", round(report.snr_db, 1))

    stream, random, parts, start = enhancer.stream(), np.random.default_rng(0), [], 0
    while start < len(speech_16k):
        block = int(random.integers(1, 5000))
        parts.append(stream.push(speech_16k[start : start + block]))
        start += block
    streamed = np.concatenate([*parts, stream.flush()])
    same(reference, streamed, tolerance.snr_db, tolerance.max_error)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("dpcrn", "wav2wav"),
        ("bsrnn_xxt", "spec2spec"),
        ("fspen", "spec2spec"),
        ("lisennet", "wav2wav"),
        (SMALLEST, "spec2spec"),
        ("gtcrn", "wav2wav"),
    ],
)
def test_any_number_of_streams(exported: Exported, speech_16k: Array, name: str, form: str) -> None:
    """1, 2 and 5 streams in a call, each other speech: as each alone in the graph for one stream."""
    path = exported(name, form, streams="streams")
    manifest = manifest_of(path)
    assert manifest.streams == "streams"
    every = (*manifest.inputs, *manifest.outputs, *manifest.states)
    assert {spec.shape[0] for spec in every} == {"streams"}
    assert all(isinstance(n, int) for spec in every for n in spec.shape[1:])
    alone = [run(exported(name, form), signal) for signal in speeches(speech_16k, name, form, 5)]
    assert np.abs(alone[0] - alone[1]).max() > 0.1 * np.abs(alone[0]).max()
    for count in (1, 2, 5):
        together = run(path, np.concatenate(speeches(speech_16k, name, form, count)))
        for stream in range(count):
            same(alone[stream], together[stream : stream + 1])
    same(Enhancer(exported(name, form))(speech_16k[:32000]), Enhancer(path)(speech_16k[:32000]))


def test_a_fixed_number_of_streams(exported: Exported, speech_16k: Array) -> None:
    path = exported(SMALLEST, "wav2wav", streams=3)
    manifest = manifest_of(path)
    assert manifest.streams == 3
    assert {spec.shape[0] for spec in (*manifest.inputs, *manifest.outputs, *manifest.states)} == {3}
    signals = speeches(speech_16k, SMALLEST, "wav2wav", 3)
    together = run(path, np.concatenate(signals))
    for stream, signal in enumerate(signals):
        same(run(exported(SMALLEST, "wav2wav"), signal), together[stream : stream + 1])
    enhanced = Enhancer(path)(speech_16k[:32000])
    same(Enhancer(exported(SMALLEST, "wav2wav"))(speech_16k[:32000]), enhanced)


@pytest.mark.parametrize(
    ("name", "form", "hops"),
    [
        ("gtcrn", "spec2spec", 4),
        (SMALLEST, "spec2spec", 5),
        (SMALLEST, "wav2wav", 150),
        ("fspen", "wav2wav", 3),
        ("lisennet", "wav2wav", 4),
    ],
)
def test_hops_of_a_call(exported: Exported, speech_16k: Array, name: str, form: str, hops: int) -> None:
    """Also where the speech that exports are judged by is no multiple of a call, or hardly one call."""
    path, one = exported(name, form, hops=hops), exported(name, form)
    enhancer, hop = Enhancer(path), get_spec(name).front_end.hop_length
    assert manifest_of(path).hops == hops and enhancer.session.block_length == hops * hop
    assert enhancer.latency().buffering == hops * hop - 1
    same(Enhancer(one)(speech_16k), enhancer(speech_16k))
    stream = enhancer.stream()
    parts = [stream.push(block) for block in np.array_split(speech_16k, 77)]
    same(Enhancer(one)(speech_16k), np.concatenate([*parts, stream.flush()]))


@pytest.mark.parametrize(
    ("name", "form"), [("gtcrn", "wav2wav"), ("dpcrn", "spec2spec"), (SMALLEST, "wav2wav")]
)
def test_any_number_of_hops(exported: Exported, speech_16k: Array, name: str, form: str) -> None:
    """One file for a live stream, for whole recordings, and for many of either."""
    path, one = exported(name, form, streams="streams", hops="hops"), exported(name, form)
    manifest, hop = manifest_of(path), get_spec(name).front_end.hop_length
    assert (manifest.streams, manifest.hops) == ("streams", "hops")
    enhancer, expected = Enhancer(path), Enhancer(one)(speech_16k)
    assert enhancer.session.block_length == hop and enhancer.latency() == Enhancer(one).latency()
    same(expected, enhancer(speech_16k))
    stream = enhancer.stream()
    parts = [stream.push(block) for block in np.array_split(speech_16k, 77)]
    same(expected, np.concatenate([*parts, stream.flush()]))


@pytest.mark.parametrize(("form", "options"), [("spec2spec", {"streams": 2}), ("wav2wav", {"hops": "hops"})])
def test_one_of_both_left_free_or_fixed(
    exported: Exported, speech_16k: Array, form: str, options: dict[str, object]
) -> None:
    enhancer = Enhancer(exported(SMALLEST, form, **options))
    same(Enhancer(exported(SMALLEST, form))(speech_16k[:32000]), enhancer(speech_16k[:32000]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ONE_A_FAMILY)
def test_whole_recordings_of_any_length(
    exported: Exported, network: Callable[[str], StreamingModule], speech_16k: Array, name: str, form: str
) -> None:
    path = exported(name, form, streaming=False)
    (wave,), free = manifest_of(path).inputs, "frames" if form == "spec2spec" else "samples"
    assert [n for n in wave.shape if isinstance(n, str)] == [free] and not manifest_of(path).states
    enhancer = Enhancer(path)
    assert not enhancer.streaming
    assert enhancer(np.zeros(0, np.float32)).shape == (0,)
    tolerance = get_spec(name).tolerance
    for length in (1, 2, 255, 256, 257, 511, 512, 513, 4000, len(speech_16k) - 20000):
        speech = speech_16k[20000 : 20000 + length]
        expected = whole_waveform(network(name), speech[None])[0]
        same(expected, enhancer(speech), tolerance.snr_db, tolerance.max_error)


@pytest.mark.parametrize(("name", "form"), [("dpcrn", "spec2spec"), (SMALLEST, "wav2wav")])
def test_whole_recordings_of_fixed_length(
    exported: Exported, network: Callable[[str], StreamingModule], speech_16k: Array, name: str, form: str
) -> None:
    """Short recordings are padded; long ones are cut into pieces, each with a fresh start."""
    frames, training, front_end = 63, network(name), get_spec(name).front_end
    path = exported(name, form, streaming=False, frames=frames)
    shape = manifest_of(path).inputs[0].shape
    samples = frames * front_end.hop_length - front_end.n_fft
    assert shape == ((1, front_end.bins, frames, 2) if form == "spec2spec" else (1, samples))
    enhancer = Enhancer(path)
    for length in (0, 1, 256, 5000, samples):
        speech = speech_16k[20000 : 20000 + length]
        if length:
            same(whole_waveform(training, speech[None])[0], enhancer(speech))
        else:
            assert enhancer(speech).shape == (0,)
    speech = speech_16k[20000 : 20000 + int(2.5 * samples)]
    if form == "wav2wav":
        cut = [speech[i * samples : (i + 1) * samples] for i in range(3)]
        pieces = [whole_waveform(training, piece[None])[0] for piece in cut]
        expected = np.concatenate(pieces)
    else:
        transforms, delay = Transforms(front_end), front_end.delay
        zeros = transforms.initial_state()["stft.past"]
        padded = np.pad(speech, (0, delay + -(len(speech) + delay) % front_end.hop_length))
        spectrum, _ = transforms.analyse(padded[None], zeros)
        with torch.inference_mode():
            cut = torch.from_numpy(spectrum).split(frames, dim=2)
            enhanced = torch.cat([training(piece)[0] for piece in cut], dim=2).numpy()
        expected = transforms.synthesise(enhanced, zeros)[0][0, delay : delay + len(speech)]
    same(expected, enhancer(speech))


def speeches(speech: Array, name: str, form: str, count: int) -> list[Array]:
    """Four seconds of speech for each of so many streams, in the form of a graph's signal."""
    front_end = get_spec(name).front_end
    samples = 250 * front_end.hop_length
    waves = [speech[None, 20000 * i :][:, :samples] for i in range(count)]
    if form == "wav2wav":
        return waves
    transforms = Transforms(front_end)
    return [transforms.analyse(wave, transforms.initial_state()["stft.past"])[0] for wave in waves]


def run(path: Path, signal: Array) -> Array:
    """A graph hop by hop, its states fed back: (B, F, T, 2) or (B, N) to the same."""
    graph = OnnxGraph(path)
    states = [np.zeros((len(signal), *spec.shape[1:]), np.float32) for spec in graph.inputs[1:]]
    axis, outputs = (2 if signal.ndim == 4 else 1), []
    hops = signal.shape[axis] // int(graph.inputs[0].shape[axis])
    for hop in np.split(signal, hops, axis=axis):
        output, *states = graph(np.ascontiguousarray(hop), *states)
        outputs.append(output)
    return np.concatenate(outputs, axis)


# The gate

MESSAGE = re.compile(
    r"(?P<tensor>\S.*): SNR (?P<snr>[\d.]+) dB, largest difference (?P<error>\S+) of the peak at frame "
    r"(?P<frame>\d+); allowed are SNR >= 110 dB and 1\.0e-05; would pass with "
    r"Tolerance\(snr_db=(?P<snr_db>\d+), max_error=(?P<max_error>\S+)\)"
)


def changed(training: StreamingModule, form: str, tensor: str, element: bool) -> StreamingModule:
    """A streaming form with one tensor, or its largest element alone, 0.1 % larger."""
    streaming = to_streaming(training, form)
    values = streaming.get_parameter(tensor).data
    if element:
        values.view(-1)[values.abs().argmax()] *= 1.001
    else:
        values *= 1.001
    return streaming


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


# What cannot be done


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
