"""The synthesizer: sizes, batches, what cannot be spoken, and sources that are none."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import zoo
from converters import export_synthesis
from tests.synthesis import TEXT, changed
from zoo.artifact.manifest import METADATA_KEY
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import ArtifactError, CheckpointError, TextError, UnknownModelError
from zoo.models.fastspeech.model import FastSpeech
from zoo.registry import get_spec
from zoo.tasks.synthesis.session import Utterance
from zoo.tasks.synthesis.synthesizer import Synthesizer
from zoo.text.normalise import normalise
from zoo.text.sentences import PARAGRAPH_PAUSE, SENTENCE_PAUSE, Pauses
from zoo.text.symbols import encode

Capture = pytest.CaptureFixture[str]


def test_speech(synthesizer: Synthesizer) -> None:
    speech = synthesizer(TEXT)
    assert [piece.text for piece in speech.pieces] == ["hello there.", "it cost twenty pounds!"]
    assert [piece.pause for piece in speech.pieces] == [SENTENCE_PAUSE, 0]
    frames = [int(np.rint(durations).sum()) for durations in speech.durations]
    assert speech.mel.shape == (sum(frames), 80) and speech.sample_rate == 22050
    pause = round(SENTENCE_PAUSE * 22050)
    assert speech.waveform.shape == (sum(frames) * 256 + pause,)
    begin = frames[0] * 256
    assert not speech.waveform[begin : begin + pause].any() and speech.waveform[begin + pause :].any()


def test_the_smallest_size_that_fits(synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """By tokens, and where the frames turn out too many, the next; those of one size go together."""
    calls: list[tuple[int, int]] = []
    original = synthesizer.session.run

    def run(utterances: list[Utterance], bucket: int) -> list:
        calls.append((len(utterances), bucket))
        return original(utterances, bucket)

    monkeypatch.setattr(synthesizer.session, "run", run)
    short, long = Utterance((5, 6, 7), forced=(9, 9, 9)), Utterance((5,) * 20, forced=(5,) * 20)
    slow = Utterance((5, 6, 7), forced=(50, 50, 50))
    found = synthesizer.frames([long, short, slow, short])
    assert calls == [(3, 0), (2, 1)]
    assert [frames.wanted for frames in found] == [100, 27, 150, 27] == [len(frames.mel) for frames in found]
    np.testing.assert_array_equal(found[1].mel, found[3].mel)


def test_a_graph_with_a_batch(
    synthesis_graphs: Path, synthesizer: Synthesizer, small_fastspeech: FastSpeech, tmp_path: Path
) -> None:
    """A free batch and a fixed one give what each alone gives."""
    export_synthesis(small_fastspeech, tmp_path / "x.onnx", tokens=16, frames=128, batch=2)
    texts = [Utterance(tuple(range(1, 5 + i)), forced=tuple([4.0] * (4 + i))) for i in range(3)]
    expected = synthesizer.frames(texts)
    for source in (synthesis_graphs / "many", tmp_path):
        for found, alone in zip(Synthesizer(source).frames(texts), expected, strict=True):
            np.testing.assert_allclose(found.mel, alone.mel, atol=1e-4)
            np.testing.assert_allclose(found.durations, alone.durations, atol=1e-4)


def test_long_text_is_split(synthesizer: Synthesizer) -> None:
    text = "One sentence, and another clause of it; then a third one, which goes on and on. " * 3
    speech = synthesizer(text, alpha=2.0)
    assert len(speech.pieces) > 6
    assert " ".join(piece.text for piece in speech.pieces) == normalise(text)
    longest = max(len(encode(piece.text).ids) for piece in speech.pieces)
    assert longest <= 32 and all(len(d) <= 32 for d in speech.durations)


def test_alpha(synthesizer: Synthesizer) -> None:
    lengths = [len(synthesizer("hello there", alpha=alpha).mel) for alpha in (0.5, 1.0, 2.0)]
    durations = synthesizer("hello there").durations[0]
    assert lengths == [int(np.rint(durations * np.float32(a)).sum()) for a in (0.5, 1, 2)]
    for alpha in (0, 0.05, 20, float("nan"), -1):
        with pytest.raises(ValueError, match=r"expected from 0\.1 to 10"):
            synthesizer("hello", alpha=alpha)


def test_pytorch_gives_the_same(
    synthesizer: Synthesizer, small_fastspeech: FastSpeech, fastspeech_checkpoint: Path
) -> None:
    """Without padding, so the last frames differ a little; its durations are the graph's."""
    ids = tuple(range(1, 17))
    for source in (Synthesizer(small_fastspeech), Synthesizer("fastspeech", fastspeech_checkpoint)):
        assert source.backend == "torch"
        (own,) = source.frames([Utterance(ids)])
        (graph,) = synthesizer.frames([Utterance(ids)])
        np.testing.assert_allclose(own.durations, graph.durations, atol=1e-4)
        assert own.wanted == graph.wanted
        both = slice(0, own.wanted // 2)
        assert np.abs(own.mel[both] - graph.mel[both]).mean() < 0.05


def test_unknown_characters_are_reported(synthesizer: Synthesizer) -> None:
    speech = synthesizer("Hello ~ there 🙂")
    assert speech.unknown == ("~", "🙂")
    with pytest.raises(TextError, match="nothing in it can be spoken; it has no symbols for 🙂"):
        synthesizer("🙂")
    with pytest.raises(TextError, match="nothing in it can be spoken"):
        synthesizer(" ")


def test_a_dictionary(synthesis_files: list[Path], tmp_path: Path, capsys: Capture) -> None:
    """Known words go in as phonemes; others stay in letters, and are told."""
    words = tmp_path / "words.dict"
    words.write_text("hello HH AH0 L OW1\n")
    speech = Synthesizer(synthesis_files, dictionary=words)("Hello zyx.")
    assert [piece.text for piece in speech.pieces] == ["{HH AH0 L OW1} zyx."] and speech.letters == ("zyx",)
    out = ["-o", str(tmp_path / "x.wav"), "--artifact", str(synthesis_files[1]), "--dictionary", str(words)]
    assert main(["speak", "Hello zyx.", *out]) == 0
    assert "not in the dictionary, read by their letters: zyx" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("utterance", "message"),
    [
        (Utterance(()), "expected token ids from 0 to 147"),
        (Utterance((1, 148)), "expected token ids from 0 to 147"),
        (Utterance((-1,)), "expected token ids from 0 to 147"),
        (Utterance((1, 2), forced=(1.0,)), "1 forced durations for 2 tokens"),
        (Utterance((1,), forced=(float("nan"),)), "must be finite"),
        (Utterance((1,), alpha=float("inf")), "must be finite"),
        (Utterance((1,), forced=(300.0,)), "its 1 tokens do not fit fastspeech"),
        (Utterance((1,) * 33), "its 33 tokens do not fit fastspeech"),
    ],
)
def test_what_cannot_be_spoken(synthesizer: Synthesizer, utterance: Utterance, message: str) -> None:
    with pytest.raises(TextError, match=f"utterance 1: .*{message}"):
        synthesizer.frames([Utterance((5, 6)), utterance])


def test_sources_that_are_none(
    synthesis_files: list[Path], tmp_path: Path, small_fastspeech: FastSpeech
) -> None:
    with pytest.raises(ArtifactError, match=r"it holds no engines and no \.onnx files"):
        Synthesizer(tmp_path)
    with pytest.raises(ArtifactError, match="no graph for synthesis was named"):
        Synthesizer([])
    with pytest.raises(ArtifactError, match="an artifact has its own weights"):
        Synthesizer(synthesis_files, "x.pt")
    with pytest.raises(ArtifactError, match="two files are of one size"):
        Synthesizer([synthesis_files[0], synthesis_files[0]])
    with pytest.raises(ArtifactError, match="it is for enhancement, not for synthesis"):
        Synthesizer(packaged_artifact(get_spec("gtcrn")))
    with pytest.raises(ArtifactError, match=r"fastspeech\.i16\.o128\.onnx: it is for synthesis"):
        zoo.Enhancer(synthesis_files[0])
    with pytest.raises(UnknownModelError, match="gtcrn is a model for enhancement"):
        Synthesizer("gtcrn")
    with pytest.raises(
        CheckpointError,
        match=r"fastspeech needs .* that has some \(fastspeech_small\)",
    ):
        Synthesizer("fastspeech")
    with pytest.raises(CheckpointError, match="weights go with a model's name"):
        Synthesizer(small_fastspeech, "x.pt")
    with pytest.raises(
        UnknownModelError, match="a network or a session for synthesis is expected, got Linear"
    ):
        Synthesizer(torch.nn.Linear(1, 1))


def test_graphs_of_other_weights(synthesis_files: list[Path], tmp_path: Path) -> None:
    def change(proto: onnx.ModelProto) -> None:
        record = json.loads(proto.metadata_props[0].value)
        record["weights"]["sha256"] = "0" * 64
        onnx.helper.set_model_props(proto, {METADATA_KEY: json.dumps(record)})

    with pytest.raises(
        ArtifactError, match=r"it does not go with .*another weights; export all sizes together"
    ):
        Synthesizer([synthesis_files[0], changed(synthesis_files[1], tmp_path, change)])


def test_a_stream_is_the_whole_piece_by_piece(synthesizer: Synthesizer) -> None:
    """Each as soon as it is made, the first before anything is computed of the second."""
    calls: list[int] = []
    original = synthesizer.session.run

    def run(utterances: list[Utterance], bucket: int) -> list:
        calls.append(len(utterances))
        return original(utterances, bucket)

    text = "Hello there. It cost £20! Good bye.\n\nA new one."
    whole = synthesizer(text)
    synthesizer.session.run = run  # type: ignore[method-assign]
    try:
        stream = synthesizer.stream(text)
        assert calls == []
        first = next(stream)
        assert sum(calls) <= 2 and first.written == "Hello there." and first.begin == 0
        spoken = [first, *stream]
    finally:
        del synthesizer.session.run
    np.testing.assert_array_equal(np.concatenate([one.waveform for one in spoken]), whole.waveform)
    assert [one.piece for one in spoken] == list(whole.pieces)
    assert [one.piece.pause for one in spoken] == [SENTENCE_PAUSE, SENTENCE_PAUSE, PARAGRAPH_PAUSE, 0]
    for one, following in itertools.pairwise(spoken):
        assert following.begin == pytest.approx(one.begin + len(one.waveform) / 22050)
        assert one.end == pytest.approx(following.begin - one.piece.pause, abs=1e-4)
    quick = synthesizer(text, pauses=Pauses(0, 0, 0))
    assert len(whole.waveform) - len(quick.waveform) == 2 * round(SENTENCE_PAUSE * 22050) + round(
        PARAGRAPH_PAUSE * 22050
    )


def test_a_long_text_takes_no_more_memory(synthesis_graphs: Path) -> None:
    """A graph of any batch gets a few texts at once, and what was spoken is let go."""
    synthesizer = Synthesizer(synthesis_graphs / "many")
    sizes: list[int] = []
    original = synthesizer.session.run
    synthesizer.session.run = lambda texts, bucket: sizes.append(len(texts)) or original(texts, bucket)
    spoken = sum(1 for _ in synthesizer.stream("Hello there. " * 40))
    assert spoken == 40 and max(sizes) == synthesizer.session.at_once == 8 and sizes[0] == 1


@pytest.mark.parametrize("text", ["()", "...", "?!"])
def test_marks_alone_are_nothing(synthesizer: Synthesizer, text: str) -> None:
    with pytest.raises(TextError, match="nothing in it can be spoken"):
        synthesizer(text)
