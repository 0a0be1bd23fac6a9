"""Export text to speech as ONNX graphs of several sizes: python -m scripts.export_synthesis --help"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import zoo
from scripts.exporting import bucket
from zoo.errors import SpeechZooError

EXAMPLES = """examples:
  python -m scripts.export_synthesis --weights checkpoint_012000.pt --output graphs/
  python -m scripts.export_synthesis --weights logs/mine --buckets 32/256 64/512 --batch 0 --output graphs/
  python -m scripts.export_synthesis --weights logs/mine --config trt_multi_engine.yaml
  speechzoo speak "Hello." --artifact graphs/ -o hello.wav

A configuration file as the public implementation's trt.yaml gives sizes, batch and paths; each graph is
written beside its engine's path, with the ending .onnx. A file that is there already is kept if it is of
these weights and this size.
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export_synthesis",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="fastspeech", help="registered name (default fastspeech)")
    parser.add_argument("--weights", help="tag, or path of a checkpoint or training folder")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="for the files")
    parser.add_argument(
        "--buckets", type=bucket, nargs="+", metavar="TOKENS/FRAMES", help="sizes (default: the model's)"
    )
    parser.add_argument("--batch", type=int, help="texts of a call; 0 leaves the number free (default 1)")
    parser.add_argument("--config", type=Path, metavar="YAML", help="sizes, batch and paths from such a file")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    arguments = parser.parse_args(argv)
    if bool(arguments.config) == bool(arguments.output):
        parser.error("either --output FOLDER or --config YAML is needed")
    if arguments.config and (arguments.buckets or arguments.batch is not None):
        parser.error("--config has sizes and batch inside; leave --buckets and --batch out")
    try:
        reports = _export(arguments)
    except (SpeechZooError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f'error: exporting needs {error.name}: pip install ".[onnx]"', file=sys.stderr)
        return 1
    for path, report in reports.items():
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {report or 'there already, the same'}")
    return 0


def _export(arguments: argparse.Namespace) -> dict[Path, object]:
    from converters.subjects.synthesis import default_buckets, export_or_keep, file_name
    from zoo.tasks.synthesis.engine_config import read_engine_config

    if arguments.weights is None:
        print("no weights given: the graphs get random ones", file=sys.stderr)
    model = zoo.create_model(arguments.model, arguments.weights)
    if arguments.config:
        wanted = read_engine_config(arguments.config)
        sizes = dict(zip(wanted.graphs, wanted.buckets, strict=True))
        batch, force = wanted.batch, wanted.force_build or arguments.force
    else:
        buckets = arguments.buckets or default_buckets(model)
        sizes = {arguments.output / file_name(model, *size): size for size in buckets}
        batch, force = arguments.batch if arguments.batch is not None else 1, arguments.force
    say = partial(print, file=sys.stderr)
    return {
        path: export_or_keep(
            model, path, tokens=tokens, frames=frames, batch=batch or "batch", force=force, progress=say
        )
        for path, (tokens, frames) in sizes.items()
    }


if __name__ == "__main__":
    sys.exit(main())
