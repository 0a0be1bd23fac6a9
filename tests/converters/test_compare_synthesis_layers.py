"""Layer by layer through text to speech: all of the public activations agree, and what does not is named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters.layers import Layer, compare_layers
from tests.converters.networks import slip
from tests.synthesis import own_name
from zoo.artifact.engine import Precision
from zoo.cli import compare_layers as command
from zoo.cli import main
from zoo.errors import TextError
from zoo.models.fastspeech.model import FastSpeech
from zoo.runtime.nvidia import find_gpu
from zoo.tasks.synthesis.session import Utterance, inputs
from zoo.text.symbols import encode

Capture = pytest.CaptureFixture[str]

BUCKET = (16, 128)
PREDICTOR = "length_regulator.duration_predictor"


def text(alpha: float = 1.0) -> Utterance:
    return Utterance(encode("hello, world.").ids, alpha)


def failed(layers: list[Layer]) -> list[str]:
    return [layer.name for layer in layers if not layer.passed]


def test_the_script(fastspeech_checkpoint: Path, tmp_path: Path, capsys: Capture) -> None:
    """Two sentences; every public activation, the worst first, and no more than the text and its speech."""
    picture = tmp_path / "layers.png"
    words = ["--model", "fastspeech", "--weights", str(fastspeech_checkpoint), "--against", "onnx", "--json"]
    words += ["--text", "Hello, world. Why?", "--plot", str(picture)]
    assert main(["compare-layers", *words]) == 0
    layers = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)}
    assert all(layer["passed"] and layer["errors"] == 0 for layer in layers.values())
    public = [
        name for name in np.load(fastspeech_checkpoint.parent / "case_b1_exact.npz").files if "act/" in name
    ]
    masks = {"act/out.seq_mask", "act/act.length_regulator.dur"}
    assert len(public) == 45 and {own_name(name) for name in public if name not in masks} <= set(layers)
    snr = [layer["snr_db"] for layer in layers.values()]
    known = [value for value in snr if value is not None]
    assert known == sorted(known) and snr[len(known) :] == [None] * (len(snr) - len(known))
    assert min(known) > 100 and all(layers[name]["identical"] for name in ("word_emb", "mel_lengths"))
    tokens = sum(len(encode(sentence).ids) for sentence in ("hello, world.", "why?"))
    total = {name: layer["total"] for name, layer in layers.items()}
    assert total["word_emb"] == total["phoneme_side"] == 384 * tokens
    assert total["durations"] == tokens and total["mel_lengths"] == 2
    frames = total["mel"] // 80
    assert tokens < frames < 2 * 256 and total["mel_linear"] == 80 * frames
    assert total["mel_side.layer_stack.0.pos_ffn.w_1"] == 64 * frames
    assert total["mel_side.layer_stack.0.pos_ffn.w_2"] == total["length_regulator"] == 384 * frames
    assert picture.stat().st_size > 10_000


def test_a_layer_that_differs_is_the_worst(
    small_fastspeech: FastSpeech, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One weight 0.1 % larger in the backend than in PyTorch."""
    name = "mel_side.layer_stack.1.pos_ffn.w_2"
    slip(monkeypatch, f"module.model.{name}.weight")
    layers = compare_layers(small_fastspeech, "onnx", texts=[text()], bucket=BUCKET)
    worst, others = layers[0], [layer for layer in layers if layer.name.startswith("phoneme_side")]
    assert worst.name == name and 50 < worst.snr_db < 70 and not worst.identical
    assert 0 < worst.errors < worst.total and worst.max_error == pytest.approx(1e-3, rel=0.3)
    assert len(others) > 20 and all(layer.passed for layer in others)
    assert command._summary(layers, [x for x in layers if not x.passed]).count(f"; {name} is the first") == 1


@pytest.mark.parametrize("own", [False, True], ids=["forced", "own"])
def test_durations_are_forced(
    small_fastspeech: FastSpeech, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    """A duration that falls to the other side of a half shows by itself, and hides the frames if it may."""
    parameter = small_fastspeech.length_regulator.duration_predictor.linear_layer.weight
    ids, lengths, *_ = map(torch.from_numpy, inputs([text()], BUCKET[0]))
    with torch.inference_mode():
        before = small_fastspeech(ids, lengths, frames=BUCKET[1]).durations[0]
        parameter.data *= 1.001
        after = small_fastspeech(ids, lengths, frames=BUCKET[1]).durations[0]
        parameter.data /= 1.001
    token = int((after / before).nan_to_num(1).log().abs().argmax())
    between = float((before[token] * after[token]).sqrt())
    slow = text(alpha=(round(between) + 0.5) / between)
    slip(monkeypatch, f"module.model.{PREDICTOR}.linear_layer.weight")
    layers = compare_layers(
        small_fastspeech, "onnx", worst=False, texts=[slow], bucket=BUCKET, own_durations=own
    )
    assert layers[0].name == f"{PREDICTOR}.linear_layer"
    wrong = {f"{PREDICTOR}.linear_layer", PREDICTOR, "durations"}
    assert set(failed(layers)) >= wrong if own else set(failed(layers)) == wrong
    assert {"mel", "mel_lengths", "mel_side.position"} <= set(failed(layers)) or not own


def test_figures() -> None:
    """Values that are not finite are errors too; an empty activation has none."""
    from converters.layers import LAYER_TOLERANCE, _layer

    ours = np.array([1.0, -2.0, 4.0, 0.0], np.float32)
    theirs = np.array([1.0, -2.0 - 3e-4, 4.0 + 1e-3, np.nan], np.float32)
    found = _layer("x", 0, [(ours, theirs)], LAYER_TOLERANCE)
    assert (found.errors, found.total, found.identical, found.first_call) == (2, 4, False, 0)
    finite = _layer("x", 0, [(ours[:3], ours[:3]), (ours[:3], theirs[:3])], LAYER_TOLERANCE)
    assert (finite.errors, finite.total, finite.first_call) == (1, 6, 1)
    assert finite.max_difference == pytest.approx(1e-3, rel=1e-3)
    assert finite.max_error == pytest.approx(1e-3 / 4, rel=1e-3)
    assert json.dumps(command._record(found), allow_nan=False)
    nothing = _layer("x", 0, [(ours[:0], ours[:0])], LAYER_TOLERANCE)
    assert nothing.passed and nothing.identical and nothing.total == 0


def test_what_does_not_fit(small_fastspeech: FastSpeech) -> None:
    with pytest.raises(TextError, match=r"13 tokens, and the size is 8 tokens to 128 frames; name a larger"):
        compare_layers(small_fastspeech, "onnx", texts=[text()], bucket=(8, 128))
    with pytest.raises(TextError, match=r"13 tokens and takes \d+ frames, and the size is 32 tokens to 256"):
        compare_layers(small_fastspeech, "onnx", texts=[text(9.0)])
    with pytest.raises(ValueError, match="each must be from 1 to 256"):
        compare_layers(small_fastspeech, "onnx", texts=[text()], bucket=(16, 300))
    with pytest.raises(ValueError, match=r"call model.eval\(\)"):
        compare_layers(small_fastspeech, "onnx", texts=[])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--against", "onnx", "--form", "wav2wav"],
            "--form is for enhancement and speaker; fastspeech is a model",
        ),
        (["--against", "onnx", "--text", "~"], "nothing in it can be spoken"),
        (["--against", "onnx", "--alpha", "11"], "alpha 11.0: expected from 0.1 to 10"),
    ],
)
def test_bad_arguments(fastspeech_checkpoint: Path, capsys: Capture, words: list[str], message: str) -> None:
    source = ["--model", "fastspeech", "--weights", str(fastspeech_checkpoint)]
    assert main(["compare-layers", *source, *words]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("speechzoo: ") and message in told


def test_options_of_another_task(capsys: Capture) -> None:
    words = ["--model", "fastenhancer_t", "--weights", "speechzoo", "--against", "onnx", "--own-durations"]
    assert main(["compare-layers", *words]) == 1
    assert "--own-durations is for synthesis; fastenhancer_t is a model for" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["compare-layers", *words, "--bucket", "large"])
    assert "expected TOKENS/FRAMES such as 32/256, got 'large'" in capsys.readouterr().err


def test_sixteen_bits(fastspeech_checkpoint: Path, capsys: Capture) -> None:
    """All that leads to a duration is as in 32 bits; what follows differs by what 16 bits allow."""
    words = ["--model", "fastspeech", "--weights", str(fastspeech_checkpoint), "--against", "onnx", "--fp16"]
    assert main(["compare-layers", *words, "--bucket", "16/128", "--json"]) == 0
    layers = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)}
    snr = {name: math.inf if x["snr_db"] is None else x["snr_db"] for name, x in layers.items()}
    assert len(layers) == 65 and list(snr.values()) == sorted(snr.values())
    path = [
        n for n in snr if n.startswith(("word_emb", "phoneme_side", PREDICTOR, "durations", "mel_lengths"))
    ]
    assert len(path) > 30 and all(snr[name] > 100 for name in path)
    assert all(40 < snr[name] < 90 for name in snr if name.startswith(("mel_side.layer_stack", "mel_linear")))


def test_precisions_that_are_not_compared() -> None:
    from converters.layers import verify_layers

    names = {"inputs": ["x"], "outputs": ["y"]}
    for against, precision in (("torchscript", "fp16"), ("onnx", "int8")):
        with pytest.raises(ValueError, match=f"{against} in {precision} is not compared; take fp32, or fp16"):
            verify_layers(torch.nn.ReLU(), [], against, precision=precision, **names)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.skipif(find_gpu() is not None, reason="needs a machine without a GPU")
def test_an_engine_is_compiled_with_all_layers(small_fastspeech: FastSpeech, precision: Precision) -> None:
    """As far as it can be seen without a GPU: to run it takes one, and is asked for in one sentence."""
    from converters import build_engine
    from zoo.errors import MissingExtraError

    built = []

    def build(graph: Path, engine: Path, **options: Any) -> None:
        try:
            built.append(build_engine(graph, engine, flavour="tensorrt_rtx", targets=["8.6"], **options))
        except MissingExtraError as error:
            pytest.skip(f"needs tensorrt-rtx: {error}")

    with pytest.raises(MissingExtraError, match="needs an NVIDIA GPU and PyTorch with CUDA"):
        compare_layers(
            small_fastspeech, "engine", texts=[text()], bucket=BUCKET, precision=precision, build=build
        )
    assert built[0].layers > 100 and built[0].record.precision == precision


def test_values_and_a_configuration(fastspeech_checkpoint: Path, tmp_path: Path, capsys: Capture) -> None:
    """Sizes and precision are the file's; a layer's values are those of both, and what lies between."""
    config = tmp_path / "trt.yaml"
    config.write_text(
        "use_fp16: True\ntrt_file_path: a.trt\ntrt_max_input_seq_len: 16\ntrt_max_output_seq_len: 128\n"
    )
    words = ["--model", "fastspeech", "--weights", str(fastspeech_checkpoint), "--against", "onnx"]
    words += ["--config", str(config)]
    assert main(["compare-layers", *words, "--show", "word_emb"]) == 0
    told = capsys.readouterr().out
    assert "word_emb, shape (1, 13, 384), call 0\nPyTorch:\n[[[" in told
    assert told.count("\nonnx:") == told.count("\ndifference:") == 1
    assert main(["compare-layers", *words, "--show", "word_emd"]) == 1
    assert "there is no layer 'word_emd'; like it are word_emb" in capsys.readouterr().err
    assert main(["compare-layers", *words, "--text", "Hello there, this is too long for it. " * 2]) == 0
    gtcrn = ["--model", "gtcrn", "--weights", "speechzoo", "--against", "onnx", "--config", str(config)]
    assert main(["compare-layers", *gtcrn]) == 1
    assert "--config is for synthesis; gtcrn is a model for enhancement" in capsys.readouterr().err
