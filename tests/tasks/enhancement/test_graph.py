"""Sessions over ONNX files: the public repositories' graphs, made ones, and our own in both forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from zoo.arrays import Array
from zoo.artifact.parity import compare
from zoo.errors import ArtifactError
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import FrontEnd, Tolerance
from zoo.tasks.enhancement.enhancer import Enhancer
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.public_graph import open_foreign_session

Exported = Callable[..., Path]
Record = Callable[[str, object], None]

HANN_16K = FrontEnd(16000, 512, 256, "hann")
PUBLIC = {
    "gtcrn_stream_upstream": FrontEnd(16000, 512, 256, "sqrt_hann"),
    "dpcrn_stream_upstream": FrontEnd(16000, 512, 256, "sine"),
    "fastenhancer_16k_t_wav2wav": HANN_16K,
    "fastenhancer_16k_m_wav2wav": FrontEnd(16000, 512, 160),
    "fastenhancer_16k_l_wav2wav": FrontEnd(16000, 512, 100),
    "fastenhancer_16k_b_spec2spec": HANN_16K,
    "fastenhancer_16k_m_spec2spec": FrontEnd(16000, 512, 160),
    "fastenhancer_16k_l_spec2spec": FrontEnd(16000, 512, 100),
    "fastenhancer_48k_t_wav2wav": FrontEnd(48000, 1024, 512),
    "fastenhancer_48k_s_wav2wav": FrontEnd(48000, 1024, 512),
    "lisennet_spec2spec": HANN_16K,
    "bsrnn_xt_spec2spec": HANN_16K,
    "bsrnn_xxt_spec2spec": HANN_16K,
    "fspen_spec2spec": HANN_16K,
}


def same(reference: Array, candidate: Array, snr_db: float = 110, max_error: float = 1e-5) -> float:
    return compare(reference, candidate, tensor="enhanced", tolerance=Tolerance(snr_db, max_error)).snr_db


# Public graphs


@pytest.mark.parametrize("name", PUBLIC)
def test_public_graphs_run(shared: Path, speech_16k: Array, name: str) -> None:
    """What the file does not say is told; the rest comes from its shapes and names."""
    front_end = PUBLIC[name]
    session = open_foreign_session(
        shared / f"data/onnx/{name}.onnx",
        sample_rate=front_end.sample_rate,
        hop_length=front_end.hop_length if name.endswith("spec2spec") else None,
        window=front_end.window,
    )
    assert session.front_end == front_end
    assert (session.latency, session.block_length) == (front_end.delay, front_end.hop_length)
    assert session.streaming and session.name == f"{name}.onnx"
    noisy = speech_16k[16000:48000]
    enhanced = Enhancer(session)(noisy, 16000)
    assert enhanced.shape == noisy.shape and np.isfinite(enhanced).all() and enhanced.std() > 1e-6
    forgetful = np.concatenate([session.whole(part[None])[0] for part in np.split(noisy, 8)])
    if front_end.sample_rate == 16000:
        assert np.abs(forgetful - enhanced).max() > 0.01 * np.abs(enhanced).max(), "its states are fed back"


def test_the_public_gtcrn_equals_ours(
    shared: Path, exported: Exported, speech_16k: Array, record_testsuite_property: Record
) -> None:
    public = shared / "data/onnx/gtcrn_stream_upstream.onnx"
    theirs = Enhancer(open_foreign_session(public, window="sqrt_hann"))(speech_16k)
    for form in ("wav2wav", "spec2spec"):
        snr = same(theirs, Enhancer(exported("gtcrn", form))(speech_16k))
        record_testsuite_property(f"public GTCRN graph against our {form}, dB", round(snr, 1))
    with_another_window = Enhancer(open_foreign_session(public, window="hann"))(speech_16k)
    assert np.abs(theirs - with_another_window).max() > 0.01


@pytest.mark.parametrize(("size", "hop"), [("t", 256), ("m", 160), ("l", 100)])
def test_public_forms_agree(shared: Path, speech_16k: Array, size: str, hop: int) -> None:
    """Our transforms around the public spectrum graph are those in the public waveform graph."""
    wave = open_foreign_session(shared / f"data/onnx/fastenhancer_16k_{size}_wav2wav.onnx")
    path = shared / f"data/onnx/fastenhancer_16k_{size}_spec2spec.onnx"
    spectrum = open_foreign_session(path, hop_length=hop)
    noisy = speech_16k[:32000]
    same(Enhancer(wave)(noisy), Enhancer(spectrum)(noisy), 100)


# Our own


@pytest.mark.parametrize("name", ["gtcrn", "dpcrn", "fastenhancer_t"])
def test_both_forms_agree(
    exported: Exported, speech_16k: Array, name: str, record_testsuite_property: Record
) -> None:
    """Transforms in numpy around the one graph are those inside the other."""
    wave = Enhancer(exported(name, "wav2wav"))(speech_16k)
    snr = same(wave, Enhancer(exported(name, "spec2spec"))(speech_16k), 100)
    record_testsuite_property(f"{name} wav2wav against spec2spec, dB", round(snr, 1))


@pytest.mark.parametrize("form", ["wav2wav", "spec2spec"])
def test_a_session_keeps_nothing(exported: Exported, speech_16k: Array, form: str) -> None:
    """States go in and out: neither is changed later, and interleaved streams do not touch each other."""
    session = open_session(exported("fastenhancer_t", form))
    first, second = speech_16k[None, 16000:24192], speech_16k[None, 40000:48192]
    alone = [session.run(wave, session.initial_state())[0] for wave in (first, second)]
    states, outputs = [session.initial_state() for _ in alone], [[], []]
    for start in range(0, 8192, 1024):
        for i, wave in enumerate((first, second)):
            before = {name: np.array(value) for name, value in states[i].items()}
            output, after = session.run(wave[:, start : start + 1024], states[i])
            assert all(np.array_equal(before[name], value) for name, value in states[i].items())
            outputs[i].append((output, output.copy()))
            states[i] = after
    for i, parts in enumerate(outputs):
        assert all(np.array_equal(output, at_once) for output, at_once in parts), "a buffer was used again"
        np.testing.assert_array_equal(np.concatenate([output for output, _ in parts], axis=1), alone[i])


@pytest.mark.parametrize("form", ["wav2wav", "spec2spec"])
def test_whole_recordings_have_no_stream(exported: Exported, form: str) -> None:
    session = open_session(exported("fastenhancer_t", form, streaming=False))
    for call in (session.initial_state, lambda: session.run(np.zeros((1, 256), np.float32), {})):
        with pytest.raises(ArtifactError, match="takes whole recordings and has no stream; export it with"):
            call()


# Made graphs

Shape = Sequence[int | str]


def save(
    path: Path, nodes: Sequence[onnx.NodeProto], inputs: Mapping[str, Shape], outputs: Mapping[str, Shape],
    constants: Mapping[str, object] = {}, types: Mapping[str, int] = {},
) -> Path:  # fmt: skip
    def values(shapes: Mapping[str, Shape]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), s) for n, s in shapes.items()
        ]

    initializers = [onnx.numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()]
    graph = helper.make_graph(nodes, "made", values(inputs), values(outputs), initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def node(op: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def test_a_graph_that_wants_the_past_again(tmp_path: Path, speech_16k: Array) -> None:
    """512 samples in and 256 out, as one released file: the session keeps the past."""
    constants = {
        "begin": np.array([0]),
        "end": np.array([256]),
        "axis": np.array([1]),
        "half": np.float32(0.5),
    }
    nodes = [node("Slice", "wav_in begin end axis", "old"), node("Mul", "old half", "wav_out")]
    path = save(tmp_path / "x.onnx", nodes, {"wav_in": (1, 512)}, {"wav_out": (1, 256)}, constants)
    session = open_foreign_session(path)
    assert session.front_end == HANN_16K and session.latency == 256
    speech = speech_16k[:5000]
    np.testing.assert_array_equal(Enhancer(session)(speech), speech / 2)
    stream = Enhancer(session).stream()
    parts = [stream.push(part) for part in np.array_split(speech, 13)]
    np.testing.assert_array_equal(np.concatenate([*parts, stream.flush()]), speech / 2)


@pytest.mark.parametrize(
    ("states", "nexts"),
    [
        (("cache_in_0", "cache_in_1"), ("cache_out_1", "cache_out_0")),
        (("h", "c"), ("c_out", "h_out")),
        (("a", "b"), ("b.next", "a.next")),
    ],
)
def test_states_are_found_by_name(
    tmp_path: Path, speech_16k: Array, states: tuple[str, str], nexts: tuple[str, str]
) -> None:
    """A delay of two hops, whose two memories come out in the other order than they go in."""
    nodes = [
        node("Identity", states[1], "wav_out"),
        node("Identity", "wav_in", nexts[1]),  # the first memory: one hop ago
        node("Identity", states[0], nexts[0]),  # the second: two hops ago
    ]
    shapes = {"wav_in": (1, 256), **dict.fromkeys(states, (1, 256))}
    path = save(tmp_path / "x.onnx", nodes, shapes, {"wav_out": (1, 256), **dict.fromkeys(nexts, (1, 256))})
    session = open_foreign_session(path)
    delayed, _ = session.run(speech_16k[None, :2560], session.initial_state())
    np.testing.assert_array_equal(delayed[0, 512:], speech_16k[: 2560 - 512])
    assert not delayed[0, :512].any()


def test_states_without_telling_names_come_in_order(tmp_path: Path, speech_16k: Array) -> None:
    nodes = [node("Identity", "memory", "y"), node("Identity", "x", "new")]
    shape = (1, 256)
    path = save(tmp_path / "x.onnx", nodes, {"x": shape, "memory": shape}, {"y": shape, "new": shape})
    np.testing.assert_array_equal(Enhancer(open_foreign_session(path))(speech_16k[:999]), speech_16k[:999])


IDENTITY = [node("Identity", "wav_in", "wav_out")]


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (
            {"wav_in": (1, 256), "h": (1, 4)},
            {"wav_out": (1, 256)},
            r"no output continues the state h \(1, 4\)",
        ),
        ({"wav_in": (1, "N")}, {"wav_out": (1, "N")}, "expected a spectrum .* or a waveform"),
        ({"wav_in": (1, 2, 256)}, {"wav_out": (1, 2, 256)}, "expected a spectrum .* or a waveform"),
        ({"wav_in": (1, 257, 9, 2)}, {"wav_out": (1, 257, 9, 2)}, "expected a spectrum .* or a waveform"),
    ],
)
def test_graphs_that_are_no_streams(tmp_path: Path, inputs: dict, outputs: dict, message: str) -> None:
    with pytest.raises(ArtifactError, match=rf"x\.onnx: .*{message}"):
        open_foreign_session(save(tmp_path / "x.onnx", IDENTITY, inputs, outputs))


def test_a_state_of_another_shape_does_not_come_back(tmp_path: Path) -> None:
    nodes = [*IDENTITY, node("Concat", "h h", "h_out", axis=1)]
    inputs, outputs = {"wav_in": (1, 256), "h": (1, 4)}, {"wav_out": (1, 256), "h_out": (1, 8)}
    path = save(tmp_path / "x.onnx", nodes, inputs, outputs)
    with pytest.raises(ArtifactError, match=r"no output continues the state h \(1, 4\); .* h_out \(1, 8\)"):
        open_foreign_session(path)


def test_more_out_than_in(tmp_path: Path) -> None:
    nodes = [node("Concat", "wav_in wav_in", "wav_out", axis=1)]
    path = save(tmp_path / "x.onnx", nodes, {"wav_in": (1, 256)}, {"wav_out": (1, 512)})
    with pytest.raises(ArtifactError, match=r"its output wav_out has shape \(1, 512\); expected a hop"):
        open_foreign_session(path)


def test_inputs_that_are_not_float32(tmp_path: Path) -> None:
    nodes = [*IDENTITY, node("Identity", "step", "step_out")]
    inputs, outputs = {"wav_in": (1, 256), "step": (1, 1)}, {"wav_out": (1, 256), "step_out": (1, 1)}
    types = {"step": TensorProto.INT64, "step_out": TensorProto.INT64}
    path = save(tmp_path / "x.onnx", nodes, inputs, outputs, types=types)
    with pytest.raises(ArtifactError, match=r"float32 inputs are expected; others are step \(int64\)"):
        open_foreign_session(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop_length": 512}, "a hop of 512 samples does not fit a window of 512"),
        ({"hop_length": -1}, "a hop of -1 samples does not fit"),
        ({"hop_length": 500}, "frames every 500 samples do not cover a hann window; pass another"),
        ({"window": "hamming"}, "window 'hamming' is none of hann, sqrt_hann, sine"),
    ],
)
def test_hops_and_windows_that_do_not_fit(tmp_path: Path, options: dict, message: str) -> None:
    path = save(tmp_path / "x.onnx", IDENTITY, {"wav_in": (1, 257, 1, 2)}, {"wav_out": (1, 257, 1, 2)})
    with pytest.raises(ArtifactError, match=message):
        open_foreign_session(path, **options)


def test_a_hop_that_contradicts_the_waveform(tmp_path: Path) -> None:
    path = save(tmp_path / "x.onnx", IDENTITY, {"wav_in": (1, 256)}, {"wav_out": (1, 256)})
    with pytest.raises(ArtifactError, match="its output holds 256 samples a call, not 160"):
        open_foreign_session(path, hop_length=160)
    assert OnnxGraph(path).manifest is None
    with pytest.raises(ArtifactError, match="it has no speechzoo manifest"):
        Enhancer(path)
