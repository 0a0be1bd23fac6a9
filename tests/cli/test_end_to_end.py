"""The main job, from the shell: noisy audio and a public checkpoint in, clean audio out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import zoo
from tests.data import ROOT
from zoo.arrays import Array
from zoo.artifact.parity import compare
from zoo.signal.resample import resample
from zoo.spec import Tolerance

Speechzoo = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def speechzoo(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Speechzoo:
    """``speechzoo enhance`` with GTCRN's public checkpoint, in a process and with a cache of its own."""
    cache = tmp_path_factory.mktemp("cache")
    weights = shared / "data/checkpoints/gtcrn_dns3_stream.tar"

    def command(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        model = ["--model", "gtcrn", "--weights", str(weights)]
        return subprocess.run(
            [sys.executable, "-m", "zoo.cli", "enhance", *map(str, words), *model],
            cwd=cwd,
            env={**os.environ, "SPEECHZOO_CACHE": str(cache), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def snr_db(reference: Array, candidate: Array) -> float:
    noise = np.sum((reference.astype(float) - candidate) ** 2)
    return float(10 * np.log10(np.sum(reference.astype(float) ** 2) / noise))


def test_the_public_recording(
    speechzoo: Speechzoo,
    shared: Path,
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """The public output was made offline with reflected edges; a stream starts from zeros and catches up."""
    noisy = shared / "data/real/gtcrn_mix_16k.wav"
    done = speechzoo(noisy, "-o", "out.wav", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["files"]
    before, after = soundfile.info(noisy), soundfile.info(tmp_path / "out.wav")
    assert (after.frames, after.samplerate, after.channels, after.format, after.subtype) == (
        before.frames, 16000, 1, before.format, before.subtype,
    )  # fmt: skip
    public, _ = soundfile.read(shared / "data/real/gtcrn_enh_16k.wav", dtype="float32")
    ours, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert len(ours) > len(public), "the public script drops the tail"
    measured = {s: snr_db(public[s * 16000 :], ours[s * 16000 : len(public)]) for s in (2, 4)}
    for second, snr in measured.items():
        record_testsuite_property(f"stream against the public file from {second} s on, dB", round(snr, 1))
    assert measured[2] >= 50 and measured[4] >= 60, measured

    assert (told["input"], told["output"]) == (str(noisy), "out.wav")
    assert told["backend"] == "onnxruntime" and told["model"].startswith("gtcrn-")
    assert told["seconds"] == pytest.approx(before.frames / 16000) and 0 < told["real_time_factor"] < 0.9
    assert told["latency"]["samples"] == {
        "window": 256, "look_ahead": 0, "resampling": 0, "buffering": 255, "total": 511,
    }  # fmt: skip
    assert told["peak_in"] == pytest.approx(np.abs(soundfile.read(noisy)[0]).max())
    assert told["peak_out"] == pytest.approx(np.abs(ours).max(), abs=1e-4)

    again = speechzoo(noisy, "-o", "out.wav", cwd=tmp_path)
    assert again.returncode == 1 and "out.wav exists; pass another name, or --force" in again.stderr
    again = speechzoo(noisy, "-o", "again.wav", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, ""), "the export is in the cache"
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "out.wav").read_bytes()


def test_stereo_at_another_rate(speechzoo: Speechzoo, speech_16k: Array, tmp_path: Path) -> None:
    """44.1 kHz flac: each channel enhanced for itself, in place, as the same speech at the model's rate."""
    mono = speech_16k[:96000]
    wide = resample(mono, 16000, 44100)
    soundfile.write(tmp_path / "in.flac", np.stack([wide, 0.5 * wide[::-1]], axis=1), 44100, "PCM_24")
    done = speechzoo("in.flac", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["files"]
    assert (told["sample_rate"], told["channels"], told["output"]) == (44100, 2, "in.enhanced.flac")
    assert told["latency"]["milliseconds"]["resampling"] <= 20
    info = soundfile.info(tmp_path / "in.enhanced.flac")
    assert (info.frames, info.samplerate, info.channels) == (len(wide), 44100, 2)
    assert (info.format, info.subtype) == ("FLAC", "PCM_24")
    enhanced, _ = soundfile.read(tmp_path / "in.enhanced.flac", dtype="float32")
    assert np.abs(enhanced[:, 0] - 2 * enhanced[::-1, 1]).max() > 0.01, "the channels are not one"

    done = speechzoo("mono.wav", "-o", "clean.wav", cwd=tmp_path)
    assert done.returncode == 1 and "there is no file" in done.stderr
    soundfile.write(tmp_path / "mono.wav", mono, 16000, "FLOAT")
    assert speechzoo("mono.wav", "-o", "clean.wav", cwd=tmp_path).returncode == 0
    narrow, _ = soundfile.read(tmp_path / "clean.wav", dtype="float32")
    back = resample(enhanced[:, 0], 44100, 16000)
    # What three more low-pass filters take from the top of the band is all that may differ.
    assert snr_db(narrow[16000:90000], back[16000:90000]) > 20
    shifted = [snr_db(narrow[16000:90000], back[16000 + d : 90000 + d]) for d in (-2, -1, 1, 2)]
    assert snr_db(narrow[16000:90000], back[16000:90000]) > max(shifted), "aligned to the sample"


def test_silence(speechzoo: Speechzoo, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(32000), 16000, "FLOAT")
    done = speechzoo("in.wav", "-o", "out.wav", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["files"]
    enhanced, _ = soundfile.read(tmp_path / "out.wav")
    assert enhanced.shape == (32000,) and np.isfinite(enhanced).all() and np.abs(enhanced).max() < 1e-6
    assert told["peak_in"] == 0 and told["peak_out"] < 1e-6


@pytest.mark.parametrize("name", ["gtcrn", "dpcrn", "fastenhancer_t"])
def test_all_backends_agree(
    exported: Callable[..., Path], weights_for: Callable[[str], Path], speech_16k: Array, name: str
) -> None:
    """The streaming form in torch, and its two graphs in ONNX Runtime."""
    torch = zoo.Enhancer(name, weights=weights_for(name))
    assert torch.backend == "torch"
    reference = torch(speech_16k[:80000])
    for form in ("wav2wav", "spec2spec"):
        graph = zoo.Enhancer(exported(name, form))
        assert graph.backend == "onnxruntime" and graph.latency() == torch.latency()
        report = compare(reference, graph(speech_16k[:80000]), tensor=form, tolerance=Tolerance())
        assert report.passed
