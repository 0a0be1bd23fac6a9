"""What a command leaves behind and whom it talks to: nothing, and nobody."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from tests.cli.shell import speechzoo
from tests.data import ROOT
from tests.interpreter import python

# Run before all else: the kernel ends the process, native threads too, at its first call of socket().
NO_SOCKETS = """
import ctypes, struct
CALL, RETURN, LOAD, EQUAL = 41, 0x06, 0x20, 0x15  # x86-64's number of socket(); BPF's instructions
rules = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, CALL), (RETURN, 0, 0, 0x80000000), (RETURN, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
"""
COMMAND = "import sys\nfrom zoo.cli import main\nsys.exit(main(sys.argv[1:]))"
ENHANCE = ("enhance", ROOT / "examples/noisy.wav", "-o")
SECCOMP = sys.platform == "linux" and platform.machine() == "x86_64"


def test_enhance_leaves_nothing_but_its_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    places = {"HOME": str(home), "SPEECHZOO_CACHE": str(cache), "TMPDIR": str(home)}
    done = speechzoo(*ENHANCE, tmp_path / "out.wav", cwd=tmp_path, **places)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(home.rglob("*")) == []
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"home", "out.wav"}


@pytest.mark.skipif(not SECCOMP, reason="the rule is for Linux on x86-64")
def test_enhance_opens_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    tried = python(NO_SOCKETS + "import socket; socket.socket()", HOME=str(tmp_path))
    assert tried.returncode < 0, "the rule does not hold here"
    done = python(NO_SOCKETS + COMMAND, *ENHANCE, tmp_path / "out.wav", HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "out.wav").is_file()


@pytest.mark.parametrize("package", ["zoo", "converters", "scripts", "zoo.runtime.onnx"])
@pytest.mark.parametrize("given", [None, "0"])
def test_telemetry_is_off_unless_the_user_sets_it(
    package: str, given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    told = python(
        f"import {package}, os; print(os.environ['ORT_DISABLE_TELEMETRY'])",
        **({} if given is None else {"ORT_DISABLE_TELEMETRY": given}),
    )
    assert told.stdout.strip() == (given or "1")
