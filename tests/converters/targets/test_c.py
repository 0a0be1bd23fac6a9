"""The gate of C, and the commands that make and build it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import converters
import zoo
from converters.c import compiler as generator
from tests.native import compiler
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import ArtifactError, ParityError
from zoo.registry import get_spec
from zoo.runtime.compiler import ENDING


@pytest.fixture(scope="module")
def graph() -> Path:
    compiler()
    found = packaged_artifact(get_spec("fastenhancer_t"))
    assert found is not None
    return found


def test_a_model_is_exported_and_held_against_its_training_form(tmp_path: Path) -> None:
    compiler()
    path, model = tmp_path / "fe.c", zoo.create_model("fastenhancer_t", "speechzoo")
    report = converters.export(model, path, "c", form="spec2spec", symbol="mine")
    assert report.snr_db > 110
    assert sorted(os.listdir(tmp_path)) == ["fe.c", "fe.h"]
    header = path.with_suffix(".h").read_text()
    assert "mine_process(mine_state *state, const float *in, float *out)" in header
    assert f"#define MINE_IN {257 * 2}" in header and path.read_text().startswith(
        header.rsplit("#endif", 1)[0]
    )


def test_one_weight_changed_by_a_thousandth_fails(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(path: Path, name: str | None = None, streams: int = 1) -> str:
        program = generator.read_graph(path)
        weight = next(op.input(1) for op in program.ops if op.kind == "Conv")
        weight.data = weight.constant * np.float32(1.001)
        return generator.compile_program(program, name, streams)

    monkeypatch.setattr("converters.targets.c.compile_graph", faulty)
    path = tmp_path / "x.c"
    path.write_text("an earlier export")
    with pytest.raises(ParityError, match=r"SNR .* would pass with"):
        converters.export_c(graph, path)
    assert os.listdir(tmp_path) == ["x.c"] and path.read_text() == "an earlier export"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"form": "wav2wav"}, "a file has its own form"), ({"symbol": "a-b"}, "no name that C can have")],
)
def test_options_that_contradict_are_refused(
    graph: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        converters.export_c(graph, tmp_path / "x.c", **options)
    with pytest.raises(ValueError, match=r"ends in \.c"):
        converters.export_c(graph, tmp_path / "x.txt")
    assert not os.listdir(tmp_path)


def test_a_graph_for_many_hops_is_refused(tmp_path: Path) -> None:
    many = packaged_artifact(get_spec("fastenhancer_t"), many=True)
    assert many is not None
    with pytest.raises(ArtifactError, match="one stream and a fixed number of hops"):
        converters.export_c(many, tmp_path / "x.c")


def test_from_a_graph_to_an_enhanced_recording(
    graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], folders: tuple[Path, Path]
) -> None:
    source, library = tmp_path / "fe.c", tmp_path / f"libfe{ENDING}"
    assert main(["export", str(graph), "--target", "c", "-o", str(source)]) == 0
    assert main(["build", str(source), "-o", str(library), "--march", "portable"]) == 0
    assert main(["verify", str(library)]) == 0
    noisy, clean = folders[0] / "first.wav", tmp_path / "clean.wav"
    assert main(["enhance", str(noisy), "--artifact", str(library), "-o", str(clean)]) == 0
    assert clean.is_file()
    told = capsys.readouterr().out
    assert told.count("verified; ") == 2 and "SNR" in told


def test_a_library_for_another_processor_is_verified_where_it_runs(
    graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An instruction that no processor has stands for one that the processor here has not."""
    if platform.machine() != "x86_64":
        pytest.skip("needs an x86-64 processor")
    source, text = tmp_path / "fe.c", generator.compile_graph(graph)
    words = ["build", str(source), "-o", str(tmp_path / f"libfe{ENDING}"), "--march", "x86-64"]
    source.write_text(text)
    assert main(words) == 0 and "verified; " in capsys.readouterr().out
    source.write_text(text.replace("{ fastenhancer_t_process", "{ __builtin_trap(); fastenhancer_t_process"))
    assert main(words) == 0
    assert "not verified: the processor here does not run code for x86-64" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["export", "{graph}", "-o", "x.onnx"], "only C is made"),
        (["export", "{graph}", "-o", "x.c", "--hops", "2"], "--hops: "),
        (["export", "gtcrn", "--model", "dpcrn", "-o", "x.c"], "name one model"),
        (["export", "gtcrn", "-o", "x.so"], "x.so: a .so is built of C: speechzoo export -o x.c, then"),
        (["export", "{graph}", "-o", "x.wasm"], "a .wasm is built of C"),
        (["build", "x.c"], "-o LIBRARY"),
        (["build", "x.c", "-o", "x.so", "--rtx"], "it is for engines"),
        (["build", "absent.c", "-o", "x.so"], "there is no such file"),
    ],
)
def test_misuse_is_told(
    graph: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with_graph = [word.replace("{graph}", str(graph)) for word in words]
    try:
        status = main(with_graph)
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    assert status in (1, 2)
    assert message in capsys.readouterr().err


def test_two_hops_a_call(tmp_path: Path, exported: Callable[..., Path]) -> None:
    report = converters.export_c(exported("gtcrn", "wav2wav", hops=2), tmp_path / "two.c")
    assert report.snr_db > 110
    assert "#define GTCRN_IN 512" in (tmp_path / "two.h").read_text()
