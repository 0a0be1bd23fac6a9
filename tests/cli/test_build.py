"""`speechzoo build`: what it is told wrong."""

from __future__ import annotations

import pytest

from zoo.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "x", "--onnx", "y"], "--onnx: the file of --config says that"),
        (["--config", "x", "--fp16"], "--fp16: the file of --config says that"),
        (["--onnx", "x", "--engine", "y", "--force"], "--force: it goes with --config"),
        (["x.c", "-o", "x.wasm", "--target", "y"], "--target: WebAssembly has no other processors"),
        (["x.c", "-o", "x.so", "--target", "y", "z"], "--target y z: a library is for one machine"),
        (["--onnx", "x"], "either --onnx GRAPH and --engine FILE or --config YAML"),
    ],
)
def test_build_engines_wrong_words(words: list[str], message: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main(["build", *words])
    assert left.value.code == 2 and message in capsys.readouterr().err
