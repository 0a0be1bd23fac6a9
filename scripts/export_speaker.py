"""Export a speaker network to ONNX, checked: python -m scripts.export_speaker --help"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import converters
import zoo
from zoo.errors import SpeechZooError
from zoo.tasks.speaker.embedder import read_mean

if TYPE_CHECKING:
    from zoo.networks.base import Network

EXAMPLES = """examples:
  python -m scripts.export_speaker --folder exp/resnet --mean-vec mean_vec.npy --onnx-path resnet34.onnx
  python -m scripts.export_speaker --model campplus --checkpoint campplus.pt --form wav --onnx-path c.onnx
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export_speaker",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--folder", type=Path, help="training folder: avg_model.pt and config.yaml")
    source.add_argument("--checkpoint", type=Path, help="checkpoint without configuration; with --model")
    parser.add_argument("--model", help="registered name (default: the one that the folder names)")
    parser.add_argument("--mean-vec", type=Path, help=".npy file with the vector to subtract in the graph")
    parser.add_argument("--form", choices=("feats", "wav"), default="feats", help="default feats")
    parser.add_argument("--language", default="unknown", help="of the training data, for sherpa-onnx")
    parser.add_argument("--onnx-path", type=Path, required=True, help="the file to write")
    parser.add_argument("--opset", type=int, default=18, help="of ONNX, 18 to 23 (default 18)")
    arguments = parser.parse_args(argv)
    try:
        report = converters.export_speaker(
            _model(arguments),
            arguments.onnx_path,
            arguments.form,
            mean=None if arguments.mean_vec is None else read_mean(arguments.mean_vec),
            language=arguments.language,
            opset=arguments.opset,
            progress=lambda line: print(line, file=sys.stderr),
        )
    except (SpeechZooError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f'error: exporting needs {error.name}: pip install ".[onnx]"', file=sys.stderr)
        return 1
    size = arguments.onnx_path.stat().st_size / 1e6
    print(f"{arguments.onnx_path}: {size:.1f} MB, {report}")
    return 0


def _model(arguments: argparse.Namespace) -> Network:
    from zoo.create import model_of

    weights = arguments.folder or arguments.checkpoint
    if arguments.model is None and arguments.folder is None:
        raise ValueError("--model is needed: a checkpoint alone does not say which model it is one of")
    return zoo.create_model(arguments.model or model_of(weights), weights)


if __name__ == "__main__":
    sys.exit(main())
