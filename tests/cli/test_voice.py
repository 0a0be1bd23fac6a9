"""How the command is started, how much it says, and how a shell completes its words."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data import ROOT
from tests.native import tool
from zoo.cli import main

Capture = pytest.CaptureFixture[str]
NOISY = str(ROOT / "examples/noisy.wav")


def test_the_package_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("speechzoo ")


@pytest.mark.parametrize("before", [True, False])
def test_quiet_leaves_errors_and_what_was_asked_for(before: bool, tmp_path: Path, capsys: Capture) -> None:
    words = ["enhance", NOISY, str(tmp_path / "absent.wav"), "-o", str(tmp_path / "clean")]
    assert main(["-q", *words] if before else [*words, "-q"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert all(line.startswith("speechzoo: ") for line in told.err.splitlines()) and "absent" in told.err
    assert main(["info", "gtcrn", "-q"]) == 0
    assert "GTCRN" in capsys.readouterr().out


def test_verbose_tells_what_runs_and_where_errors_arise(tmp_path: Path, capsys: Capture) -> None:
    assert main(["enhance", str(tmp_path / "x.onnx"), "--artifact", "absent.onnx", "-v"]) == 1
    told = capsys.readouterr().err
    assert re.match(r"speechzoo \S+, Python 3\S+, .*onnxruntime\S* \d", told)
    assert "Traceback" in told and told.splitlines()[-1].startswith("speechzoo: absent.onnx")
    with pytest.raises(SystemExit):
        main(["list", "-q", "-v"])


def test_a_shell_completes_commands_options_and_choices(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("shtab", reason="needs shtab")
    bash = tool("bash", "bash")
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "script"
    script.write_text(
        capsys.readouterr().out + 'try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()\n'
        '_shtab_speechzoo speechzoo "${!#}" ""; echo "${COMPREPLY[@]}"; }\n'
        "try speechzoo enh\ntry speechzoo enhance --att\ntry speechzoo enhance --backend ''\n"
    )
    done = subprocess.run([bash, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["enhance", "--attenuation-limit", "native"]
    assert main(["completion", "zsh"]) == 0 and "#compdef speechzoo" in capsys.readouterr().out
