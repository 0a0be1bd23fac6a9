"""The modules of JavaScript in Node.js: an attenuation limit, what is no number, loudness, a graph."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.data import ROOT
from tests.webassembly import MODEL, make_module, need_node, packaged
from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import compare
from zoo.spec import Tolerance

WEB = ROOT / "zoo/web"
LATENCY = 256 + 128  # of the model, and of blocks of 128 samples
RUNTIME = os.environ.get("ONNXRUNTIME_WEB")
HEAD = """
import fs from "node:fs";
const given = new Float32Array(fs.readFileSync(0).buffer.slice(0));
const write = (floats) => {
  const bytes = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
  for (let at = 0; at < bytes.length; ) at += fs.writeSync(1, bytes, at);
};
"""
BLOCKS = """
const {Blocks, Denoiser} = await import(process.argv[1] + "/denoiser.js");
const denoiser = await Denoiser.load(fs.readFileSync(process.argv[2]));
const blocks = new Blocks(denoiser.stream(), 128);
blocks.attenuationLimit = Number(process.argv[3]);
blocks.push(given, given); // in place
write(given);
"""
GRAPH = """
const {GraphDenoiser} = await import(process.argv[1] + "/graph.js");
const ort = await import(process.argv[3] + "/dist/ort.wasm.min.mjs");
ort.env.wasm.numThreads = 1;
const graph = await GraphDenoiser.load(fs.readFileSync(process.argv[2]), ort);
write(await graph.enhance(given));
"""


def _node(program: str, *words: object, given: Array | None = None) -> bytes:
    need_node()
    signal = np.zeros(0) if given is None else given
    command = ["node", "--input-type=module", "-e", HEAD + program, WEB.as_uri(), *map(str, words)]
    done = subprocess.run(command, input=signal.astype("<f4").tobytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_module(tmp_path_factory.mktemp("module"))[1]


@pytest.fixture(scope="module")
def noisy() -> Array:
    """(16000,) of speech, blocks of 128."""
    return parity_speech(16000)[8000:24000]


@pytest.mark.parametrize("limit", [0, 12])
def test_an_attenuation_limit_is_exact_and_aligned(module: Path, noisy: Array, limit: int) -> None:
    found = np.frombuffer(_node(BLOCKS, module, limit, given=noisy), "<f4")[LATENCY:]
    enhanced = zoo.Enhancer(MODEL)(noisy)
    expected = enhanced + (noisy - enhanced) * 10 ** (-limit / 20)
    begin, stop = 128, len(found) - 128  # the limit fades in within a block
    compare(expected[begin:stop], found[begin:stop], tensor="limited", tolerance=Tolerance(110.0, 1e-5))


def test_what_is_no_number_does_not_stay(module: Path, noisy: Array) -> None:
    broken = noisy.copy()
    broken[4000] = np.nan
    found = np.frombuffer(_node(BLOCKS, module, "Infinity", given=broken), "<f4")[LATENCY:]
    assert np.isfinite(found).all()
    whole = zoo.Enhancer(MODEL)(noisy)
    np.testing.assert_allclose(found[:3300], whole[:3300], rtol=0, atol=1e-5)
    assert np.abs(found[8000:]).max() > 0.5 * np.abs(whole[8000:]).max()


@pytest.mark.parametrize("rate", [16000, 48000])
def test_loudness_is_that_of_the_recommendation(rate: int) -> None:
    """A sine of 997 Hz at full scale has -3.01 LUFS in one channel (BS.1770); silence beside it is gated.

    Of its blocks of 0.4 s, 17 are whole and three hold three quarters, a half and a quarter.
    """
    program = """
    const {loudness} = await import(process.argv[1] + "/loudness.js");
    console.log(JSON.stringify([loudness(given, Number(process.argv[2])), loudness(given.fill(0), 16000)]));
    """
    sine = np.sin(2 * np.pi * 997 * np.arange(4 * rate) / rate)
    sine[2 * rate :] = 0
    level, silent = json.loads(_node(program, rate, given=sine))
    expected = -3.01 + 10 * np.log10((17 + 1.5) / 20)
    assert abs(level - expected) < 0.05 and silent is None  # JSON has no infinity


def test_a_graphs_record_is_read(tmp_path: Path) -> None:
    program = """
    const {readManifest, describe} = await import(process.argv[1] + "/graph.js");
    try {
      console.log(JSON.stringify(describe(readManifest(fs.readFileSync(process.argv[2])))));
    } catch (error) {
      console.log(JSON.stringify(error.message));
    }
    """
    found = json.loads(_node(program, packaged("gtcrn")))
    assert (found["model"], found["sampleRate"], found["hop"], found["latency"]) == ("gtcrn", 16000, 256, 256)
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(packaged("gtcrn").read_bytes()[:20000])
    assert "no graph that speechzoo export made" in json.loads(_node(program, damaged))


def test_a_graph_is_run_by_onnxruntime_web(noisy: Array) -> None:
    if not RUNTIME:
        pytest.skip("needs onnxruntime-web; ONNXRUNTIME_WEB names its folder")
    found = np.frombuffer(_node(GRAPH, packaged(), Path(RUNTIME).resolve(), given=noisy), "<f4")
    compare(zoo.Enhancer(MODEL)(noisy), found, tensor="graph", tolerance=Tolerance(110.0, 1e-5))
