"""`speechzoo enhance`: which files become which, and what happens when something is wrong with them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from zoo.artifact.manifest import METADATA_KEY, EnhancementManifest
from zoo.cli import main
from zoo.spec import FrontEnd, TensorSpec

onnx = pytest.importorskip("onnx")
FLOAT = onnx.TensorProto.FLOAT


def save_artifact(path: Path, streaming: bool) -> None:
    """A graph that halves its input: a hop late and with a state, or whole recordings at once."""
    helper, samples = onnx.helper, 256 if streaming else "samples"
    nodes = [helper.make_node("Mul", ["past" if streaming else "wav_in", "half"], ["wav_out"])]
    names = ["wav_in"], ["wav_out"]
    if streaming:
        nodes.append(helper.make_node("Identity", ["wav_in"], ["past.next"]))
        names = ["wav_in", "past"], ["wav_out", "past.next"]
    values = [[helper.make_tensor_value_info(name, FLOAT, (1, samples)) for name in group] for group in names]
    half = helper.make_tensor("half", FLOAT, [], [0.5])
    graph = helper.make_graph(nodes, "halve", *values, [half])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    manifest = EnhancementManifest(
        model="halve",
        form="wav2wav",
        streaming=streaming,
        front_end=FrontEnd(16000, 512, 256),
        latency=256,
        inputs=(TensorSpec("wav_in", (1, samples)),),
        outputs=(TensorSpec("wav_out", (1, samples)),),
        states=(TensorSpec("past", (1, 256)),) if streaming else (),
        hops=1 if streaming else "frames",
        streams=1,
    )
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.save(model, path)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    save_artifact(folder / "stream.onnx", True)
    save_artifact(folder / "whole.onnx", False)
    return folder


@pytest.fixture
def run(artifacts: Path) -> Callable[..., int]:
    """The command with a streaming artifact."""

    def command(*words: object, artifact: str = "stream") -> int:
        return main(["enhance", *map(str, words), "--artifact", str(artifacts / f"{artifact}.onnx")])

    return command


def recording(
    path: Path, rate: int = 16000, channels: int = 1, seconds: float = 1, subtype: str | None = None
) -> np.ndarray:
    """Write a smooth tone that differs from channel to channel; gives (N, channels)."""
    time = np.arange(int(seconds * rate))[:, None] / rate
    signal = 0.8 * np.sin(2 * np.pi * 500 * time) * np.sin(np.pi * time / seconds) ** 4
    signal = signal / np.arange(1, channels + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, signal, rate, subtype)
    return signal


@pytest.mark.parametrize("artifact", ["stream", "whole"])
@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype"),
    [
        ("x.wav", 16000, 1, "PCM_16"),
        ("x.wav", 44100, 2, "PCM_24"),
        ("x.wav", 8000, 1, "FLOAT"),
        ("x.flac", 48000, 3, "PCM_16"),
        ("x.ogg", 22050, 2, "VORBIS"),
        ("x.mp3", 44100, 2, "MPEG_LAYER_III"),
    ],
)
def test_one_file_keeps_rate_length_and_format(
    run: Callable[..., int], tmp_path: Path, name: str, rate: int, channels: int, subtype: str, artifact: str
) -> None:
    source, target = tmp_path / name, tmp_path / f"y{Path(name).suffix}"
    signal = recording(source, rate, channels, subtype=subtype)
    assert run(source, "-o", target, artifact=artifact) == 0
    before, after = soundfile.info(source), soundfile.info(target)
    for item in ("samplerate", "channels", "frames", "format", "subtype"):
        assert getattr(after, item) == getattr(before, item)
    lossy = subtype in ("VORBIS", "MPEG_LAYER_III")
    result = soundfile.read(target, always_2d=True)[0]
    np.testing.assert_allclose(result, signal / 2, atol=0.06 if lossy else 1e-4)
    assert sorted(os.listdir(tmp_path)) == sorted([name, target.name])


def test_default_name(run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording(tmp_path / "a.b.wav")
    assert run(tmp_path / "a.b.wav") == 0
    assert sorted(os.listdir(tmp_path)) == ["a.b.enhanced.wav", "a.b.wav"]
    output = capsys.readouterr()
    assert "a.b.enhanced.wav (1.0 s, " in output.out and output.err == ""


def test_other_format(run: Callable[..., int], tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", subtype="FLOAT")
    assert run(tmp_path / "a.wav", "--format", "flac", "--subtype", "pcm_16") == 0
    assert soundfile.info(tmp_path / "a.enhanced.flac").subtype == "PCM_16"
    assert run(tmp_path / "a.wav", "-o", tmp_path / "b.ogg") == 0
    assert soundfile.info(tmp_path / "b.ogg").format == "OGG"


def test_mix_down(run: Callable[..., int], tmp_path: Path) -> None:
    signal = recording(tmp_path / "a.wav", channels=2)
    assert run(tmp_path / "a.wav", "-o", tmp_path / "b.wav", "--mix-down") == 0
    result = soundfile.read(tmp_path / "b.wav", always_2d=True)[0]
    np.testing.assert_allclose(result, signal.mean(1, keepdims=True) / 2, atol=1e-4)


def test_folder(run: Callable[..., int], tmp_path: Path) -> None:
    for name in ("in/a.wav", "in/b/a.wav", "in/b/c.flac"):
        recording(tmp_path / name, seconds=0.1)
    (tmp_path / "in" / "notes.txt").touch()
    assert run(tmp_path / "in", "-o", tmp_path / "out") == 0
    assert [p.name for p in (tmp_path / "out").rglob("*.*")] == ["a.wav"]
    assert run(tmp_path / "in", "-o", tmp_path / "all", "--recursive") == 0
    found = sorted(str(p.relative_to(tmp_path / "all")) for p in (tmp_path / "all").rglob("*.*"))
    assert found == ["a.wav", "b/a.wav", "b/c.flac"]


def test_a_folder_twice_takes_no_output_for_input(run: Callable[..., int], tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", seconds=0.1)
    for options in ([], [], ["-o", tmp_path / "out"], ["-o", tmp_path / "out"]):
        assert run(tmp_path, "--recursive", "--force", *options) == 0
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*"))
    assert found == ["a.enhanced.wav", "a.wav", "out/a.wav"]


def test_several_files_go_into_a_folder(run: Callable[..., int], tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        recording(tmp_path / name, seconds=0.1)
    assert run(tmp_path / "a.wav", tmp_path / "b.wav", "-o", tmp_path / "out") == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["a.wav", "b.wav"]
    assert run(tmp_path / "a.wav", "-o", f"{tmp_path / 'new'}/") == 0
    assert os.listdir(tmp_path / "new") == ["a.wav"]


def test_a_batch_goes_on(run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording(tmp_path / "a.wav", seconds=0.1)
    (tmp_path / "b.wav").write_text("not audio")
    recording(tmp_path / "c.wav", seconds=0.1)
    files = [tmp_path / name for name in ("a.wav", "b.wav", "missing.wav", "c.wav")]
    assert run(*files, "-o", tmp_path / "out", "--json") == 1
    assert sorted(os.listdir(tmp_path / "out")) == ["a.wav", "c.wav"]
    output = capsys.readouterr()
    assert output.err.splitlines()[2:] == [
        "speechzoo: 2 of 4 recordings failed:", f"  {files[1]}", f"  {files[2]}"
    ]  # fmt: skip
    report = json.loads(output.out)
    assert [Path(f["input"]).name for f in report["files"]] == ["a.wav", "c.wav"]
    assert [Path(f["input"]).name for f in report["failed"]] == ["b.wav", "missing.wav"]


def test_json(run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording(tmp_path / "a.wav", 48000, 2)
    assert run(tmp_path / "a.wav", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["files"]
    assert (told["model"], told["backend"], told["clipped"]) == ("stream.onnx", "onnxruntime", 0)
    assert (told["sample_rate"], told["channels"], told["seconds"]) == (48000, 2, 1.0)
    assert told["output"].endswith("a.enhanced.wav") and 0 < told["real_time_factor"] < 1
    assert told["peak_in"] == pytest.approx(0.8, abs=0.01) and told["peak_out"] == pytest.approx(
        0.4, abs=0.01
    )
    for unit in told["latency"].values():
        parts = unit["window"] + unit["look_ahead"] + unit["resampling"] + unit["buffering"]
        assert unit["total"] == pytest.approx(parts)
    assert told["latency"]["milliseconds"]["window"] == 16
    assert run(tmp_path / "a.wav", "--json", "--force", artifact="whole") == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["latency"] is None


def test_plot(run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    recording(tmp_path / "a.wav", 8000, seconds=61)
    assert run(tmp_path / "a.wav", "--plot", tmp_path / "a.png") == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "shows the first 60 s of 61 s" in capsys.readouterr().err


def test_nothing_is_overwritten(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signal = recording(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("precious")
    assert run(tmp_path / "a.wav", "-o", tmp_path / "b.wav") == 1
    assert "b.wav exists; pass another name, or --force" in capsys.readouterr().err
    assert (tmp_path / "b.wav").read_text() == "precious"
    assert run(tmp_path / "a.wav", "-o", tmp_path / "a.wav", "--force") == 0  # even onto itself
    np.testing.assert_allclose(soundfile.read(tmp_path / "a.wav")[0], signal[:, 0] / 2, atol=1e-4)


def test_long_recordings_need_little_memory(run: Callable[..., int], tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 16000, 1, "PCM_U8") as file:
        for _ in range(600):
            file.write(np.zeros(16000, np.float32))
    tracemalloc.start()
    assert run(tmp_path / "a.wav", "-o", tmp_path / "b.wav") == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert soundfile.info(tmp_path / "b.wav").frames == 600 * 16000
    assert peak < 3e6  # the samples alone are 38 MB


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file"),
        (b"", "it is empty"),
        (b"text" * 99, "not readable as audio"),
        (np.zeros(0), "it holds no samples"),
        (np.r_[np.zeros(16000), np.nan], "the sample at 1.000 s is nan"),
        (np.r_[np.zeros(8000), np.inf], "the sample at 0.500 s is inf"),
    ],
)
def test_bad_input_leaves_nothing(
    run: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | np.ndarray | None,
    message: str,
) -> None:
    source = tmp_path / "x.wav"
    if isinstance(content, bytes):
        source.write_bytes(content)
    elif content is not None:
        soundfile.write(source, content, 16000, "FLOAT")
    assert run(source, "-o", tmp_path / "y.wav") == 1
    error = capsys.readouterr().err
    assert error.startswith("speechzoo: ") and message in error and len(error.splitlines()) == 1
    assert set(os.listdir(tmp_path)) <= {"x.wav"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.wav", "b.wav", "-o", "a.wav"], "a folder is expected for several recordings"),
        (["a.wav", "b.wav", "-o", "-"], "a folder is expected for several recordings"),
        (["a.wav", "b.wav", "-o", "c.wav"], "a folder is expected for several recordings"),
        ([".", "-o", "c.flac"], "a folder is expected for several recordings"),
        (["a.wav", "sub/a.wav", "-o", "out"], "would both become out/a.wav"),
        (["a.wav", "--raw-rate", "8000"], "--raw-rate describes standard input"),
        (["empty"], "the folder empty holds no audio files; --recursive takes"),
    ],
)
def test_options_that_do_not_fit(
    run: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("a.wav", "b.wav", "sub/a.wav"):
        recording(tmp_path / name, seconds=0.1)
    assert run(*words) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "dpcrn"], "--weights is missing: none of dpcrn come with the package. Take a model"),
        (["--weights", "x.tar"], "--model is missing: whose weights are x.tar?"),
        (["--model", "gtcm", "--weights", "x.tar"], "there is no model 'gtcm'; did you mean gtcrn"),
        (["--artifact", "missing.onnx"], "missing.onnx: there is no such file"),
        (["--artifact", "x.tar"], ".trt is expected; a checkpoint goes with --model"),
        (["--artifact", "x.onnx", "--model", "gtcrn"], "leave --model and --weights out"),
    ],
)
def test_which_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    recording(tmp_path / "a.wav")
    assert main(["enhance", str(tmp_path / "a.wav"), *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("speechzoo: ") and message in error
    assert os.listdir(tmp_path) == ["a.wav"]


def test_damaged_artifact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.onnx").write_bytes(b"\x08\x09\x12" + bytes(50))
    recording(tmp_path / "a.wav")
    assert main(["enhance", str(tmp_path / "a.wav"), "--artifact", str(tmp_path / "x.onnx")]) == 1
    assert "it is damaged, truncated or not ONNX" in capsys.readouterr().err


def start(artifacts: Path, *words: str) -> list[str]:
    """The command as a process of its own, which reads standard input."""
    return [sys.executable, "-m", "zoo.cli", "enhance", "-", "--artifact", f"{artifacts}/stream.onnx", *words]


def test_wav_through_a_pipe(artifacts: Path, tmp_path: Path) -> None:
    signal = recording(tmp_path / "a.wav", 44100, 2)
    data = (tmp_path / "a.wav").read_bytes()
    result = subprocess.run(start(artifacts, "--json"), input=data, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    (tmp_path / "b.wav").write_bytes(result.stdout)
    output, rate = soundfile.read(tmp_path / "b.wav")
    assert rate == 44100
    np.testing.assert_allclose(output, signal / 2, atol=1e-4)
    assert json.loads(result.stderr)["files"][0]["output"] == "-"  # stdout is taken, and no progress bar


@pytest.mark.parametrize(
    ("name", "dtype", "peak"), [("s16le", "<i2", 3000), ("s32le", "<i4", 2**30), ("f32le", "<f4", 90)]
)
def test_raw_through_a_pipe(artifacts: Path, name: str, dtype: str, peak: int) -> None:
    samples = (peak * np.sin(np.arange(4000) / 9)).astype(dtype)
    command = start(artifacts, "--raw-rate", "16000", "--raw-format", name)
    result = subprocess.run(command, input=samples.tobytes(), capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    step = 2.0**8 if dtype == "<i4" else 0.51  # the network computes with 24 bits
    np.testing.assert_allclose(np.frombuffer(result.stdout, dtype), samples / 2, atol=step)


def test_raw_of_24_bits_through_a_pipe(artifacts: Path) -> None:
    samples = (2**22 * np.sin(np.arange(4000) / 9)).astype("<i4")
    packed = samples.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    command = start(artifacts, "--raw-rate", "16000", "--raw-format", "s24le")
    result = subprocess.run(command, input=packed, capture_output=True, check=True)
    words = np.zeros((4000, 4), np.uint8)
    words[:, 1:] = np.frombuffer(result.stdout, np.uint8).reshape(-1, 3)
    np.testing.assert_allclose(words.view("<i4")[:, 0] / 256, samples / 2, atol=1)


def test_standard_input_and_output_by_their_paths(artifacts: Path, tmp_path: Path) -> None:
    expected = recording(tmp_path / "a.wav", 16000)[:, 0] / 2
    command = start(artifacts, "-o", "/dev/stdout")
    command[command.index("-")] = "/dev/stdin"
    with open(tmp_path / "a.wav", "rb") as file:
        result = subprocess.run(command, stdin=file, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    (tmp_path / "b.wav").write_bytes(result.stdout)
    np.testing.assert_allclose(soundfile.read(tmp_path / "b.wav")[0], expected, atol=1e-4)


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that in 30 s")


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_a_live_recording_is_kept_when_it_is_interrupted(
    artifacts: Path, tmp_path: Path, asked: signal.Signals
) -> None:
    """While the next samples are waited for: what came is a whole file, and told."""
    samples = (3000 * np.sin(np.arange(16000) / 9)).astype("<i2")
    command = start(artifacts, "--raw-rate", "16000", "-o", str(tmp_path / "live.wav"))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stderr
        process.stdin.write(samples.tobytes())
        process.stdin.flush()
        part = tmp_path / ".live.wav.part"
        wait_until(lambda: part.exists() and part.stat().st_size > 2 * 15600)
        process.send_signal(asked)
        assert process.wait(30) == 128 + asked
        assert "live.wav: interrupted after 1.0 s, which are kept" in process.stderr.read().decode()
    assert os.listdir(tmp_path) == ["live.wav"]
    kept, rate = soundfile.read(tmp_path / "live.wav", dtype="int16")
    assert rate == 16000
    np.testing.assert_allclose(kept, samples / 2, atol=0.51)


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_nothing_stays_of_a_file_that_was_not_finished(
    artifacts: Path, tmp_path: Path, asked: signal.Signals
) -> None:
    """A recording in a file can be enhanced again, and a live one of which nothing came is none."""
    soundfile.write(tmp_path / "a.wav", np.zeros(48000 * 3600, np.int16), 48000)
    for source in (str(tmp_path / "a.wav"), "-"):
        command = start(artifacts, "-o", str(tmp_path / "b.wav"))
        command[command.index("-")] = source
        if source == "-":
            command += ["--raw-rate", "16000"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            wait_until((tmp_path / ".b.wav.part").exists)
            time.sleep(0.2)
            process.send_signal(asked)
            assert process.wait(30) in (128 + asked, 130) and process.stderr
            assert process.stderr.read() == b""
        assert os.listdir(tmp_path) == ["a.wav"]


def test_pipes_and_what_cannot_be_read(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert run(tmp_path / "pipe.wav") == 1
    assert "pipe.wav is a pipe; name the output with --output" in capsys.readouterr().err
    (tmp_path / "in").mkdir()
    recording(tmp_path / "in" / "a.wav")
    (tmp_path / "in" / "b.m4a").write_bytes(b"ftyp")
    assert run(tmp_path / "in", "-o", tmp_path / "out") == 0
    assert "left out, since only other programs read them: 1, such as b.m4a" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run("-", "--raw-rate", 10**12)
    assert "a number of Hz from 1000 to 768000 is expected" in capsys.readouterr().err


def test_progress_on_a_terminal(artifacts: Path, tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", seconds=3)
    command = start(artifacts, "-o", str(tmp_path / "b.wav"))
    command[command.index("-")] = str(tmp_path / "a.wav")
    terminal, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=child, check=True)
    os.close(child)
    shown = os.read(terminal, 10000).decode()
    os.close(terminal)
    assert "a.wav:   0% |" in shown and "/3 s" in shown


def test_a_live_pipe_answers_at_once(artifacts: Path) -> None:
    command = start(artifacts, "--raw-rate", "16000")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        process.stdin.write(bytes(2 * 1600))  # a tenth of a second, and the input stays open
        process.stdin.flush()
        assert len(process.stdout.read(2 * 1280)) == 2 * 1280  # six hops, one of them late
        process.stdin.close()
        assert len(process.stdout.read()) == 2 * 320
    assert process.returncode == 0


def test_a_pipe_that_nobody_reads_any_more(artifacts: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = start(artifacts, "--raw-rate", "16000")
    result = subprocess.run(command, input=bytes(32000), stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (result.returncode, result.stderr) == (1, b"")


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words, expected in ((["--version"], "speechzoo "), (["--help"], "enhance")):
        with pytest.raises(SystemExit, match="0"):
            main(words)
        assert expected in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["enhance"])


def test_integers_in_floats_are_told(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], speech_16k: np.ndarray
) -> None:
    soundfile.write(tmp_path / "x.wav", 32768 * speech_16k[:16000], 16000, "FLOAT")
    assert run(tmp_path / "x.wav") == 0
    error = capsys.readouterr().err
    assert "x.wav: its largest sample is" in error and "divide them by the integers' largest value" in error
    assert "Warning" not in error


def test_a_recording_that_is_cut_short_is_told(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.wav"
    recording(path)
    path.write_bytes(path.read_bytes()[: 44 + 2 * 4000])
    assert run(path, "--json") == 0
    output = capsys.readouterr()
    (told,) = json.loads(output.out)["files"]
    assert told["missing"] == pytest.approx(0.75) and told["seconds"] == pytest.approx(0.25)
    assert output.err == (
        f"{path}: cut short: its header promises 0.750 s more than the 0.250 s that are there; if they "
        f"should be, get it again\n"
    )


def test_what_a_models_rate_leaves_out_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of recordings at a higher rate, and with a model that has more; others are not talked about."""
    time = np.arange(48000) / 48000
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.sin(2 * np.pi * 440 * time), 48000)
    soundfile.write(tmp_path / "c.wav", 0.1 * np.sin(2 * np.pi * 440 * time[::3]), 16000)
    assert main(["enhance", *(str(tmp_path / f"{n}.wav") for n in "abc"), "-o", str(tmp_path / "out/")]) == 0
    told = capsys.readouterr().err
    assert told.count("what is above 8000 Hz is not in the output") == 1
    assert f"{tmp_path / 'a.wav'} and 1 more: of 48000 Hz, and " in told and "fastenhancer_48k" in told
    assert main(["enhance", str(tmp_path / "c.wav"), "-o", str(tmp_path / "d.wav")]) == 0
    assert "above" not in capsys.readouterr().err
