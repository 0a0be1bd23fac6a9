"""Named suites: what they hold, and the table they give."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.data import ROOT
from zoo.cli import main
from zoo.errors import AudioError
from zoo.evaluation.metrics import level_db, si_sdr
from zoo.evaluation.suites import SUITES, Kept, kept_apart, make

RATE = 16000


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a corpus keeps apart: excerpts of one voice under the sources' names, and two noises."""
    base = tmp_path_factory.mktemp("corpus")
    clean, rate = soundfile.read(ROOT / "examples/clean.wav", dtype="float32")
    rng = np.random.default_rng(0)
    for source in ("librispeech_other/1", "librispeech_other/2", "kerstin/voice", "flemishguy/voice"):
        (base / "speech/judging" / source).mkdir(parents=True)
        for turn in range(4):
            begin = int(rng.integers(len(clean) - 2 * rate))
            soundfile.write(
                base / "speech/judging" / source / f"{turn}.flac", clean[begin : begin + 2 * rate], rate
            )
    for source in ("librispeech/1", "kathleen/voice", "nathalie/voice"):
        (base / "speech/train" / source).mkdir(parents=True)
        soundfile.write(base / "speech/train" / source / "0.flac", clean[: 2 * rate], rate)
    (base / "noise/judging/scenes").mkdir(parents=True)
    for name in ("rain", "fan"):
        wave = 0.1 * rng.standard_normal(3 * rate)
        soundfile.write(base / f"noise/judging/scenes/{name}.flac", wave, rate)
    return base


@pytest.fixture(scope="module")
def kept(corpus: Path) -> Kept:
    return kept_apart(corpus, RATE)


def test_every_suite_is_always_the_same_and_aligned(corpus: Path) -> None:
    suites, again = make(corpus, (), RATE), make(corpus, (), RATE)
    assert len({suite.name for suite in suites}) == len(suites) > len(SUITES)
    for suite, other in zip(suites, again, strict=True):
        assert suite.pairs and len({pair.name for pair in suite.pairs}) <= len(suite.pairs)
        for pair, same in zip(suite.pairs, other.pairs, strict=True):
            assert np.array_equal(pair.noisy, same.noisy) and np.array_equal(pair.clean, same.clean)
            assert pair.noisy.dtype == pair.clean.dtype == np.float32
            assert pair.noisy.shape == pair.clean.shape and np.abs(pair.noisy).max() <= 1.0001
            if not suite.changed:
                assert np.array_equal(pair.noisy, pair.clean)


def test_suites_have_what_their_titles_say(kept: Kept) -> None:
    by_name = {suite.name: suite for name in SUITES for suite in SUITES[name](kept)}
    ratios = [si_sdr(pair.noisy, pair.clean) for pair in by_name["unseen"].pairs]
    assert min(ratios) > -6 and max(ratios) < 16 and np.std(ratios) > 3
    assert level_db(by_name["level -60"].pairs[0].noisy) == pytest.approx(-60, abs=0.1)
    for pair in by_name["telephone"].pairs:
        power = np.abs(np.fft.rfft(pair.noisy)) ** 2
        edge = len(power) * 4600 // 8000
        assert power[edge:].mean() < 1e-3 * power[len(power) * 400 // 8000 : edge].mean()
    for pair in by_name["clipped"].pairs:
        assert np.mean(np.abs(pair.noisy) > 0.999 * np.abs(pair.noisy).max()) > 1e-3
    for pair in by_name["far"].pairs:
        assert level_db(pair.noisy) == pytest.approx(-40, abs=0.1)
        assert si_sdr(pair.noisy, pair.clean) < 12 and level_db(pair.clean) < -40
    ratios = [si_sdr(pair.noisy, pair.clean) for pair in by_name["music"].pairs]
    assert min(ratios) > -1 and max(ratios) < 16
    assert len(by_name["seen"].pairs) == 36
    assert SUITES["seen"](replace(kept, trained=[])) == []
    assert not any(pair.clean.any() for pair in by_name["noise alone"].pairs)
    assert all(level_db(pair.noisy) == pytest.approx(-26, abs=0.1) for pair in by_name["noise alone"].pairs)


def test_suites_are_measured_and_recorded(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    command = [
        "evaluate",
        "fastenhancer_t",
        "--corpus",
        str(corpus),
        "--json",
        str(out),
        "--suites",
        "telephone",
        "noise",
    ]
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "telephone: clean speech, 300 to 3400 Hz, 36 files" in text
    assert "worst tenth" in text and "got worse" in text and "reduction (dB)" in text
    by_kind = text.partition("reduction (dB), by kind\n")[2].splitlines()
    assert [line.split()[0] for line in by_kind[:3]] == ["fastenhancer_t", "scenes-fan", "scenes-rain"]
    suites = json.loads(out.read_text())["suites"]
    assert [suite["suite"] for suite in suites] == ["telephone", "telephone noisy", "noise alone"]
    noise = {row["name"]: row["means"]["reduction"] for row in suites[2]["rows"]}
    assert noise["noisy"] == 0 and noise["fastenhancer_t"] > 10


def test_a_silent_recording_is_refused(corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "corpus")
    for name in ("speech/judging/kerstin/voice/0.flac", "noise/judging/scenes/fan.flac"):
        original = (corpus / name).read_bytes()
        soundfile.write(tmp_path / "corpus" / name, np.zeros(RATE), RATE)
        with pytest.raises(AudioError, match=rf"{Path(name).name}: it is silent"):
            make(tmp_path / "corpus", (), RATE)
        (tmp_path / "corpus" / name).write_bytes(original)


def test_a_corpus_without_what_is_kept_apart_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AudioError, match="it has no folder speech/judging"):
        make(tmp_path, (), RATE)
    assert main(["evaluate", "--corpus", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("speechzoo: ")
    given = [
        "evaluate",
        "--corpus",
        str(tmp_path),
        "--speech",
        str(tmp_path),
        "--alone",
        "--snr-db",
        "0",
        "5",
    ]
    assert main(given) == 1
    assert "leave --speech, --snr-db, --alone out" in capsys.readouterr().err
    assert main(["evaluate", "--suites", "clean"]) == 1
    assert "pass --corpus too" in capsys.readouterr().err
