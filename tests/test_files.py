"""Files and folders that are whole or not there."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import pytest

from zoo.errors import ArtifactError, HubError
from zoo.files import atomic, atomic_folder, sha256_of, temporary_folder


def half(temporary: Path) -> None:
    temporary.write_text("half")
    raise KeyError


def test_one_hash(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(3 << 20))
    expected = hashlib.sha256(bytes(3 << 20)).hexdigest()
    assert sha256_of(tmp_path / "x") == sha256_of(bytes(3 << 20)) == expected


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.onnx"
    with atomic(path) as temporary:
        assert temporary.parent == path.parent and temporary.suffix == ".onnx"
        temporary.write_text("whole")
        assert not path.exists()
    with pytest.raises(KeyError), atomic(path) as temporary:
        half(temporary)
    assert path.read_text() == "whole" and os.listdir(path.parent) == ["x.onnx"]


def test_threads_do_not_share_a_temporary_name(tmp_path: Path) -> None:
    path, together, names = tmp_path / "x", Barrier(4), []

    def write(text: str) -> None:
        with atomic(path) as temporary:
            together.wait()
            names.append(temporary)
            temporary.write_text(text)

    threads = [Thread(target=write, args=(str(number) * 1000,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 4 and os.listdir(tmp_path) == ["x"]
    assert len(path.read_text()) == 1000 and len(set(path.read_text())) == 1


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "x"
    with pytest.raises(ArtifactError, match=r"file/x: it cannot be written \(File exists\)"), atomic(path):
        pass
    with pytest.raises(HubError, match="my way out"), atomic(path, lambda error: HubError("my way out")):
        pass
    with pytest.raises(ArtifactError, match=r"file/x: it cannot be written"), atomic_folder(path):
        pass


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    with atomic_folder(folder) as temporary:
        (temporary / "x").write_text("first")
        assert not folder.exists()
    told = r"folder: it cannot be written \(Directory not empty\)"
    with pytest.raises(ArtifactError, match=told), atomic_folder(folder) as temporary:
        (temporary / "x").write_text("second")
    with pytest.raises(KeyError), atomic_folder(folder, force=True) as temporary:
        half(temporary / "x")
    assert (folder / "x").read_text() == "first"
    with atomic_folder(folder, force=True) as temporary:
        (temporary / "y").write_text("third")
    assert os.listdir(folder) == ["y"] and os.listdir(folder.parent) == ["folder"]


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.onnx", tmp_path / "folder"
    killed = "import os, sys; from pathlib import Path; from zoo.files import atomic, atomic_folder\n"
    killed += "with atomic(Path(sys.argv[1])) as a, atomic_folder(Path(sys.argv[2])) as b:\n"
    killed += " a.touch(), (b / 'half').touch(), os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", killed, path, folder], check=False)
    assert done.returncode == -signal.SIGKILL and len(os.listdir(tmp_path)) == 2
    with atomic(tmp_path / "y.onnx") as temporary:  # of another file: not its business
        temporary.touch()
    assert len(os.listdir(tmp_path)) == 3
    with atomic(path) as mine, atomic(path) as other, temporary_folder(folder) as place:
        mine.touch()
        with atomic(path) as third:  # what runs is left alone
            third.touch()
        assert mine.exists() and place.is_dir()
        other.touch()
    assert sorted(os.listdir(tmp_path)) == ["x.onnx", "y.onnx"]
