"""Corpora: what is taken of a repository, where it goes, and what is left out."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import soundfile

from scripts import prepare_corpus
from scripts.training.corpus import SAMPLE_RATE, CorpusError, fault, fetch, find_checkout, prepare, split_of
from scripts.training.recordings import load
from scripts.training.sources import SOURCES, Source, librispeech, one_voice, speech_commands, unknown
from zoo.errors import AudioError

SPEECH = Source(
    name="readers",
    repository="someone/readings",
    commit="0" * 40,
    folder="data/clean",
    kind="speech",
    licence="CC0-1.0",
    origin="nobody",
    speaker=librispeech,
    validation=0.5,
)
NOISE = replace(SPEECH, name="hum", folder="data/hum", kind="noise", speaker=unknown)


def voice(seconds: float = 1.0, rate: int = SAMPLE_RATE, seed: int = 0) -> np.ndarray:
    """A tone that comes and goes, with a little noise below it."""
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return 0.4 * np.sin(2 * np.pi * 220 * time) * (np.sin(2 * np.pi * 2 * time) > 0) + 1e-4 * noise


@pytest.fixture
def checkouts(tmp_path: Path) -> Path:
    """One repository with recordings of eight speakers, some of them of no use, and two noises."""
    data = tmp_path / "checkouts" / "readings" / "data"
    for folder in ("clean/one", "clean/two words", "hum"):
        (data / folder).mkdir(parents=True)
    for speaker in range(8):
        soundfile.write(data / "clean/one" / f"{speaker}-1-0.wav", voice(seed=speaker), SAMPLE_RATE)
        stereo = np.stack([voice(2.0, 48000)] * 2, 1)
        soundfile.write(data / "clean/two words" / f"{speaker}-2-0.flac", stereo, 48000)
    bad = {
        "20-1-0": np.zeros(SAMPLE_RATE),
        "21-1-0": np.clip(8 * voice(), -0.9, 0.9),
        "22-1-0": voice(0.1),
    }
    for name, wave in bad.items():
        soundfile.write(data / "clean" / f"{name}.wav", wave, SAMPLE_RATE)
    whole = (data / "clean/one/0-1-0.wav").read_bytes()
    soundfile.write(data / "clean/23-1-0.flac", voice(), SAMPLE_RATE)
    flac = (data / "clean/23-1-0.flac").read_bytes()
    (data / "clean/23-1-0.flac").write_bytes(flac[: len(flac) // 2])
    (data / "clean/24-1-0.wav").write_bytes(whole[:20])
    for name in ("low", "high"):
        wave = 0.1 * np.random.default_rng(1).standard_normal(SAMPLE_RATE)
        soundfile.write(data / "hum" / f"{name}.wav", wave, SAMPLE_RATE)
    return tmp_path / "checkouts"


def test_no_speaker_is_on_both_sides(checkouts: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    counts = prepare([SPEECH, NOISE], checkouts, out)
    sides = [
        {path.name for path in (out / "speech" / side / "readers").iterdir()} for side in ("train", "valid")
    ]
    assert sides[0] and sides[1] and not sides[0] & sides[1]
    assert sides[0] | sides[1] == {str(speaker) for speaker in range(8)}
    for side, speakers in zip(("train", "valid"), sides, strict=True):
        files = list((out / "speech" / side).rglob("*.flac"))
        assert len(files) == 2 * len(speakers) == counts["readers"].files[side]
        assert counts["readers"].speakers[side] == len(speakers)
        assert counts["readers"].seconds[side] == pytest.approx(3 * len(speakers), abs=0.1)
        for path in files:
            info = soundfile.info(path)
            assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
    assert (out / "speech/train/readers/0/two_words-0-2-0.flac").exists() or "0" in sides[1]
    noises = sorted(path.name for path in (out / "noise").rglob("*.flac"))
    assert noises == ["high.flac", "low.flac"]
    assert counts["readers"].dropped == {"silent": 1, "clipped": 1, "short": 1, "damaged": 2}
    record = json.loads((out / "corpus.json").read_text())
    assert record["readers"]["dropped"] == counts["readers"].dropped
    speech = load(out / "speech/train", SAMPLE_RATE, trim=True)
    assert speech.speakers is not None and len(set(speech.speakers)) == len(sides[0])


def test_the_same_corpus_is_made_again(checkouts: Path, tmp_path: Path) -> None:
    prepare([SPEECH, NOISE], checkouts, tmp_path / "first")
    prepare([NOISE, SPEECH], checkouts, tmp_path / "second")
    first, second = (
        {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*.flac")}
        for base in (tmp_path / "first", tmp_path / "second")
    )
    assert first == second


def test_what_is_kept_apart_is_in_no_folder_for_training(checkouts: Path, tmp_path: Path) -> None:
    counts = prepare([replace(SPEECH, judging=True)], checkouts, tmp_path / "corpus")
    assert counts["readers"].files == {"judging": 16}
    assert sorted(path.name for path in (tmp_path / "corpus/speech").iterdir()) == ["judging"]


def test_recordings_are_chosen_by_name_length_and_noise(checkouts: Path, tmp_path: Path) -> None:
    some = replace(SPEECH, only=("0-1-0", "1-1-0", "2-1-0"), left_out=("1-1-0",), validation=0.0)
    assert prepare([some], checkouts, tmp_path / "some")["readers"].files == {"train": 2}
    one = replace(SPEECH, speaker=one_voice, most_seconds=2.5, validation=0.0)
    count = prepare([one], checkouts, tmp_path / "one")["readers"]
    assert count.seconds["train"] < 4.5 and count.speakers == {"train": 1}
    assert count.dropped["more of a speaker than is wanted"] >= 10
    assert fault(voice().astype(np.float32), replace(SPEECH, least_range_db=30)) is None
    noisy = voice() + 0.05 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    assert fault(noisy.astype(np.float32), replace(SPEECH, least_range_db=30)) == "noisy"
    assert fault(noisy.astype(np.float32), SPEECH) is None
    assert fault(noisy.astype(np.float32), replace(NOISE, least_range_db=30)) is None


def test_sides_have_their_share_and_do_not_depend_on_each_other() -> None:
    source = replace(SPEECH, validation=0.1)
    sides = [split_of(source, str(speaker)) for speaker in range(2000)]
    assert 150 < sides.count("valid") < 250
    wider = [split_of(replace(source, validation=0.2), str(speaker)) for speaker in range(2000)]
    assert all(b == "valid" for a, b in zip(sides, wider, strict=True) if a == "valid")


def test_faults_are_told_in_a_sentence(
    checkouts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "corpus"
    with pytest.raises(CorpusError, match="there is no other with a folder data/clean; get it with --fetch"):
        prepare([replace(SPEECH, repository="someone/other")], checkouts, out)
    with pytest.raises(AudioError, match="there are no recordings of readers"):
        prepare([replace(SPEECH, only=("absent",))], checkouts, out)
    assert prepare_corpus.main(["--checkouts", str(checkouts), "--out", str(out)]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    out.mkdir(exist_ok=True)
    (out / "something").touch()
    with pytest.raises(CorpusError, match="is not empty"):
        prepare([SPEECH], checkouts, out)


def test_a_repository_is_checked_out_at_its_commit(checkouts: Path, tmp_path: Path) -> None:
    server = tmp_path / "server" / "someone" / "readings"
    server.parent.mkdir(parents=True)
    (checkouts / "readings").rename(server)

    def git(*arguments: str) -> str:
        names = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(server), *names, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    git("config", "uploadpack.allowAnySHA1InWant", "true")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    source = replace(SPEECH, commit=git("rev-parse", "HEAD"))
    git("commit", "--quiet", "--allow-empty", "-m", "second")
    address = f"file://{tmp_path / 'server'}"
    with pytest.raises(CorpusError, match=r"git .* failed: "):
        fetch(replace(source, repository="someone/nothing"), checkouts, address)
    fetch(source, checkouts, address)
    assert find_checkout(checkouts, source) == checkouts / "someone/readings"
    fetch(source, checkouts, "file:///nowhere")
    with pytest.raises(CorpusError, match=r"is at commit .* the corpus is made from 0000"):
        find_checkout(checkouts, SPEECH)


def test_the_table_is_consistent_and_in_the_documentation() -> None:
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    text = (Path(__file__).parents[2] / "docs/training-data.md").read_text()
    for source in SOURCES:
        assert re.fullmatch(r"[0-9a-f]{40}", source.commit)
        assert not source.judging or not source.validation
        assert source.repository in text and source.commit[:7] in text, source.name
    apart = {(s.repository, s.folder) for s in SOURCES if s.judging}
    assert not apart & {(s.repository, s.folder) for s in SOURCES if not s.judging}


def test_speakers_are_read_from_names() -> None:
    assert librispeech(PurePosixPath("103-1240-0000.flac")) == "103"
    assert speech_commands(PurePosixPath("bed/00176480_nohash_0.wav")) == "00176480"
    assert unknown(PurePosixPath("a.wav")) is None
