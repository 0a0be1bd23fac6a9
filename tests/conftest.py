"""Reference data, speech, and weights and exports that several tests share."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tests.data import CHECKPOINTS, ORACLES, ROOT, SHARED, Speech
from zoo.arrays import Array

if TYPE_CHECKING:
    from zoo.models.fastspeech.model import FastSpeech
    from zoo.tasks.synthesis.synthesizer import Synthesizer

pytest.register_assert_rewrite("tests.contract")


def pytest_configure() -> None:
    """One thread a test process: the processes share the machine. Ctrl-C means what it means at a terminal.

    A shell starts what runs in the background with Ctrl-C ignored, and that is inherited.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the project."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared: reference data beside the project's folder")
    return SHARED


@pytest.fixture(scope="session")
def speech_16k() -> Array:
    """Noisy speech, (N,) at 16 kHz: a real recording where there is one, else the project's own."""

    real = SHARED / "data/real/gtcrn_mix_16k.wav"
    speech, rate = soundfile.read(real if real.is_file() else ROOT / "examples/noisy.wav", dtype="float32")
    assert rate == 16000 and speech.ndim == 1
    return speech


@pytest.fixture(scope="session")
def speech_48k() -> Array:
    """The same at 48 kHz, with something in all of its band."""

    from zoo.artifact.golden import parity_speech

    real = SHARED / "data/real/speech_48k_noisy_10dB.flac"
    if not real.is_file():
        return parity_speech(48000)
    speech, rate = soundfile.read(real, dtype="float32", stop=10 * 48000)
    assert rate == 48000 and speech.ndim == 1
    return speech


@pytest.fixture(scope="session")
def speech(speech_16k: Array, speech_48k: Array) -> Speech:
    """``speech(rate, begin, seconds)``: a stretch of noisy speech, (seconds x rate,)."""
    from zoo.signal.resample import resample

    def stretch(rate: int, begin: float, seconds: float) -> Array:
        recording, own = (speech_16k, 16000) if rate <= 16000 else (speech_48k, 48000)
        part = recording[round(begin * own) :][: int(np.ceil((seconds + 0.1) * own))]
        part = resample(part, own, rate)
        part = part[: round(seconds * rate)].astype(np.float32)
        assert len(part) == round(seconds * rate) and np.abs(part).max() > 0.02, "no speech there"
        return part

    return stretch


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run that pytest-xdist's processes share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def weights_for(cache_folder: Path, speech: Speech) -> Callable[[str], Path]:
    """``weights_for(name)``: a checkpoint of a model, trained or a reference's where there is one.

    Otherwise random weights from a fixed seed, made so that all parts of the network matter.
    """

    def find(name: str) -> Path:
        trained = SHARED / "data/checkpoints" / CHECKPOINTS.get(name, f"{name}.safetensors")
        if trained.is_file():
            return trained
        if name in ORACLES:
            return ORACLES[name]
        import torch
        from filelock import FileLock

        from tests.contract import random_model

        path = cache_folder / f"{name}.pt"
        with FileLock(f"{path}.lock"):
            if not path.is_file():
                torch.save(random_model(name, speech).state_dict(), path)
        return path

    return find


@pytest.fixture(scope="session")
def exported(cache_folder: Path, weights_for: Callable[[str], Path]) -> Callable[..., Path]:
    """``exported(name, form, **options)``: a model's ONNX file with ``weights_for(name)``, made once a run.

    Options are those of ``converters.export_onnx``. The file is for all tests: copy it to change it.
    """

    def export(name: str, form: str = "wav2wav", **options: object) -> Path:
        from filelock import FileLock

        from converters.targets.onnx import export_onnx
        from zoo import create_model

        key = "-".join([name, form, *(f"{option}={options[option]}" for option in sorted(options))])
        path = cache_folder / f"{key}.onnx"
        with FileLock(f"{path}.lock"):
            if not path.is_file():
                export_onnx(create_model(name, weights_for(name)), path, form, **options)
                path.chmod(0o444)
        return path

    return export


@pytest.fixture(scope="session")
def fastspeech_checkpoint(shared: Path) -> Path:
    """A small public FastSpeech with random weights; what the public code makes of them lies beside it."""
    return shared / "oracles/fastspeech/checkpoint_000001.pt"


@pytest.fixture(scope="session")
def small_fastspeech(fastspeech_checkpoint: Path) -> FastSpeech:
    """The network of ``fastspeech_checkpoint``."""
    import zoo

    model: FastSpeech = zoo.create_model("fastspeech", fastspeech_checkpoint)
    return model


@pytest.fixture(scope="session")
def speaker_folder(shared: Path, cache_folder: Path) -> Callable[[str], Path]:
    """``speaker_folder(name)``: a public training folder, ``ResNet18``, ``ECAPA_c512`` or ``CAMPPlus``.

    With random weights, and what the public code makes of them in ``ref.npz``.
    """

    def unpack(name: str) -> Path:
        import gzip
        import shutil

        from filelock import FileLock

        packed, folder = shared / "oracles/speaker" / name, cache_folder / name
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                part = cache_folder / f"{name}.part"
                shutil.copytree(packed, part, ignore=shutil.ignore_patterns("*.gz"))
                checkpoint = gzip.decompress((packed / "avg_model.pt.gz").read_bytes())
                (part / "avg_model.pt").write_bytes(checkpoint)
                part.rename(folder)
        return folder

    return unpack


@pytest.fixture(scope="session")
def speaker_graph(cache_folder: Path, speaker_folder: Callable[[str], Path]) -> Callable[[str], Path]:
    """``speaker_graph(name)``: the ONNX file of a model with the weights of ``speaker_folder``.

    ``resnet18``, ``ecapa_c512_glob`` or ``campplus``; or ``resnet18-wav``, which takes waveforms and
    subtracts the folder's mean. Each is made once a run, and for all tests: copy it to change it.
    """
    folders = {"resnet18": "ResNet18", "ecapa_c512_glob": "ECAPA_c512", "campplus": "CAMPPlus"}

    def export(name: str) -> Path:
        from filelock import FileLock

        from scripts.export_speaker import main

        model, _, form = name.partition("-")
        folder, path = speaker_folder(folders[model]), cache_folder / f"{name}.onnx"
        options = ["--form", "wav", "--mean-vec", str(folder / "mean_vec.npy")] if form else []
        with FileLock(f"{path}.lock"):
            if not path.is_file():
                with redirect_stdout(io.StringIO()):
                    assert not main(["--folder", str(folder), "--onnx-path", str(path), *options])
                path.chmod(0o444)
        return path

    return export


@pytest.fixture(scope="session")
def synthesis_graphs(fastspeech_checkpoint: Path, cache_folder: Path) -> Path:
    """The small public network's graphs of ``SIZES``, and one in a folder of its own with a free batch."""
    from filelock import FileLock

    from scripts import export_synthesis as script
    from tests.synthesis import SIZES

    folder = cache_folder / "fastspeech"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            words = ["--weights", str(fastspeech_checkpoint), "--output"]
            sizes = ["--buckets", *(f"{tokens}/{frames}" for tokens, frames in SIZES)]
            assert script.main([*words, str(folder), *sizes]) == 0
            many = ["--buckets", "16/128", "--batch", "0"]
            assert script.main([*words, str(folder / "many"), *many]) == 0
    return folder


@pytest.fixture(scope="session")
def synthesis_files(synthesis_graphs: Path) -> list[Path]:
    """The graphs of ``SIZES``, in their order."""
    from tests.synthesis import SIZES

    return [synthesis_graphs / f"fastspeech.i{tokens}.o{frames}.onnx" for tokens, frames in SIZES]


@pytest.fixture(scope="session")
def synthesizer(synthesis_files: list[Path]) -> Synthesizer:
    """A synthesizer of ``synthesis_files`` that takes little time."""
    from zoo.spec import MelSpectrum
    from zoo.tasks.synthesis.synthesizer import Synthesizer
    from zoo.vocoder.griffin_lim import GriffinLim

    return Synthesizer(synthesis_files, vocoder=GriffinLim(MelSpectrum(), iterations=3))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with two recordings of speech, one with two of noise."""
    base = tmp_path_factory.mktemp("recordings")
    clean, rate = soundfile.read(ROOT / "examples/clean.wav", dtype="float32")
    noisy, _ = soundfile.read(ROOT / "examples/noisy.wav", dtype="float32")
    other = np.random.default_rng(0).standard_normal(2 * rate).astype(np.float32)
    half = len(clean) // 2
    contents = {
        "speech": {"first.wav": clean[:half], "second.flac": clean[half:]},
        "noise": {"background.wav": noisy - clean, "white.wav": 0.1 * other / np.abs(other).max()},
    }
    for folder, files in contents.items():
        (base / folder).mkdir()
        for name, wave in files.items():
            soundfile.write(base / folder / name, wave, rate)
    return base / "speech", base / "noise"
