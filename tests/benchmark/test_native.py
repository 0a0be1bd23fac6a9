"""Native code beside ONNX Runtime: what else a benchmark tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.native import compiler
from zoo.benchmark.cases import Case, OnnxFile, Sizes
from zoo.benchmark.measure import measure
from zoo.benchmark.native import compile_again, peak
from zoo.benchmark.tables import text_table
from zoo.builtin import packaged_artifact
from zoo.errors import ArtifactError
from zoo.registry import get_spec
from zoo.runtime.native_cache import generated


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def case() -> Case:
    pytest.importorskip("onnx")
    compiler()
    path = packaged_artifact(get_spec("fastenhancer_t"))
    assert path is not None
    return OnnxFile(path).cases("fastenhancer_t", Sizes())[0]


def test_rows_of_native_code(case: Case) -> None:
    native = replace(case, backend="native", graph="C", reference=case)
    graph, one, many = measure([case, native, replace(native, streams=16)], rounds=2, calls=20, seconds=0.2)
    assert graph.size_bytes == case.path.stat().st_size if case.path else 0
    assert (graph.compile_s, graph.products_ms) == (None, None)
    for row in (one, many):
        assert 100_000 < (row.size_bytes or 0) < 2_000_000 and (row.compile_s or 0) > 0.1
        assert 0 < (row.products_ms or 0) < row.frame_ms, "the products are a part of it"
        assert (row.cold_ms or 0) > 0.5 * row.frame_ms
    assert one.products_ms == pytest.approx(many.products_ms, rel=0.3), "but for the transforms the same"
    heading = text_table([graph, one, many]).splitlines()[1]
    assert all(word in heading for word in ("cold ms", "products ms", "size kB", "compile s"))


def test_what_a_file_tells(case: Case, tmp_path: Path) -> None:
    assert case.path is not None
    found = compile_again(generated(case.path))
    assert found.multiply_adds == pytest.approx(0.96e6, rel=0.1), "59.8 million a second, by 16 ms"
    other = tmp_path / "x.c"
    other.write_text("int x;\n")
    with pytest.raises(ArtifactError, match=r"x\.c: it is no C that speechzoo export"):
        compile_again(other)


def test_the_peak_is_that_of_a_processor() -> None:
    compiler()
    assert 1e8 < peak() < 1e12 and peak() == peak()
