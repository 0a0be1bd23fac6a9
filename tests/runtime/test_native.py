"""Native code in Python: what is loaded, what is refused, what is kept, and that it is what the graph is."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from converters.c.compiler import compile_graph
from tests.data import ROOT
from tests.native import compiler, make_program, run_program
from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import compare
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import ArtifactError, MissingExtraError
from zoo.extras import install_command
from zoo.registry import get_spec
from zoo.runtime.artifact import load_artifact
from zoo.runtime.compiler import ENDING, build
from zoo.runtime.native import NativeGraph
from zoo.runtime.native_cache import compiled, compiled_graph
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance
from zoo.tasks.enhancement.graph import StreamingSession, session_over
from zoo.tasks.enhancement.recovery import run_recovering


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this module's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHZOO_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def onnx_path() -> Path:
    pytest.importorskip("onnx")
    compiler()
    found = packaged_artifact(get_spec("gtcrn"))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def source(onnx_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("native") / "gtcrn.c"
    path.write_text(compile_graph(onnx_path))
    return path


@pytest.fixture(scope="module")
def library(source: Path) -> Path:
    path = source.with_name(f"libgtcrn{ENDING}")
    build(source, path)
    return path


@pytest.fixture
def session(library: Path) -> StreamingSession:
    found = session_over(NativeGraph(library))
    assert isinstance(found, StreamingSession)
    return found


@pytest.fixture(scope="module")
def blocks() -> Array:
    """(60, 1, 256) of speech."""
    return parity_speech(16000)[8000:][: 60 * 256].reshape(60, 1, 256)


def _run(session: StreamingSession, blocks: Array) -> Array:
    state, out = session.initial_state(), []
    for block in blocks:
        y, state = session.run(block, state)
        out.append(y)
    return np.stack(out)


def test_a_library_computes_what_its_graph_computes(
    session: StreamingSession, onnx_path: Path, blocks: Array
) -> None:
    graph = session_over(OnnxGraph(onnx_path))
    assert isinstance(graph, StreamingSession)
    assert (session.latency, session.block_length) == (graph.latency, graph.block_length)
    compare(_run(graph, blocks), _run(session, blocks), tensor="out", tolerance=Tolerance(110.0, 1e-5))


def test_a_library_is_verified_by_its_own_recording(library: Path, source: Path) -> None:
    assert zoo.verify(library).snr_db > 60
    assert zoo.verify(source).snr_db > 60


def test_the_c_is_the_same_each_time(onnx_path: Path, source: Path) -> None:
    assert compile_graph(onnx_path) == source.read_text()


def test_eight_threads_share_a_library(session: StreamingSession, blocks: Array) -> None:
    alone = [_run(session, np.roll(blocks, -n, 0)) for n in range(8)]
    found: list[Array | None] = [None] * 8

    def work(number: int) -> None:
        found[number] = _run(session, np.roll(blocks, -number, 0))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, found, strict=True):
        assert other is not None
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_stream_recovers_from_what_is_no_sound(
    session: StreamingSession, blocks: Array, bad: float
) -> None:
    _, state = session.run(blocks[0], session.initial_state())
    broken = blocks[1].copy()
    broken[0, 100] = bad
    _, state, _ = run_recovering(session, broken, state)
    output = blocks[0]
    for block in blocks[2:6]:
        output, state, _ = run_recovering(session, block, state)
        assert np.isfinite(output).all()
    assert np.abs(output).max() < 2


def test_what_is_no_number_does_not_survive_a_reset(library: Path, blocks: Array) -> None:
    """Memory for one call keeps what was in it; the next call must not read it."""
    graph = NativeGraph(library)
    used, fresh = graph.stream(), graph.stream()
    assert np.isnan(used(np.full_like(blocks[0], np.nan))).any()
    used.memory[:] = 0  # as gtcrn_reset does
    for block in blocks[:4]:
        np.testing.assert_array_equal(used(block), fresh(block))


@pytest.mark.parametrize("level", [0.0, 1.0, 1e-30, 1e-42])
def test_silence_full_scale_and_tiny_numbers_give_finite_ones(
    session: StreamingSession, level: float
) -> None:
    random = np.random.default_rng(0)
    noise = level * np.sign(random.standard_normal((40, 1, 256)))
    assert np.isfinite(_run(session, noise.astype(np.float32))).all()


def test_the_code_calls_nothing_that_allocates_and_keeps_no_state(source: Path, tmp_path: Path) -> None:
    if not shutil.which("nm"):
        pytest.skip("needs nm")
    out = tmp_path / "gtcrn.o"
    stack = ["-Wstack-usage=4096", "-Werror"] if "gcc" in compiler() else []
    words = [compiler(), "-O3", "-ffp-contract=fast", "-fno-math-errno", *stack]
    subprocess.run([*words, "-c", str(source), "-o", str(out)], check=True)
    symbols = [line.split() for line in subprocess.check_output(["nm", str(out)], text=True).splitlines()]
    assert {name for *_, kind, name in symbols if kind == "U"} <= {"memset", "memmove", "memcpy"}
    # those two are constants that hold addresses
    assert not [
        name for *_, kind, name in symbols if kind in "BbDdCG" and not name.startswith(("pieces", "info"))
    ]


def test_a_call_allocates_nothing(source: Path, tmp_path: Path) -> None:
    """The functions that allocate are the program's own, and end it while a stream runs."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs the GNU C library, whose functions a program may replace")
    main = """
#include <stdlib.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static volatile int runs, allocations;
static void seen(void) { if (runs) abort(); allocations++; }
void *malloc(size_t n) { seen(); return __libc_malloc(n); }
void *calloc(size_t m, size_t n) { seen(); return __libc_calloc(m, n); }
void *realloc(void *p, size_t n) { seen(); return __libc_realloc(p, n); }
int main(int count, char **words)
{
    static gtcrn_state state;
    static float in[GTCRN_IN], out[GTCRN_OUT];
    free(malloc((size_t)count));
    runs = count < 2;
    gtcrn_init(&state);
    for (int n = 0; n < 20; n++) {
        for (int i = 0; i < GTCRN_IN; i++) in[i] = (float)((i * 37 + n) % 100) / 200.0f;
        gtcrn_process(&state, in, out);
    }
    gtcrn_reset(&state);
    if (!runs) runs = 1, free(malloc(1));
    return allocations ? 0 : 1;
}
"""
    program, text = tmp_path / "alone", tmp_path / "alone.c"
    text.write_text(f'#include "{source}"\n{main}')
    subprocess.run([compiler(), "-O1", "-fno-builtin", str(text), "-lm", "-o", str(program)], check=True)
    assert subprocess.run([str(program)], check=False).returncode == 0
    assert subprocess.run([str(program), "and fail"], check=False).returncode == -signal.SIGABRT


def test_a_thread_sanitizer_sees_no_race(source: Path, tmp_path: Path) -> None:
    main = """
#include <pthread.h>
static gtcrn_state states[8];
static void *work(void *state)
{
    float in[256], out[256];
    gtcrn_init(state);
    for (int n = 0; n < 10; n++) {
        for (int i = 0; i < 256; i++) in[i] = (float)((i * 37 + n) % 100) / 200.0f;
        gtcrn_process(state, in, out);
    }
    return 0;
}
int main(void)
{
    pthread_t threads[8];
    for (int n = 0; n < 8; n++) pthread_create(&threads[n], 0, work, &states[n]);
    for (int n = 0; n < 8; n++) pthread_join(threads[n], 0);
    return 0;
}
"""
    program = tmp_path / "threads"
    text = tmp_path / "threads.c"
    text.write_text(f'#include "{source}"\n{main}')
    words = [
        compiler(),
        "-O1",
        "-fno-math-errno",
        "-fsanitize=thread",
        "-pthread",
        str(text),
        "-o",
        str(program),
    ]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    if made.returncode and "tsan" in made.stderr:
        pytest.skip("needs the thread sanitizer's library")
    assert made.returncode == 0, made.stderr[:1000]
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the thread sanitizer does not run on this kernel")
    assert done.returncode == 0 and not done.stderr, done.stderr[:1000]


def test_a_library_that_is_none_is_refused(tmp_path: Path, source: Path) -> None:
    path = tmp_path / f"no{ENDING}"
    path.write_bytes(b"no library")
    with pytest.raises(ArtifactError, match="it is no shared library of speechzoo"):
        load_artifact(path)
    other = tmp_path / "other.c"
    other.write_text("int speechzoo(void) { return 0; }\n")
    build(other, path)
    with pytest.raises(ArtifactError, match="it is no shared library of speechzoo"):
        load_artifact(path)


def test_c_that_cannot_be_compiled_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bad.c"
    path.write_text("this is no C;\n")
    with pytest.raises(ArtifactError, match=r"bad\.c: .* cannot compile it"):
        build(path, tmp_path / "bad.so")
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_compiler_the_error_names_the_extra(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("zoo.runtime.compiler.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=re.escape(install_command("native"))):
        build(source, tmp_path / "x.so")


def test_what_was_compiled_is_kept_by_what_decides(
    onnx_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compiled_graph(onnx_path)
    kept = {path for path in cache.rglob("gtcrn.*") if path.is_file()}
    assert {path.suffix for path in kept} == {".c", ENDING}

    def refuse(*arguments: object, **options: object) -> None:
        raise ArtifactError("built again")

    monkeypatch.setattr("zoo.runtime.native_cache.build", refuse)
    assert compiled_graph(onnx_path).manifest == first.manifest
    with monkeypatch.context() as patch:
        patch.setattr("zoo.runtime.native_cache._processor", lambda: "another")
        with pytest.raises(ArtifactError, match="built again"):
            compiled_graph(onnx_path)
    changed = cache / "gtcrn.c"
    changed.write_text(next(path for path in kept if path.suffix == ".c").read_text() + "\n")
    with pytest.raises(ArtifactError, match="built again"):
        compiled(changed)


def test_a_program_of_the_c_is_the_enhancer(source: Path, blocks: Array, session: StreamingSession) -> None:
    from converters.c.interface import header_of

    source.with_suffix(".h").write_text(header_of(source.read_text()))
    program = make_program(source, "gtcrn", "-O2")
    found = run_program(program, blocks)
    compare(_run(session, blocks).ravel(), found, tensor="out", tolerance=Tolerance(110.0, 1e-5))


def test_a_batch_of_streams_equals_each_alone(session: StreamingSession, blocks: Array) -> None:
    assert session.batched
    both = np.concatenate([blocks, np.roll(blocks, 7, 0)], axis=1)
    state = {name: np.repeat(value, 2, 0) for name, value in session.initial_state().items()}
    out = []
    for block in both[:10]:
        y, state = session.run(block, state)
        out.append(y)
    for row, alone in enumerate((blocks, np.roll(blocks, 7, 0))):
        np.testing.assert_array_equal(np.stack(out)[:, row], _run(session, alone[:10])[:, 0])


def test_streams_of_a_batcher_run_natively(library: Path, blocks: Array) -> None:
    recording = blocks.ravel()[:6000]
    batcher = zoo.StreamBatcher(library)
    with batcher.join() as one, batcher.join() as other:
        found = batcher.push({one: recording, other: recording[::-1]})
    alone = zoo.Enhancer(library).stream().push(recording)
    np.testing.assert_array_equal(found[one], alone)


def test_an_enhancer_runs_natively(onnx_path: Path, library: Path, blocks: Array) -> None:
    plain, native = zoo.Enhancer("gtcrn"), zoo.Enhancer(library)
    assert native.backend == "native"
    recording = blocks.ravel()
    compare(plain(recording), native(recording), tensor="out", tolerance=Tolerance(110.0, 1e-5))
    one, other = plain.stream(48000), native.stream(48000)
    assert one.latency == other.latency
    compare(one.push(recording), other.push(recording), tensor="out", tolerance=Tolerance(110.0, 1e-5))


def test_a_checkpoint_is_enhanced_with_natively(
    weights_for: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler()
    command = ["enhance", str(ROOT / "examples/noisy.wav"), "--model", "gtcrn"]
    command += ["--weights", str(weights_for("gtcrn"))]
    assert main([*command, "-o", str(tmp_path / "native.wav"), "--backend", "native"]) == 0
    assert main([*command, "-o", str(tmp_path / "graph.wav")]) == 0, capsys.readouterr().err
    native, graph = (soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("native", "graph"))
    np.testing.assert_allclose(native, graph, atol=1.1 / 32768)  # 16 bits in the files


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("dpcrn", "do not come with the package"),
        ("README.md", "made of an .onnx or a .c file"),
        ("nothing", "made of an"),
    ],
)
def test_what_cannot_be_native_is_said(source: str, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        zoo.Enhancer(source, backend="native")
    with pytest.raises(ValueError, match="backend 'other'"):
        zoo.Enhancer("gtcrn", backend="other")  # type: ignore[arg-type]
