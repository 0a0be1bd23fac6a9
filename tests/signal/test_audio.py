"""Audio files and pipes: what goes in comes out, and what cannot go in or out says why."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from zoo.errors import AudioError, AudioWarning
from zoo.signal.audio import AudioFormat, AudioReader, AudioWriter, find_audio, new_format, output_format

MONO = AudioFormat(16000, 1, "WAV", "PCM_16")


def noise(channels: int = 2, count: int = 5000) -> np.ndarray:
    return np.random.default_rng(5).uniform(-0.9, 0.9, (channels, count)).astype(np.float32)


def read(path: Path, block: int = 700) -> np.ndarray:
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.blocks(block)), axis=1)


def write(path: Path, format: AudioFormat, samples: np.ndarray, **options: bool) -> AudioWriter:
    with AudioWriter(path, format, **options) as writer:
        for start in range(0, samples.shape[1], 1234):
            writer.write(samples[:, start : start + 1234])
    return writer


@pytest.mark.parametrize(
    ("name", "format", "subtype", "error"),
    [
        ("x.wav", "WAV", "PCM_16", 0.51 / 2**15),
        ("x.wav", "WAV", "PCM_24", 0.51 / 2**23),
        ("x.wav", "WAV", "PCM_U8", 0.51 / 2**7),
        ("x.wav", "WAV", "PCM_32", 1e-7),
        ("x.wav", "WAV", "FLOAT", 0),
        ("x.wav", "RF64", "PCM_16", 0.51 / 2**15),
        ("x.flac", "FLAC", "PCM_16", 0.51 / 2**15),
        ("x.aif", "AIFF", "PCM_24", 0.51 / 2**23),
        ("x.ogg", "OGG", "VORBIS", None),
        ("x.opus", "OGG", "OPUS", None),
        ("x.mp3", "MP3", "MPEG_LAYER_III", None),
    ],
)
def test_round_trip_keeps_the_format(
    tmp_path: Path, name: str, format: str, subtype: str, error: float | None
) -> None:
    path, samples = tmp_path / name, noise()
    writer = write(path, AudioFormat(16000, 2, format, subtype), samples)
    assert (writer.frames, writer.clipped) == (5000, 0)
    assert writer.peak == np.abs(samples).max()
    assert os.listdir(tmp_path) == [name]
    with AudioReader(path) as reader:
        assert reader.frames == 5000
        assert output_format(reader, tmp_path / f"other{path.suffix}", 2) == reader.format == writer.format
    result = read(path)
    assert result.shape == samples.shape and result.dtype == np.float32
    whole = soundfile.read(path, dtype="float32")[0].T
    np.testing.assert_allclose(result, whole, rtol=0, atol=0 if error is not None else 1e-6)
    if error is not None:
        np.testing.assert_allclose(result, samples, rtol=0, atol=error)


def test_sixteen_bits_survive(tmp_path: Path) -> None:
    samples = (np.arange(-32768, 32768) / 32768).astype(np.float32)[None]
    write(tmp_path / "x.wav", MONO, samples)
    np.testing.assert_array_equal(read(tmp_path / "x.wav"), samples)


def test_clipping_is_counted(tmp_path: Path) -> None:
    loud = np.array([[0.5, 1.0, 1.5, -1.0, -2.0, 0.0]], np.float32)
    writer = write(tmp_path / "x.wav", MONO, loud)
    assert (writer.peak, writer.clipped) == (2.0, 3)
    top = 32767 / 32768
    np.testing.assert_array_equal(read(tmp_path / "x.wav"), np.float32([[0.5, top, top, -1, -1, 0]]))
    assert write(tmp_path / "f.wav", AudioFormat(16000, 1, "WAV", "FLOAT"), loud).clipped == 0
    np.testing.assert_array_equal(read(tmp_path / "f.wav"), loud)


@pytest.mark.parametrize(
    ("stored", "target", "options", "expected"),
    [
        (("WAV", "PCM_16"), "y.flac", {}, ("FLAC", "PCM_16")),
        (("WAV", "FLOAT"), "y.flac", {}, ("FLAC", "PCM_24")),
        (("WAV", "FLOAT"), "y.ogg", {}, ("OGG", "VORBIS")),
        (("WAV", "PCM_16"), "y.opus", {}, ("OGG", "OPUS")),
        (("WAV", "PCM_24"), "y.MP3", {}, ("MP3", "MPEG_LAYER_III")),
        (("RF64", "PCM_16"), "y.wav", {}, ("RF64", "PCM_16")),
        (("WAV", "PCM_16"), "y.wav", {"subtype": "float"}, ("WAV", "FLOAT")),
        (("WAV", "PCM_16"), "y.dat", {"format": "wav"}, ("WAV", "PCM_16")),
        (("WAV", "PCM_16"), "y", {"format": "raw", "subtype": "float"}, ("RAW", "FLOAT")),
        (("WAV", "DOUBLE"), "-", {}, ("WAV", "FLOAT")),
        (("WAV", "PCM_U8"), "-", {"format": "raw"}, ("RAW", "PCM_16")),
    ],
)
def test_choice_of_format(
    tmp_path: Path, stored: tuple[str, str], target: str, options: dict[str, str], expected: tuple[str, str]
) -> None:
    write(tmp_path / "x.wav", AudioFormat(8000, 2, *stored), noise())
    with AudioReader(tmp_path / "x.wav") as reader:
        assert output_format(reader, target, 1, **options) == AudioFormat(8000, 1, *expected)


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("y.docx", {}, r"unknown output format 'docx'; expected one of: .*flac.*wav"),
        ("y", {}, r"unknown output format ''"),
        ("y.raw", {}, r"unknown output format 'raw'"),
        ("y.wav", {"format": "tape"}, r"unknown output format 'tape'"),
        ("-", {"format": "flac"}, r"unknown output format 'flac'; expected one of: wav or raw on a pipe"),
        ("y.flac", {"subtype": "vorbis"}, r"flac has no encoding 'vorbis'; expected one of: pcm_16"),
    ],
)
def test_impossible_formats(tmp_path: Path, target: str, options: dict[str, str], message: str) -> None:
    write(tmp_path / "x.wav", MONO, noise(1))
    with AudioReader(tmp_path / "x.wav") as reader, pytest.raises(AudioError, match=message):
        output_format(reader, target, 1, **options)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"there is no file .*missing\.wav; check the path"):
        AudioReader(tmp_path / "missing.wav")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is a folder where one file is expected"):
        AudioReader(tmp_path)


@pytest.mark.parametrize("content", [b"this is not audio" * 100, b"RIFF\0\0\0\0WAVE", b"fLaC" + bytes(900)])
def test_not_audio(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"x\.wav: not readable as audio \(.+\); pass one of the formats"):
        AudioReader(path)


def test_empty_files(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.touch()
    with pytest.raises(AudioError, match=r"it is empty \(0 bytes\)"):
        AudioReader(path)
    soundfile.write(path, np.zeros((0, 2)), 16000)
    with pytest.raises(AudioError, match="it holds no samples"):
        AudioReader(path)


@pytest.mark.parametrize("name", ["x.flac", "x.mp3", "x.opus"])
def test_nothing_to_write(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(AudioError, match="no samples came"), AudioWriter(path, new_format(path, 16000)):
        pass
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_samples(tmp_path: Path, value: float) -> None:
    samples = noise(2, 16000)
    samples[1, 4000:] = value
    soundfile.write(tmp_path / "x.wav", samples.T, 16000, "FLOAT")
    with pytest.raises(AudioError, match=rf"the sample at 0\.250 s is {value}; finite samples"):
        read(tmp_path / "x.wav")


def test_damaged_flac(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    write(path, AudioFormat(16000, 1, "FLAC", "PCM_16"), noise(1, 40000))
    path.write_bytes(path.read_bytes()[:40000])
    with pytest.raises(AudioError, match=r"x\.flac: damaged after \d\.\d+ s"):
        read(path)


@pytest.mark.parametrize(
    ("name", "rate", "stored"),
    [
        ("x.opus", 22050, 24000),
        ("x.opus", 44100, 48000),
        ("x.opus", 96000, 48000),
        ("x.mp3", 96000, 48000),
        ("x.mp3", 20000, 22050),
        ("x.mp3", 44100, 44100),
    ],
)
def test_encodings_with_rates_of_their_own(tmp_path: Path, name: str, rate: int, stored: int) -> None:
    """What they cannot hold is converted to the next rate that they can, whole and at the same times."""
    time = np.arange(rate) / rate
    wave = (0.5 * np.sin(2 * np.pi * 440 * time) * (time > 0.5)).astype(np.float32)[None].repeat(2, 0)
    format = new_format(tmp_path / name, rate)
    writer = write(tmp_path / name, AudioFormat(rate, 2, format.format, format.subtype), wave)
    assert writer.frames == rate
    found, found_rate = soundfile.read(tmp_path / name)
    assert found_rate == stored and abs(len(found) / stored - 1) < 0.06 and found.shape[1] == 2
    begin = np.flatnonzero(np.abs(found[:, 0]) > 0.25)[0] / stored
    assert abs(begin - 0.5) < 0.01
    assert np.abs(found[int(0.6 * stored) : int(0.9 * stored)]).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("kept", [0.4, 0.999])
@pytest.mark.parametrize("through_pipe", [False, True])
@pytest.mark.parametrize(
    ("name", "format", "subtype"),
    [
        ("x.wav", "WAV", "PCM_16"),
        ("x.wav", "WAVEX", "PCM_24"),
        ("x.wav", "WAV", "ULAW"),
        ("x.wav", "RF64", "PCM_16"),
        ("x.w64", "W64", "PCM_16"),
        ("x.aiff", "AIFF", "PCM_16"),
        ("x.au", "AU", "PCM_16"),
        ("x.svx", "SVX", "PCM_16"),
        ("x.mp3", "MP3", "MPEG_LAYER_III"),
    ],
)
def test_cut_short(
    tmp_path: Path, name: str, format: str, subtype: str, through_pipe: bool, kept: float
) -> None:
    if format == "MP3":  # whose length is only nearly known
        kept = min(kept, 0.9)
    path = tmp_path / name
    soundfile.write(path, noise(1, 64000).T, 16000, subtype, format=format)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    reader = _piped(path) if through_pipe else AudioReader(path)
    with reader, pytest.warns(AudioWarning, match=r"cut short: it ends after \d\.\d+ s, and its header p"):
        samples = np.concatenate(list(reader.blocks(700)), axis=1)
    seconds = samples.shape[1] / 16000
    assert abs(seconds - 4 * kept) < 0.15
    assert abs(reader.missing - (4 - seconds)) < (0.12 if format == "MP3" else 0.01)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_header_that_does_not_know_is_not_cut_short(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, noise(1).T, 16000, "PCM_16")
    content = bytearray(path.read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    path.write_bytes(content)
    for reader in (AudioReader(path), _piped(path)):
        with reader, warnings.catch_warnings():
            warnings.simplefilter("error")
            assert sum(block.shape[1] for block in reader.blocks(700)) == 5000
            assert reader.missing == 0


def _piped(path: Path) -> AudioReader:
    """What comes through a pipe with a name, which a thread fills with the file's content."""
    pipe = path.with_suffix(".pipe")
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()), daemon=True).start()
    return AudioReader(pipe)


def test_existing_target(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_text("precious")
    with pytest.raises(AudioError, match=r"exists; pass another name, or --force"):
        AudioWriter(path, MONO)
    assert path.read_text() == "precious"
    write(path, MONO, noise(1), force=True)
    assert read(path).shape == (1, 5000)


def test_unwritable_targets(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="its folder does not exist"):
        AudioWriter(tmp_path / "missing" / "x.wav", MONO)
    with pytest.raises(AudioError, match="not a regular file"):
        AudioWriter(tmp_path, MONO)
    with pytest.raises(AudioError, match="not a regular file"):
        AudioWriter(os.devnull, MONO, force=True)
    with pytest.raises(AudioError, match=r"cannot be written: "):
        AudioWriter(tmp_path / ("x" * 300 + ".wav"), MONO)
    with pytest.raises(AudioError, match=r"mp3 \(mpeg_layer_iii\) cannot hold 5 channel\(s\) at 96000 Hz"):
        AudioWriter(tmp_path / "x.mp3", AudioFormat(96000, 5, "MP3", "MPEG_LAYER_III"))
    assert os.listdir(tmp_path) == []


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_text("precious")

    def fail() -> None:
        with AudioWriter(path, MONO, force=True) as writer:
            writer.write(noise(1))
            raise AudioError("bad input")

    with pytest.raises(AudioError, match="bad input"):
        fail()
    assert os.listdir(tmp_path) == ["x.wav"] and path.read_text() == "precious"


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    """But not what another process may be writing."""
    path, left = tmp_path / "x.wav", tmp_path / ".x.wav.part"
    left.write_bytes(b"half")
    write(path, MONO, noise(1))
    assert left.read_bytes() == b"half" and sorted(os.listdir(tmp_path)) == [".x.wav.part", "x.wav"]
    os.utime(left, (time.time() - 7200, time.time() - 7200))
    write(path, MONO, noise(1), force=True)
    assert os.listdir(tmp_path) == ["x.wav"]


FULL_DISK = """
import resource, sys
import numpy as np
from zoo.signal.audio import AudioFormat, AudioWriter
from zoo.errors import AudioError, AudioWarning
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with AudioWriter(sys.argv[1], AudioFormat(16000, 1, sys.argv[2], sys.argv[3])) as writer:
        for _ in range(50):
            writer.write(np.random.default_rng(0).uniform(-1, 1, (1, 16000)).astype(np.float32))
except AudioError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("format", "subtype"),
    [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("RAW", "PCM_16")],
)
def test_a_full_disk_leaves_nothing(tmp_path: Path, format: str, subtype: str) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "x"), format, subtype]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert "writing failed at" in result.stderr and "nothing was left behind" in result.stderr
    assert os.listdir(tmp_path) == []


COPY = """
import sys
from zoo.signal.audio import AudioFormat, AudioReader, AudioWriter, output_format
raw = AudioFormat(8000, 2, "RAW", sys.argv[1]) if len(sys.argv) > 1 else None
with AudioReader("-", raw) as reader, AudioWriter("-", output_format(reader, "-", 2)) as writer:
    assert reader.frames is None
    for block in reader.blocks(1000):
        writer.write(block)
"""


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_raw_pipe(subtype: str) -> None:
    samples = noise().T
    data = samples.tobytes() if subtype == "FLOAT" else (samples * 32768).astype("<i2").tobytes()
    result = subprocess.run(
        [sys.executable, "-c", COPY, subtype], input=data, capture_output=True, check=True
    )
    assert result.stdout == data


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_wav_pipe(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, noise().T, 44100, subtype)
    once = subprocess.run(
        [sys.executable, "-c", COPY], input=path.read_bytes(), capture_output=True, check=True
    )
    # What we wrote, its length unknown to the header, is itself a pipe's input.
    twice = subprocess.run([sys.executable, "-c", COPY], input=once.stdout, capture_output=True, check=True)
    for output in (once.stdout, twice.stdout):
        (tmp_path / "y.wav").write_bytes(output)
        assert soundfile.info(tmp_path / "y.wav").samplerate == 44100
        np.testing.assert_array_equal(read(tmp_path / "y.wav"), read(path))


def test_nothing_on_a_pipe() -> None:
    for arguments, message in (([], "a WAV file is expected"), (["PCM_16"], "it holds no samples")):
        command = [sys.executable, "-c", COPY, *arguments]
        result = subprocess.run(command, input=b"", capture_output=True, text=False, check=False)
        assert result.returncode == 1 and message in result.stderr.decode()


def test_finding_audio(tmp_path: Path) -> None:
    (tmp_path / "b" / ".hidden").mkdir(parents=True)
    names = ["a.wav", "c.FLAC", "notes.txt", ".x.wav", "b/d.ogg", "b/.hidden/e.wav", "b/f.opus", "g.mp3"]
    for name in names:
        (tmp_path / name).touch()
    assert [p.name for p in find_audio(tmp_path)] == ["a.wav", "c.FLAC", "g.mp3"]
    assert [p.name for p in find_audio(tmp_path, True)] == ["a.wav", "d.ogg", "f.opus", "c.FLAC", "g.mp3"]
    with pytest.raises(AudioError, match="cannot be read"):
        find_audio(tmp_path / "missing")
