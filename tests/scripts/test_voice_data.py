"""What the voice learns from: sentences, a teacher's symbols as tokens, and those as the package reads."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from scripts import train_voice
from scripts.voice.corpus import Example, save
from scripts.voice.hibari import Hibari, cut, to_tokens
from scripts.voice.reading import as_package
from scripts.voice.teachers import HIBARI, RECORD, read_record
from scripts.voice.texts import patterned, read_sentences, spelled_number
from scripts.voice.training import MODEL, fill_in
from zoo.create import build
from zoo.models.fastspeech.model import FastSpeech
from zoo.registry import get_spec
from zoo.signal.mel import log_mel
from zoo.text.symbols import PHONEMES, encode

Capture = pytest.CaptureFixture[str]


def test_sentences_of_texts(tmp_path: Path) -> None:
    """Plain ones only: no abbreviations, no signs, nothing too long; of WordNet's files the examples."""
    text = 'It was late.\nHe said: "Come in!" Mr. Smith did.\n\nPay $5 now. A dash--here. FBI men came.\n'
    (tmp_path / "a.txt").write_text(text + "x" * 200 + ".")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"One line\nof two. "))
    (tmp_path / "data.verb").write_text('0001 | to go; "she went home"; "did he go?"; "a 1st try"\n')
    found = {path.name: list(read_sentences(path)) for path in tmp_path.iterdir()}
    assert found["a.txt"] == ["It was late.", "He said: Come in!", "Smith did.", "A dash - here."]
    assert found["b.txt.gz"] == ["One line of two."]
    assert found["data.verb"] == ["She went home.", "Did he go?"]


def test_patterns_are_the_same_every_time() -> None:
    said = list(itertools.islice(patterned(3), 60))
    assert said == list(itertools.islice(patterned(3), 60)) and not any("{" in s for s in said)
    assert 15 < sum("?" in sentence for sentence in said) < 45
    numbers = [spelled_number(n) for n in (1, 19, 20, 85, 100, 342)]
    assert numbers[:4] == ["one", "nineteen", "twenty", "eighty five"]
    assert numbers[4:] == ["one hundred", "three hundred and forty two"]


def test_a_teachers_symbols_become_tokens() -> None:
    """A stress mark's time goes to its vowel, vowel and R become ER, two spaces one; others are refused."""
    spoken = "b\u02c8\u025bT\u0259\u0279, \u0250  n\u02c8\u025c\u0279s\u2014"
    tokens = to_tokens(spoken, [1.0] * len(spoken))
    assert tokens is not None
    assert "".join(f"{{{s}}}" if s[0].isalpha() else s for s, _ in tokens) == (
        "{B}{EH1}{T}{ER0}, {AH0} {N}{ER1}{S}-"
    )
    assert sum(time for _, time in tokens) == len(spoken)
    assert dict(tokens)["EH1"] == 2 and to_tokens("bøb", [1.0] * 3) is None


@pytest.mark.parametrize(
    ("theirs", "said", "expected"),
    [
        ("F AO0 R _ DH IY0 _ EH2 F B IY2 AY1 .", "{F AO1 R} {DH AH0} {EH1 F} {B IY1} {AY1}.",
         "F AO1 R _ DH AH0 _ EH1 F _ B IY1 _ AY1 ."),
        ("W EH2 L P EY1 D _ - _ AE1 N", "{W EH1 L}-{P EY1 D} - {AE1 N}", "W EH1 L - P EY1 D _ - _ AE1 N"),
        ("DH AE1 T , _ B AE1 D", "{DH AE1 T} {B AE1 D}", "DH AE1 T , _ B AE1 D"),  # a pause stays
        ("N AY1 N D IY0", "{N AY1 N T IY0}", "N AY1 N D IY0"),  # another consonant stays
    ],
)  # fmt: skip
def test_as_the_package_reads(theirs: str, said: str, expected: str) -> None:
    """No time is lost."""
    tokens = [(" " if symbol == "_" else symbol, 2.0) for symbol in theirs.split()]
    found = as_package(tokens, said)
    assert ["_" if symbol == " " else symbol for symbol, _ in found] == expected.split()
    assert sum(time for _, time in found) == sum(time for _, time in tokens)


def test_silence_is_cut_off() -> None:
    """Durations are whole frames that make up the utterance; what is silent at both ends is gone."""
    wave = np.zeros(48000, np.float32)
    wave[12000:36000] = np.sin(np.arange(24000) / 9)
    made = cut(wave, 24000, [("AA1", 20.0), ("N", 20.0), (".", 30.0)], before=20.0)
    assert made is not None
    example, own = made
    assert sum(example.durations) == len(example.mel) == len(own) // 256 == pytest.approx(90.5, abs=1)
    assert example.durations[:2] == (45, 43) and example.ids == encode("{AA1 N}.", PHONEMES).ids
    assert np.abs(example.mel - log_mel(own, zoo.spec.MelSpectrum())[: len(example.mel)]).max() < 1e-5
    assert cut(wave * 0, 24000, [("AA1", 80.0)], before=0.0) is None


def test_symbols_that_are_said_keep_their_own() -> None:
    model = build(get_spec(MODEL))
    assert isinstance(model, FastSpeech)
    before = model.word_emb.weight.detach().clone()
    ids = {name: PHONEMES.index(name) for name in ("@AA", "@AA0", "@AA1", "@AA2", "-", " ")}
    fill_in(model, [ids["@AA1"], ids["@AA2"], ids["-"], ids[" "]])
    rows = model.word_emb.weight
    for kept in ("@AA1", "@AA2", "-", " "):
        assert rows[ids[kept]].equal(before[ids[kept]])
    assert rows[ids["@AA0"]].equal(before[ids["@AA1"]]) and rows[ids["@AA"]].equal(rows[ids["@AA0"]])


def test_training_on_such_data(tmp_path: Path, capsys: Capture) -> None:
    """The run tells what it learned from; too few utterances are told."""
    words = ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "run"), "--steps", "1"]
    assert train_voice.main(words) == 1
    assert "0 utterances; more than 60 are needed" in capsys.readouterr().err
    mel = np.zeros((12, 80), np.float32)
    (tmp_path / "data").mkdir()
    save([Example((70, 80), (6, 6), mel)] * 70, tmp_path / "data/0000.npz")
    assert train_voice.main(words) == 0
    record = read_record(tmp_path / "run")
    assert record is not None and (record.teacher, record.sentences, record.symbols) == (HIBARI, 10, (70, 80))
    (tmp_path / "run" / RECORD).write_text(json.dumps({"teacher": "nobody"}))
    with pytest.raises(zoo.errors.ArtifactError, match=r"run\.json: expected the record of scripts"):
        read_record(tmp_path / "run")


def test_the_teacher() -> None:
    """Where hibari-tts is installed."""
    try:
        teacher = Hibari(lambda sentence: "{HH AH0 L OW1}.")
    except zoo.errors.MissingExtraError:
        pytest.skip("needs hibari-tts: pip install hibari-tts==0.2.1 onnx")
    made = teacher("Hello.")
    assert made is not None
    example, wave = made
    assert example.ids == encode("{HH AH0 L OW1}.", PHONEMES).ids and 0.4 < len(wave) / 22050 < 0.8
