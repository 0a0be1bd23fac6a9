"""Compare every layer of a network with what a backend makes of it: python -m scripts.verify_layers --help"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from zoo.errors import SpeechZooError

EXAMPLES = """examples:
  python -m scripts.verify_layers --model gtcrn --weights dns3 --against onnx
  python -m scripts.verify_layers --model dpcrn --against engine --rtx --plot layers.png     # needs the GPU

The layers that fail come first, by the frame and the order in which they do; the first one is the cause.
"""
SHOWN = 20


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        layers = _verify(arguments)
        if arguments.plot:
            plot(layers, arguments.plot, f"{arguments.model} in PyTorch and {arguments.against}")
    except (SpeechZooError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    failed = [layer for layer in layers if not layer.passed]
    if arguments.json:
        print(json.dumps([{**asdict(layer), "passed": layer.passed} for layer in layers], indent=1))
    else:
        shown = layers if arguments.all else [*failed, *layers[len(failed) :][:SHOWN]]
        print(table(shown))
        print(f"{len(layers) - len(failed)} of {len(layers)} layers agree, {len(failed)} fail")
    return 1 if failed else 0


def table(layers: Sequence[object]) -> str:
    """Aligned columns."""
    rows = [("layer", "SNR dB", "largest difference", "first call")]
    for layer in layers:
        record = asdict(layer)  # type: ignore[call-overload]
        first = "" if record["first_call"] is None else str(record["first_call"])
        rows.append((record["name"], f"{record['snr_db']:.1f}", f"{record['max_error']:.1e}", first))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join("  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)) for row in rows)


def plot(layers: Sequence[object], path: Path, title: str) -> None:
    """SNR of every layer, in the order of the network."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise SpeechZooError(f'--plot needs {error.name}: pip install ".[plot]"') from error
    records = sorted((asdict(layer) for layer in layers), key=lambda r: r["order"])  # type: ignore[call-overload]
    figure = Figure(figsize=(9, 0.16 * len(records) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    snr = [min(200.0, max(-20.0, record["snr_db"])) for record in records]
    colours = ["tab:blue" if record["first_call"] is None else "tab:red" for record in records]
    axes.barh(range(len(records)), snr, color=colours)
    axes.set_yticks(range(len(records)), [record["name"] for record in records], fontsize=6)
    axes.invert_yaxis()
    axes.set_xlabel("SNR / dB")
    axes.set_title(title)
    figure.savefig(path, dpi=120)


def _verify(arguments: argparse.Namespace) -> list[object]:
    from functools import partial

    from converters.graph import Layout, traceable
    from converters.layers import verify_layers
    from converters.tensorrt import build_engine
    from scripts.exporting import load_model
    from zoo.artifact.golden import parity_speech
    from zoo.runtime.spectrum import Transforms
    from zoo.spec import Tolerance
    from zoo.streaming.conversion import to_deployment
    from zoo.streaming.state import StreamingModule

    model = load_model(arguments)
    if not isinstance(model, StreamingModule):
        raise ValueError(f"{model.spec.name} is a model for {model.spec.task}; this verifies enhancers")
    streaming = model.spec.streaming and not arguments.offline
    layout = Layout(arguments.form, streaming, frames=None if streaming else arguments.frames)
    layout.check(model.spec)
    given = traceable(to_deployment(model, arguments.form), layout)
    front_end = model.spec.front_end
    signal = parity_speech(front_end.sample_rate)[None]
    axis, length = 1, given.arguments[0].shape[-1]
    if arguments.form == "spec2spec":
        hops = signal[:, : signal.shape[1] // front_end.hop_length * front_end.hop_length]
        signal = Transforms(front_end).analyse(hops, np.zeros((1, front_end.delay), np.float32))[0]
        axis, length = 2, given.arguments[0].shape[2]
    pieces = [
        np.take(signal, np.arange(at, at + length), axis=axis)
        for at in range(0, signal.shape[axis] - length + 1, length)
    ][: arguments.calls]
    if not pieces:
        raise ValueError(f"{arguments.frames} frames are more than the speech of the package has")
    return verify_layers(
        given.module,
        [(piece,) for piece in pieces],
        arguments.against,
        inputs=[spec.name for spec in given.inputs],
        outputs=[spec.name for spec in given.outputs],
        states=len(given.inputs) - 1,
        tolerance=Tolerance(arguments.snr, arguments.max_error),
        build=partial(build_engine, flavour="tensorrt_rtx" if arguments.rtx else "tensorrt"),
    )


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
    add("--form", choices=("wav2wav", "spec2spec"), default="wav2wav")
    add("--offline", action="store_true", help="whole recordings, cut to --frames")
    add("--frames", type=int, default=100, help="of a call of an offline graph (default 100)")
    add("--calls", type=int, default=100, help="at most so many (default 100)")
    add("--snr", type=float, default=80.0, help="a layer fails below so many dB ... (default 80)")
    add(
        "--max-error",
        type=float,
        default=1e-4,
        help="... if it differs by more too (default 1e-4)",
    )
    add("--all", action="store_true", help=f"show all layers, not only those that fail and {SHOWN} more")
    add("--json", action="store_true", help="print JSON")
    add("--plot", type=Path, metavar="PNG", help="draw the SNR of every layer")
    return parser


if __name__ == "__main__":
    sys.exit(main())
