"""The smallest model of every causal family as C: strict compilers, sanitizers, its graph's output on speech.

Then silence, full scale, denormals, 1e-30, and what is no number, which is seen and which a reset ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import zoo
from converters.c.compiler import compile_graph
from converters.c.interface import header_of
from tests.data import ROOT, Speech
from tests.native import SANITIZED, STRICT, check_with_clang, compiler, make_program, run_program
from zoo.artifact.parity import compare
from zoo.registry import get_spec, list_models
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance
from zoo.tasks.enhancement.spectrum import Transforms

SMALLEST = {
    "bsrnn": "bsrnn_xxt",
    "dpcrn": "dpcrn",
    "dtln": "dtln",
    "fastenhancer": "fastenhancer_t",
    "fspen": "fspen",
    "gtcrn": "gtcrn",
    "lisennet": "lisennet",
    "ulunas": "ulunas",
}
# The other form shares all but the two ends; variants have layers of their own.
CASES = [
    *((name, "wav2wav") for name in SMALLEST.values()),
    ("gtcrn", "spec2spec"),
    ("fastenhancer_dprnn_t", "spec2spec"),
    ("fastenhancer_transformer_t", "spec2spec"),
]
FRAMES = 60
HARD = Path(__file__).with_name("hard.c")


def test_every_causal_family_is_here() -> None:
    streaming = {get_spec(name).family for name in list_models("enhancement") if get_spec(name).streaming}
    assert streaming == set(SMALLEST)


@pytest.mark.parametrize(("name", "form"), CASES)
def test_c_computes_what_its_graph_computes(
    name: str, form: str, exported: Callable[..., Path], speech: Speech, tmp_path: Path
) -> None:
    graph = OnnxGraph(exported(name, form))
    source = tmp_path / "model.c"
    source.write_text(compile_graph(graph.path, "model"))
    source.with_suffix(".h").write_text(header_of(source.read_text()))
    check_with_clang(source)
    front_end = get_spec(name).front_end
    wave = speech(front_end.sample_rate, 1.0, FRAMES * front_end.hop_length / front_end.sample_rate)[None]
    calls = np.split(wave, FRAMES, axis=1)
    if form == "spec2spec":
        transforms = Transforms(front_end)
        spectrum, _ = transforms.analyse(wave, transforms.initial_state()["stft.past"])
        calls = np.split(spectrum, FRAMES, axis=2)
    expected, states = [], [np.zeros(spec.shape, np.float32) for spec in graph.inputs[1:]]
    for call in calls:
        output, *states = graph(np.ascontiguousarray(call), *states)
        expected.append(output.ravel())
    program = make_program(source, "model", *SANITIZED, main=HARD)
    found = run_program(program, np.concatenate([call.ravel() for call in calls]))
    compare(np.concatenate(expected), found, tensor=f"{name} {form}", tolerance=Tolerance(110.0, 1e-5))


@pytest.mark.parametrize("limit", [0, 9])
def test_the_header_leaves_noise_in(
    limit: int, exported: Callable[..., Path], speech: Speech, tmp_path: Path
) -> None:
    """As Python does, aligned: what comes out late is mixed with what went in when it did."""
    graph = OnnxGraph(exported("gtcrn"))
    source, header, program = (tmp_path / name for name in ("model.c", "model.h", "program"))
    source.write_text(compile_graph(graph.path, "model"))
    header.write_text(header_of(source.read_text()))
    host = (ROOT / "examples/native/denoise.c").read_text()
    kept, call = "static float in[MOST]", "OF_MODEL(_process)(&state, in, out);"
    gain = f"{10 ** (-limit / 20)}f"
    host = host.replace(kept, f"static model_kept kept;\n{kept}")
    host = host.replace(call, f"{call} model_limit(&kept, in, out, {gain});")
    (tmp_path / "host.c").write_text(host)
    words = [
        "-DMODEL=model",
        "-include",
        str(source.with_suffix(".h")),
        str(tmp_path / "host.c"),
        str(source),
    ]
    made = subprocess.run(
        [compiler(), *STRICT, *words, "-O1", "-o", str(program)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[:2000]
    wave, latency = speech(16000, 1.0, 60 * 256 / 16000), 256
    expected = zoo.Enhancer(graph.path, attenuation_limit=limit)(wave)[:-latency]
    found = run_program(program, wave)[latency:]
    compare(expected, found, tensor=f"limited to {limit} dB", tolerance=Tolerance(110.0, 1e-5))
