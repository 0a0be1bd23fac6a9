"""Generated C on other machines: cross-compiled, and run in an emulator."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from converters.c.compiler import compile_graph
from converters.c.interface import header_of
from tests.data import ROOT, Speech
from tests.native import compiler, make_program, run_program, tool
from zoo.artifact.parity import compare
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import MissingExtraError
from zoo.registry import get_spec
from zoo.runtime.compiler import build, find_compiler
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Tolerance
from zoo.tasks.enhancement.graph import session_over

ARM, FRAMES = "aarch64-linux-gnu", 40
AARCH64 = 183  # of e_machine in an ELF file


# Recurrences and grouped convolutions; attention; products in 64 bits.
@pytest.mark.parametrize("name", ["gtcrn", "fastenhancer_t", "lisennet"])
def test_arm_with_neon_computes_what_the_graph_computes(
    name: str, exported: Callable[..., Path], speech: Speech, tmp_path: Path
) -> None:
    cross, emulator = tool(f"{ARM}-gcc", f"gcc-{ARM}"), tool("qemu-aarch64-static", "qemu-user-static")
    graph, source = OnnxGraph(exported(name, "wav2wav")), tmp_path / "model.c"
    source.write_text(compile_graph(graph.path, "model"))
    source.with_suffix(".h").write_text(header_of(source.read_text()))
    front_end, session = get_spec(name).front_end, session_over(graph)
    wave = speech(front_end.sample_rate, 1.0, FRAMES * front_end.hop_length / front_end.sample_rate)
    program = make_program(source, "model", "-O3", "-static", command=cross)
    found = run_program(program, wave, emulator)
    expected = session.whole(wave[None])[0]
    compare(
        expected[: -session.latency],
        found[session.latency : len(wave)],
        tensor=name,
        tolerance=Tolerance(110.0, 1e-5),
    )
    code = subprocess.check_output([tool(f"{ARM}-objdump", f"binutils-{ARM}"), "-d", program], text=True)
    assert code.count("fmla\tv") > 100


@pytest.mark.parametrize("processor", ["m7", "m55"])
def test_microcontrollers_compute_what_the_graph_computes(
    processor: str, speech: Speech, tmp_path: Path
) -> None:
    """The example's program, on boards that QEMU has."""
    tool("arm-none-eabi-gcc", "gcc-arm-none-eabi"), tool("qemu-system-arm", "qemu-system-arm")
    make, path = tool("make", "make"), packaged_artifact(get_spec("fastenhancer_t"))
    assert path is not None
    source, session = tmp_path / "model.c", session_over(OnnxGraph(path))
    source.write_text(compile_graph(path, "model"))
    source.with_suffix(".h").write_text(header_of(source.read_text()))
    wave = speech(16000, 1.0, FRAMES * 256 / 16000)
    wave.astype("<f4").tofile(tmp_path / "noisy.f32")
    makefile = str(ROOT / "examples/native/cortex_m/Makefile")
    words = [make, "-s", "-f", makefile, "run", "MODEL=model", f"CPU={processor}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    found = np.fromfile(tmp_path / "clean.f32", "<f4")
    expected = session.whole(wave[None])[0]
    compare(
        expected[: -session.latency],
        found[session.latency : len(wave)],
        tensor=processor,
        tolerance=Tolerance(110.0, 1e-5),
    )


def test_a_library_for_another_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the compiler that Debian has for it; it is not run here."""
    tool(f"{ARM}-gcc", f"gcc-{ARM}")
    source, library, path = tmp_path / "x.c", tmp_path / "libx.so", packaged_artifact(get_spec("gtcrn"))
    assert path is not None
    source.write_text(compile_graph(path, "model"))
    words = ["build", str(source), "-o", str(library)]
    assert main([*words, "--target", ARM]) == 0
    assert f"for {ARM}; speechzoo verify it there" in capsys.readouterr().out
    assert int.from_bytes(library.read_bytes()[18:20], "little") == AARCH64
    assert main([*words, "--target", ARM, "--march", "native"]) == 1
    assert "native is the processor here, not that of aarch64" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "--target", ARM, "x86_64-linux-gnu"])
    assert "a library is for one machine" in capsys.readouterr().err


def test_a_portable_library_chooses_code_for_the_processor(tmp_path: Path, speech: Speech) -> None:
    """Emulated ones, without AVX and with AVX2 but not AVX-512: what does not run ends the program."""
    if platform.machine() != "x86_64":
        pytest.skip("needs an x86-64 processor")
    emulator, path = tool("qemu-x86_64-static", "qemu-user-static"), packaged_artifact(get_spec("gtcrn"))
    assert path is not None
    source, library = tmp_path / "model.c", tmp_path / "libmodel.so"
    source.write_text(compile_graph(path, "model"))
    build(source, library, "portable")
    header, program = tmp_path / "model.h", tmp_path / "denoise"
    header.write_text(header_of(source.read_text()))
    words = [compiler(), "-DMODEL=model", "-include", str(header), str(ROOT / "examples/native/denoise.c")]
    subprocess.run(
        [*words, f"-L{tmp_path}", "-lmodel", f"-Wl,-rpath,{tmp_path}", "-o", str(program)], check=True
    )
    wave, session = speech(16000, 1.0, FRAMES * 256 / 16000), session_over(OnnxGraph(path))
    expected = session.whole(wave[None])[0]
    found = [run_program(program, wave, emulator, "-cpu", name) for name in ("Nehalem", "max")]
    found.append(run_program(program, wave))
    for one in found:
        rest = one[session.latency : len(wave)]
        compare(expected[: -session.latency], rest, tensor="out", tolerance=Tolerance(110.0, 1e-5))
    assert np.any(found[0] != found[1]), "AVX2 multiplies and adds in one step"
    symbols = subprocess.check_output([tool("nm", "binutils"), "-D", "--defined-only", library], text=True)
    assert "model_process\n" in symbols and "_process_" not in symbols.replace("_process_1", "")


def test_zig_compiles_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ziglang")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    source, library = tmp_path / "x.c", tmp_path / "libx.dylib"
    source.write_text("SPEECHZOO_API int speechzoo(void);\nint speechzoo(void) { return 1; }\n")
    build(source, library, "portable", target="aarch64-macos")
    assert library.read_bytes()[:4] == bytes.fromhex("cffaedfe")  # Mach-O of 64 bits


def test_without_its_compiler_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("zoo.runtime.compiler.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"aarch64-linux-gnu-gcc, or the one of ziglang"):
        find_compiler(ARM)
    monkeypatch.setenv("CC", "mine -x")
    assert find_compiler(ARM) == ["mine", "-x"]
