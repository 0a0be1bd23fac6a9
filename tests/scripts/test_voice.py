"""The small voice's training: what a teacher's segments become, and that the network learns and goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from scripts import evaluate_voice, package_voice, package_weights
from scripts.voice import judging, training
from scripts.voice.corpus import Example, load, save, sentences
from scripts.voice.judging import distance, hear
from scripts.voice.listeners import word_errors
from scripts.voice.speakers import OTHERS, other
from scripts.voice.teachers import HIBARI, RunRecord, read_record
from zoo import builtin as packaged
from zoo.create import build
from zoo.files import sha256_of
from zoo.models.fastspeech.model import FastSpeech
from zoo.registry import get_spec
from zoo.spec import Weights
from zoo.tasks.synthesis.session import Utterance
from zoo.text.symbols import PHONEMES, encode

SMALL = {
    **get_spec(training.MODEL).options,
    **{"channels": 32, "phoneme_layers": 1, "mel_layers": 1, "head_channels": 16, "filters": 32},
    **{"duration_filters": 16, "longest": 128, "dropout": 0.0},
}


def examples(count: int) -> list[Example]:
    """Each token has a spectrum and a length of its own."""
    random = np.random.default_rng(2)
    shapes = random.standard_normal((149, 80)).astype(np.float32)
    made = []
    for _ in range(count):
        ids = random.integers(64, 70, int(random.integers(3, 8)))
        ids[-1] = PHONEMES.index(".")
        durations = 2 + ids % 3
        made.append(
            Example(tuple(ids.tolist()), tuple(durations.tolist()), shapes[np.repeat(ids, durations)])
        )
    return made


def small() -> FastSpeech:
    model = build(replace(get_spec(training.MODEL), options=SMALL))
    assert isinstance(model, FastSpeech)
    return model


def test_sentences_are_the_same_every_time() -> None:
    words = ["alpha", "beta"]
    first, second = (sentences(words, seed) for seed in (1, 1))
    for a, b, _ in zip(first, second, range(20), strict=False):
        assert a == b and a[-1] in ".?!" and not encode(a).unknown


def test_examples_are_kept_as_they_are(tmp_path: Path) -> None:
    made = examples(5)
    save(made, tmp_path / "x.npz")
    for a, b in zip(made, load(tmp_path / "x.npz"), strict=True):
        assert (a.ids, a.durations) == (b.ids, b.durations)
        np.testing.assert_allclose(a.mel, b.mel, atol=2e-3)


def test_it_learns_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "WARM_UP", 10)
    torch.manual_seed(0)
    made, told = examples(48), []
    before = training.judge(small(), made)
    options = {"steps": 300, "say": told.append}
    training.train(small(), made, made[:8], tmp_path, **options)
    model = zoo.create_model(training.MODEL, tmp_path)
    after = training.judge(model, made)
    assert after[0] < 0.6 * before[0] and after[1] < 0.3 * before[1]
    assert [line.split(":")[0] for line in told] == ["step 200", "step 300"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint_000200.pt", "checkpoint_000300.pt"]
    (tmp_path / "checkpoint_000300.pt").unlink()
    told.clear()
    training.train(small(), made, made[:8], tmp_path, **options)
    assert [line.split(":")[0] for line in told] == ["step 300"]


def test_endings() -> None:
    """One utterance in ten has no last mark and no pause there, one in ten a comma for it."""
    (own,) = examples(1)
    assert training._ending(own, 0.5) == own
    cut, other = training._ending(own, 0.05), training._ending(own, 0.95)
    assert cut.ids == own.ids[:-1] and len(cut.mel) == sum(cut.durations) == sum(own.durations[:-1])
    assert other.ids == (*own.ids[:-1], PHONEMES.index(",")) and other.mel is own.mel


def test_packaged_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run becomes files whose hashes are in the record; one of another model leaves none."""
    run, target = tmp_path / "run", tmp_path / "models/fastspeech/packaged"
    run.mkdir()
    target.parent.mkdir(parents=True)
    monkeypatch.setattr(packaged, "_ROOT", tmp_path)
    monkeypatch.setattr(package_weights, "RECORDS", tmp_path / "records")
    torch.save({"model": small().state_dict(), "step": 7}, run / "checkpoint_000007.pt")
    RunRecord(HIBARI, 1234, 5.5, (64, 65)).write(run)
    heard = {"words": 50, "wrong": {"whisper": 12}, "cpu_seconds": 1.5}
    figures = {
        "unseen": {"utterances": 9, "mel": 0.4, "mean_frame": 1.5, "durations": 1.1},
        "sentences": {"plain": {"the voice": heard, "hibari": {**heard, "wrong": {"whisper": 1}}}},
    }
    monkeypatch.setattr(package_voice, "TOKENS", 16)
    made = package_voice.package(run, figures)
    assert sorted(path.name for path in target.iterdir()) == sorted(path.name for path in made)
    weights = Weights(**json.loads((target / f"{training.MODEL}.json").read_text()))
    assert weights.sha256 == sha256_of(target / f"{training.MODEL}.safetensors")
    assert weights.artifact_sha256 == sha256_of(target / f"{training.MODEL}.onnx")
    assert weights.metrics["word errors by Whisper (%), 60 plain sentences"] == 24.0
    text = (target / f"{training.MODEL}.md").read_text()
    assert "| the voice | 12 (24.0 %) | 1.50 |" in text and "--steps 7" in text
    assert "Whisper understands better: hibari." in text and "1,234 English sentences, 5.5 hours" in text
    found = zoo.Synthesizer(target / f"{training.MODEL}.onnx", vocoder="griffin-lim")
    assert found.session.buckets == ((16, 128),)
    for path in made:
        path.unlink()
    torch.save({"model": {"x": torch.zeros(3)}, "step": 8}, run / "checkpoint_000008.pt")
    with pytest.raises(zoo.errors.CheckpointError, match="not a checkpoint of a FastSpeech"):
        package_voice.package(run, {})
    assert not list(target.iterdir())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"unseen": 1}', '{"unseen": {"mel": 1}}'])
def test_what_are_no_figures(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text(text)
    assert package_voice.main(["--run", "run", "--figures", str(tmp_path / "x.json")]) == 1
    assert "x.json: expected a voice's figures from scripts.evaluate_voice" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "{}", '{"teacher": "nobody", "sentences": 1, "hours": 1, "symbols": []}']
)
def test_a_run_without_its_record(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(zoo.errors.ArtifactError, match=r"run\.json: expected the record of scripts"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [("a b c", "a b c", 0), ("a b c", "", 3), ("a b c", "a x c d", 2), ("do not go", "go", 2)],
)
def test_word_errors(said: str, heard: str, wrong: int) -> None:
    assert word_errors(said, heard) == wrong


def test_distance() -> None:
    """Nothing between what a voice says and the same; much to the mean of its frames."""
    voice = zoo.Synthesizer()
    ids = encode("{HH AH0 L OW1} {W ER1 L D}.", PHONEMES).ids
    durations = (4,) * len(ids)
    (frames,) = voice.frames([Utterance(ids, forced=tuple(map(float, durations)))])
    found = distance(voice, [Example(ids, durations, frames.mel)])
    assert found.mel == 0 and found.mean_frame > 0.5 and found.utterances == 1


def test_sentences_to_judge_by() -> None:
    plain, hard = (evaluate_voice.read_sentences(path) for path in evaluate_voice.SETS.values())
    assert (len(plain), len(hard)) == (60, 20)
    assert hard["Dr. Smith lives at 221 Baker St. and doesn't use a GPS."].startswith("Doctor Smith lives")
    assert hard["The CEO of IBM said that we're 1/2 done."] == "The CEO of IBM said that we're one half done."


@pytest.mark.parametrize("name", OTHERS)
def test_speakers(name: str) -> None:
    try:
        speak = other(name)
    except zoo.errors.MissingExtraError as error:
        pytest.skip(f"needs {name}: {error}")
    wave, rate = speak("Hello there.")
    assert 0.4 < len(wave) / rate < 3 and np.abs(wave).max() > 0.05


def test_speakers_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(zoo.errors.UnknownModelError, match="no speaker 'x'; expected one of: hibari, flite"):
        other("x")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(zoo.errors.MissingExtraError, match="flite is not installed: apt install flite"):
        other("flite")


def test_who_hears_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each listener's errors are counted apart, and what was heard wrongly is kept."""
    monkeypatch.setattr(judging, "normaliser", lambda: str.lower)
    listeners = {"good": lambda wave, rate: "A B", "bad": lambda wave, rate: " a c "}
    found = hear(lambda text: (np.ones(9, np.float32), 16000), {"1": "a b", "2": "a b"}, listeners)
    assert found.words == 4 and found.wrong == {"good": 0, "bad": 2} and found.dnsmos is None
    assert found.texts == {"good": [], "bad": ["a b | a c", "a b | a c"]}


def test_listening() -> None:
    """With a listener that hears one word in two; where the normaliser is installed."""
    pytest.importorskip("whisper_normalizer", reason="needs whisper-normalizer")

    def speak(text: str) -> tuple[np.ndarray, int]:
        return np.ones(len(text), np.float32), 16000

    listeners = {"deaf": lambda wave, rate: "", "half": lambda wave, rate: "Doctor"}
    found = hear(speak, {"Dr. No": "Doctor No", "7:45 a.m.": "7:45 a.m."}, listeners)
    assert found.words == 5 and found.wrong == {"deaf": 5, "half": 4}
    assert found.texts["half"] == ["Doctor No | Doctor", "7:45 a.m. | Doctor"]
