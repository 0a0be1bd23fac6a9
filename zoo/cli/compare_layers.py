"""Compare every layer of a network with what a backend makes of it.

The layers that differ too much come first. For an enhancer they are in the order in which they begin to
differ, so the first one is the cause; for other models the one that is furthest off comes first. --sort
chooses between the two. In text to speech the backend gets PyTorch's durations, and padding is not compared.

examples:
  speechzoo compare-layers --model gtcrn --weights dns3 --against onnx
  speechzoo compare-layers --model dpcrn --against engine --rtx --plot layers.png     # needs the GPU
  speechzoo compare-layers --model fastspeech --weights checkpoint_012000.pt --text "Hello, world." \\
      --against onnx --fp16 --show mel_linear
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.cli._arguments import bucket, one_sentence, positive
from zoo.cli._model import add_model_arguments, load_model
from zoo.extras import extra
from zoo.files import atomic
from zoo.signal.plot import check_picture
from zoo.tasks import get_task, list_tasks
from zoo.tasks.synthesis.engine_config import read_engine_config

if TYPE_CHECKING:
    from converters.layers import Layer
    from zoo.artifact.engine import Precision
    from zoo.spec import ModelSpec

GROUP = "measure"
SHOWN = 20
# Options of which calls; each task knows some, and given to another they are an error.
OPTIONS = ("form", "offline", "frames", "calls", "text", "bucket", "alpha", "own_durations")
COLUMNS = ("layer", "identical", "errors", "largest difference", "of the peak", "SNR dB", "first call")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_model_arguments(parser)
    add("--against", choices=("onnx", "torchscript", "exported", "engine"), required=True)
    add("--rtx", action="store_true", help="the engine is one of TensorRT for RTX")
    add("--fp16", action="store_true", help="the graph that fp16 engines are built from, or such an engine")
    add("--sort", choices=("first", "worst"), help="the order (default: first of enhancers, worst of others)")
    forms = dict.fromkeys(form for task in list_tasks() for form in get_task(task).manifest.forms)
    more = parser.add_argument_group("enhancement and speakers").add_argument
    more("--form", choices=tuple(forms), help="(default wav2wav; of speaker models feats)")
    more("--offline", action="store_true", default=None, help="enhancers: whole recordings, cut to --frames")
    more("--frames", type=positive, help="of a call of an offline graph (default 100; of speaker models 200)")
    more("--calls", type=positive, help="at most so many (default 100; of speaker models 10)")
    synthesis = parser.add_argument_group("text to speech")
    more = synthesis.add_argument
    more("--text", help="what is spoken, each sentence a call (default: a greeting)")
    more("--bucket", type=bucket, metavar="TOKENS/FRAMES", help="size (default: the smallest that fits)")
    more("--alpha", type=float, help="how slowly (default 1)")
    more(
        "--own-durations",
        action="store_true",
        default=None,
        help="the backend takes the durations that it predicts, not PyTorch's",
    )
    more("--config", type=Path, metavar="YAML", help="sizes and precision of this file, such as trt.yaml")
    add("--show", nargs="+", default=[], metavar="LAYER", help="print values of these layers of both, too")
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
        for layer in sorted(layers, key=lambda layer: layer.order):
            if layer.values is not None:
                print(_values(layer, args.against))
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


def _values(layer: Layer, against: str) -> str:
    """The values of a layer in both, and their differences; of long ones the ends of each axis."""
    assert layer.values is not None
    ours, theirs = layer.values
    call = layer.first_call or 0
    lines = [f"\n{layer.name}, shape {ours.shape}, call {call}"]
    with np.printoptions(precision=6, threshold=60, edgeitems=3, linewidth=110):
        for name, value in (("PyTorch", ours), (against, theirs), ("difference", theirs - ours)):
            lines += [f"{name}:", str(value)]
    return "\n".join(lines)


def _record(layer: Layer) -> dict[str, object]:
    """For JSON, which has no infinity: none is the SNR of what is identical."""
    figures = {**asdict(replace(layer, values=None)), "passed": layer.passed}
    del figures["values"]  # which are for the eye
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in figures.items()
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
    import converters

    model = load_model(args)
    options = _options(args, model.spec)
    judging = _judging(args)
    if args.config:
        options["buckets"], judging = _of_config(args, model.spec, judging)
    if args.sort:
        options["worst"] = args.sort == "worst"
    say = partial(print, file=sys.stderr)
    return converters.compare_layers(model, args.against, progress=say, keep=args.show, **judging, **options)


def _of_config(
    args: argparse.Namespace, spec: ModelSpec, judging: dict[str, Any]
) -> tuple[tuple[tuple[int, int], ...], dict[str, Any]]:
    """The sizes of a configuration of engines, and its precision where the backend has it.

    Raises:
        ValueError: the model is for another task.
        CheckpointError: see ``read_engine_config``.
    """
    if spec.task != "synthesis":
        raise ValueError(f"--config is for synthesis; {spec.name} is a model for {spec.task}")
    config = read_engine_config(args.config)
    if config.half and args.against in ("onnx", "engine"):
        args.fp16 = True
        judging = _judging(args)
    return config.buckets, judging


def _options(args: argparse.Namespace, spec: ModelSpec) -> dict[str, Any]:
    """The options that were given, as ``compare_layers`` takes them.

    Raises:
        ValueError: one is for models of other tasks.
    """
    from converters.subjects import get_subject

    known = {task: inspect.signature(get_subject(task).calls).parameters for task in list_tasks()}
    options = {}
    for option in OPTIONS:
        if (value := getattr(args, option)) is None:
            continue
        name, value = ("streaming", False) if option == "offline" else (option, value)
        if name not in known[spec.task]:
            takers = " and ".join(task for task, names in known.items() if name in names)
            raise ValueError(
                f"--{option.replace('_', '-')} is for {takers}; {spec.name} is a model for {spec.task}"
            )
        options[name] = value
    return options


def _judging(args: argparse.Namespace) -> dict[str, Any]:
    """What all models share: the precision, the tolerance, and what builds engines."""
    from converters.layers import LAYER_TOLERANCES
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
