"""Write a model repository for Triton Inference Server: python -m scripts.make_triton_repository --help"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import converters
from zoo.errors import SpeechZooError

EXAMPLES = """examples:
  python -m scripts.make_triton_repository --artifact gtcrn.onnx --folder repository
  python -m scripts.make_triton_repository --artifact ecapa.onnx --folder repository --device gpu --tensorrt

An enhancer's artifact is exported with --streams 0, best with --hops 0 too.
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.make_triton_repository",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--artifact", type=Path, required=True, metavar="ONNX", help="with a speechzoo manifest")
    add("--folder", type=Path, required=True, help="to write")
    add("--name", help="of the model on the server (default: its registered name)")
    add("--device", choices=("cpu", "gpu"), default="cpu", help="default cpu")
    add("--instances", type=int, default=1, metavar="N", help="copies that compute at once (default 1)")
    add("--max-batch-size", type=int, default=0, metavar="N", help="streams or recordings of one call")
    add(
        "--queue-delay",
        type=float,
        default=0.0,
        metavar="S",
        help="a request may wait for others (default 0)",
    )
    add("--tensorrt", action="store_true", help="let ONNX Runtime build TensorRT engines on the server")
    add("--fp16", action="store_true", help="of those engines")
    add(
        "--engine", type=Path, metavar="PLAN", help="a TensorRT engine of the same graph, served in its place"
    )
    add(
        "--seconds",
        type=float,
        nargs=2,
        metavar=("USUAL", "LONGEST"),
        help="of a speaker's recordings, for profiles and as the limit (default 2 60)",
    )
    add("--container", metavar="IMAGE", help="of the server")
    add("--force", action="store_true", help="replace the folder")
    arguments = parser.parse_args(argv)
    try:
        from converters.triton.repository import CONTAINER, SECONDS, Serving

        serving = Serving(
            device=arguments.device,
            instances=arguments.instances,
            max_batch_size=arguments.max_batch_size,
            queue_delay=arguments.queue_delay,
            tensorrt=arguments.tensorrt,
            fp16=arguments.fp16,
            engine=arguments.engine,
            seconds=tuple(arguments.seconds or SECONDS),
            container=arguments.container or CONTAINER,
        )
        models = converters.write_repository(
            arguments.artifact, arguments.folder, serving, name=arguments.name, force=arguments.force
        )
    except (SpeechZooError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f'error: a model repository needs {error.name}: pip install ".[triton]"', file=sys.stderr)
        return 1
    print(f"{arguments.folder}: {', '.join(models)}; see {arguments.folder / 'README.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
