"""`speechzoo benchmark`: which rows, what is compared with what, the figures, and all that is written."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import converters
from tests.data import ROOT
from tests.interpreter import python
from zoo.benchmark.cases import Case, OnnxFile, Sizes, make_cases
from zoo.benchmark.exports import Exports
from zoo.benchmark.memory import peak_memory
from zoo.benchmark.nodes import count_nodes
from zoo.benchmark.report import wrap
from zoo.benchmark.rows import Measured, Run, make_rows
from zoo.benchmark.runners import OnnxRunner, TorchRunner
from zoo.benchmark.tables import warning
from zoo.cli import _parser, main
from zoo.errors import SpeechZooError
from zoo.runtime.onnx import session_options
from zoo.spec import FrontEnd
from zoo.tasks.enhancement.open import open_session

Exported = Callable[..., Path]
Capture = pytest.CaptureFixture[str]

SHORT = ["--rounds", "2", "--calls", "4"]
EAGER = Sizes(backends=("torch",))  # of models, without an export
FRONT_END = FrontEnd(16000, 512, 160)


@pytest.fixture(scope="session")
def foreign(exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``foreign(name, form)``: an export without its manifest, as if others had made it."""
    folder = tmp_path_factory.mktemp("foreign")

    def strip(name: str, form: str = "wav2wav") -> Path:
        path = folder / f"their_{name}_{form}.onnx"
        proto = onnx.load(exported(name, form))
        del proto.metadata_props[:]
        onnx.save(proto, path)
        return path

    return strip


def benchmark(words: list[str]) -> int:
    return main(["benchmark", *words])


def exports_in(folder: Path) -> Exports:
    """As the command makes them."""
    return Exports(folder, lambda: converters.export_onnx, [converters])


@pytest.fixture
def exports(cache_folder: Path) -> Exports:
    return exports_in(cache_folder / "benchmark")


def names(cases: list[Case]) -> list[tuple[str, str, str | None]]:
    return [(case.name, case.form, case.reference and case.reference.name) for case in cases]


# Which rows there are, and what they are compared with


def test_the_first_row_is_the_reference(exported: Exported, foreign: Exported, exports: Exports) -> None:
    ours, theirs = exported("fastenhancer_t", "spec2spec"), foreign("gtcrn", "spec2spec")
    cases = make_cases([str(theirs), str(ours), "dpcrn"], [], EAGER, exports)
    assert names(cases) == [
        (theirs.name, "spec2spec", None),
        (ours.name, "spec2spec", theirs.name),
        ("dpcrn", "wav2wav", theirs.name),
    ]
    assert [case.path for case in cases] == [theirs, ours, None]
    assert [case.graph for case in cases] == ["1 x 1", "1 x 1", "eager"]


def test_a_file_is_the_reference_of_its_form_and_frames(foreign: Exported, exports: Exports) -> None:
    """M has another hop than T and B; T and B are compared with the same row."""
    theirs = foreign("fastenhancer_t")
    sizes = replace(EAGER, forms=("spec2spec", "wav2wav"), threads=(1, 2), streams=(1, 8))
    words = ["fastenhancer_t", "fastenhancer_m", "fastenhancer_b"]
    cases = make_cases(words, [str(theirs)], sizes, exports)
    own = [case for case in cases if case.backend == "torch"]
    assert len(own) == 3 * 2 * 2 * 2
    for case in own:
        fits = case.form == "wav2wav" and case.name != "fastenhancer_m"
        assert (case.reference is not None) == fits
        if case.reference:
            assert (case.reference.name, case.reference.threads) == (theirs.name, case.threads)
    files = [case for case in cases if case.backend == "onnxruntime"]
    assert [(case.threads, case.streams, case.group) for case in files] == [
        (1, 1, "fastenhancer_t"),
        (2, 1, "fastenhancer_t"),
    ]
    assert cases.index(files[1]) + 1 == cases.index(next(c for c in own if c.form == "wav2wav"))


def test_a_named_file_is_the_reference_of_that_subject(foreign: Exported, exports: Exports) -> None:
    """A spectrum's graph does not tell its hop, nor a waveform's its rate; the subject does."""
    t, m, fast = foreign("fastenhancer_t"), foreign("fastenhancer_m", "spec2spec"), "fastenhancer_48k_t"
    theirs_48k = foreign(fast)
    against = [str(t), f"fastenhancer_m={m}", f"{fast}={theirs_48k}"]
    sizes = replace(EAGER, forms=("wav2wav", "spec2spec"))
    cases = make_cases(["fastenhancer_t", "fastenhancer_m", fast], against, sizes, exports)
    assert names(cases) == [
        (t.name, "wav2wav", None),
        ("fastenhancer_t", "wav2wav", t.name),
        ("fastenhancer_t", "spec2spec", None),
        ("fastenhancer_m", "wav2wav", None),
        (m.name, "spec2spec", None),
        ("fastenhancer_m", "spec2spec", m.name),
        (theirs_48k.name, "wav2wav", None),
        (fast, "wav2wav", theirs_48k.name),
        (fast, "spec2spec", None),
    ]
    known = {case.name: case.front_end for case in cases}
    assert known[m.name].hop_length == 160 and known[theirs_48k.name].sample_rate == 48000
    assert OnnxFile(m).front_end.hop_length == 256 and OnnxFile(theirs_48k).front_end.sample_rate == 16000


def test_a_name_goes_before_a_fit(foreign: Exported, exported: Exported, exports: Exports) -> None:
    general, named = foreign("fastenhancer_t"), exported("gtcrn")
    cases = make_cases(["gtcrn", "dpcrn"], [str(general), f"gtcrn={named}"], EAGER, exports)
    assert {case.name: case.reference and case.reference.name for case in cases} == {
        named.name: None, "gtcrn": named.name, general.name: None, "dpcrn": general.name,
    }  # fmt: skip


def test_a_reference_of_the_same_sizes_is_preferred(exported: Exported, exports: Exports) -> None:
    """A file fixes its sizes or leaves them free, which decides how it can be run."""
    free = exported("fastenhancer_t", streams="streams", hops="hops")
    sizes = replace(EAGER, streams=(1, 3), hops=(1, 2))
    cases = make_cases(["fastenhancer_t", "gtcrn"], [f"fastenhancer_t={free}"], sizes, exports)
    pairs = [(case, case.reference) for case in cases if case.reference]
    assert len(pairs) == 4 and {case.graph for case in cases} == {"any x any", "eager"}
    for case, reference in pairs:
        assert (case.streams, case.hops) == (reference.streams, reference.hops)
    three = make_cases([str(exported("fastenhancer_t", streams=3))], [], sizes, exports)
    assert [(case.streams, case.hops, case.graph) for case in three] == [(3, 1, "3 x 1")]


def test_files_of_one_name_are_told_apart(
    exported: Exported, exports: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, name in (("old", "gtcrn"), ("new", "fastenhancer_t")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.onnx").symlink_to(exported(name))
    monkeypatch.chdir(tmp_path)
    cases = make_cases(["new/x.onnx"], ["x=old/x.onnx"], EAGER, exports)
    assert names(cases) == [("old/x.onnx", "wav2wav", None), ("new/x.onnx", "wav2wav", "old/x.onnx")]
    assert [case.name for case in make_cases(["new/x.onnx"], [], EAGER, exports)] == ["x.onnx"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.onnx"], "missing.onnx: there is no such file"),
        (["bad.onnx"], "bad.onnx: ONNX Runtime "),
        (["gtcm"], "there is no model 'gtcm'; did you mean gtcrn"),
        (["gtcrn=nothing"], "gtcrn has no weights 'nothing'"),
        (["fastenhancer_huge"], "fastenhancer_huge reads the whole recording and has no streaming graph"),
        (["offline.onnx"], "offline.onnx: it takes whole recordings, and streaming graphs are timed"),
        (["gtcrn", "--against", "missing.onnx"], "missing.onnx: there is no such file"),
        (["gtcrn", "--against", "dpcrn=t.onnx"], "--against dpcrn=t.onnx: dpcrn is none of the subjects"),
        (["gtcrn", "--against", "gtcrn=offline.onnx"], "it takes whole recordings"),
        (["gtcrn", "--against", "spec.onnx"], "--against spec.onnx: its form spec2spec and frames (window"),
        (["fastenhancer_48k_t", "--against", "t.onnx"], "its form wav2wav and frames (window 512, hop 256)"),
        (["fastenhancer_m", "--against", "fastenhancer_m=t.onnx"], "(window 512, hop 160); name another"),
        (
            ["gtcrn", "--against", "t.onnx", "u.onnx"],
            "gtcrn in the form wav2wav could be compared with t",
        ),
        (["t.onnx", "--json", "out.txt"], "out.txt: a file ending in .json is expected, got '.txt'"),
        (["t.onnx", "--json", "t.onnx"], "t.onnx: a file ending in .json is expected, got '.onnx'"),
        (["t.onnx", "--report", "out"], "out: a file ending in .md is expected, got ''"),
        (["t.onnx", "--plot", "out.doc"], "out.doc: a picture ending in .png, .svg or .pdf is expected"),
        (["t.onnx", "--json", "none/out.json"], "none/out.json: there is no folder none"),
        (["t.onnx", "--plot", "none/out.png"], "none/out.png: there is no folder none"),
        (["--from", "missing.json"], "missing.json: it cannot be read"),
        (["--from", "other.json", "--plot", "out.png"], "other.json: not a record of speechzoo benchmark"),
        (["--from", "other.json", "--json", "out.json"], "--from measures nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_timed(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture,
    words: list[str], message: str,
) -> None:  # fmt: skip
    """One line, no file, and before any time is spent on exports and measurements."""
    monkeypatch.chdir(tmp_path)
    Path("bad.onnx").write_text("not ONNX" * 9)
    Path("other.json").write_text('{"version": 1, "rows": [{"name": "x"}]}')
    for name, path in (
        ("t", exported("fastenhancer_t")),
        ("u", exported("gtcrn")),
        ("spec", exported("fastenhancer_t", "spec2spec")),
        ("offline", exported("fastenhancer_t", streaming=False, frames=63)),
    ):
        Path(f"{name}.onnx").symlink_to(path)
    before = sorted(os.listdir())
    assert benchmark([*words, *SHORT]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("speechzoo: ") and message in told.err and told.err.count("\n") == 1
    assert told.out == "" and sorted(os.listdir()) == before


# The figures


def test_figures_of_known_times() -> None:
    first = Case("a.onnx", "a.onnx", "wav2wav", "onnxruntime", "1 x 1", None, 1, 1, 1, FRONT_END)
    many = replace(first, name="b.onnx", threads=2, streams=4, hops=5, reference=first)
    alone = replace(first, name="c.onnx")
    rounds = [np.array([1e-3, 2e-3, 9e-3]), np.array([4e-3, 4e-3, 4e-3])]
    rows = make_rows(
        [first, many, alone],
        [
            Measured(rounds, 0.9, 48, None, None),
            Measured([10 * r for r in rounds], 0.5, 8, None, 3.5),
            Measured([rounds[0]], 0.75, 0, None, None),
        ],
    )
    a, b, c = rows
    assert (a.calls, a.median_ms, a.best_round_ms, a.frame_ms) == pytest.approx((6, 4, 2, 4))
    assert a.p99_ms == pytest.approx(np.percentile([1, 2, 9, 4, 4, 4], 99))
    assert (b.median_ms, b.frame_ms, b.ratio, b.reference) == pytest.approx((40, 2, 0.5, 0))
    assert (a.reference, a.ratio, c.reference, c.ratio) == (0, 1, None, None)
    assert a.real_time_factor == pytest.approx(4 / 10) and a.streams_a_core == pytest.approx(2.5)
    assert b.real_time_factor == pytest.approx(2 / 10) and b.streams_a_core is None
    assert (b.state_bytes, b.memory_mb, b.nodes) == (8, 3.5, None)
    assert "for up to 25 % of a row's time" in warning(Run("", {}, rows)), "b has two threads"
    assert warning(Run("", {}, [replace(a, processor_share=0.99), b])) == ""


def test_nodes_are_counted_in_the_file_and_as_they_run(exported: Exported, tmp_path: Path) -> None:
    """ONNX Runtime's own profile of a call has as many."""
    path = exported("gtcrn", "wav2wav")
    nodes = count_nodes(path)
    assert nodes is not None and nodes.file == len(onnx.load(path).graph.node) != nodes.run
    options = session_options()
    options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    session.run(None, {i.name: np.zeros(i.shape, np.float32) for i in session.get_inputs()})
    events = json.loads(Path(session.end_profiling()).read_text())
    assert nodes.run == sum(event["name"].endswith("_kernel_time") for event in events)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no /proc that tells of memory")
def test_memory_grows_with_the_streams(exported: Exported, exports: Exports) -> None:
    path = exported("fastenhancer_t", streams="streams", hops="hops")
    one, many = make_cases([str(path)], [], replace(EAGER, streams=(1, 128)), exports)
    little, much = peak_memory(one), peak_memory(many)
    assert little is not None and much is not None
    assert 1 < little < 500 and much > little + 128 * OnnxRunner(path).state_bytes / 1e6


def test_a_process_that_is_killed(exported: Exported, exports: Exports) -> None:
    """More streams than any memory has room for are an error, not a wait."""
    path = exported("fastenhancer_t", streams="streams", hops="hops")
    (case,) = make_cases([str(path)], [], replace(EAGER, streams=(10**12,)), exports)
    with pytest.raises(SpeechZooError, match="not enough memory"):
        peak_memory(case)


def test_a_runner_runs_the_stream(exported: Exported) -> None:
    """Call by call it computes what the session computes with the state passed on."""
    path = exported("fastenhancer_t", streams="streams", hops="hops")
    runner = OnnxRunner(path, streams=2, hops=3)
    session = open_session(path)
    state = {name: np.repeat(zeros, 2, axis=0) for name, zeros in session.initial_state().items()}
    for call in range(1, 5):
        signal = runner._signals[call % len(runner._signals)]
        expected, state = session.run(signal, state)
        got = runner.call()
        assert got.shape == (2, 3 * 256)
        np.testing.assert_array_equal(got, expected)
    assert runner.state_bytes == sum(value[:1].nbytes for value in state.values())
    eager = TorchRunner("fastenhancer_t", "spec2spec", streams=2, hops=3)
    eager.prepare()
    assert eager.call().shape == (2, 257, 3, 2) and np.any(eager.call() != eager.call())


# Whole runs


def test_two_files_side_by_side(
    exported: Exported, foreign: Exported, tmp_path: Path, capsys: Capture
) -> None:
    theirs, ours = foreign("gtcrn", "spec2spec"), exported("fastenhancer_t", "wav2wav")
    out = tmp_path / "out.json"
    assert benchmark([str(theirs), str(ours), *SHORT, "--json", str(out)]) == 0
    first, second = json.loads(out.read_text())["rows"]
    assert (first["name"], second["name"]) == (theirs.name, ours.name)
    assert (first["ratio"], first["reference"], second["reference"]) == (1, 0, 0)
    for row in (first, second):
        assert row["calls"] == 8 and 0 < row["best_round_ms"] <= row["p99_ms"]
        assert 0 < row["median_ms"] == row["frame_ms"] <= row["p99_ms"]
        assert row["ratio"] == pytest.approx(row["median_ms"] / first["median_ms"])
        assert row["real_time_factor"] == pytest.approx(row["median_ms"] / 16)
        assert row["streams_a_core"] == pytest.approx(1 / row["real_time_factor"])
        assert 0 < row["processor_share"] < 2
        assert row["nodes"] > 0 and row["nodes_run"] > 0 and row["state_bytes"] > 0
    head, common, headings, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("ONNX Runtime ") and common == "onnxruntime, 1 x 1, 1 thread, 1 stream, 1 hop"
    assert headings.split()[0] == "form" and "ms a frame" not in headings
    assert [line.split()[:2] for line in lines] == [[theirs.name, "spec2spec"], [ours.name, "wav2wav"]]


def test_a_long_call_ends_the_turn(exported: Exported, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    words = [str(exported("gtcrn")), "--rounds", "2", "--calls", "100000", "--seconds", "0.001"]
    assert benchmark([*words, "--json", str(out)]) == 0
    assert 6 <= json.loads(out.read_text())["rows"][0]["calls"] < 1000


def test_a_model_in_many_ways(foreign: Exported, cache_folder: Path, tmp_path: Path, capsys: Capture) -> None:
    """Exports are made once; the record, the picture and the report say the same as the table."""
    theirs = foreign("fastenhancer_t", "spec2spec")
    kept = cache_folder / "benchmark"
    words = [
        "fastenhancer_t", "--forms", "spec2spec", "--backends", "onnxruntime", "torch", "--streams", "1", "3",
        "--against", f"fastenhancer_t={theirs}", *SHORT, "--exports", str(kept),
        "--json", f"{tmp_path}/a.json", "--plot", f"{tmp_path}/a.png", "--report", f"{tmp_path}/a.md",
    ]  # fmt: skip
    make_cases(words[:1], [], Sizes(forms=("spec2spec",), streams=(1, 3)), exports_in(kept))
    before = sorted(os.listdir(kept))
    assert [name.rpartition("-")[0] for name in before] == [
        "fastenhancer_t-spec2spec-1x1",
        "fastenhancer_t-spec2spec-anyx1",
    ]
    assert benchmark(words) == 0
    told = capsys.readouterr()
    assert "exporting" not in told.err and sorted(os.listdir(kept)) == before
    assert sorted(os.listdir(tmp_path)) == ["a.json", "a.md", "a.png"]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")

    record = json.loads((tmp_path / "a.json").read_text())
    assert shlex.split(record["command"]) == ["speechzoo", "benchmark", *words]
    rows = record["rows"]
    kinds = [(row["name"], row["backend"], row["graph"], row["streams"]) for row in rows]
    assert kinds == [
        (theirs.name, "onnxruntime", "1 x 1", 1),
        ("fastenhancer_t", "onnxruntime", "1 x 1", 1),
        ("fastenhancer_t", "onnxruntime", "any x 1", 3),
        ("fastenhancer_t", "torch", "eager", 1),
        ("fastenhancer_t", "torch", "eager", 3),
    ]
    for row in rows:
        assert row["frame_ms"] == pytest.approx(row["median_ms"] / row["streams"])
        assert row["reference"] == 0
        assert row["ratio"] == pytest.approx(row["frame_ms"] / rows[0]["frame_ms"])
        assert (row["nodes"] is None) == (row["backend"] == "torch")
    assert len({row["state_bytes"] for row in rows}) == 1, "a stream's memory is the same in all forms"

    table = told.out.splitlines()
    assert table[1] == "spec2spec, 1 thread, 1 hop" and len(table) == 3 + len(rows)
    report = (tmp_path / "a.md").read_text()
    assert "![Milliseconds a frame of every row](a.png)" in report
    for name, value in record["machine"].items():
        assert f"| {name} | {value} |" in report
    assert {"processor", "cores", "system", "Python", "ONNX Runtime", "PyTorch", "date"} <= set(
        record["machine"]
    )
    for row in rows:
        assert f"| {row['p99_ms']:.3f} |" in report and f"| {row['frame_ms']:.4f} |" in report
    beside = f"| `fastenhancer_t` | spec2spec | PyTorch, 3 streams | {rows[4]['frame_ms']:.4f} "
    assert beside + f"| {rows[4]['ratio']:.2f} | {rows[0]['frame_ms']:.4f} | `{theirs.name}` |" in report


def test_runs_are_reported_together(exported: Exported, tmp_path: Path, capsys: Capture) -> None:
    paths = [exported("gtcrn"), exported("fastenhancer_t")]
    records = [str(tmp_path / f"{path.stem}.json") for path in paths]
    for path, record in zip(paths, records, strict=True):
        assert benchmark([str(path), *SHORT, "--json", record]) == 0
    capsys.readouterr()
    (tmp_path / "docs").mkdir()
    report, picture = tmp_path / "docs" / "all.md", tmp_path / "all.svg"
    words = ["--from", *records, "--report", str(report), "--plot", str(picture)]
    assert benchmark(words) == 0
    text, told = report.read_text(), capsys.readouterr().out
    assert "## Run 1\n" in text and "## Run 2\n" in text and "(../all.svg)" in text
    for path, record in zip(paths, records, strict=True):
        assert f"| `{path.name}` |" in text and path.name in told
        assert wrap(json.loads(Path(record).read_text())["command"]) in text
    assert picture.read_text().startswith("<?xml")


def test_a_wrapped_command_is_the_same() -> None:
    words = ["a b.onnx", "it's.onnx", *(f"file{i}.onnx" for i in range(50))]
    wrapped = wrap(shlex.join(["printf", r"%s\n", *words]))
    assert 80 < max(map(len, wrapped.splitlines())) < 110
    done = subprocess.run(["sh", "-c", wrapped], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == words


def test_files_are_timed_without_the_extras(exported: Exported, tmp_path: Path) -> None:
    """Only the nodes are unknown without onnx; what else needs an extra says so."""
    path, out = exported("fastenhancer_t"), tmp_path / "out.json"
    code = "from zoo.cli import main\nsys.exit(main(['benchmark', *sys.argv[1:]]))"
    done = python(code, path, *SHORT, "--json", out)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    (row,) = json.loads(out.read_text())["rows"]
    assert row["nodes"] is None and row["median_ms"] > 0
    for words, message in (
        (["gtcrn"], "converters.export_onnx needs"),
        (["gtcrn", "--backends", "torch"], "zoo.create_model needs torch"),
        ([path, "--plot", tmp_path / "x.png"], "need matplotlib"),
    ):
        done = python(code, *words, *SHORT)
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        assert done.stderr.startswith("speechzoo: ") and message in done.stderr


def test_the_public_graphs_can_be_timed(shared: Path, exports: Exports) -> None:
    files = [str(path) for path in sorted((shared / "data/onnx").glob("*.onnx"))]
    cases = make_cases(files, [], Sizes(), exports)
    assert [case.name for case in cases] == [Path(file).name for file in files] and len(cases) > 15
    for case in cases:
        runner = OnnxRunner(case.path)
        assert np.isfinite(runner.call()).all() and runner.state_bytes > 0


def test_the_documents_show_commands_that_there_are() -> None:
    text = (ROOT / "docs/speed.md").read_text().replace("\\\n", " ")
    commands = [line for line in text.splitlines() if line.startswith("speechzoo benchmark ")]
    assert len(commands) >= 2
    for command in commands:
        assert _parser()[0].parse_args(shlex.split(command, comments=True)[1:]).subjects


@pytest.mark.parametrize(
    "words",
    [
        ["x.onnx", "--rounds", "0"],
        ["x.onnx", "--calls", "-1"],
        ["x.onnx", "--seconds", "nan"],
        ["x.onnx", "--streams", "1", "0"],
        ["x.onnx", "--hops", "some"],
        ["gtcrn", "--backends", "tensorrt"],
        ["x.onnx", "--from", "times.json"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_words(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        benchmark(words)
    assert left.value.code == 2 and "usage: speechzoo benchmark" in capsys.readouterr().err


def test_text_to_speech(synthesis_graphs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every size and number of texts, side by side; what only streams have is refused."""
    folder, record = str(synthesis_graphs / "many"), tmp_path / "x.json"
    words = [
        "benchmark",
        folder,
        "--streams",
        "1",
        "3",
        "--rounds",
        "2",
        "--calls",
        "2",
        "--json",
        str(record),
    ]
    assert main(words) == 0
    rows = json.loads(record.read_text())["rows"]
    assert {row["texts"] for row in rows} == {1, 3} and all(row["calls"] >= 2 for row in rows)
    assert all(0 < row["median_ms"] <= row["p99_ms"] and row["real_time_factor"] > 0 for row in rows)
    assert capsys.readouterr().out.count("\n") == len(rows) + 1
    assert main([*words, "--hops", "2"]) == 1
    assert "--hops is for streaming models" in capsys.readouterr().err
    assert main(["benchmark", folder, "gtcrn"]) == 1
