"""speechzoo embed and speechzoo compare, on real files, and what they write."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from zoo import Embedder
from zoo.arrays import Array
from zoo.cli import main
from zoo.errors import ArtifactError
from zoo.tasks.speaker.embeddings import Origin, read_embeddings, write_embeddings
from zoo.tasks.speaker.kaldi import write_ark

Folder = Callable[[str], Path]


@pytest.fixture
def graph(speaker_graph: Folder) -> str:
    return str(speaker_graph("resnet18"))


@pytest.fixture
def recordings(tmp_path: Path, speech_16k: Array) -> Path:
    """A folder with good and bad files."""
    folder = tmp_path / "in"
    (folder / "deep er").mkdir(parents=True)
    soundfile.write(folder / "one.wav", speech_16k[:24000], 16000)
    soundfile.write(folder / "two.flac", np.stack([speech_16k[16000:32000]] * 2, 1), 16000)
    soundfile.write(folder / "deep er" / "three 3.wav", speech_16k[:16000:2], 8000)
    (folder / "empty.wav").touch()
    (folder / "broken.wav").write_bytes(b"RIFFxxxxWAVE")
    (folder / "notes.txt").write_text("no audio")
    return folder


def test_a_folder_with_bad_files(
    graph: str, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.npz"
    arguments = ["embed", str(recordings), "--recursive", "--artifact", graph, "-o", str(out)]
    assert main([*arguments, "--json"]) == 1
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert report["embedded"] == 3 and report["files"] == [str(out)] and not report["mean_subtracted"]
    assert sorted(Path(f["input"]).name for f in report["failed"]) == ["broken.wav", "empty.wav"]
    assert "2 of 5 recordings failed" in told.err and "empty.wav: it is empty" in told.err
    found, origin = read_embeddings(out)
    assert list(found) == ["deep er/three 3.wav", "one.wav", "two.flac"] and origin == Origin(
        "resnet18.onnx", False
    )
    embedder = Embedder(graph)
    speech, _ = soundfile.read(recordings / "one.wav", dtype="float32")
    np.testing.assert_allclose(found["one.wav"], embedder(speech), rtol=0, atol=1e-4)
    before = out.read_bytes()
    assert main(arguments) == 1 and "exists; pass another name, or --force" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 1
    assert out.read_bytes() == before  # the same files, the same bytes
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_list_to_kaldis_archives(
    graph: str, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import kaldiio

    listed = tmp_path / "wav.scp"
    one, two, three = (recordings / name for name in ("one.wav", "two.flac", "deep er/three 3.wav"))
    listed.write_text(f"a {one}\nb\t{two}\n\nc  {three}\n")
    model = ["--artifact", graph]
    assert main(["embed", str(listed), *model, "-o", str(tmp_path / "one.ark")]) == 0
    found = dict(kaldiio.load_scp_sequential(str(tmp_path / "one.scp")))
    assert list(found) == ["a", "b", "c"] and found["a"].dtype == np.float32
    lines = (tmp_path / "one.scp").read_text().splitlines()
    name, place = lines[1].split(" ", 1)
    archive, offset = place.rsplit(":", 1)
    assert (name, archive) == ("b", str(tmp_path / "one.ark"))
    assert Path(archive).read_bytes()[int(offset) :].startswith(b"\0BFV \x04" + (256).to_bytes(4, "little"))
    assert main(["embed", str(listed), *model, "-o", str(tmp_path / "many"), "--shards", "2"]) == 0
    files = sorted(path.name for path in (tmp_path / "many").iterdir())
    assert files == [f"xvector_00{i}.{kind}" for i in (0, 1) for kind in ("ark", "json", "scp")]
    for path in (tmp_path / "one.ark", tmp_path / "one.scp", tmp_path / "many"):
        again, origin = read_embeddings(path)
        assert origin == Origin("resnet18.onnx", False) and set(again) == set(found)
        for name, value in found.items():
            np.testing.assert_array_equal(again[name], value)
    # fewer recordings than archives: none is left empty
    assert main(["embed", str(listed), *model, "-o", f"{tmp_path}/few/", "--shards", "9"]) == 0
    assert len(list((tmp_path / "few").glob("*.ark"))) == 3


def test_what_cannot_be_embedded(
    graph: str, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], speaker_folder: Folder
) -> None:
    one, out, model = str(recordings / "one.wav"), ["-o", str(tmp_path / "o.npz")], ["--artifact", graph]
    listed, twice = tmp_path / "wav.scp", tmp_path / "twice.scp"
    listed.write_text(f"a sox {one} -t wav - |\n")
    twice.write_text(f"a {one}\na {one}\n")
    only = tmp_path / "only.scp"
    only.write_text("justaname\n")
    (tmp_path / "void").mkdir()
    for arguments, message in (
        ([one, *out], "a model is missing"),
        ([one, *out, *model, "--weights", "x"], "only one of them"),
        ([one, *out, "--artifact", one], "a file in .onnx, .ts, .pt2, .engine, .plan, .trt is expected"),
        ([one, "-o", "x.txt", *model], "expected .npz, .ark, .scp, or a folder"),
        ([one, *out, *model, "--shards", "2"], "--shards goes with a folder"),
        ([str(listed), *out, *model], "line 1: it is a command, which is not run"),
        ([str(twice), *out, *model], "would both be called a"),
        ([str(only), *out, *model], 'expected "name path"'),
        ([str(tmp_path / "no.scp"), *out, *model], "cannot be read as a list"),
        ([str(tmp_path / "void"), *out, *model], "holds no audio files"),
        ([str(recordings), "--recursive", "-o", str(tmp_path / "x.ark"), *model], "cannot hold a name with"),
        ([one, *out, *model, "--window", "0.01"], "a window of 0.01 s is too short"),
        ([one, *out, *model, "--mean", one], "expected a .npy file"),
        ([str(recordings / "empty.wav"), *out, *model], "it is empty"),
    ):
        assert main(["embed", *arguments]) == 1
        assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("*.npz")) and not list(tmp_path.glob("*.ark"))
    mean = str(speaker_folder("ResNet18") / "mean_vec.npy")
    assert main(["embed", one, *out, *model, "--mean", mean]) == 0
    assert read_embeddings(tmp_path / "o.npz")[1] == Origin("resnet18.onnx", True)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_embeddings(tmp_path / "file" / "x.npz", {"a": np.ones(3, np.float32)}, Origin("m", False))


def test_half_an_archive_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        write_ark(*arguments)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo.tasks.speaker.embeddings.write_ark", full)
    with pytest.raises(ArtifactError, match="No space left"):
        write_embeddings(tmp_path / "x.ark", {"a": np.ones(3, np.float32)}, Origin("m", False))
    assert os.listdir(tmp_path) == []


def test_files_that_hold_no_embeddings(tmp_path: Path) -> None:
    one = np.ones(3, np.float32)
    write_embeddings(tmp_path / "a.ark", {"a": one}, Origin("m", False))
    write_embeddings(tmp_path / "b.ark", {"a": one}, Origin("m", False))
    with pytest.raises(ArtifactError, match="a is in another file"):
        read_embeddings(tmp_path)
    write_embeddings(tmp_path / "b.ark", {"b": one}, Origin("m", True), force=True)
    with pytest.raises(ArtifactError, match="several models"):
        read_embeddings(tmp_path)
    write_embeddings(tmp_path / "c.ark", {"a": one, "b": np.ones(4, np.float32)}, Origin("m", False))
    with pytest.raises(ArtifactError, match="vectors of one length"):
        read_embeddings(tmp_path / "c.scp")
    (tmp_path / "x.npz").write_bytes(b"PK no archive")
    np.savez(tmp_path / "y.npz", other=one)
    (tmp_path / "z.ark").write_bytes(b"a \0BFV \x04\x03\0\0\0\0")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("x.npz", "cannot be read as embeddings"),
        ("y.npz", "cannot be read as embeddings"),
        ("z.ark", "cannot be read as embeddings"),
        ("none.npz", "expected a file"),
        ("empty", "holds no .scp files"),
    ):
        with pytest.raises(ArtifactError, match=message):
            read_embeddings(tmp_path / name)


def test_compare(graph: str, recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = str(recordings / "one.wav"), str(recordings / "two.flac")
    assert main(["compare", one, one, "--artifact", graph, "--threshold", "0.9"]) == 0
    assert capsys.readouterr().out == "similarity 1.0000: the same speaker at 0.9\n"
    assert main(["compare", one, two, "--artifact", graph, "--threshold", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["same"] is False and -1 <= report["similarity"] < 1 and report["threshold"] == 1
    assert main(["compare", one, two, "--artifact", graph]) == 0
    assert capsys.readouterr().out == f"similarity {report['similarity']:.4f}\n"
    assert main(["compare", one, str(recordings / "empty.wav"), "--artifact", graph]) == 1
    assert "is empty" in capsys.readouterr().err


@pytest.mark.parametrize("level", [0, 0.25])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_silence_is_no_speaker(
    graph: str, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], level: float, rate: int
) -> None:
    """Two silent files would be the same speaker with similarity 1."""
    silent, other = tmp_path / "silent.wav", tmp_path / "other.wav"
    soundfile.write(silent, np.full(2 * rate, float(level)), rate)
    soundfile.write(other, np.full(3 * rate, float(level)), rate)
    for pair in ((silent, other), (recordings / "one.wav", silent)):
        assert main(["compare", *map(str, pair), "--artifact", graph]) == 1
        told = capsys.readouterr()
        assert "silent.wav: no speech: all of its samples are alike" in told.err and not told.out
    assert main(["embed", str(silent), "--artifact", graph, "-o", str(tmp_path / "s.npz")]) == 0
    assert "silent.wav: no speech: all of its samples are alike" in capsys.readouterr().err
