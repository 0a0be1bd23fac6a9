"""Generated C as WebAssembly in Node.js: what it computes, how large it is, what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.data import ROOT
from tests.webassembly import make_module, need_node, packaged
from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import compare
from zoo.cli import main
from zoo.errors import ArtifactError, MissingExtraError
from zoo.extras import install_command
from zoo.runtime.artifact import load_artifact
from zoo.runtime.onnx import OnnxGraph
from zoo.runtime.webassembly import WebAssemblyGraph
from zoo.runtime.webassembly_compiler import build_webassembly
from zoo.spec import Tolerance
from zoo.tasks.enhancement.feeds import compare_on_speech

CLOSE = Tolerance(110.0, 1e-5)
# what a page downloads, from the smallest model with its record
LARGEST = 400_000

DENOISE = """
import fs from "node:fs";
import { Blocks, Denoiser } from "%s";
const denoiser = await Denoiser.load(fs.readFileSync(process.argv[1]));
const samples = new Float32Array(fs.readFileSync(0).buffer.slice(0));
const size = Number(process.argv[2]);
let result;
if (size) {
  const blocks = new Blocks(denoiser.stream(), size);
  denoiser.allocate(1 << 20); // moves the memory below the stream's views
  result = new Float32Array(samples.length);
  for (let at = 0; at + size <= samples.length; at += size)
    blocks.push(samples.subarray(at, at + size), result.subarray(at, at + size));
  result = result.subarray(blocks.latency, samples.length - samples.length % size);
} else {
  result = denoiser.enhance(samples);
}
fs.writeSync(1, JSON.stringify(denoiser.info) + "\\n");
const bytes = new Uint8Array(result.buffer, result.byteOffset, result.byteLength);
for (let at = 0; at < bytes.length; ) at += fs.writeSync(1, bytes, at);
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The C, and its module."""
    need_node()
    return make_module(tmp_path_factory.mktemp("webassembly"))


@pytest.fixture(scope="module")
def noisy() -> Array:
    """(16001,) of speech that no block divides."""
    return parity_speech(16000)[8000:24001]


def _denoise(module: Path, noisy: Array, size: int = 0) -> tuple[dict[str, object], Array]:
    """What denoiser.js says of a module, and makes of a recording, in blocks or at once."""
    program = DENOISE.replace("%s", (ROOT / "zoo/web/denoiser.js").as_uri())
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program, str(module), str(size)],
        input=noisy.astype("<f4").tobytes(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    head, _, data = done.stdout.partition(b"\n")
    return json.loads(head), np.frombuffer(data, "<f4")


def test_a_module_computes_what_its_graph_computes_and_is_small(files: tuple[Path, Path]) -> None:
    _, module = files
    graph = WebAssemblyGraph(module)
    compare_on_speech(OnnxGraph(packaged()), graph, CLOSE)
    assert zoo.verify(module).snr_db > 60
    assert module.stat().st_size < LARGEST


def test_another_family_is_computed_too(files: tuple[Path, Path], tmp_path: Path) -> None:
    _, module = make_module(tmp_path, "gtcrn")
    compare_on_speech(OnnxGraph(packaged("gtcrn")), WebAssemblyGraph(module), CLOSE)


def test_a_module_without_its_record_runs_and_says_that_it_cannot_be_verified(
    files: tuple[Path, Path], tmp_path: Path, noisy: Array
) -> None:
    source, module = files
    bare = tmp_path / "bare.wasm"
    build_webassembly(source, bare, bare=True)
    assert bare.stat().st_size < module.stat().st_size - 50_000
    np.testing.assert_array_equal(_denoise(bare, noisy)[1], _denoise(module, noisy)[1])
    with pytest.raises(ArtifactError, match="without --bare"):
        load_artifact(bare)


@pytest.mark.parametrize("size", [0, 128, 441])
def test_javascript_enhances_as_python_does(files: tuple[Path, Path], noisy: Array, size: int) -> None:
    info, found = _denoise(files[1], noisy, size)
    assert (info["model"], info["sampleRate"], info["latency"]) == ("fastenhancer_t", 16000, 256)
    expected = zoo.Enhancer("fastenhancer_t")(noisy)
    assert len(found) > len(expected) - 1024
    compare(expected[: len(found)], found, tensor="enhanced", tolerance=CLOSE)


def test_threads_share_a_module(files: tuple[Path, Path], noisy: Array) -> None:
    enhancer = zoo.Enhancer(files[1])
    assert enhancer.backend == "webassembly"
    alone = [enhancer(noisy[n * 1000 :][:4000]) for n in range(4)]
    found: list[Array | None] = [None] * 4

    def work(number: int) -> None:
        found[number] = enhancer(noisy[number * 1000 :][:4000])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_no_module_of_ours_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.wasm"
    damaged.write_bytes(files[1].read_bytes()[:5000])
    other = tmp_path / "other.wasm"
    other.write_bytes(b"\0asm\1\0\0\0")
    for path, message in ((damaged, "extends past"), (other, "no module that speechzoo build made")):
        with pytest.raises(ArtifactError, match=message):
            load_artifact(path)


def test_what_is_no_generated_c_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "other.c"
    path.write_text("int f(void) { return 0; }\n")
    with pytest.raises(ArtifactError, match=r"other\.c: it is no C that"):
        build_webassembly(path, tmp_path / "other.wasm")
    with pytest.raises(ArtifactError, match="there is no such file"):
        build_webassembly(tmp_path / "absent.c", tmp_path / "other.wasm")
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_missing_is_named(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "no-compiler")
    monkeypatch.setattr("zoo.runtime.webassembly_compiler.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=re.escape(install_command("native"))):
        build_webassembly(files[0], tmp_path / "x.wasm")
    with pytest.raises(ArtifactError, match=r"needs Node\.js"):
        load_artifact(files[1])


def test_the_command_builds_and_verifies(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "t.wasm"
    assert main(["build", str(files[0]), "-o", str(module)]) == 0
    assert main(["verify", str(module)]) == 0
    assert "compressed" in (told := capsys.readouterr().out) and "verified in Node.js; " in told
    for words, message in (
        (["-o", "x.wasm", "--march", "native"], "--march: WebAssembly"),
        (["-o", "x.so", "--bare"], "--bare: it is for WebAssembly"),
    ):
        with pytest.raises(SystemExit):
            main(["build", str(files[0]), *words])
        assert message in capsys.readouterr().err
