"""The kernels: what they compute and how exactly, and that each definition comes with what it needs."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable

import numpy as np
import pytest

from converters.c.kernels import kernel_names, kernels_for
from converters.c.products import packed, padded
from tests.native import STRICT, compiler
from zoo.arrays import Array

EXACT = {  # function: (range, NumPy's, units in the last place)
    "exponential": (np.linspace(-86, 88, 400001), np.exp, 2),
    "logarithm": (np.geomspace(1.2e-38, 3e38, 400001), np.log, 2),
    "sigmoid": (np.linspace(-80, 80, 400001), lambda x: 1 / (1 + np.exp(-x)), 3),
    "hyperbolic_tangent": (np.linspace(-20, 20, 400001), np.tanh, 4),
    "arctangent": (np.linspace(-50, 50, 400001), np.arctan, 3),
    "sine": (np.linspace(-3, 3, 400001), np.sin, 3),
    "cosine": (np.linspace(-1.4, 1.4, 400001), np.cos, 3),
    "nearest": (np.linspace(-9, 9, 4001), np.round, 0),
}


ROWS, COLUMNS = (1, 2, 3, 5, 6, 7, 13), (1, 7, 8, 20, 33, 64, 70)


@pytest.fixture(scope="module", params=["portable", "native"])
def library(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> ctypes.CDLL:
    """For vectors of 4, and for those of the processor here."""
    folder = tmp_path_factory.mktemp("kernels")
    loops = [
        f"void map_{name}(int n, const float *x, float *y)"
        f"{{ for (int i = 0; i < n; i++) y[i] = {name}(x[i]); }}"
        for name in EXACT
    ]
    calls = [
        "static const int begin[1] = {0};",
        *_calls("product", "a, 11, 1, b, start, 0, c, {n}"),
        *_calls("combine", "a, 11, 1, b, {n}, start, 1, 0, c, {n}"),
        "void call_pack(int k, int n, const float *x, float *y) { pack(k, n, x, n, 1, y); }",
        "void call_softmax(int m, int n, const float *x, float *y) { softmax(m, n, 0.5f, x, n, y, n); }",
    ]
    text = ["#include <stdint.h>", "#include <string.h>", *kernels_for([*loops, *calls]), *loops, *calls]
    (folder / "k.c").write_text("\n".join(text))
    flags = [flag for flag in STRICT if flag != "-Wpedantic"]
    out = folder / "k.so"
    march = [] if request.param == "portable" else ["-march=native"]
    words = [
        compiler(),
        *flags,
        *march,
        "-O2",
        "-shared",
        "-fPIC",
        "-Wno-missing-prototypes",
        str(folder / "k.c"),
    ]
    subprocess.run([*words, "-o", str(out)], check=True)
    return ctypes.CDLL(str(out))


def _calls(kernel: str, arguments: str) -> list[str]:
    """A function for each size, as the kernels are written for sizes that are known while compiling."""
    return [
        f"void {kernel}_{m}x{n}(const float *a, const float *b, const float *start, float *c)"
        f"{{ {kernel}({m}, {n}, 11, 1, begin, {arguments.format(n=n)}); }}"
        for m in ROWS
        for n in COLUMNS
    ]


def _call(function: Callable[..., object], *values: int | Array | None) -> None:
    function(*(ctypes.c_void_p(v.ctypes.data) if isinstance(v, np.ndarray) else v for v in values))


@pytest.mark.parametrize("name", EXACT)
def test_functions_are_as_exact_as_they_say(name: str, library: ctypes.CDLL) -> None:
    numbers, function, units = EXACT[name]
    x = numbers.astype(np.float32)
    y = np.empty_like(x)
    _call(getattr(library, f"map_{name}"), len(x), x, y)
    exact = function(x.astype(np.float64))
    off = np.abs(y - exact) / np.spacing(np.maximum(np.abs(exact), 1.2e-38).astype(np.float32))
    assert off.max() <= units + 0.5, (off.max(), x[off.argmax()])


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("exponential", [np.nan, -np.inf, -1000.0], [np.nan, 0.0, 0.0]),
        ("logarithm", [np.nan, 0.0, -1.0, np.inf], [np.nan, -np.inf, np.nan, np.inf]),
        ("sigmoid", [np.nan, -1e30, 1e30], [np.nan, 0.0, 1.0]),
        ("hyperbolic_tangent", [np.nan, -1e30, 1e30, 1e-30], [np.nan, -1.0, 1.0, 1e-30]),
    ],
)
def test_what_is_no_number_is_none_after(
    name: str, given: list[float], expected: list[float], library: ctypes.CDLL
) -> None:
    x = np.array(given, np.float32)
    y = np.empty_like(x)
    _call(getattr(library, f"map_{name}"), len(x), x, y)
    np.testing.assert_allclose(y, np.array(expected, np.float32), atol=1e-30, rtol=1e-6)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("columns", COLUMNS)
def test_product_of_every_size(rows: int, columns: int, library: ctypes.CDLL) -> None:
    random = np.random.default_rng(rows * columns)
    a, b = (random.standard_normal(shape).astype(np.float32) for shape in ((rows, 11), (11, columns)))
    start = padded(random.standard_normal(columns).astype(np.float32))
    room = np.full((rows * columns + 8,), 7, np.float32)
    matrix = np.ascontiguousarray(packed(b))
    _call(getattr(library, f"product_{rows}x{columns}"), a, matrix, start, room)
    np.testing.assert_allclose(
        room[:-8].reshape(rows, columns), a @ b + start[:columns], rtol=2e-5, atol=2e-5
    )
    np.testing.assert_array_equal(room[-8:], 7)
    other = np.empty_like(matrix)
    _call(library.call_pack, 11, columns, b, other)
    np.testing.assert_array_equal(other, matrix)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("columns", COLUMNS)
def test_sums_of_rows_of_every_size(rows: int, columns: int, library: ctypes.CDLL) -> None:
    random = np.random.default_rng(rows * columns)
    a, b = (random.standard_normal(shape).astype(np.float32) for shape in ((rows, 11), (11, columns)))
    start = random.standard_normal(rows).astype(np.float32)
    room = np.full((rows * columns + 8,), 7, np.float32)
    _call(getattr(library, f"combine_{rows}x{columns}"), a, padded(b.ravel()), start, room)
    np.testing.assert_allclose(room[:-8].reshape(rows, columns), a @ b + start[:, None], rtol=2e-5, atol=2e-5)
    np.testing.assert_array_equal(room[-8:], 7)


def test_softmax(library: ctypes.CDLL) -> None:
    x = np.random.default_rng(0).standard_normal((3, 13)).astype(np.float32) * 20
    y = np.empty_like(x)
    _call(library.call_softmax, 3, 13, x, y)
    weights = np.exp(0.5 * (x - x.max(1, keepdims=True)).astype(np.float64))
    np.testing.assert_allclose(y, weights / weights.sum(1, keepdims=True), rtol=1e-5, atol=1e-9)


def test_a_definition_comes_with_what_it_needs_and_nothing_else() -> None:
    assert kernels_for(["y = leaky(x, 2);"]) == [part for part in kernels_for(["leaky"]) if "INLINE" in part]
    text = "\n".join(kernels_for(["gru(1);"]))
    assert "void product(" in text and "float sigmoid(" in text and "softmax" not in text
    assert {"product", "gru", "LANES", "exponential", "TILE"} <= kernel_names()
