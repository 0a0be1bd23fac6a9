"""scripts.precision: reduced graphs are made, heard and judged, and the report keeps what people wrote."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.conftest import Speech
from zoo.errors import SpeechZooError
from zoo.packaged import packaged_artifact
from zoo.registry import get_spec
from zoo.runtime.graph import Graph
from zoo.runtime.onnx import StreamingSession, open_session

pytest.importorskip("torch")
pytest.importorskip("pesq")
pytest.importorskip("pystoi")

from scripts import precision
from scripts.precision_study.report import MARK, make_report
from scripts.precision_study.speech import Heard, hear, make_minute, mean_change, snr_db
from scripts.precision_study.study import FULL, Row, Settings, Subject, time_graphs
from scripts.precision_study.variants import KINDS, VariantError, make_variant, record_calls
from scripts.precision_study.verdict import Comparison, objections, verdict
from scripts.training.metrics import si_sdr
from scripts.training.pairs import Pair

Capture = pytest.CaptureFixture[str]

GOOD = Comparison(
    0.8, heard=True, si_sdr=-0.05, pesq=0.01, stoi=0.0, noise=-0.3, snr_db=35.0,
    first_snr_db=34.0, last_snr_db=33.5, first_si_sdr=-0.05, last_si_sdr=-0.06,
)  # fmt: skip


@pytest.fixture(scope="module")
def source() -> Path:
    """A trained 32-bit streaming graph."""
    path = packaged_artifact(get_spec("gtcrn"))
    assert path is not None
    return path


@pytest.fixture(scope="module")
def session(source: Path) -> StreamingSession:
    found = open_session(source)
    assert isinstance(found, StreamingSession)
    return found


@pytest.fixture(scope="module")
def pairs(speech: Speech) -> list[Pair]:
    """Two short recordings; what stands for the clean one is the recording, to which noise is added."""
    noise = 0.03 * np.random.default_rng(0).standard_normal((2, 24000)).astype(np.float32)
    waves = [speech(16000, begin, 1.5) for begin in (0.5, 2.0)]
    return [Pair(f"{i}", wave + own, wave) for i, (wave, own) in enumerate(zip(waves, noise, strict=True))]


# The verdict


def test_a_graph_within_all_limits_is_kept() -> None:
    assert objections(GOOD) == [] and verdict(GOOD) == "kept"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ratio": 1.3}, "slower (1.30 of the time)"),
        ({"ratio": 0.97}, "not faster (0.97 of the time)"),
        ({"ratio": float("nan")}, "not faster (nan of the time)"),
        ({"si_sdr": -0.11}, "SI-SDR -0.11 dB"),
        ({"si_sdr": float("nan")}, "SI-SDR +nan dB"),
        ({"pesq": -0.021}, "PESQ -0.021"),
        ({"pesq": float("nan")}, "PESQ +nan"),
        ({"last_si_sdr": -0.2}, "drifting (from the first to the last minute: SI-SDR -0.15 dB, SNR -0.5 dB)"),
        ({"last_snr_db": 30.0}, "drifting (from the first to the last minute: SI-SDR -0.01 dB, SNR -4.0 dB)"),
        ({"last_snr_db": float("nan")}, "drifting"),
        ({"finite": False}, "its output is not finite"),
    ],
)
def test_each_reason_to_refuse(changed: dict[str, float], reason: str) -> None:
    found = replace(GOOD, **changed)
    (objection,) = objections(found)
    assert objection.startswith(reason)
    assert verdict(found) == f"refused: {objection}"


def test_several_reasons_are_all_told() -> None:
    found = replace(GOOD, ratio=1.2, si_sdr=-3.0, pesq=-0.5)
    assert verdict(found) == "refused: slower (1.20 of the time), SI-SDR -3.00 dB, PESQ -0.500"


def test_random_weights_are_judged_by_time_alone() -> None:
    assert objections(Comparison(0.8)) == [] and "nothing is said of speech" in verdict(Comparison(0.8))
    assert verdict(Comparison(1.2)) == "refused: slower (1.20 of the time)"


# What is heard


def test_ratio_of_waves_by_its_definition() -> None:
    wave = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    assert snr_db([wave, wave], [wave, wave]) == 200
    assert snr_db([wave, wave], [1.1 * wave, 0.9 * wave]) == pytest.approx(20, abs=1e-3)
    assert snr_db([wave, 0 * wave], [0 * wave, 0 * wave]) == pytest.approx(0, abs=1e-6)


def test_a_figure_that_only_the_reduced_graph_lacks_is_not_forgotten() -> None:
    def heard(*values: float) -> Heard:
        return Heard([], [{"pesq": value} for value in values], (np.zeros(1), np.zeros(1)), (0.0, 0.0))

    nan = float("nan")
    assert mean_change(heard(2.0, 3.0), heard(1.5, 2.0), "pesq") == pytest.approx(-0.75)
    assert mean_change(heard(2.0, nan), heard(1.5, 2.0), "pesq") == pytest.approx(-0.5)
    assert np.isnan(mean_change(heard(2.0, 3.0), heard(1.5, nan), "pesq"))
    assert heard(nan, 3.0).mean("pesq") == 3.0 and np.isnan(heard(nan, nan).mean("pesq"))


def test_first_and_last_minute_are_those_of_one_stream(session: StreamingSession, pairs: list[Pair]) -> None:
    minute = make_minute(pairs, session, seconds=1.6)
    assert len(minute.noisy) == len(minute.clean) == 100 * 256
    np.testing.assert_array_equal(minute.noisy[:24000], pairs[0].noisy)
    np.testing.assert_array_equal(minute.clean[24000:], pairs[1].clean[:1600])
    heard = hear(session, pairs, minute, minutes=3)
    expected, _ = session.run(np.tile(minute.noisy, 3)[None], session.initial_state())
    parts = np.split(expected[0], 3)
    for found, wanted, value in zip(heard.ends, parts[::2], heard.ends_si_sdr, strict=True):
        np.testing.assert_array_equal(found, wanted[12800:])  # at most half of it is not counted
        assert value > si_sdr(found, minute.clean[12800:]) + 5, "the delay was not taken into account"
    assert np.any(heard.ends[0] != heard.ends[1])
    assert len(heard.figures) == 2 and heard.mean("noise") > 3


def test_output_that_is_not_finite_has_no_figures(source: Path, pairs: list[Pair], tmp_path: Path) -> None:
    proto = onnx.load(source)
    bias = next(tensor for tensor in proto.graph.initializer if tensor.name.endswith("bias"))
    bias.CopyFrom(helper.make_tensor(bias.name, TensorProto.FLOAT, bias.dims, [np.inf] * np.prod(bias.dims)))
    onnx.save(proto, tmp_path / "x.onnx")
    broken = open_session(tmp_path / "x.onnx")
    assert isinstance(broken, StreamingSession)
    assert hear(broken, pairs, make_minute(pairs, broken, 1.0), 2).figures == []


# The graphs


def test_recorded_calls_are_those_of_a_stream(session: StreamingSession, pairs: list[Pair]) -> None:
    waves = [pair.noisy for pair in pairs]
    every = record_calls(session, waves, 1000)
    assert len(every) == 48000 // 256
    outputs = session.graph(*every[4].values())
    for value, name in zip(outputs[1:], [spec.name for spec in session.graph.inputs[1:]], strict=True):
        np.testing.assert_array_equal(every[5][name], value)
    few = record_calls(session, waves, 3)
    assert len(few) == 3
    for name, value in few[-1].items():
        np.testing.assert_array_equal(value, every[-1][name])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_what_goes_in_and_out(
    kind: str, source: Path, session: StreamingSession, pairs: list[Pair], tmp_path: Path
) -> None:
    """It loads as an artifact of ours, has other numbers than the 32-bit graph, and is no other graph."""
    out = tmp_path / "x.onnx"
    make_variant(kind, source, record_calls(session, [pair.noisy for pair in pairs], 20), out)
    reduced, full = Graph(out), session.graph
    assert (reduced.inputs, reduced.outputs) == (full.inputs, full.outputs)
    assert reduced.manifest == full.manifest
    types = {node.op_type for node in onnx.load(out).graph.node}
    if kind == "float16":
        assert any(tensor.data_type == TensorProto.FLOAT16 for tensor in onnx.load(out).graph.initializer)
    else:
        assert types & {"QuantizeLinear", "DynamicQuantizeLinear"}
    noisy = pairs[0].noisy[None]
    apart = snr_db([session.whole(noisy)[0]], [open_session(out).whole(noisy)[0]])
    assert (-20 if kind == "int8-default" else 10) < apart < 90


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"int8-default"}))
def test_the_transforms_stay_as_they_are(
    kind: str, source: Path, session: StreamingSession, pairs: list[Pair], tmp_path: Path
) -> None:
    out = tmp_path / "x.onnx"
    make_variant(kind, source, record_calls(session, [pairs[0].noisy], 5), out)
    kept = {tensor.name: tensor.data_type for tensor in onnx.load(out).graph.initializer}
    for tensor in onnx.load(source).graph.initializer:
        if ".stft." in tensor.name or ".istft." in tensor.name:
            assert kept[tensor.name] == tensor.data_type


@pytest.mark.parametrize("kind", ["int8-dynamic", "int8", "int8-conv", "int8-recurrent"])
def test_nothing_to_reduce_is_said_and_no_file_left(kind: str, tmp_path: Path) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 256]) for name in ("wav_in", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["wav_in"], ["y"])], "x", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "relu.onnx")
    with pytest.raises(VariantError, match=f"relu.onnx: {kind} changes nothing: the graph has no such"):
        make_variant(
            kind, tmp_path / "relu.onnx", [{"wav_in": np.ones((1, 256), np.float32)}], tmp_path / "y"
        )
    assert os.listdir(tmp_path) == ["relu.onnx"]


def test_a_tool_that_fails_is_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(VariantError, match=r"gtcrn.onnx: int8 fails: .+"):
        make_variant("int8", source, [], tmp_path / "y.onnx")  # no calls to calibrate with
    assert os.listdir(tmp_path) == []


def test_every_graph_is_timed_in_every_round(source: Path, tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, rounds=3, calls=4)
    first, second = time_graphs([source, source], settings)
    for times in (first, second):
        assert times.rounds.shape == (3,) and (times.rounds > 0).all() and times.processor_share > 0


# The whole


def test_a_study_from_beginning_to_end(
    folders: tuple[Path, Path], cache_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    speech, noise = map(str, folders)
    report, record = tmp_path / "precision.md", tmp_path / "precision.json"
    report.write_text(f"# Mine\n\nMy conclusion.\n\n{MARK}\n\nan older table\n")
    words = ["fastenhancer_t", "--speech", speech, "--noise", noise, "--kinds", "int8-conv"]
    words += ["--count", "1", "--minutes", "2", "--rounds", "1", "--exports", str(cache_folder / "precision")]
    assert precision.main([*words, "--report", str(report), "--json", str(record)]) == 0
    told = capsys.readouterr().out
    assert "fastenhancer_t=speechzoo" in told and "int8-conv" in told
    full, reduced = json.loads(record.read_text())["rows"]
    assert (full["kind"], reduced["kind"]) == (FULL, "int8-conv") and full["comparison"] is None
    assert reduced["kilobytes"] < full["kilobytes"] and reduced["nodes"] > full["nodes"]
    found = reduced["comparison"]
    assert 10 < found["snr_db"] < 60 and found["heard"] and found["finite"]
    change = reduced["figures"]["si_sdr"] - full["figures"]["si_sdr"]
    assert found["si_sdr"] == pytest.approx(change) and abs(change) < 3
    assert reduced["verdict"] == verdict(Comparison(**found))
    text = report.read_text()
    assert text.startswith(f"# Mine\n\nMy conclusion.\n\n{MARK}\n") and "an older table" not in text
    assert "| `int8-conv` | `quantize_static` of Conv alone |" in text and reduced["verdict"] in text
    assert "`int8-dynamic`" not in text and "python -m scripts.precision fastenhancer_t" in text


def test_a_report_of_what_could_not_be_made(tmp_path: Path) -> None:
    rows = [Row("x", FULL, frame_ms=1.0, kilobytes=10), Row("x", "int8", "not made: int8 fails: why")]
    text = make_report(rows, {"cores": "2"}, "python x", Settings(tmp_path, tmp_path))
    assert "| float32 | 1.000 | 10 |  |" in text and "not made: int8 fails: why" in text
    assert "SI-SDR |" not in text.splitlines()[-4], "a column in which nothing stands"


def test_weights_of_the_package_unless_others_are_named() -> None:
    assert Subject("gtcrn").name == "gtcrn=speechzoo" and Subject("dpcrn").name == "dpcrn"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gtcm"], "there is no model 'gtcm'; did you mean gtcrn"),
        (["gtcrn=nowhere.pt"], "gtcrn has no weights 'nowhere.pt'"),
        (["fastenhancer_huge"], "has no streaming graph, and those are reduced here"),
        (["gtcrn", "--kinds", "int4"], "there is no kind 'int4'; expected some of int8-dynamic, int8,"),
        (["gtcrn", "--speech", "nowhere"], "the folder nowhere cannot be read"),
        (["gtcrn", "--noise", "empty"], "there are no audio files in it"),
        (["gtcrn", "--report", "x.txt"], "x.txt: a file ending in .md is expected"),
        (["gtcrn", "--json", "no/x.json"], "there is no folder no; make it first"),
    ],
    ids=" ".join,
)
def test_what_is_not_there(
    folders: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    given = ["--speech", str(folders[0]), "--noise", str(folders[1])]
    assert precision.main([*given, *words]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert os.listdir(tmp_path) == ["empty"]


def test_one_recording_is_too_few(folders: tuple[Path, Path], tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "only.wav").write_bytes((folders[0] / "first.wav").read_bytes())
    assert precision.main(["gtcrn", "--speech", str(tmp_path), "--noise", str(folders[1])]) == 1
    assert "it has 1 recordings; at least two are expected" in capsys.readouterr().err


def test_a_kind_is_checked_where_it_is_made(source: Path, tmp_path: Path) -> None:
    with pytest.raises(SpeechZooError, match="there is no kind 'int4'"):
        make_variant("int4", source, [], tmp_path / "x.onnx")
