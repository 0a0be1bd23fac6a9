"""Products of matrices that are a Fourier transform become a fast one, and others stay what they are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from converters.c.compiler import compile_program
from converters.c.ir import Program
from converters.c.transforms import SIZES, find_transforms
from tests.converters.c.graphs import make_program
from tests.native import STRICT, compiler
from zoo.arrays import Array
from zoo.signal.windows import two_factors

node = helper.make_node


def _forward(size: int, window: Array, bins: int | None = None) -> Program:
    """Two products as the streaming form has them, of one frame: (1, size) -> (1, 2, bins)."""
    first, second = two_factors(size)
    rows = np.arange(first)
    inner = np.exp(-2j * np.pi * np.outer(rows, rows) / first)[None]  # (1, N1, N1)
    turn = np.exp(-2j * np.pi * np.outer(np.arange(second), rows) / size)[:, None]  # (N2, 1, N1)
    inner = inner * turn * window.reshape(first, second).T[:, :, None]
    columns = second // 2 + 1
    outer = np.exp(-2j * np.pi * np.outer(np.arange(second), np.arange(columns)) / second)
    parts = np.stack([inner.real, inner.imag], -1).reshape(second, first, 2 * first)
    both = np.stack([np.hstack([outer.real, outer.imag]), np.hstack([-outer.imag, outer.real])], 1)
    bins = bins or size // 2 + 1
    nodes = [
        node("Reshape", ["x", "seen"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=[2, 0, 1]),
        node("MatMul", ["b", "inner"], ["c"]),
        node("Reshape", ["c", "pairs"], ["d"]),
        node("Transpose", ["d"], ["e"], perm=[1, 2, 0, 3]),
        node("Reshape", ["e", "flat"], ["f"]),
        node("MatMul", ["f", "outer"], ["g"]),
        node("Reshape", ["g", "halves"], ["h"]),
        node("Transpose", ["h"], ["i"], perm=[0, 2, 3, 1]),
        node("Reshape", ["i", "long"], ["j"]),
        node("Slice", ["j", "zero", "bins", "axis"], ["y"]),
    ]
    constants = {
        "inner": parts.astype(np.float32),
        "outer": both.reshape(2 * second, 2 * columns).astype(np.float32),
        "seen": np.array([1, first, second]),
        "pairs": np.array([second, 1, first, 2]),
        "flat": np.array([1, first, 2 * second]),
        "halves": np.array([1, first, 2, columns]),
        "long": np.array([1, 2, columns * first]),
        "zero": np.array([0]),
        "bins": np.array([bins]),
        "axis": np.array([2]),
    }
    return make_program(nodes, {"x": (1, size)}, {"y": (1, 2, bins)}, constants)


def _backward(size: int, window: Array) -> Program:
    """The inverse by one matrix, after a product that is none: (1, 2, bins) -> (1, size)."""
    bins = size // 2 + 1
    units = np.eye(2 * bins).reshape(2 * bins, 2, bins)
    matrix = np.stack([np.fft.irfft(unit[0] + 1j * unit[1], size) * window for unit in units])
    nodes = [
        node("Reshape", ["x", "flat"], ["a"]),
        node("MatMul", ["a", "eye"], ["b"]),
        node("MatMul", ["b", "m"], ["y"]),
    ]
    constants = {
        "flat": np.array([1, 2 * bins]),
        "eye": np.eye(2 * bins, dtype=np.float32),
        "m": matrix.astype(np.float32),
    }
    return make_program(nodes, {"x": (1, 2, bins)}, {"y": (1, size)}, constants)


def _computed(program: Program, x: Array, folder: Path, march: list[str]) -> Array:
    """What the compiled C makes of numbers."""
    size, count = program.signal.size, program.result.size
    main = (
        f"#include <stdio.h>\nint main(void) {{ static t_state s; static float in[{size}], out[{count}];"
        f" t_init(&s); return fread(in, 4, {size}, stdin) == {size} && (t_process(&s, in, out), 1)"
        f" && fwrite(out, 4, {count}, stdout) == {count} ? 0 : 1; }}\n"
    )
    (folder / "t.c").write_text(compile_program(program, "t") + main)
    command = [compiler(), *STRICT, *march, "-O1", str(folder / "t.c"), "-o", str(folder / "t")]
    subprocess.run(command, check=True)
    done = subprocess.run([folder / "t"], input=x.astype("<f4").tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, "<f4")


@pytest.mark.parametrize("march", [[], ["-march=native"]], ids=["portable", "native"])
@pytest.mark.parametrize("size", SIZES)
def test_both_ways_of_every_size(size: int, march: list[str], tmp_path: Path) -> None:
    random = np.random.default_rng(size)
    window, x = random.uniform(0.1, 1, size), random.standard_normal(size)
    forward = _forward(size, window)
    spectrum = np.fft.rfft(x * window)
    expected = np.concatenate([spectrum.real, spectrum.imag])
    found = _computed(forward, x, tmp_path, march)
    assert [op.kind for op in forward.ops] == ["Spectrum"]
    np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(spectrum).max())

    backward = _backward(size, window)
    given = random.standard_normal((2, size // 2 + 1))  # imaginary parts at both ends mean nothing
    expected = np.fft.irfft(given[0] + 1j * given[1], size) * window
    found = _computed(backward, given, tmp_path, march)
    assert [op.kind for op in backward.ops] == ["Waveform"]
    np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max())


def test_what_is_almost_one_stays_a_product() -> None:
    program = _forward(512, np.hanning(512) + 0.1)
    inner = next(v for op in program.ops for v in op.inputs if v is not None and v.name == "inner")
    assert inner.data is not None
    inner.data = inner.data.copy()
    inner.data[3, 5, 7] += 0.001
    find_transforms(program)
    assert [op.kind for op in program.ops].count("MatMul") == 2


def test_fewer_bins_stay_products() -> None:
    program = _forward(512, np.ones(512), bins=256)
    find_transforms(program)
    assert [op.kind for op in program.ops].count("MatMul") == 2
