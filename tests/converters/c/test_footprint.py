"""What generated C takes of microcontrollers."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from converters.c.compiler import compile_graph
from converters.c.footprint import BOARDS, COMPILER, Board, deepest, measure
from tests.native import STRICT, tool
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import ArtifactError
from zoo.registry import get_spec


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    graph = packaged_artifact(get_spec("fastenhancer_t"))
    assert graph is not None
    path = tmp_path_factory.mktemp("board") / "fe.c"
    path.write_text(compile_graph(graph))
    return path


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_flash_memory_and_stack(source: Path, board: object) -> None:
    """The sizes that the file itself tells, and bounds of what the compiler decides."""
    tool(COMPILER, "gcc-arm-none-eabi")
    found, text = measure(source, board), source.read_text()  # type: ignore[arg-type]
    sizes = [int(size) for size in re.findall(r"float (?:memory|work)\[(\d+)\]", text)]
    assert len(sizes) == 2 and found.state == 4 * sum(sizes)
    constants = sum(
        (8 if kind == "double" else 4) * int(size)
        for kind, size in re.findall(r"^static const (\w+) \w+\[(\d+)\] = \{$", text, re.MULTILINE)
    )
    assert constants <= found.constants < constants + 4096
    assert 5_000 < found.code < 200_000
    assert found.stack is not None and 100 < found.stack < 8192
    assert 0.001 < found.share < 0.5 and not found.lacks and "; fits (" in str(found)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_no_warning(board: Board, tmp_path: Path) -> None:
    """Of a file with layer norms, whose loops after the last vector GCC for ARM looks at closely."""
    graph, path = packaged_artifact(get_spec("gtcrn")), tmp_path / "gtcrn.c"
    assert graph is not None
    path.write_text(compile_graph(graph))
    words = [tool(COMPILER, "gcc-arm-none-eabi"), *STRICT, *board.flags, "-O2", "-mthumb", "-mfloat-abi=hard"]
    done = subprocess.run(
        [*words, "-c", str(path), "-o", str(tmp_path / "gtcrn.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_does_not_fit_is_told(source: Path) -> None:
    tool(COMPILER, "gcc-arm-none-eabi")
    found = measure(source, BOARDS[0])
    small = replace(BOARDS[0], flash=found.code, memory=found.state, clock=1e5)
    found = measure(source, small)
    assert found.lacks == ["flash", "memory", "time"]
    assert "does not fit: too little flash, memory, time (STM32H743: " in str(found)
    assert replace(found, board=BOARDS[0], stack=None, share=0.1).lacks == ["stack with a bound"]


def test_the_deepest_way_counts() -> None:
    graph = """graph: { title: "x.c"
node: { title: "run" label: "run\\nx.c:9:1\\n100 bytes (static)" }
node: { title: "x.c:a" label: "a\\nx.c:1:1\\n8 bytes (static)" }
node: { title: "x.c:b" label: "b\\nx.c:2:1\\n40 bytes (dynamic,bounded)" }
node: { title: "memset" label: "memset\\nstring.h:1:1" shape : ellipse }
edge: { sourcename: "run" targetname: "x.c:a" label: "x.c:9:2" }
edge: { sourcename: "run" targetname: "memset" label: "x.c:9:3" }
edge: { sourcename: "x.c:a" targetname: "x.c:b" label: "x.c:1:2" }
}
"""
    assert deepest(graph, "run") == 148 and deepest(graph, "x.c:b") == 40
    assert deepest(graph.replace("40 bytes (dynamic,bounded)", "40 bytes (dynamic)"), "run") is None
    again = graph.replace("}\n}", '}\nedge: { sourcename: "x.c:b" targetname: "x.c:a" label: "x.c:2:2" }\n}')
    assert deepest(again, "run") is None


def test_a_file_that_is_none_of_ours(tmp_path: Path) -> None:
    tool(COMPILER, "gcc-arm-none-eabi")
    path = tmp_path / "x.c"
    path.write_text("int x;\n")
    with pytest.raises(ArtifactError, match=r"x\.c: it is no C that speechzoo export"):
        measure(path, BOARDS[0])


def test_the_command(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = str(packaged_artifact(get_spec("fastenhancer_t")))
    words = ["export", graph, "--target", "c", "--report", "-o", str(tmp_path / "fe.c")]
    with monkeypatch.context() as patch:
        patch.setattr("shutil.which", lambda name: None)
        patch.setenv("CC", "cc")
        assert main(words) == 1
    assert "which is not there; install it" in capsys.readouterr().err and not list(tmp_path.iterdir())
    tool(COMPILER, "gcc-arm-none-eabi")
    assert main(words) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in told[1:]] == ["Cortex-M7", "Cortex-M55"]
