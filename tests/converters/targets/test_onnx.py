"""ONNX files: what is in them, and that they compute what the network does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from converters import export_onnx
from converters.subjects.enhancement import whole_waveform
from tests.converters.networks import FORMS, ONE_A_FAMILY, SMALLEST, SMALLEST_OF_FAMILIES, manifest_of, same
from zoo import Enhancer, get_spec, to_streaming
from zoo.arrays import Array
from zoo.networks.streaming import StreamingModule
from zoo.runtime.onnx import OnnxGraph
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.spectrum import Transforms

Exported = Callable[..., Path]
UNREADABLE = {"STFT", "DFT", "ScatterND", "ScatterElements", "Scatter", "Loop", "If", "Scan", "NonZero"}


def shape_of(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)


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
        assert graph.ir_version == {18: 8, 23: 11}[graph.opset_import[0].version]
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
        ("ulunas", "spec2spec"),
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
        ("ulunas", "wav2wav", 3),
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


@pytest.mark.parametrize("free", ["streams", "hops", "streams, hops"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SMALLEST_OF_FAMILIES)
def test_streams_and_hops_free_together_and_apart(
    exported: Exported, speech_16k: Array, name: str, form: str, free: str
) -> None:
    """Every causal family: an export passes the gate, and calls of one and of many hops agree.

    About 5 s each on a free core, most of it the trace.
    """
    path = exported(name, form, **{what: what for what in free.split(", ")})
    session = open_session(path)
    manifest = manifest_of(path)
    assert session.batched == ("streams" in free)
    assert (manifest.streams == "streams", manifest.hops == "hops") == ("streams" in free, "hops" in free)
    length = 33 * session.block_length
    one, two = speech_16k[None, 20000 : 20000 + length], speech_16k[None, 28000 : 28000 + length]
    alone = [session.run(wave, session.initial_state())[0] for wave in (one, two)]
    stream, parts = session.initial_state(), []
    for block in np.split(one, 33, axis=1):
        output, stream = session.run(block, stream)
        parts.append(output)
    same(alone[0], np.concatenate(parts, axis=1))
    if session.batched:
        fresh = {key: np.repeat(value, 2, axis=0) for key, value in session.initial_state().items()}
        together, _ = session.run(np.concatenate([one, two]), fresh)
        same(alone[0], together[:1])
        same(alone[1], together[1:])


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
    """As in 64 bits: BSRNN makes rounding large, and in 32 PyTorch's own depends on the processor."""
    path = exported(name, form, streaming=False)
    (wave,), free = manifest_of(path).inputs, "frames" if form == "spec2spec" else "samples"
    assert [n for n in wave.shape if isinstance(n, str)] == [free] and not manifest_of(path).states
    enhancer = Enhancer(path)
    assert not enhancer.streaming
    assert enhancer(np.zeros(0, np.float32)).shape == (0,)
    exact, tolerance = copy.deepcopy(network(name)).double(), get_spec(name).tolerance
    for length in (1, 2, 255, 256, 257, 511, 512, 513, 4000, len(speech_16k) - 20000):
        speech = speech_16k[20000 : 20000 + length]
        expected = whole_waveform(exact, speech[None].astype(np.float64))[0]
        same(expected, enhancer(speech), tolerance.snr_db, tolerance.max_error)


def in_pieces(signal: Array, length: int, before: int, kept: int, run: Callable[[Array], Array]) -> Array:
    """A signal (N, ...) through what takes ``length`` at once: of the first piece what is in front of the
    second's kept part, then ``kept`` of each behind ``before`` that went before it, of the last all."""
    starts = [0]
    while starts[-1] + length < len(signal):
        starts.append(starts[-1] + kept)
    padding = [(0, starts[-1] + length - len(signal)), *[(0, 0)] * (signal.ndim - 1)]
    pieces = [run(np.pad(signal, padding)[start : start + length]) for start in starts]
    parts = [pieces[0][: before + kept], *(piece[before : before + kept] for piece in pieces[1:-1])]
    return np.concatenate([*parts, pieces[-1][before:]])[: len(signal)]


@pytest.mark.parametrize(("name", "form"), [("dpcrn", "spec2spec"), (SMALLEST, "wav2wav")])
def test_whole_recordings_of_fixed_length(
    exported: Exported, network: Callable[[str], StreamingModule], speech_16k: Array, name: str, form: str
) -> None:
    """Short recordings are padded; long ones are cut into pieces that overlap, and their middles kept."""
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
    if form == "wav2wav":  # 8 hops behind what is kept, 27 and 26 before and in it, as far as whole hops go
        expected = in_pieces(speech, samples, 6912, 6656, lambda x: whole_waveform(training, x[None])[0])
    else:
        transforms, delay = Transforms(front_end), front_end.delay
        zeros = transforms.initial_state()["stft.past"]
        padded = np.pad(speech, (0, delay + -(len(speech) + delay) % front_end.hop_length))
        spectrum, _ = transforms.analyse(padded[None], zeros)

        def by_training(piece: Array) -> Array:
            with torch.inference_mode():
                return np.moveaxis(training(torch.from_numpy(np.moveaxis(piece, 0, 2)))[0].numpy(), 2, 0)

        enhanced = np.moveaxis(in_pieces(np.moveaxis(spectrum, 2, 0), frames, 28, 27, by_training), 0, 2)
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
