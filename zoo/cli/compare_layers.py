"""Compare every layer of a network with what a backend makes of it.

The layers that fail come first. Of an enhancer they come by the frame and the order in which they do, and the
first one is the cause; of text to speech the one that is furthest off comes first (--sort has either). There,
PyTorch's durations are forced on the backend, and padding is not compared.

examples:
  speechzoo compare-layers --model gtcrn --weights dns3 --against onnx
  speechzoo compare-layers --model dpcrn --against engine --rtx --plot layers.png     # needs the GPU
  speechzoo compare-layers --model fastspeech --weights checkpoint_012000.pt --text "Hello, world." \\
      --against onnx --fp16
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.cli._arguments import bucket, one_sentence, positive
from zoo.cli._model import add_model_arguments, load_model
from zoo.extras import extra
from zoo.files import atomic
from zoo.signal.plot import check_picture

if TYPE_CHECKING:
    from converters.compare_layers import Layer
    from zoo.artifact.engine import Precision
    from zoo.artifact.manifest import Form
    from zoo.networks.base import Network
    from zoo.networks.streaming import StreamingModule
    from zoo.networks.synthesis import SynthesisNetwork

GROUP = "measure"
SHOWN = 20
TEXT = "Hello, world."
# Which options go with which models; given to others they are an error.
OPTIONS = {
    "enhancement": ("form", "offline", "frames", "calls"),
    "synthesis": ("text", "bucket", "alpha", "own_durations"),
}
COLUMNS = ("layer", "identical", "errors", "largest difference", "of the peak", "SNR dB", "first call")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_model_arguments(parser)
    add("--against", choices=("onnx", "torchscript", "exported", "engine"), required=True)
    add("--rtx", action="store_true", help="the engine is one of TensorRT for RTX")
    add("--fp16", action="store_true", help="the graph that fp16 engines are built from, or such an engine")
    add("--sort", choices=("first", "worst"), help="the order (default: first, of text to speech worst)")
    enhancement = parser.add_argument_group("enhancement")
    more = enhancement.add_argument
    more("--form", choices=("wav2wav", "spec2spec"), help="(default wav2wav)")
    more("--offline", action="store_true", default=None, help="whole recordings, cut to --frames")
    more("--frames", type=positive, help="of a call of an offline graph (default 100)")
    more("--calls", type=positive, help="at most so many (default 100)")
    synthesis = parser.add_argument_group("text to speech")
    more = synthesis.add_argument
    more("--text", help=f"what is spoken, each sentence a call (default {TEXT!r})")
    more("--bucket", type=bucket, metavar="TOKENS/FRAMES", help="size (default: the smallest that fits)")
    more("--alpha", type=float, help="how slowly (default 1)")
    more(
        "--own-durations",
        action="store_true",
        default=None,
        help="the backend takes the durations that it predicts, not PyTorch's",
    )
    add("--snr", type=float, help="a layer fails below so many dB ... (default 80; with --fp16 40)")
    add("--max-error", type=float, help="... if it differs by more too (default 1e-4; with --fp16 3e-2)")
    add("--all", action="store_true", help=f"show all layers, not only those that fail and {SHOWN} more")
    add("--json", action="store_true", help="print JSON")
    add("--plot", type=Path, metavar="PNG", help="draw the SNR of every layer")


def run(args: argparse.Namespace) -> int:
    with one_sentence(), extra("onnx", "comparing layers"):
        if args.plot:
            check_picture(args.plot, force=True)
        layers = _verify(args)
        if args.plot:
            plot(layers, args.plot, f"{args.model} in PyTorch and {args.against}")
    failed = [layer for layer in layers if not layer.passed]
    if args.json:
        print(json.dumps([_record(layer) for layer in layers], indent=1, allow_nan=False))
    else:
        print(table(layers if args.all else layers[: len(failed) + SHOWN]))
        print(_summary(layers, failed))
    return 1 if failed else 0


def table(layers: Sequence[Layer]) -> str:
    """Write layers in aligned columns."""
    rows = [COLUMNS]
    for layer in layers:
        rows.append(
            (
                layer.name,
                "yes" if layer.identical else "no",
                f"{layer.errors} of {layer.total}",
                f"{layer.max_difference:.1e}",
                f"{layer.max_error:.1e}",
                f"{layer.snr_db:.1f}",
                "" if layer.first_call is None else str(layer.first_call),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _summary(layers: Sequence[Layer], failed: Sequence[Layer]) -> str:
    identical = sum(layer.identical for layer in layers)
    agree = f"{len(layers) - len(failed)} of {len(layers)} layers agree, {identical} of them to the last bit"
    if not failed:
        return f"{agree}, 0 fail"
    cause = min(failed, key=lambda layer: (layer.first_call, layer.order))
    return f"{agree}; {cause.name} is the first that differs; {len(failed)} fail"


def _record(layer: Layer) -> dict[str, object]:
    """For JSON, which has no infinity: none is the SNR of what is identical."""
    values = {**asdict(layer), "passed": layer.passed}
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


def plot(layers: Sequence[Layer], path: Path, title: str) -> None:
    """Draw the SNR of every layer, in the order of the network."""
    with extra("plot", "--plot"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    layers = sorted(layers, key=lambda layer: layer.order)
    figure = Figure(figsize=(9, 0.16 * len(layers) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    snr = [min(200.0, max(-20.0, layer.snr_db)) for layer in layers]
    axes.barh(range(len(layers)), snr, color=["tab:blue" if layer.passed else "tab:red" for layer in layers])
    axes.set_yticks(range(len(layers)), [layer.name for layer in layers], fontsize=6)
    axes.invert_yaxis()
    axes.set_xlabel("SNR / dB")
    axes.set_title(title)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _verify(args: argparse.Namespace) -> list[Layer]:
    from converters.compare_layers import worst_first
    from zoo.networks.streaming import StreamingModule
    from zoo.networks.synthesis import SynthesisNetwork

    model = load_model(args, "onnx")
    _check_options(args, model)
    if isinstance(model, SynthesisNetwork):
        layers = _verify_synthesis(args, model)
    elif isinstance(model, StreamingModule):
        layers = _verify_enhancer(args, model)
    else:
        raise ValueError(
            f"{model.spec.name} is a model for {model.spec.task}; this verifies enhancers and text to speech"
        )
    worst = args.sort == "worst" if args.sort else isinstance(model, SynthesisNetwork)
    return worst_first(layers) if worst else layers


def _check_options(args: argparse.Namespace, model: Network) -> None:
    for task, names in OPTIONS.items():
        given = [name for name in names if getattr(args, name) is not None]
        if given and task != model.spec.task:
            option = given[0].replace("_", "-")
            raise ValueError(f"--{option} is for {task}; {model.spec.name} is a model for {model.spec.task}")


def _verify_synthesis(args: argparse.Namespace, model: SynthesisNetwork) -> list[Layer]:
    from converters.compare_synthesis_layers import verify_synthesis_layers
    from converters.subjects.synthesis import default_buckets
    from zoo.tasks.synthesis.session import Utterance
    from zoo.tasks.synthesis.synthesizer import LEAST_ALPHA, MOST_ALPHA
    from zoo.text.dictionary import as_read
    from zoo.text.normalise import normalise
    from zoo.text.sentences import split
    from zoo.text.symbols import encode

    alpha = 1.0 if args.alpha is None else args.alpha
    if not LEAST_ALPHA <= alpha <= MOST_ALPHA:
        raise ValueError(f"alpha {alpha!r}: expected from {LEAST_ALPHA:g} to {MOST_ALPHA:g}")
    symbols = model.spec.symbols
    most, _ = args.bucket or default_buckets(model)[-1]
    text = TEXT if args.text is None else args.text
    said, _ = as_read(normalise(text), symbols)
    unknown = encode(said, symbols).unknown
    if unknown:
        print(f"left out, since there are no symbols for them: {' '.join(unknown)}", file=sys.stderr)
    pieces = split(said, lambda text: len(encode(text, symbols).ids), max(1, most))
    found = [encode(piece.text, symbols).ids for piece in pieces]
    texts = [Utterance(ids, alpha) for ids in found if ids]
    if not texts:
        raise ValueError(f"{text!r}: nothing in it can be spoken")
    return verify_synthesis_layers(
        model,
        texts,
        args.against,
        bucket=args.bucket,
        own_durations=bool(args.own_durations),
        **_judging(args),
    )


def _judging(args: argparse.Namespace) -> dict[str, Any]:
    """What all models share: the precision, the tolerance, and what builds engines."""
    from functools import partial

    from converters.compare_layers import LAYER_TOLERANCES
    from converters.tensorrt.engine import build_engine
    from zoo.spec import Tolerance

    precision: Precision = "fp16" if args.fp16 else "fp32"
    usual = LAYER_TOLERANCES[precision]
    snr, max_error = args.snr, args.max_error
    return {
        "precision": precision,
        "tolerance": Tolerance(
            usual.snr_db if snr is None else snr, usual.max_error if max_error is None else max_error
        ),
        "build": partial(build_engine, flavour="tensorrt_rtx" if args.rtx else "tensorrt"),
    }


def _verify_enhancer(args: argparse.Namespace, model: StreamingModule) -> list[Layer]:
    from converters.compare_layers import verify_layers
    from converters.export import Layout, traceable
    from zoo.artifact.golden import parity_speech
    from zoo.streaming.conversion import to_deployment
    from zoo.tasks.enhancement.spectrum import Transforms

    form: Form = args.form or "wav2wav"
    frames, calls = (100 if n is None else n for n in (args.frames, args.calls))
    streaming = model.spec.streaming and not args.offline
    layout = Layout(form, streaming, frames=None if streaming else frames)
    layout.check(model.spec)
    given = traceable(to_deployment(model, form), layout)
    front_end = model.spec.front_end
    signal = parity_speech(front_end.sample_rate)[None]
    axis, length = 1, given.arguments[0].shape[-1]
    if form == "spec2spec":
        hops = signal[:, : signal.shape[1] // front_end.hop_length * front_end.hop_length]
        signal = Transforms(front_end).analyse(hops, np.zeros((1, front_end.delay), np.float32))[0]
        axis, length = 2, given.arguments[0].shape[2]
    pieces = [
        np.take(signal, np.arange(at, at + length), axis=axis)
        for at in range(0, signal.shape[axis] - length + 1, length)
    ][:calls]
    if not pieces:
        raise ValueError(f"{frames} frames are more than the speech of the package has")
    return verify_layers(
        given.module,
        [(piece,) for piece in pieces],
        args.against,
        inputs=[spec.name for spec in given.inputs],
        outputs=[spec.name for spec in given.outputs],
        states=len(given.inputs) - 1,
        **_judging(args),
    )
