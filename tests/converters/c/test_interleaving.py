"""Streams side by side as the lanes of vectors: each is what it is alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

import converters
import zoo
from converters.c.compiler import compile_apart, compile_graph, compile_program
from converters.c.interleaving import check_streams
from tests.converters.c.graphs import make_program
from tests.native import SANITIZED, STRICT, compiler
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import compare
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import ArtifactError
from zoo.registry import get_spec
from zoo.runtime.compiler import ENDING, build
from zoo.runtime.native import NativeGraph
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance

FRAMES, ROWS = 30, 19  # rows that do not divide into 16
# Streams of which some hear the same, and one that begins anew.
MAIN = """
static fe_state state;
static float in[FE_IN][FE_STREAMS], out[FE_OUT][FE_STREAMS], first[FE_OUT];
static void call(int time)
{
    for (int i = 0; i < FE_IN; i++)
        for (int k = 0; k < FE_STREAMS; k++)
            in[i][k] = (float)((i * 37 + (k == 3 ? time % 4 : time) * 11 + k % 4 * 5) % 100) / 200.0f;
    fe_process(&state, in[0], out[0]);
}
int main(void)
{
    fe_init(&state);
    for (int n = 0; n < 4; n++) call(n);
    for (int i = 0; i < FE_OUT; i++) {
        first[i] = out[i][3];
        if (first[i] != out[i][7] || out[i][0] != out[i][12]) return 1;
    }
    fe_reset_stream(&state, 3);
    for (int n = 4; n < 8; n++) call(n);
    for (int i = 0; i < FE_OUT; i++)
        if (first[i] != out[i][3] || out[i][0] != out[i][12]) return 2;
    return out[5][7] == out[5][3] ? 3 : 0;
}
"""


def _calls(graph: OnnxGraph | NativeGraph, signals: np.ndarray) -> np.ndarray:
    """(rows, frames, samples) -> the same, each row a stream."""
    states = [np.zeros((len(signals), *spec.shape[1:]), np.float32) for spec in graph.inputs[1:]]
    found = []
    for frame in range(signals.shape[1]):
        output, *states = graph(np.ascontiguousarray(signals[:, frame]), *states)
        found.append(output)
    return np.stack(found, 1)


# Attention, recurrences and grouped convolutions as packaged; 64 bits, norms and LSTMs with random weights.
@pytest.mark.parametrize("name", ["fastenhancer_t", "gtcrn", "lisennet", "bsrnn_xxt"])
def test_each_stream_is_what_it_is_alone(name: str, exported: Callable[..., Path], tmp_path: Path) -> None:
    source, library = tmp_path / "x.c", tmp_path / f"x{ENDING}"
    path = packaged_artifact(get_spec(name)) or exported(name, "wav2wav")
    source.write_text(compile_graph(path, streams=16))
    build(source, library)
    native, graph, front_end = NativeGraph(library), OnnxGraph(path), get_spec(name).front_end
    assert native.streams == 16 and native.manifest.streams == "streams"
    speech = parity_speech(front_end.sample_rate)[: FRAMES * front_end.hop_length].reshape(1, FRAMES, -1)
    signals = np.concatenate([np.roll(speech, row, 1) for row in range(ROWS)])
    found = _calls(native, signals)
    for row in (0, 7, 15, 18):
        alone = _calls(graph, signals[row : row + 1])
        compare(alone, found[row : row + 1], tensor=f"stream {row}", tolerance=Tolerance(110.0, 1e-5))


def test_streams_do_not_meet_and_begin_anew_alone(tmp_path: Path) -> None:
    source, program = tmp_path / "streams.c", tmp_path / "streams"
    graph = packaged_artifact(get_spec("fastenhancer_t"))
    assert graph is not None
    source.write_text(compile_graph(graph, "fe", 16) + MAIN)
    subprocess.run([compiler(), *STRICT, *SANITIZED, str(source), "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_makes_code_for_a_batcher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = packaged_artifact(get_spec("fastenhancer_t"))
    source, weights, library = tmp_path / "fe.c", tmp_path / "fe.weights", tmp_path / f"fe{ENDING}"
    words = ["export", str(graph), "-o", str(source), "--streams", "16", "--weights-file", str(weights)]
    assert main(words) == 0 and "#define FASTENHANCER_T_STREAMS 16 " in source.read_text()
    assert main(["build", str(source), "-o", str(library), "--weights-file", str(weights)]) == 0
    assert "verified; " in capsys.readouterr().out
    recording = parity_speech(16000)[:8000]
    enhancer = zoo.Enhancer(library, weights)
    batcher = zoo.StreamBatcher(enhancer.session)
    streams = [batcher.join() for _ in range(3)]
    found = batcher.push({stream: recording * (n + 1) / 3 for n, stream in enumerate(streams)})
    for n, stream in enumerate(streams):
        alone = zoo.Enhancer("fastenhancer_t").stream().push(recording * (n + 1) / 3)
        compare(alone, found[stream], tensor="out", tolerance=Tolerance(110.0, 1e-5))
    assert main(["build", str(source), "-o", str(tmp_path / "fe.wasm")]) == 1


@pytest.mark.parametrize("streams", [0, 8, 17, -16, "streams"])
def test_other_numbers_of_streams_are_refused(streams: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a call of C has 1, or 16, 32, \.\.\., side by side"):
        check_streams(streams)
    graph = packaged_artifact(get_spec("fastenhancer_t"))
    assert graph is not None
    with pytest.raises(ValueError, match="side by side"):
        converters.export_c(graph, tmp_path / "x.c", streams=streams)
    assert not list(tmp_path.iterdir())


def test_code_for_several_streams_is_no_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, source = packaged_artifact(get_spec("fastenhancer_t")), tmp_path / "fe.c"
    assert path is not None
    source.write_text(compile_graph(path, streams=16))
    assert main(["build", str(source), "-o", str(tmp_path / "fe.wasm")]) == 1
    assert "for 16 streams side by side, and a page has one" in capsys.readouterr().err


def test_code_for_several_streams_has_a_file_of_weights_of_its_own() -> None:
    """The code for one stream reads them in other orders, and turns of a fast transform."""
    path = packaged_artifact(get_spec("fastenhancer_t"))
    assert path is not None
    one, many = compile_apart(path)[1], compile_apart(path, streams=16)[1]
    assert len(one) < len(many)


def test_what_has_no_kernel_is_an_error_that_names_the_layer() -> None:
    """A product in 64 bits onto what is computed."""
    double, small = np.float64, (1, 4)
    program = make_program(
        [
            helper.make_node("Cast", ["x"], ["wide"], to=11),
            helper.make_node("Gemm", ["wide", "core.stft.basis", "wide"], ["sum"]),
            helper.make_node("Cast", ["sum"], ["y"], to=1),
        ],
        {"x": small}, {"y": small}, {"core.stft.basis": np.eye(4, dtype=double)},
    )  # fmt: skip
    with pytest.raises(ArtifactError, match="stft: C for several streams cannot be made of it yet"):
        compile_program(program, "x", 16)
