"""speechzoo embed --ray and speechzoo enhance --ray, on a real cluster of this machine."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.data import ROOT
from zoo.arrays import Array
from zoo.cli import main
from zoo.cli._ray import Record
from zoo.errors import ArtifactError
from zoo.tasks.speaker.embeddings import read_embeddings

Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """host:port of a cluster with two CPUs."""
    pytest.importorskip("ray")
    from zoo.cli._ray import _ray

    ray = _ray()
    context = ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=100 << 20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
    )
    yield context.address_info["gcs_address"]
    ray.shutdown()


def command(*words: object) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "zoo.cli", *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(record: Path) -> int:
    try:
        with sqlite3.connect(f"file:{record}?mode=ro", uri=True) as file:
            return int(file.execute("SELECT COUNT(*) FROM done").fetchone()[0])
    except sqlite3.Error:
        return 0


def test_embedding_goes_on_where_it_was_killed(
    cluster: str,
    speaker_graph: Folder,
    tmp_path: Path,
    speech_16k: Array,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out, plain = tmp_path / "in", tmp_path / "out.npz", tmp_path / "plain.npz"
    folder.mkdir()
    for index in range(24):
        piece = np.resize(np.roll(speech_16k, -1000 * index), 6 * 16000)
        soundfile.write(folder / f"{index:02}.wav", piece, 16000)
    (folder / "broken.wav").write_bytes(b"RIFFxxxxWAVE")
    (folder / "empty.wav").touch()
    model = ["--artifact", str(speaker_graph("resnet18"))]
    words = ["embed", str(folder), *model, "--batch", "2", "--json", "-o"]

    record = tmp_path / "out.npz.partial"
    killed = command(*words, out, "--ray", cluster)
    while not rows(record) and killed.poll() is None:
        time.sleep(0.005)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL and not out.exists()
    before = rows(record)
    assert 0 < before < 24

    assert main([*words, str(out), "--ray", cluster]) == 1
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert (report["embedded"], report["done_before"]) == (24, before)
    assert report["seconds"] == 6 * (24 - before)  # the others only
    assert sorted(Path(f["input"]).name for f in report["failed"]) == ["broken.wav", "empty.wav"]
    assert "2 of 26 recordings failed" in told.err and "empty.wav: it is empty" in told.err
    assert main([*words, str(plain)]) == 1
    found, origin = read_embeddings(out)
    expected, same = read_embeddings(plain)
    assert list(found) == list(expected) and origin == same
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5 * np.abs(value).max())

    # what failed is mended and a recording changes: these are done, and nothing is left over
    for name in ("broken.wav", "empty.wav", "07.wav"):
        soundfile.write(folder / name, speech_16k[:32000], 16000)
    capsys.readouterr()
    assert main([*words, str(out), "--ray", cluster, "--mix-down"]) == 1
    assert "with another model or other options" in capsys.readouterr().err
    assert main([*words, str(out), "--ray", cluster]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["embedded"], report["done_before"], report["seconds"]) == (26, 23, 6)
    found, _ = read_embeddings(out)
    np.testing.assert_array_equal(found["07.wav"], found["empty.wav"])
    assert sorted(os.listdir(tmp_path)) == ["in", "out.npz", "plain.npz"]
    assert main([*words, str(out), "--ray", cluster]) == 1 and "exists" in capsys.readouterr().err


def test_enhancing_on_all_cores(
    exported: Callable[..., Path], tmp_path: Path, speech_16k: Array, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a cluster of the command's own; a second run finds what is done and tries the rest again."""
    pytest.importorskip("ray")
    folder, out, plain = tmp_path / "in", tmp_path / "out", tmp_path / "plain"
    for name in ("a b.wav", "c.flac", "d/e.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, speech_16k[:48000], 16000)
    (folder / "broken.wav").write_bytes(b"RIFFxxxxWAVE")
    words = ["enhance", str(folder), "--recursive", "--artifact", str(exported("gtcrn", "wav2wav"))]
    assert main([*words, "-o", str(plain)]) == 1
    capsys.readouterr()

    (out / "d").mkdir(parents=True)
    (out / "d/e.wav").write_bytes((plain / "d/e.wav").read_bytes())
    process = command(*words, "-o", out, "--ray", "--json")
    stdout, stderr = process.communicate(timeout=120)
    report = json.loads(stdout)
    assert process.returncode == 1 and report["done_before"] == 1
    assert sorted(Path(done["input"]).name for done in report["files"]) == ["a b.wav", "c.flac"]
    assert [Path(failure["input"]).name for failure in report["failed"]] == ["broken.wav"]
    assert stderr.startswith(f"speechzoo: {folder / 'broken.wav'}: not readable as audio")
    assert stderr.splitlines()[1:] == [
        "speechzoo: 1 of 4 recordings failed:",
        f"  {folder / 'broken.wav'}",
    ]  # and nothing of Ray's
    assert sorted(p.relative_to(out) for p in out.rglob("*.*")) == sorted(
        p.relative_to(plain) for p in plain.rglob("*.*")
    )
    for path in plain.rglob("*.*"):
        assert (out / path.relative_to(plain)).read_bytes() == path.read_bytes()

    (folder / "broken.wav").unlink()
    assert main([*words, "-o", str(out), "--ray"]) == 0
    assert capsys.readouterr().out == "3 of 3 recordings were done before\n"


def test_a_cluster_that_cannot_be_used(
    cluster: str,
    exported: Callable[..., Path],
    tmp_path: Path,
    speech_16k: Array,
    capsys: pytest.CaptureFixture[str],
) -> None:
    soundfile.write(tmp_path / "a.wav", speech_16k[:16000], 16000)
    words = ["enhance", str(tmp_path / "a.wav"), "--artifact", str(exported("gtcrn", "wav2wav"))]
    assert main([*words, "--ray", cluster, "--threads", "3"]) == 1
    assert "the cluster has 2 CPUs; pass fewer threads" in capsys.readouterr().err
    assert main([*words, "--ray", cluster, "-o", "-"]) == 1
    assert "--ray takes files to files" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["enhance", "--ray", str(tmp_path / "a.wav")])
    assert "put --ray behind the inputs" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["a.wav"]


def test_a_record_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.partial").write_bytes(b"no record" * 100)
    with pytest.raises(ArtifactError, match="cannot be read or written"):
        Record(tmp_path / "x.partial", {})
    record = Record(tmp_path / "x.partial", {}, force=True)
    source = tmp_path / "a.wav"
    source.write_bytes(b"as it was")
    record.add("a", str(source), np.arange(3, dtype=np.float32))
    assert record.read({"b": str(source)}) == {}
    np.testing.assert_array_equal(record.read({"a": str(source)})["a"], [0, 1, 2])
    source.write_bytes(b"changed since")
    assert record.read({"a": str(source)}) == {}


def test_a_record_where_no_room_is_left(tmp_path: Path) -> None:
    """A full disk is simulated by a limit of the size of files."""
    path = tmp_path / "x.partial"
    path.touch()  # what a full disk leaves of a new record
    record = Record(path, {})
    row = np.zeros(30_000, np.float32)
    record.add("a", "a.wav", row)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20_000, before[1]))
    try:
        with pytest.raises(ArtifactError, match=r"x\.partial: it cannot be written .* make room, and give"):
            record.add("b", "b.wav", row)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    record.close()
    assert list(Record(path, {}).read({"a": "a.wav", "b": "b.wav"})) == ["a"]
    damaged = Record(path, {})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\xff" * (len(content) - len(content) // 2))
    with pytest.raises(ArtifactError, match=r"damaged.*--force|cannot be read"):
        damaged.read({"a": "a.wav"})


def test_no_cluster_there(tmp_path: Path, speech_16k: Array) -> None:
    """An address where nothing listens is told at once; in a process that is not connected to a cluster."""
    pytest.importorskip("ray")
    noisy, clean = tmp_path / "noisy.wav", tmp_path / "clean.wav"
    soundfile.write(noisy, speech_16k[:16000], 16000)
    process = command("enhance", noisy, "-o", clean, "--ray", "127.0.0.1:1")
    _, told = process.communicate(timeout=100)
    assert process.returncode == 1 and not clean.exists()
    assert "--ray 127.0.0.1:1: no cluster answers there" in told
