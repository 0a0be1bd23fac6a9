"""Compare every layer of a network with what a backend makes of it: python -m scripts.verify_layers --help"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.exporting import bucket
from zoo.errors import SpeechZooError

if TYPE_CHECKING:
    from converters.layers import Layer
    from zoo.artifact.engine import Precision
    from zoo.networks.base import Network

EXAMPLES = """examples:
  python -m scripts.verify_layers --model gtcrn --weights dns3 --against onnx
  python -m scripts.verify_layers --model dpcrn --against engine --rtx --plot layers.png     # needs the GPU
  python -m scripts.verify_layers --model fastspeech --weights checkpoint_012000.pt --text "Hello, world." \\
      --against onnx --fp16

The layers that fail come first. Of an enhancer they come by the frame and the order in which they do, and the
first one is the cause; of text to speech the one that is furthest off comes first (--sort has either). There,
PyTorch's durations are forced on the backend, and padding is not compared.
"""
SHOWN = 20
TEXT = "Hello, world."
# Which options go with which models; given to others they are an error.
OPTIONS = {
    "enhancement": ("form", "offline", "frames", "calls"),
    "synthesis": ("text", "bucket", "alpha", "own_durations"),
}
COLUMNS = ("layer", "identical", "errors", "largest difference", "of the peak", "SNR dB", "first call")


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        layers = _verify(arguments)
        if arguments.plot:
            plot(layers, arguments.plot, f"{arguments.model} in PyTorch and {arguments.against}")
    except (SpeechZooError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f'error: this needs {error.name}: pip install ".[onnx]"', file=sys.stderr)
        return 1
    failed = [layer for layer in layers if not layer.passed]
    if arguments.json:
        print(json.dumps([_record(layer) for layer in layers], indent=1, allow_nan=False))
    else:
        print(table(layers if arguments.all else layers[: len(failed) + SHOWN]))
        print(_summary(layers, failed))
    return 1 if failed else 0


def table(layers: Sequence[Layer]) -> str:
    """Aligned columns."""
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
    """SNR of every layer, in the order of the network."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise SpeechZooError(f'--plot needs {error.name}: pip install ".[plot]"') from error
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
    figure.savefig(path, dpi=120)


def _verify(arguments: argparse.Namespace) -> list[Layer]:
    import converters
    from scripts.exporting import load_model

    model = load_model(arguments)
    _check_options(arguments, model)
    names = OPTIONS.get(model.spec.task, ())
    options = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if options.pop("offline", False):
        options["streaming"] = False
    if arguments.sort:
        options["worst"] = arguments.sort == "worst"
    return converters.compare_layers(
        model,
        arguments.against,
        progress=lambda line: print(line, file=sys.stderr),
        **_judging(arguments),
        **options,
    )


def _check_options(arguments: argparse.Namespace, model: Network) -> None:
    for task, names in OPTIONS.items():
        given = [name for name in names if getattr(arguments, name) is not None]
        if given and task != model.spec.task:
            option = given[0].replace("_", "-")
            raise ValueError(f"--{option} is for {task}; {model.spec.name} is a model for {model.spec.task}")


def _judging(arguments: argparse.Namespace) -> dict[str, Any]:
    """What all models share: the precision, the tolerance, and what builds engines."""
    from functools import partial

    from converters.layers import LAYER_TOLERANCES
    from converters.tensorrt.engine import build_engine
    from zoo.spec import Tolerance

    precision: Precision = "fp16" if arguments.fp16 else "fp32"
    usual = LAYER_TOLERANCES[precision]
    snr, max_error = arguments.snr, arguments.max_error
    return {
        "precision": precision,
        "tolerance": Tolerance(
            usual.snr_db if snr is None else snr, usual.max_error if max_error is None else max_error
        ),
        "build": partial(build_engine, flavour="tensorrt_rtx" if arguments.rtx else "tensorrt"),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.verify_layers",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", help="registered name; see speechzoo list")
    add("--weights", help="tag of trained weights, or the path of a checkpoint")
    add("--checkpoint", help="path of a checkpoint or training folder")
    add("-n", "--name", help="training folder logs/NAME")
    add("--against", choices=("onnx", "torchscript", "exported", "engine"), required=True)
    add("--rtx", action="store_true", help="the engine is one of TensorRT for RTX")
    add("--fp16", action="store_true", help="the graph that fp16 engines are built from, or such an engine")
    add("--sort", choices=("first", "worst"), help="the order (default: first, of text to speech worst)")
    enhancement = parser.add_argument_group("enhancement")
    more = enhancement.add_argument
    more("--form", choices=("wav2wav", "spec2spec"), help="(default wav2wav)")
    more("--offline", action="store_true", default=None, help="whole recordings, cut to --frames")
    more("--frames", type=int, help="of a call of an offline graph (default 100)")
    more("--calls", type=int, help="at most so many (default 100)")
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
