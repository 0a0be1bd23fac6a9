"""The voice that comes with the package: whole, what it says it is, and near its teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import zoo
from converters.subjects.sized_network import SizedNetwork
from scripts.voice.corpus import load
from tests.data import ROOT
from zoo.artifact.manifest import SynthesisManifest
from zoo.artifact.parity import compare
from zoo.builtin import TAG, folder, packaged_artifact
from zoo.cli import main
from zoo.errors import CheckpointError, TextError
from zoo.registry import find_weights, get_spec
from zoo.runtime.graph import as_array
from zoo.runtime.onnx import OnnxGraph
from zoo.signal.mel import log_mel
from zoo.tasks.synthesis.golden import parity_ids
from zoo.tasks.synthesis.session import Utterance, inputs
from zoo.tasks.synthesis.synthesizer import DEFAULT_MODEL
from zoo.text.dictionary import english
from zoo.text.symbols import PHONEMES, SYMBOLS, VOWELS, decode, encode, reads_letters

TEACHER = Path(__file__).with_name("voice_teacher.npz")  # a sentence of it that no training saw


@pytest.fixture(scope="module")
def voice() -> zoo.Synthesizer:
    return zoo.Synthesizer()


def test_graph_and_parameters_are_one_model(voice: zoo.Synthesizer) -> None:
    spec = get_spec(DEFAULT_MODEL)
    artifact = packaged_artifact(spec, TAG)
    assert artifact is not None and zoo.verify(artifact).passed
    model = zoo.create_model(DEFAULT_MODEL, TAG)
    graph = OnnxGraph(artifact)
    assert isinstance(graph.manifest, SynthesisManifest) and graph.manifest.golden is not None
    assert dict(graph.manifest.weights) == model.provenance
    assert decode(graph.manifest.golden.ids, PHONEMES).startswith("{DH AH0} {S AH1 N} {W")
    assert graph.manifest.free and voice.session.buckets == ((128, 1024),)
    ids = encode("{HH AH0 L OW1}, {W ER1 L D}!", PHONEMES).ids
    values = inputs([Utterance(ids)], len(ids))
    with torch.inference_mode():
        expected = SizedNetwork(model, None)(*map(torch.from_numpy, values))
    mel, lengths, durations = graph(*values)
    assert lengths.tolist() == expected[1].tolist()
    compare(as_array(expected[0]), mel, tensor="mel", tolerance=spec.tolerance, axis=1)
    np.testing.assert_allclose(durations, expected[2], atol=1e-4)


def test_files_and_card() -> None:
    spec = get_spec(DEFAULT_MODEL)
    weights = find_weights(spec, TAG)
    files = sorted(path.name for path in folder(spec).iterdir() if path.name[0] != ".")
    assert files == [f"{DEFAULT_MODEL}{end}" for end in (".json", ".md", ".onnx", ".safetensors.parts")]
    assert sum((folder(spec) / name).stat().st_size for name in files) < 8_000_000
    text = (folder(spec) / f"{DEFAULT_MODEL}.md").read_text()
    for needed in (weights.sha256, weights.artifact_sha256, weights.licence, "hibari-tts", "train_voice"):
        assert needed in text
    assert weights.metrics and all(np.isfinite(list(weights.metrics.values())))


def test_it_is_near_its_teacher(voice: zoo.Synthesizer) -> None:
    """As near as on the sentences that the card tells of; another sentence's frames are far off."""
    (own,) = load(TEACHER)
    (found,) = voice.frames([Utterance(own.ids, forced=tuple(map(float, own.durations)))])
    assert np.abs(found.mel - own.mel).mean() < 0.45
    assert np.abs(found.mel - own.mel[::-1]).mean() > 1
    assert np.abs(found.durations - own.durations).mean() < 1.6


def test_it_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["speak", "Dr. Smith paid £20 for the GTCRN speechzoo.", "-o", "a.wav"]) == 0
    assert capsys.readouterr().err == "speechzoo: not in the dictionary, read by their letters: gtcrn\n"
    wave, rate = soundfile.read("a.wav")
    assert rate == 22050 and 3 < len(wave) / rate < 7 and 0.02 < wave.std() < 0.5
    assert main(["speak", "Hello.", "-o", "b.wav", "--weights", TAG, "--alpha", "2"]) == 0
    assert main(["speak", "Hello.", "-o", "c.wav"]) == 0
    slow, fast = (soundfile.info(f"{name}.wav").frames for name in "bc")
    assert 1.8 < slow / fast < 2.2
    assert main(["speak", "Hello.", "-o", "d.opus"]) == 0  # which has no rate of 22.05 kHz
    assert soundfile.info("d.opus").duration == pytest.approx(fast / rate, abs=0.05)


def test_it_has_a_vocoder_of_its_own(voice: zoo.Synthesizer) -> None:
    """It learned the same voice; a network of one's own, or none that is known, has Griffin-Lim."""
    assert voice.vocoder.name == "vocos_small.onnx" and voice.vocoder.backend == "onnxruntime"
    speech = voice("Hello there.")
    np.testing.assert_array_equal(speech.waveform, voice.vocoder(speech.mel))
    again = log_mel(speech.waveform, voice.session.front_end)[: len(speech.mel)]
    assert np.abs(again - speech.mel).mean() < 0.3
    other = zoo.Synthesizer(vocoder="griffin-lim")("Hello there.")
    np.testing.assert_array_equal(other.mel, speech.mel)
    assert other.waveform.shape == speech.waveform.shape
    assert zoo.Synthesizer(zoo.create_model("fastspeech")).vocoder.name == "griffin-lim"


def test_progress(voice: zoo.Synthesizer) -> None:
    parts: list[float] = []
    voice("One. Two. Three.", progress=parts.append)
    assert parts == pytest.approx([1 / 3, 2 / 3, 1])


def test_what_is_wrong_in_braces_is_told_of_the_text(voice: zoo.Synthesizer) -> None:
    with pytest.raises(TextError, match=r"in 'hello \{zzz'; braces hold ARPAbet"):
        voice("Hello {zzz")
    with pytest.raises(TextError, match=r"'XX' in {XX} is not ARPAbet"):
        voice("Hello {XX}.")


def test_every_mark_and_phoneme_is_spoken(voice: zoo.Synthesizer) -> None:
    """Symbols that the teacher never says are those that it does: no noise, and no missing ones."""
    speech = voice("Well-known (or not): it's \"fine\"; isn't it?! {HH EH2 L OW} {T UW2}.")
    assert speech.unknown == () and speech.letters == ()
    assert np.isfinite(speech.mel).all() and 100 < len(speech.mel) < 400
    model = zoo.create_model(DEFAULT_MODEL, TAG)
    rows = model.word_emb.weight
    for vowel in VOWELS:
        own, unstressed, stressed = (rows[PHONEMES.index(f"@{vowel}{stress}")] for stress in ("", 0, 1))
        assert torch.equal(own, unstressed) and not torch.equal(stressed, unstressed)


def test_phonemes_only(voice: zoo.Synthesizer) -> None:
    assert len(PHONEMES) == 96 and not reads_letters(PHONEMES) and reads_letters(SYMBOLS)
    assert voice.session.symbols == PHONEMES
    assert len(english()) > 70000
    for word, phonemes in {
        "don't": "D OW1 N T",
        "speechzoo": "S P IY1 CH Z UW1",
        "hello": "HH AH0 L OW1",
        "a": "AH0",
    }.items():
        assert english().phonemes(word) == phonemes
    assert english().pronounce("the abcx", spell=True) == (
        "{DH AH0} {EY1} {B IY1} {S IY1} {EH1 K S}",
        ("abcx",),
    )
    assert all(phoneme in SYMBOLS or f"@{phoneme}" in SYMBOLS for phoneme in english().phonemes("a").split())


def test_exports_are_judged_by_speech() -> None:
    """Every table of symbols has the package's own text, whole."""
    for symbols in (PHONEMES, SYMBOLS):
        ids = parity_ids(symbols)
        assert len(ids) > 100 and min(ids) > 0 and max(ids) < len(symbols)
        assert decode(ids, symbols).endswith("!")


def test_terms_are_beside_the_dictionary() -> None:
    text = (ROOT / "zoo/text/english.dict.txt").read_text()
    for owner in ("Kevin Atkinson", "Princeton University", "Geoff Kuenning", "Carnegie Mellon University"):
        assert "Copyright" in text and owner in text
    assert f"{len(english()):,}" in text
    assert "english.dict.txt" in (ROOT / "NOTICE").read_text()


def test_checkpoints_of_another_table(tmp_path: Path, fastspeech_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="_small has 96 symbols, these parameters are for 149"):
        zoo.Synthesizer(DEFAULT_MODEL, fastspeech_checkpoint)
    model = zoo.create_model(DEFAULT_MODEL)
    torch.save({"model": model.state_dict()}, tmp_path / "checkpoint_000001.pt")
    with pytest.raises(CheckpointError, match="fastspeech has 148 symbols, these parameters are for 96"):
        zoo.Synthesizer("fastspeech", tmp_path)
