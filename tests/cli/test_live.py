"""``speechzoo live`` on a real sound server without hardware, its keys, and what it says is missing."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.data import ROOT
from tests.interpreter import python
from zoo.arrays import Array
from zoo.artifact.golden import parity_speech
from zoo.tasks.enhancement.enhancer import Enhancer

RATE = 48000
# A sink without hardware: what is played on its left comes from the microphone "noisy", and what goes to the
# loudspeaker "clean" is on its right, so that one recording of it has both, at one clock.
MODULES = (
    "module-null-sink sink_name=line rate=48000 channels=2 channel_map=front-left,front-right",
    "module-remap-sink sink_name=play master=line channels=1 channel_map=mono "
    "master_channel_map=front-left remix=no",
    "module-remap-sink sink_name=clean master=line channels=1 channel_map=mono "
    "master_channel_map=front-right remix=no",
    "module-remap-source source_name=noisy master=line.monitor channels=1 channel_map=mono "
    "master_channel_map=front-left remix=no",
)
DEVICES = "".join(
    f'pcm.{name} {{ type pulse device "{name}" hint {{ show on description "{name}" }} }}\n'
    for name in ("noisy", "clean")
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of programs that use a sound server of their own."""
    missing = [name for name in ("pulseaudio", "pactl", "parec", "paplay") if not shutil.which(name)]
    if missing:
        pytest.skip(f"needs {missing[0]}, of the packages pulseaudio and pulseaudio-utils")
    if find_spec("sounddevice") is None:
        pytest.skip("needs sounddevice")
    home = tmp_path_factory.mktemp("sound")
    (home / ".asoundrc").write_text(DEVICES)
    socket = home / "native"
    environment = {
        **os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PULSE_SERVER": f"unix:{socket}",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    words = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
    for module in (f"module-native-protocol-unix socket={socket} auth-anonymous=1", *MODULES):
        words += ["-L", module]
    server = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False).returncode:
            if server.poll() is not None or time.monotonic() > limit:
                pytest.skip("the sound server pulseaudio does not start here")
            time.sleep(0.2)
        listed = live(environment, "--list-devices")
        if "PortAudio" in listed.stderr or not re.search(r" noisy +ALSA", listed.stdout):
            pytest.skip("needs libportaudio2 and libasound2-plugins: no PulseAudio in PortAudio")
        yield environment
    finally:
        server.terminate()
        server.wait(20)


def live(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zoo.cli", "live", *words],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def place(of: Array, where: Array) -> int:
    """The sample at which a piece begins in a longer signal."""
    size = 1 << (len(where) + len(of)).bit_length()
    product = np.fft.rfft(where, size) * np.conj(np.fft.rfft(of, size))
    return int(np.argmax(np.fft.irfft(product, size)[: len(where)]))


def run_once(sound: dict[str, str], folder: Path) -> tuple[str, str]:
    """Play ``noisy.wav`` into a running command; what it told of its delay, and at the end, after SIGTERM."""
    words = ["live", "--input", "noisy", "--output", "clean", "--rate", str(RATE), "--buffer", "400"]
    with (folder / "line.raw").open("wb") as file:
        both = ["parec", "-d", "line.monitor", "--format=s16le", "--rate=48000", "--channels=2"]
        recorder = subprocess.Popen([*both, "--latency-msec=50"], env=sound, stdout=file)
    command = subprocess.Popen(
        [sys.executable, "-m", "zoo.cli", *words, "--record", str(folder / "kept.wav"), "--force"],
        env=sound, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert command.stderr is not None
    told = ""
    while not told.startswith("delay "):
        told = command.stderr.readline()
        assert command.poll() is None, told
    subprocess.run(["paplay", "-d", "play", str(folder / "noisy.wav")], env=sound, check=True, timeout=60)
    time.sleep(2)
    command.send_signal(signal.SIGTERM)
    _, rest = command.communicate(timeout=30)
    recorder.terminate()
    recorder.wait(20)
    assert command.returncode == 143 and "underruns: " in rest and "which are kept" in rest
    return told, rest


@pytest.mark.skipif("CI" in os.environ, reason="CI's machines do not keep time: sound is lost on the way")
def test_speech_in_noise_in_enhanced_speech_out(sound: dict[str, str], tmp_path: Path) -> None:
    """Played, recorded at the other end as late as is told, and kept in a file, which SIGTERM closes."""
    speech = parity_speech(RATE)[RATE // 2 : 4 * RATE]
    noisy = speech + 0.02 * np.random.default_rng(1).standard_normal(len(speech)).astype(np.float32)
    soundfile.write(tmp_path / "noisy.wav", noisy, RATE, "PCM_16")
    for _ in range(3):
        told, rest = run_once(sound, tmp_path)
        if "; underruns: 0 (" in rest and "times the device" not in rest:
            break
    else:
        pytest.skip(f"this machine is too busy for sound: {rest}")
    line = np.fromfile(tmp_path / "line.raw", "<i2").reshape(-1, 2).T.astype(np.float32) / 32768
    given, played = line[:, : line.shape[1] - line.shape[1] % 2]
    kept, rate = soundfile.read(tmp_path / "kept.wav", dtype="float32")
    assert rate == RATE
    # The file is what the enhancer makes of silence and what was played, to the rounding of 16 bits.
    noisy, begin = soundfile.read(tmp_path / "noisy.wav", dtype="float32")[0], place(noisy, given)
    heard = place(Enhancer()(noisy, RATE), kept)
    expected = Enhancer()(np.concatenate([np.zeros(heard, np.float32), noisy]), RATE)
    sure = len(expected) - RATE // 20  # the recording knew no end there
    np.testing.assert_allclose(kept[:sure], expected[:sure], atol=0.6 / 32768)
    expected = expected[heard:]
    # A server that shares its processor may slip at times: most pieces lie where they are told to.
    delay = float(re.search(r"delay (\d+) ms", told)[1])  # type: ignore[index]
    pieces = range(RATE // 4, len(expected) - RATE // 2, RATE // 4)
    late = [place(expected[at : at + RATE // 2], played) - begin - at for at in pieces]
    assert abs(1000 * np.median(late) / RATE - delay) < 60


def test_keys_and_meters(sound: dict[str, str]) -> None:
    """b, the limit, and q, at a terminal; what is shown follows."""
    ours, theirs = pty.openpty()
    words = ["live", "--input", "noisy", "--output", "clean", "--monitor", "clean"]
    command = subprocess.Popen(
        [sys.executable, "-m", "zoo.cli", *words], env=sound, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown, steps = b"", [(b"dB quieter", b"b"), (b"bypassed", b"b-"), (b"limit 30 dB", b"q")]
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # it has ended
                break
        if steps and steps[0][0] in shown:
            os.write(ours, steps.pop(0)[1])
    assert command.wait(20) == 0 and not steps, shown[-500:]
    os.close(ours)
    assert b"noisy -> ulunas.onnx -> clean and clean, at " in shown and b"underruns" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "no such"], "there is no input device 'no such'; there are 0: "),
        (["--input", "noisy", "--output", "777"], "there is no output device '777'; there are "),
        (["--input", "noisy", "--record", "no/such/folder.wav"], "its folder does not exist"),
        (["--input", "noisy", "--output", "clean", "--model", "no-such"], "no-such"),
        (["--input", "noisy", "--rate", "1000000"], "does not run at 1000000 Hz"),
        (["--buffer", "0"], "a number above 0 is expected, got 0"),
    ],
)
def test_what_cannot_be_done_is_told(sound: dict[str, str], words: list[str], message: str) -> None:
    done = live(sound, *words)
    assert done.returncode in (1, 2) and message in done.stderr and "Traceback" not in done.stderr, (
        done.stderr
    )


def test_a_recording_ends_by_itself(sound: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    done = live(sound, "--input", "noisy", "--record", str(path), "--seconds", "0.5")
    if "the input device gave nothing for 10 s" in done.stderr:
        pytest.skip("the sound server of this machine gives no sound")
    assert done.returncode == 0, done.stderr
    assert soundfile.info(path).duration >= 0.5 and os.listdir(tmp_path) == [path.name]
    again = live(sound, "--input", "noisy", "--record", str(path), "--seconds", "0.5")
    assert again.returncode == 1 and "exists; pass another name, or --force" in again.stderr


def test_a_device_that_gives_nothing(sound: dict[str, str], tmp_path: Path) -> None:
    """What is wrong is told, not that an empty file cannot be kept."""
    for switch in "10":
        subprocess.run(["pactl", "suspend-source", "noisy", switch], env=sound, check=True, timeout=20)
        if switch == "1":
            done = live(sound, "--input", "noisy", "--record", str(tmp_path / "x.flac"), "--seconds", "0.5")
    assert done.returncode == 1 and "gave nothing for 10 s; is it unplugged?" in done.stderr, done.stderr
    assert "disk" not in done.stderr and not os.listdir(tmp_path)


def test_what_lacks_is_named(tmp_path: Path) -> None:
    code = "from zoo.cli import main\nsys.exit(main(['live']))"
    done = python(code, hidden=("sounddevice",))
    assert done.returncode == 1
    assert re.search(r"live audio needs sounddevice: pip install .*\[live\]", done.stderr)
    # As the module says it where the library lacks.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    done = python(code, hidden=(), PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 1 and "`apt-get install libportaudio2` on Debian" in done.stderr
    assert "Traceback" not in done.stderr
