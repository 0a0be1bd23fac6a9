"""The command line as a whole: help, options that are wrong, and numbers that make no sense."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.data import ROOT
from zoo.cli import GROUPS, _parser, main
from zoo.cli._arguments import MOST_THREADS

Capture = pytest.CaptureFixture[str]

COMMANDS = _parser()[1]
WORDS = {  # what a command needs before its options are looked at
    "benchmark": ["x.onnx"],
    "embed": ["x.wav", "-o", "x.npz"],
    "enhance": ["x.wav"],
    "evaluate": ["x.onnx"],
    "speak": ["Hello.", "-o", "x.wav"],
    "compare": ["a.wav", "b.wav"],
    "test": ["x.onnx"],
}


def refusal(*words: str, capsys: Capture) -> str:
    """The one sentence that a command refuses words with, behind the usage."""
    with pytest.raises(SystemExit) as left:
        main([*words])
    told = capsys.readouterr()
    usage, sentence = told.err.splitlines()
    assert (left.value.code, told.out) == (2, "") and usage.startswith("usage: speechzoo")
    return sentence


def test_the_help_has_a_line_for_every_command(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    places = [lines.index(f"{group}:") for group in GROUPS]
    assert places == sorted(places)
    for name in COMMANDS:
        (line,) = (line for line in lines if line.split()[:1] == [name])
        assert len(line) < 100 and len(line.split()) > 2


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_help_can_be_shown(name: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0 and f"usage: speechzoo {name}" in capsys.readouterr().out


def test_words_that_a_command_does_not_take(capsys: Capture) -> None:
    for words, message in (
        (["list", "--tsak", "speaker"], "there is no option --tsak; did you mean --task?"),
        (["list", "--onnx-path", "x"], "--onnx-path is an option of speechzoo export, test, not of this"),
        (["list", "--no-such-thing"], "there is no option --no-such-thing"),
        (["info", "gtcrn", "dpcrn"], "'dpcrn' is one word too many"),
        (["export", "--model", "gtcrn"], "either --output PATH (--onnx-path) or"),
        (["client", "load", "x.wav", "--model", "m", "--jbos", "2"], "there is no option --jbos"),
    ):
        assert message in refusal(*words, capsys=capsys)


@pytest.mark.parametrize("name", sorted(WORDS))
@pytest.mark.parametrize("threads", ["-3", "0", "some", str(MOST_THREADS + 1), "1.5"])
def test_threads_that_make_no_sense(name: str, threads: str, capsys: Capture) -> None:
    sentence = refusal(name, *WORDS[name], f"--threads={threads}", capsys=capsys)
    assert f"expected, got {threads}" in sentence


def test_options_of_another_task_or_target(capsys: Capture) -> None:
    out = ["-o", "x.onnx"]
    for words, message in (
        (
            ["--model", "gtcrn", "--mean-vec", "m.npy"],
            "--mean-vec is for speaker; gtcrn is a model for",
        ),
        (["--model", "resnet18", "--streams", "2"], "--streams is for enhancement; resnet18 is a model for"),
        (["--model", "fastspeech", "--form", "wav"], "--form is for enhancement and speaker; fastspeech is"),
        (["--model", "gtcrn", "--form", "feats"], "--form feats: gtcrn is a model for enhancement, whose"),
        (["--model", "gtcrn", "--compiled"], "--compiled goes with --target exported, not with onnx"),
        (["--model", "gtcrn", "--target", "exported", "--rtx"], "--rtx goes with --target engine, not with"),
    ):
        assert message in refusal("export", *words, *out, capsys=capsys)


@pytest.mark.parametrize("words", [["list"], ["verify", "gtcrn"], ["info", "gtcrn"], ["list", "--json"]])
@pytest.mark.parametrize("end", ["full", "closed"])
def test_standard_output_that_takes_nothing(words: list[str], end: str) -> None:
    """A full device is told in a sentence; nobody reads what goes to a closed one."""
    command = [sys.executable, "-m", "zoo.cli", *words]
    redirect = ">/dev/full" if end == "full" else ">&-"
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirect}', "sh", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    told = "speechzoo: standard output cannot be written (No space left on device)\n" if end == "full" else ""
    assert (done.returncode, done.stderr) == (1 if end == "full" else 0, told)
