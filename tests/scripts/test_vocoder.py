"""The vocoder's training: what is compared lies at one time, it learns, goes on, and has a judge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from scripts import package_vocoder, train_vocoder
from scripts.vocoder.discriminator import Discriminator, deceiver_loss, judge_loss
from scripts.vocoder.loss import SpectralLoss
from scripts.vocoder.speech import LogMel, Recording, as_said_by, lengths, read_speech, segments
from scripts.vocoder.training import LAST, Settings, train
from scripts.voice.corpus import Example, save
from zoo import builtin as packaged
from zoo.arrays import Array
from zoo.create import build
from zoo.files import sha256_of
from zoo.models.vocos.model import Vocos
from zoo.registry import get_spec
from zoo.signal.mel import log_mel
from zoo.spec import VocoderSpec, Weights
from zoo.tasks.vocoder.open import find_vocoder
from zoo.tasks.vocoder.torch import TorchVocoder
from zoo.text.symbols import PHONEMES, encode

SPEC = get_spec(train_vocoder.MODEL, VocoderSpec)
FAST = Settings(steps=6, batch=2, frames=16, warm_up=2, adversarial=4, every=3)


def tone(seconds: float = 2.0) -> Array:
    """A voice of sorts: harmonics of a tone that glides, int16."""
    time = np.arange(round(22050 * seconds)) / 22050
    phase = 2 * np.pi * (200 * time + 20 * np.sin(3 * time))
    return np.rint(3000 * sum(np.sin(h * phase) / h for h in range(1, 8))).astype(np.int16)


def small() -> Vocos:
    torch.manual_seed(0)
    model = build(replace(SPEC, options={**SPEC.options, "channels": 16, "hidden": 32}))
    assert isinstance(model, Vocos)
    return model


def test_frames_are_those_of_the_voice() -> None:
    wave = (tone(0.5) / 32768).astype(np.float32)
    found = LogMel(SPEC.front_end)(torch.from_numpy(wave)[None])[0].numpy()
    np.testing.assert_allclose(found, log_mel(wave, SPEC.front_end)[2:][: len(found)], atol=2e-3)


def test_what_is_compared_lies_at_one_time() -> None:
    """A network that gives each frame back in its place: the segment is where the speech has it."""
    samples, first_made, first_real = lengths(SPEC, 16, 4)
    wave, mel = next(segments([Recording(tone())], samples, 1, 1, SPEC.front_end))
    frames = mel.shape[1]
    assert torch.equal(mel, LogMel(SPEC.front_end)(wave))
    assert first_made + 16 * 256 == frames * 256 and first_real + 16 * 256 <= samples
    # Sample n of what is made is late by the latency, counted from the middle of the first frame.
    assert first_made - SPEC.latency + SPEC.front_end.n_fft // 2 == first_real


def test_frames_of_a_voice_lie_where_the_speech_has_them() -> None:
    """Given frames are cut where those of the wave itself are, and as loud."""
    wave = tone()
    frames = log_mel((wave / 32768).astype(np.float32), SPEC.front_end)[: len(wave) // 256]
    one, other = (
        next(segments([recording], 8192, 3, 5, SPEC.front_end))
        for recording in (Recording(wave), Recording(wave, frames.astype(np.float16)))
    )
    assert torch.equal(one[0], other[0]) and one[1].shape == other[1].shape
    assert (one[1] - other[1]).abs().mean() < 0.02


def test_a_vocoder_learns_from_what_a_voice_says(tmp_path: Path) -> None:
    """Frames of the voice, with the teacher's durations, beside the teacher's speech."""
    ids = encode("{HH AH0 L OW1} {W ER1 L D}.", PHONEMES).ids
    example = Example(ids, (9,) * len(ids), np.zeros((9 * len(ids), 80), np.float32))
    save([example] * 3, tmp_path / "x.npz")
    np.save(tmp_path / "x.wave.npy", np.resize(tone(), 3 * 9 * len(ids) * 256))
    found = as_said_by(zoo.Synthesizer(vocoder="griffin-lim"), tmp_path / "x.npz")
    assert found.frames is not None and len(found.frames) * 256 == len(found.wave)
    words = ["--speech", str(tmp_path / "x.npz"), "--said-by", "fastspeech_small", "--steps", "1"]
    words += ["--unseen", str(tmp_path / "x.wave.npy"), "--output", str(tmp_path / "run")]
    (tmp_path / "run").mkdir()
    assert train_vocoder.main(words) == 0 and (tmp_path / "run/vocoder.pt").is_file()


def test_distances() -> None:
    loss = SpectralLoss(SPEC.front_end)
    wave = torch.from_numpy((tone() / 32768).astype(np.float32))[None]
    assert max(part.item() for part in loss(wave, wave)) < 0.01  # in silent bins no phase is known
    near, far = (
        sum(part.item() for part in loss(wave + a * torch.randn_like(wave), wave)) for a in (0.001, 0.1)
    )
    assert 0 < near < far / 2


def test_the_judge_learns_and_is_deceived_less() -> None:
    torch.manual_seed(0)
    judge, wave = Discriminator(), torch.from_numpy((tone() / 32768).astype(np.float32))[None, :8192]
    noise = 0.1 * torch.randn_like(wave)
    optimiser = torch.optim.AdamW(judge.parameters(), lr=2e-3)
    before = judge_loss(judge(wave), judge(noise)), deceiver_loss(judge(wave), judge(noise))
    for _ in range(20):
        optimiser.zero_grad()
        judge_loss(judge(wave), judge(noise)).backward()
        optimiser.step()
    after = judge_loss(judge(wave), judge(noise)), deceiver_loss(judge(wave), judge(noise))
    assert after[0] < 0.7 * before[0] and after[1] > before[1]


def test_it_learns_and_goes_on(tmp_path: Path) -> None:
    """Over the step where the judge comes in; what is kept is the mean, and loads as any checkpoint."""
    told: list[str] = []
    model = small()
    train(model, [Recording(tone())], [Recording(tone(1.0))], tmp_path, FAST, told.append)
    assert [line.split(":")[0] for line in told] == ["step 3", "step 6"] and not model.training
    train(small(), [Recording(tone())], [Recording(tone(1.0))], tmp_path, replace(FAST, steps=9), told.append)
    assert [line.split(":")[0] for line in told[2:]] == ["step 9"]
    content = torch.load(tmp_path / "vocoder.pt", weights_only=True)
    assert content["step"] == 9 and torch.load(tmp_path / LAST, weights_only=True)["step"] == 9
    assert content["model"].keys() == model.state_dict().keys()


def test_less_is_wrong_after_some_steps(tmp_path: Path) -> None:
    told: list[str] = []
    settings = replace(FAST, steps=80, every=20, adversarial=1000, batch=4, rate=3e-3)
    train(small(), [Recording(tone())], [Recording(tone(1.0))], tmp_path, settings, told.append)
    first, *_, last = (float(line.rpartition("mel L1 ")[2].split(";")[0]) for line in told)
    assert last < 0.9 * first


def test_speech_is_read_from_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "0000.wave.npy", tone(1.0))
    assert [found.wave.dtype for found in read_speech([tmp_path], 22050)] == [np.int16]
    examples = read_speech([Path(zoo.__file__).parents[1] / "examples"], 22050)
    assert examples and all(e.wave.dtype == np.int16 and len(e.wave) > 22050 for e in examples)
    words = ["--speech", str(tmp_path / "no"), "--unseen", str(tmp_path), "--output", str(tmp_path / "run")]
    assert train_vocoder.main(words) == 1 and "no" in capsys.readouterr().err


def test_packaged_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run becomes files whose hashes are in the record, and the graph computes what the parameters do."""
    monkeypatch.setattr(packaged, "_ROOT", tmp_path)
    target = tmp_path / "models/vocos/packaged"
    target.parent.mkdir(parents=True)
    torch.save({"model": build(SPEC).state_dict()}, tmp_path / "vocoder.pt")
    figures = {"log-mel L1": 0.3, "spectral distance": 1.0}
    (tmp_path / "x.json").write_text(
        json.dumps({"griffin-lim": figures, "v.onnx": {**figures, "log-mel L1": 0.2}})
    )
    words = [
        "--run",
        str(tmp_path),
        "--sentences",
        "9000",
        "--hours",
        "6",
        "--figures",
        str(tmp_path / "x.json"),
    ]
    assert package_vocoder.main(words) == 0
    weights = Weights(**json.loads((target / "vocos_small.json").read_text()))
    assert weights.sha256 == sha256_of(target / "vocos_small.safetensors") and weights.licence == "Apache-2.0"
    assert (
        weights.artifact_sha256 == sha256_of(target / "vocos_small.onnx") and "9,000" in weights.training_data
    )
    assert weights.metrics["log-mel L1, unseen speech of the teacher"] == 0.2
    assert "| griffin-lim | 0.3 | 1 |" in (target / "vocos_small.md").read_text()
    assert zoo.verify(target / "vocos_small.onnx").passed
    mel = np.full((30, 80), -3, np.float32)
    network = TorchVocoder(zoo.create_model("vocos_small", target / "vocos_small.safetensors"))
    expected = network.waveform(mel)
    found = find_vocoder(target / "vocos_small.onnx", SPEC.front_end)(mel)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    (tmp_path / "x.json").write_text("[]")
    assert package_vocoder.main(words) == 1
