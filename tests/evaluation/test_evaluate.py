"""Figures, pairs, and the comparison of models and artifacts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

import zoo
from tests.data import ROOT
from zoo.cli import main
from zoo.errors import AudioError, MissingExtraError
from zoo.evaluation.metrics import level_db, measure, pesq_wide, si_sdr, stoi
from zoo.evaluation.pairs import folder_pairs, mixed_pairs

RATE = 16000


def evaluate(words: list[str]) -> int:
    return main(["evaluate", *words])


@pytest.fixture(scope="module")
def example() -> tuple[np.ndarray, np.ndarray]:
    """Clean and noisy speech."""
    clean, _ = soundfile.read(ROOT / "examples/clean.wav", dtype="float32")
    noisy, _ = soundfile.read(ROOT / "examples/noisy.wav", dtype="float32")
    return clean, noisy


def test_si_sdr_by_its_definition() -> None:
    time = np.arange(RATE) / RATE
    target, other = (np.sin(2 * np.pi * f * time).astype(np.float32) for f in (400, 500))
    assert si_sdr(target + 0.1 * other, target) == pytest.approx(20, abs=0.01)
    assert si_sdr(0.01 * target + 0.001 * other, target) == pytest.approx(20, abs=0.01)
    assert si_sdr(0.5 * target, target) > 90
    assert si_sdr(0 * target, target) == si_sdr(target, 0 * target) == -100
    assert level_db(np.full(100, 0.1, np.float32)) == pytest.approx(-20, abs=1e-4)


def test_perceptual_figures_know_clean_from_noisy(example: tuple[np.ndarray, np.ndarray]) -> None:
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    clean, noisy = example
    assert pesq_wide(clean, clean, RATE) > 4.6 and pesq_wide(noisy, clean, RATE) < 2.5
    assert stoi(clean, clean, RATE) > 0.99 > stoi(noisy, clean, RATE) > 0.5


def test_perceptual_figures_of_nothing_are_not_numbers() -> None:
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    silence, short = np.zeros(RATE, np.float32), np.ones(400, np.float32)
    assert np.isnan(pesq_wide(silence, silence, RATE)) and np.isnan(pesq_wide(short, short, RATE))
    assert np.isnan(stoi(silence, silence, RATE)) and np.isnan(stoi(short, short, RATE))


def test_an_absent_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = np.zeros(RATE, np.float32)
    for package, figure in (("pesq", pesq_wide), ("pystoi", stoi)):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtraError, match=f"package {package}"):
            figure(wave, wave, RATE)


def test_dnsmos_gives_three_figures(
    example: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(wave: np.ndarray, sr: int) -> dict[str, float]:
        assert sr == RATE and abs(len(wave) / sr - len(example[0]) / RATE) < 0.1 and np.abs(wave).max() <= 1
        return {"ovrl_mos": 3.0, "sig_mos": 3.5, "bak_mos": 4.0, "p808_mos": 3.2}

    package = SimpleNamespace(dnsmos=SimpleNamespace(run=run))
    monkeypatch.setitem(sys.modules, "speechmos", package)
    figures = measure(2 * example[1], example[0], RATE, ("dnsmos",))
    assert figures == {"dnsmos_ovrl": 3.0, "dnsmos_sig": 3.5, "dnsmos_bak": 4.0}


def test_mixed_pairs_can_be_made_again(folders: tuple[Path, Path]) -> None:
    pairs, again = (mixed_pairs(*folders, RATE, snr_db=(-3, 3), seed=5) for _ in range(2))
    assert len(pairs) == 2 and len({pair.name for pair in pairs}) == 2
    for pair, same in zip(pairs, again, strict=True):
        assert pair.name == same.name
        assert np.array_equal(pair.noisy, same.noisy) and np.array_equal(pair.clean, same.clean)
        said = float(pair.name.rsplit("@", 1)[1].removesuffix("dB"))
        ratio = level_db(pair.clean) - level_db(pair.noisy - pair.clean)
        assert ratio == pytest.approx(said, abs=0.06) and -3 <= ratio <= 3
        assert np.abs(pair.noisy).max() <= 1
    other = mixed_pairs(*folders, RATE, snr_db=(-3, 3), seed=6, count=1)
    assert len(other) == 1 and other[0].name not in {pair.name for pair in pairs}


def test_pairs_of_folders_must_match(tmp_path: Path, example: tuple[np.ndarray, np.ndarray]) -> None:
    noisy, clean = tmp_path / "noisy", tmp_path / "clean"
    for folder, wave in zip((clean, noisy), example, strict=True):
        folder.mkdir()
        soundfile.write(folder / "a.wav", wave, RATE)
    assert [pair.name for pair in folder_pairs(noisy, clean, RATE)] == ["a"]
    soundfile.write(noisy / "b.wav", example[1], RATE)
    with pytest.raises(AudioError, match=r"b\.wav.*no recording of that name"):
        folder_pairs(noisy, clean, RATE)
    soundfile.write(clean / "b.flac", example[0][:-5], RATE)
    with pytest.raises(AudioError, match="equally long"):
        folder_pairs(noisy, clean, RATE)


def test_a_silent_recording_cannot_be_mixed(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    with pytest.raises(AudioError, match=r"silence\.wav"):
        mixed_pairs(tmp_path, folders[1], RATE)


def test_rows_side_by_side(
    folders: tuple[Path, Path],
    exported: Callable[..., Path],
    weights_for: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkpoint, artifact = weights_for("gtcrn"), exported("gtcrn")
    rows = [f"gtcrn={checkpoint}", str(artifact)]
    command = ["--speech", str(folders[0]), "--noise", str(folders[1]), "--metrics", "si_sdr", "--alone"]
    command += ["--json", str(tmp_path / "figures.json"), "--save", str(tmp_path / "cases"), "--cases", "1"]
    assert evaluate([*rows, *command]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[-1].strip() == "steady (dB)"
    assert [line.split()[0] for line in lines[1:]] == ["noisy", *rows]
    record = json.loads((tmp_path / "figures.json").read_text())
    noisy, network, graph = (row["means"] for row in record["rows"])
    assert noisy.keys() == {"si_sdr"} and graph.keys() == {"si_sdr", "clean", "noise", "steady"}
    for name, value in network.items():
        assert graph[name] == pytest.approx(value, abs=0.01), "the graph is what the checkpoint says"
    assert all(len(row["files"]) == 2 for row in record["rows"])
    assert sorted(path.name for path in (tmp_path / "cases").iterdir()) == [f"1-{n}.wav" for n in range(4)]


def test_pictures_and_processes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    command = ["--speech", str(folders[0]), "--noise", str(folders[1]), "--metrics", "si_sdr", "--count", "1"]
    assert evaluate([*command, "--pictures", str(tmp_path), "--jobs", "2"]) == 0
    assert (tmp_path / "1.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_of_another_rate(folders: tuple[Path, Path], tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(zoo.create_model("fastenhancer_48k_t").state_dict(), tmp_path / "w.pt")
    command = ["--speech", str(folders[0]), "--noise", str(folders[1]), "--metrics", "si_sdr", "--count", "1"]
    assert evaluate([f"fastenhancer_48k_t={tmp_path / 'w.pt'}", *command]) == 0


def test_what_cannot_be_measured(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = ["--speech", str(folders[0]), "--noise", str(folders[1])]
    for command, expected in (
        ([], "either --noisy and --clean"),
        (mixed[:2], "either --noisy and --clean"),
        ([*mixed, "--noisy", str(folders[0])], "either --noisy and --clean"),
        (["dpcrn", *mixed], "none come with the package"),
        (["gtcrm=x", *mixed], "did you mean"),
        ([str(tmp_path / "none.onnx"), *mixed], "none.onnx"),
        (["--speech", str(tmp_path), "--noise", str(folders[1])], "no audio files"),
    ):
        assert evaluate(command) == 1
        message = capsys.readouterr().err
        assert message.startswith("speechzoo: ") and expected in message
