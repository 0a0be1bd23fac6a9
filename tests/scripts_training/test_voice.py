"""The small voice's training: what a teacher's segments become, and that the network learns and goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from scripts.voice import training
from scripts.voice.corpus import Example, align, load, save, sentences
from scripts.voice.teacher import Flite, Segment
from zoo.text.symbols import encode

SMALL = {
    **training.SIZES,
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
        durations = 2 + ids % 3
        made.append(
            Example(tuple(ids.tolist()), tuple(durations.tolist()), shapes[np.repeat(ids, durations)])
        )
    return made


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
    monkeypatch.setattr(training, "SIZES", SMALL)
    monkeypatch.setattr(training, "WARM_UP", 10)
    torch.manual_seed(0)
    made, told = examples(48), []
    before = training.judge(training.network(), made)
    options = {"steps": 300, "say": told.append}
    training.train(made, made[:8], tmp_path, **options)
    model = zoo.create_model("fastspeech", tmp_path)
    after = training.judge(model, made)
    assert after[0] < 0.6 * before[0] and after[1] < 0.3 * before[1]
    assert [line.split(":")[0] for line in told] == ["step 200", "step 300"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint_000200.pt", "checkpoint_000300.pt"]
    (tmp_path / "checkpoint_000300.pt").unlink()
    told.clear()
    training.train(made, made[:8], tmp_path, **options)
    assert [line.split(":")[0] for line in told] == ["step 300"]


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
