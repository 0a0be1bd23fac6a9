"""What comes through pipes, and headers that do not know how long the recording is."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from zoo.errors import AudioError
from zoo.signal.audio import AudioFormat, AudioReader, AudioWriter, find_unreadable, output_format

SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]


def noise(channels: int = 2, count: int = 5000) -> np.ndarray:
    return np.random.default_rng(5).uniform(-1, 1, (channels, count)).astype(np.float32)


def read(path: str | os.PathLike[str]) -> tuple[np.ndarray, AudioFormat, int | None]:
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.blocks(700)), axis=1), reader.format, reader.frames


@contextmanager
def fed(tmp_path: Path, data: bytes) -> Iterator[Path]:
    """A pipe with a name into which something writes."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: path.write_bytes(data))
    thread.start()
    yield path
    thread.join(20)
    assert not thread.is_alive()


def wav(tmp_path: Path, subtype: str, format: str = "WAV") -> tuple[bytes, np.ndarray]:
    soundfile.write(tmp_path / "x", noise().T, 44100, subtype, format=format)
    return (tmp_path / "x").read_bytes(), soundfile.read(tmp_path / "x", dtype="float32")[0].T


def with_length(data: bytes, length: int) -> bytes:
    """The file with this number in place of the length of its samples."""
    at = data.index(b"data") + 4
    return data[:at] + struct.pack("<I", length) + data[at + 4 :]


@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("format", ["WAV", "WAVEX"])
def test_a_named_pipe_gives_what_the_file_holds(tmp_path: Path, subtype: str, format: str) -> None:
    data, expected = wav(tmp_path, subtype, format)
    with fed(tmp_path, data + b"LIST" + struct.pack("<I", 4) + b"tail") as path:  # not taken for samples
        samples, stored, frames = read(path)
    assert frames is None and stored == AudioFormat(44100, 2, "WAV", subtype)
    np.testing.assert_array_equal(samples, expected)


@pytest.mark.parametrize("length", [0, 2**32 - 1, 0x7FFFF000])
def test_a_length_that_was_not_known(tmp_path: Path, length: int) -> None:
    """As recorders write it on a pipe: all that follows is sound; in a file too, which knows its size."""
    data, expected = wav(tmp_path, "PCM_16")
    data = with_length(data, length)
    with fed(tmp_path, data) as path:
        np.testing.assert_array_equal(read(path)[0], expected)
    (tmp_path / "y.wav").write_bytes(data)
    samples, _, frames = read(tmp_path / "y.wav")
    np.testing.assert_array_equal(samples, expected)
    assert frames == 5000


@pytest.mark.parametrize(
    ("format", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("AIFF", "PCM_24"), ("WAV", "IMA_ADPCM")]
)
def test_other_formats_come_through_pipes_too(tmp_path: Path, format: str, subtype: str) -> None:
    data, expected = wav(tmp_path, subtype, format)
    with fed(tmp_path, data) as path:
        samples, stored, _ = read(path)
    assert (stored.format, stored.subtype) == (format, subtype)
    np.testing.assert_array_equal(samples, expected)


def test_a_pipe_that_gives_no_audio(tmp_path: Path) -> None:
    cases = [
        (b"", "not readable as audio"),
        (b"hello, this is text" * 9, "not readable as audio"),
        (b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 0, 16000, 0, 0, 16), "not readable"),
        (with_length(wav(tmp_path, "PCM_16")[0], 0)[:44], "it holds no samples"),
        (wav(tmp_path, "PCM_16")[0].replace(struct.pack("<I", 44100), struct.pack("<I", 7)), "7 is not a"),
    ]
    for data, message in cases:
        with fed(tmp_path, data) as path, pytest.raises(AudioError, match=message):
            read(path)
        (tmp_path / "pipe").unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write all")
def test_pipes_without_permission(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0)
    with pytest.raises(AudioError, match="pipe cannot be read: "):
        AudioReader(tmp_path / "pipe")
    with pytest.raises(AudioError, match="pipe cannot be written: "):
        AudioWriter(tmp_path / "pipe", AudioFormat(16000, 1, "WAV", "PCM_16"))


def test_standard_input_that_is_closed() -> None:
    words = "import sys; from zoo.signal.audio import AudioReader; from zoo.errors import AudioError\n"
    words += "try: AudioReader('-')\nexcept AudioError as error: sys.exit(str(error))"
    command = ["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, words]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and result.stderr.startswith("standard input cannot be read: ")


def test_writing_into_a_named_pipe(tmp_path: Path) -> None:
    path, got = tmp_path / "out.wav", []
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: got.append(path.read_bytes()))
    thread.start()
    data, expected = wav(tmp_path, "PCM_16")
    source = tmp_path / "in.wav"
    source.write_bytes(data)
    with AudioReader(source) as reader, AudioWriter(path, output_format(reader, path, 2)) as writer:
        for block in reader.blocks(1000):
            writer.write(block)
    thread.join(20)
    (tmp_path / "copy.wav").write_bytes(got[0])
    np.testing.assert_array_equal(soundfile.read(tmp_path / "copy.wav", dtype="float32")[0].T, expected)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    source, target = (os.fsdecode(os.fsencode(tmp_path) + b"/\xff" + end) for end in (b".wav", b".flac"))
    data, expected = wav(tmp_path, "PCM_16")
    with open(source, "wb") as file:
        file.write(data)
    with AudioReader(source) as reader, AudioWriter(target, output_format(reader, target, 2)) as writer:
        for block in reader.blocks(1000):
            writer.write(block)
    np.testing.assert_array_equal(read(target)[0], expected)


def test_tags_go_along(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "x.flac", "w", 16000, 1) as file:
        file.title, file.artist, file.date = "Söng", "Someone", "1999"
        file.write(noise(1)[0])
    for name in ("y.flac", "y.ogg", "y.wav", "y.raw"):
        with AudioReader(tmp_path / "x.flac") as reader:
            stored = output_format(reader, name, 1, "raw" if name == "y.raw" else None)
            with AudioWriter(tmp_path / name, stored, tags=reader.tags) as writer:
                for block in reader.blocks(1000):
                    writer.write(block)
        if name != "y.raw":
            with AudioReader(tmp_path / name) as reader:
                assert reader.tags["title"] == "Söng" and reader.tags["artist"] == "Someone"


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    (tmp_path / "a.txt").write_bytes(b"notes")
    assert [path.name for path in find_unreadable(tmp_path)] == ["a.m4a"]
    with pytest.raises(AudioError, match=r"a\.m4a: not readable as audio .*; convert it first, with `ffmpeg"):
        AudioReader(tmp_path / "a.m4a")


def test_a_shell_gives_pipes_names(tmp_path: Path) -> None:
    data, expected = wav(tmp_path, "PCM_16")
    read_end, write_end = os.pipe()
    with subprocess.Popen(["cat", str(tmp_path / "x")], stdout=write_end):
        os.close(write_end)
        samples, _, _ = read(f"/dev/fd/{read_end}")  # as bash makes of <(cat x)
    os.close(read_end)
    np.testing.assert_array_equal(samples, expected)
