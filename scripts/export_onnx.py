"""Export a model to ONNX, checked against its training form: python -m scripts.export_onnx --help"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import converters
import zoo
from zoo.errors import CheckpointError, SpeechZooError

if TYPE_CHECKING:
    from zoo.streaming.state import StreamingModule

EXAMPLES = """examples:
  python -m scripts.export_onnx --model gtcrn --weights dns3 --form wav2wav --onnx-path gtcrn.onnx
  python -m scripts.export_onnx --model dpcrn --checkpoint dpcrn.pt --offline --frames 563 --onnx-path d.onnx
  python -m scripts.export_onnx -n fastenhancer_t --onnx-path fastenhancer_t.onnx   # from logs/fastenhancer_t
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export_onnx",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--weights", help="tag of trained weights, or the path of a checkpoint")
    source.add_argument("--checkpoint", help="path of a checkpoint or training folder")
    source.add_argument("-n", "--name", help="training folder logs/NAME; its config.yaml names the model")
    parser.add_argument("--model", help="registered name; see speechzoo list")
    parser.add_argument("--form", choices=("wav2wav", "spec2spec"), default="wav2wav")
    parser.add_argument("--onnx-path", type=Path, required=True, help="the file to write")
    parser.add_argument("--streams", type=int, help="streams of a call; 0 leaves the number free (default 1)")
    parser.add_argument("--hops", type=int, help="frames of a call; 0 leaves the number free (default 1)")
    parser.add_argument("--offline", action="store_true", help="whole recordings instead of states")
    parser.add_argument("--frames", type=int, help="fixes the length of an offline graph")
    parser.add_argument("--opset", type=int, help="of ONNX, 18 to 23 (default: the lowest that is fast)")
    arguments = parser.parse_args(argv)
    try:
        model = _model(arguments)
        report = converters.export_onnx(
            model,
            arguments.onnx_path,
            arguments.form,
            streaming=not arguments.offline,
            streams={None: 1, 0: "streams"}.get(arguments.streams, arguments.streams),
            hops={None: 1, 0: "hops"}.get(arguments.hops, arguments.hops),
            frames=arguments.frames,
            opset=arguments.opset,
            progress=lambda line: print(line, file=sys.stderr),
        )
    except (SpeechZooError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f'error: exporting needs {error.name}: pip install ".[onnx]"', file=sys.stderr)
        return 1
    size = arguments.onnx_path.stat().st_size / 1e3
    print(f"{arguments.onnx_path}: {size:.0f} kB, {report}")
    return 0


def _model(arguments: argparse.Namespace) -> StreamingModule:
    if arguments.name is None:
        if arguments.model is None:
            raise ValueError("--model is needed, unless -n names a training folder")
        weights = arguments.weights or arguments.checkpoint
        if weights is None:
            print("no weights given: the graph gets random ones", file=sys.stderr)
        return zoo.create_model(arguments.model, weights)
    from zoo.create import model_of

    folder = Path("logs") / arguments.name
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: there is no training folder with a config.yaml")
    return zoo.create_model(arguments.model or model_of(folder), folder)


if __name__ == "__main__":
    sys.exit(main())
