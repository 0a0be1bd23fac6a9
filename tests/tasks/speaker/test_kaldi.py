"""Kaldi's archives and indices: what is a vector is read, and what would run is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from zoo.cli import main
from zoo.errors import ArtifactError
from zoo.tasks.speaker.embeddings import Origin, read_embeddings, write_embeddings
from zoo.tasks.speaker.kaldi import read_ark, read_scp

VECTORS = {"a": np.arange(4, dtype=np.float32), "b/ü": np.float32([1, -2.5, 3e-8, 7])}
RECORD = b"a \0BFV \4" + (3).to_bytes(4, "little") + np.ones(3, "<f4").tobytes()


class Marks:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def test_what_is_written_is_kaldis(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.ark", tmp_path / "theirs.ark"
    write_embeddings(ours, VECTORS, Origin("m", False))
    kaldiio.save_ark(str(theirs), VECTORS, scp=str(tmp_path / "theirs.scp"))
    assert ours.read_bytes() == theirs.read_bytes()
    index = (tmp_path / "theirs.scp").read_text().replace("theirs", "ours")
    assert (tmp_path / "ours.scp").read_text() == index


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("text", "shape"), [(False, (5,)), (False, (2, 3)), (True, (5,))])
def test_what_others_write_is_read(
    tmp_path: Path, dtype: type, text: bool, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    values = {name: rng.standard_normal(shape).astype(dtype) for name in ("x", "y")}
    monkeypatch.chdir(tmp_path)
    kaldiio.save_ark("v.ark", values, scp="v.scp", text=text)  # with relative paths
    for found in (dict(read_ark(Path("v.ark"))), dict(read_scp(Path("v.scp")))):
        assert list(found) == ["x", "y"]
        for name, value in values.items():
            assert found[name].dtype == np.float32
            np.testing.assert_allclose(found[name], value, rtol=1e-6)


def test_text_as_kaldi_prints_it(tmp_path: Path) -> None:
    (tmp_path / "v.ark").write_text("a  [ 1 2.5 -3e-2 ]\nb  [ 4 5 6 ]\n")
    found, _ = read_embeddings(tmp_path / "v.ark")
    np.testing.assert_array_equal(found["a"], np.float32([1, 2.5, -3e-2]))


@pytest.mark.parametrize("value", ["{cmd} |", "| {cmd}", "{cmd} |:0", "|{cmd}|:0", "{ark}:0 |"])
def test_an_index_runs_no_command(
    tmp_path: Path, value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    marker, ark = tmp_path / "marker", tmp_path / "v.ark"
    ark.write_bytes(RECORD)
    index = tmp_path / "v.scp"
    index.write_text(f"a {value.format(cmd=f'touch {marker}', ark=ark)}\n")
    with pytest.raises(ArtifactError, match="line 1: it is a command, which is not run"):
        read_embeddings(index)
    (tmp_path / "trials").write_text("a a target\n")
    words = ("--trials", tmp_path / "trials", "--embeddings", index, "-o", tmp_path / "out")
    assert main(["score", *map(str, words)]) == 1
    told = capsys.readouterr()
    assert "it is a command" in told.err and "Traceback" not in told.err and not marker.exists()


def test_an_archive_runs_no_pickle(tmp_path: Path) -> None:
    marker, ark = tmp_path / "marker", tmp_path / "v.ark"
    ark.write_bytes(b"a PKL" + pickle.dumps(Marks(marker)))
    (tmp_path / "v.scp").write_text(f"a {ark}:2\n")
    for path in (ark, tmp_path / "v.scp"):
        with pytest.raises(ArtifactError, match="the record at byte 2: it is neither a binary vector nor"):
            read_embeddings(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (RECORD[:-1], "12 bytes, and 11 follow; it is cut short"),
        (RECORD[:8], "its dimensions are damaged"),
        (RECORD[:1], "it ends behind the name 'a'"),
        (RECORD[:2], "it is neither"),
        (RECORD.replace(b"FV ", b"CM "), "its kind is b'CM '; expected FV, DV, FM or DM"),
        (RECORD.replace(b"FV ", b"XV "), "its kind is b'XV '"),
        (RECORD.replace(b"\3\0\0\0", b"\xff\xff\xff\x7f"), "it is cut short"),
        (RECORD.replace(b"\3\0\0\0", b"\xff\xff\xff\xff"), "its dimensions are damaged"),
        (b"a \0BFM " + 2 * b"\4\xff\xff\xff\x7f", "it is cut short"),
        (RECORD[:-4] + np.float32(np.nan).tobytes(), "the embedding of a holds values that are not finite"),
        (b"a \0BDV \4\1\0\0\0" + np.float64(1e300).tobytes(), "holds values that are not finite"),
        (b"a [ 1 nan ]\n", "holds values that are not finite"),
        (b"a [ 1 2\n", "it is neither"),
        (b"a RIFF....WAVE", "it is neither"),
        (RECORD + RECORD, "a is in it twice"),
        (b"a" * (1 << 21), "no name begins it"),
        (b"\xff" + RECORD, "cannot be read as embeddings"),
        (b"", "expected vectors of one length"),
    ],
)  # fmt: skip
def test_a_damaged_archive(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "v.ark").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"v\.ark: ") as caught:
        read_embeddings(tmp_path / "v.ark")
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a", 'expected "name path:offset"'),
        ("a {ark}", 'expected "name path:offset"'),
        ("a {ark}:-3", 'expected "name path:offset"'),
        ("a {ark}:2[0:1]", 'expected "name path:offset"'),
        ("a {ark}:٣", 'expected "name path:offset"'),
        ("a /dev/stdin:0", "/dev/stdin: there is no such file"),
        ("a none.ark:0", "none.ark: there is no such file"),
        ("a {ark}:999", "it is neither"),
        ("a {ark}:3", "it is neither"),
        ("a \0:3", "there is no such file"),
    ],
)
def test_a_damaged_index(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "v.ark").write_bytes(RECORD)
    (tmp_path / "v.scp").write_text("\n" + line.format(ark=tmp_path / "v.ark") + "\n", "utf-8")
    with pytest.raises(ArtifactError, match="line 2: ") as caught:
        read_embeddings(tmp_path / "v.scp")
    assert message in str(caught.value)
