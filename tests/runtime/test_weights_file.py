"""Weights in a file of their own: loaded by the code that they are for; what is refused, and how."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import converters
import zoo
from converters.c.compiler import compile_apart
from tests.native import SANITIZED, STRICT, compiler
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import compare
from zoo.builtin import packaged_artifact
from zoo.cli import main
from zoo.errors import ArtifactError
from zoo.registry import get_spec
from zoo.runtime.artifact import load_artifact
from zoo.runtime.compiler import ENDING, build
from zoo.runtime.onnx import OnnxGraph
from zoo.runtime.weights_file import HEAD, pack_weights
from zoo.spec import Tolerance
from zoo.tasks.enhancement.graph import session_over

# Every prefix of the file and many damaged ones, each in memory of its own size, which the sanitizer watches.
FUZZ = """
#include <stdio.h>
#include <stdlib.h>
static fe_state state;
static int try(const char *file, size_t bytes)
{
    char *copy = malloc(bytes ? bytes : 1);
    memcpy(copy, file, bytes);
    const int code = fe_load(&state, copy, bytes);
    free(copy);
    return code;
}
int main(int count, char **words)
{
    float in[FE_IN], out[FE_OUT];
    FILE *input = fopen(words[count - 1], "rb");
    char *file = malloc(1 << 20);
    const size_t bytes = fread(file, 1, 1 << 20, input);
    fclose(input);
    fe_init(&state);
    for (size_t n = 0; n < bytes; n += n < 100 ? 1 : 997)
        if (try(file, n) != (n < 64 ? 1 : 2)) return 1;
    srand(1);
    for (int n = 0; n < 1000; n++) {
        const size_t at = (size_t)rand() % (n % 2 ? 64 : bytes);
        const char bit = (char)(1 << rand() % 8), old = file[at];
        file[at] = (char)(old ^ bit);
        const int code = try(file, bytes);
        file[at] = old;
        if (code < 1 || code > 4) return 2;
    }
    if (fe_load(&state, file + 4, bytes - 4) != 5) return 3;
    for (int i = 0; i < FE_IN; i++) in[i] = 0.1f;
    fe_process(&state, in, out);
    for (int i = 0; i < FE_OUT; i++)
        if (out[i] != 0) return 4;
    if (fe_load(&state, file, bytes)) return 5;
    for (int n = 0; n < 4; n++) fe_process(&state, in, out);
    free(file);
    return out[9] != 0 ? 0 : 6;
}
"""


@pytest.fixture(scope="module")
def graph() -> Path:
    compiler()
    found = packaged_artifact(get_spec("fastenhancer_t"))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def made(graph: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """C, its library and its weights; and those of another model."""
    folder = tmp_path_factory.mktemp("apart")
    paths = {name: folder / f"fe.{name}" for name in ("c", "weights")}
    report = converters.export_c(graph, paths["c"], symbol="fe", weights_file=paths["weights"])
    assert report.snr_db > 110
    build(paths["c"], folder / f"fe{ENDING}")
    other = packaged_artifact(get_spec("gtcrn"))
    assert other is not None
    (folder / "other.weights").write_bytes(compile_apart(other)[1])
    return {**paths, "library": folder / f"fe{ENDING}", "other": folder / "other.weights"}


def _with_other_weights(graph: Path, out: Path) -> None:
    """A graph whose parameters are slightly others; the transforms are the same in all."""
    model, random = onnx.load(graph), np.random.default_rng(0)
    for tensor in model.graph.initializer:
        data, parameter = numpy_helper.to_array(tensor), re.fullmatch(r"\w+(\.\w+)+", tensor.name)
        if data.dtype == np.float32 and parameter and "stft" not in tensor.name:
            changed = data * (1 + 0.01 * random.standard_normal(data.shape))
            tensor.CopyFrom(numpy_helper.from_array(changed.astype(np.float32), tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "LeakyRelu":
                attribute.f *= 1.1
    onnx.save(model, out)


@pytest.mark.parametrize("name", ["fastenhancer_t", "gtcrn"])
def test_the_code_is_the_same_for_all_weights(name: str, tmp_path: Path) -> None:
    graph = packaged_artifact(get_spec(name))
    assert graph is not None
    _with_other_weights(graph, tmp_path / "other.onnx")
    one, other = compile_apart(graph), compile_apart(tmp_path / "other.onnx")
    assert one[0] == other[0] and one[1] != other[1] and len(one[1]) == len(other[1])
    assert HEAD.unpack(compile_apart(graph, "mine")[1][: HEAD.size])[1] == HEAD.unpack(one[1][: HEAD.size])[1]


def test_other_weights_are_used_without_compiling(graph: Path, made: dict[str, Path], tmp_path: Path) -> None:
    path, weights = tmp_path / "other.onnx", tmp_path / "other.weights"
    _with_other_weights(graph, path)
    weights.write_bytes(compile_apart(path)[1])
    speech = parity_speech(16000)[None, :16000]
    found = zoo.Enhancer(made["library"], weights).session.whole(speech)
    compare(session_over(OnnxGraph(path)).whole(speech), found, tensor="out", tolerance=Tolerance(110, 1e-5))
    before = zoo.Enhancer(made["library"], made["weights"]).session.whole(speech)
    assert np.abs(before - found).max() > 1e-4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cut", "it is cut, or has more at its end"),
        ("longer", "it is cut, or has more at its end"),
        ("damaged", "it is damaged"),
        ("other", "its weights are for other code"),
        ("text", "it is no file of weights"),
        ("empty", "it is no file of weights"),
        ("absent", "it cannot be read"),
        ("record", "manifest"),
    ],
)
def test_a_wrong_file_is_told(made: dict[str, Path], tmp_path: Path, content: str, message: str) -> None:
    data = made["weights"].read_bytes()
    _, key, size, *_ = HEAD.unpack(data[: HEAD.size])
    wrong = {
        "cut": data[:-8],
        "longer": data + bytes(8),
        "damaged": data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        "other": made["other"].read_bytes(),
        "text": b"weights" * 100,
        "empty": b"",
        "record": pack_weights(
            key, data[HEAD.size : HEAD.size + size], "\udcff".encode(errors="replace").decode()
        ),
    }
    path = tmp_path / "wrong.weights"
    if content in wrong:
        path.write_bytes(wrong[content])
    with pytest.raises(ArtifactError, match=rf"wrong\.weights: .*{message}"):
        load_artifact(made["library"], weights=path)


def test_weights_are_neither_missing_nor_too_many(
    graph: Path, made: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ArtifactError, match="its weights are in a file of their own"):
        zoo.verify(made["library"])
    with pytest.raises(ArtifactError, match="an artifact has its own weights"):
        zoo.verify(graph, weights=made["weights"])
    with pytest.raises(ValueError, match="need a file of their own"):
        converters.export_c(graph, tmp_path / "x.c", weights_file=tmp_path / "x.h")
    assert main(["build", str(made["c"]), "-o", str(tmp_path / "x.wasm")]) == 1
    assert "which a page cannot load" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_the_commands_take_the_file(
    made: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], folders: tuple[Path, Path]
) -> None:
    library, more = tmp_path / f"x{ENDING}", ["--weights-file", str(made["weights"])]
    assert main(["build", str(made["c"]), "-o", str(library), "--march", "portable"]) == 0
    assert "not verified, which needs its weights" in capsys.readouterr().out
    assert main(["build", str(made["c"]), "-o", str(library), "--march", "portable", *more]) == 0
    assert main(["verify", str(library), *more]) == 0
    told = capsys.readouterr().out
    assert told.count("verified; ") == 2 and re.search(r"stack of a call \d+ B", told)
    noisy, clean = folders[0] / "first.wav", tmp_path / "clean.wav"
    command = ["enhance", str(noisy), "-o", str(clean), *more]
    assert main([*command, "--artifact", str(library)]) == 0 and clean.is_file()
    assert main([*command, "--force"]) == 1
    assert "--weights-file goes with --artifact" in capsys.readouterr().err


def test_the_c_gives_a_code_for_every_damaged_file(made: dict[str, Path], tmp_path: Path) -> None:
    source, program = tmp_path / "fuzz.c", tmp_path / "fuzz"
    source.write_text(f'#include "{made["c"]}"\n{FUZZ}')
    words = [compiler(), *STRICT, *SANITIZED, str(source), "-o", str(program)]
    subprocess.run(words, check=True, capture_output=True)
    done = subprocess.run([str(program), str(made["weights"])], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
