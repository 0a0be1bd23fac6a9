"""The small voice's training: what a teacher's segments become, and that the network learns and goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from scripts import package_voice, package_weights
from scripts.voice import training
from scripts.voice.corpus import Example, align, load, pronunciations, save, sentences
from scripts.voice.judging import distance, word_errors
from scripts.voice.teacher import Flite, Segment
from zoo import builtin as packaged
from zoo.create import build
from zoo.files import sha256_of
from zoo.models.fastspeech.model import FastSpeech
from zoo.registry import get_spec
from zoo.spec import Weights
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


def test_segments_become_tokens() -> None:
    """Spaces take no time; a pause is its mark's, or a comma's; a mark without a pause stays."""
    found = [("", 0.2, -1), ("AY1", 0.4, 0), ("S", 0.5, 1), ("OW1", 0.7, 1), ("", 0.9, -1)]
    found += [("N", 1.0, 2), ("OW1", 1.2, 2), ("", 1.5, -1)]
    segments = [Segment(*values) for values in found]
    tokens = align(["I", "so", "no?"], segments)
    assert tokens is not None
    assert "".join(symbol for symbol, _ in tokens) == "{AY1} {S}{OW1}, {N}{OW1}?"
    assert [end for _, end in tokens] == [0.4, 0.4, 0.5, 0.7, 0.9, 0.9, 1.0, 1.2, 1.5]
    assert align(["I,", "so", "no?"], segments)[1] == (",", 0.4)
    assert align(["I", "so"], segments) is None


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
    figures = {
        "unseen": {"utterances": 9, "mel": 0.4, "half_frame": 0.3, "mean_frame": 1.5, "durations": 1.1},
        "word_errors": {"recogniser": "X", "words": 50, "teacher": 10, "teacher through the vocoder": 11}
        | {"voice": 12},
    }
    monkeypatch.setattr(package_voice, "BUCKET", (16, 64))
    made = package_voice.package(run, figures)
    assert sorted(path.name for path in target.iterdir()) == sorted(path.name for path in made)
    weights = Weights(**json.loads((target / f"{training.MODEL}.json").read_text()))
    assert weights.sha256 == sha256_of(target / f"{training.MODEL}.safetensors")
    assert weights.artifact_sha256 == sha256_of(target / f"{training.MODEL}.onnx")
    assert weights.metrics["word errors (%), 40 plain sentences"] == 24.0
    text = (target / f"{training.MODEL}.md").read_text()
    assert "teacher 20.0 %" in text and "--steps 7" in text
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
    ("said", "heard", "wrong"),
    [("A b, c!", "a b c", 0), ("a b c", "", 3), ("a b c", "a x c d", 2), ("don't go", "go", 1)],
)
def test_word_errors(said: str, heard: str, wrong: int) -> None:
    assert word_errors(said, heard) == (wrong, len(said.split()))


def test_the_teacher() -> None:
    """Where Flite is installed."""
    try:
        teacher = Flite()
    except zoo.errors.MissingExtraError:
        pytest.skip("needs Flite: apt install libflite1")
    wave, rate, segments = teacher("Hello world.")
    assert rate == 16000 and np.abs(wave).max() > 0.1
    assert [s.phoneme for s in segments] == ["", "HH", "AH0", "L", "OW1", "W", "ER1", "L", "D", ""]
    assert segments[-1].end == pytest.approx(len(wave) / rate, abs=0.02)
    assert teacher.pronounce("about") == ["AH0", "B", "AW1", "T"]
    found = dict(line.split(" ", 1) for line in pronunciations(teacher, ["hello", "don't", "zzz"]))
    assert found["hello"] == "HH AH0 L OW1" and found["don't"] == "D OW1 N T" and "zzz" not in found
    assert found["b."] == "B IY1" and found["a."] == "EY1"
    words = ["these", "are", "some", "more", "words", "to", "choose", "from"]
    figures = distance(zoo.Synthesizer(), teacher, words, 3)
    assert figures.mel < 0.45 and figures.half_frame < figures.mel < figures.mean_frame / 3
    assert figures.durations < 2
