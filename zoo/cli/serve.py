"""Write a model repository for Triton Inference Server.

Every tensor, state and dimension in it comes from the graph and its manifest. Beside the models it writes a
README, a Dockerfile for the server and one for the client, which is speechzoo client. Call it again to add
another artifact's models to the folder. Export an enhancer for it with --streams 0, best with --hops 0 too.

examples:
  speechzoo serve --artifact gtcrn.onnx --folder repository
  speechzoo serve --artifact ecapa.onnx --folder repository
  speechzoo serve --artifact ecapa.onnx --folder other --device gpu --tensorrt
"""

from __future__ import annotations

import argparse
from pathlib import Path

from zoo.cli._arguments import above_zero, one_sentence, positive
from zoo.extras import extra

GROUP = "make artifacts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--artifact", type=Path, required=True, metavar="ONNX", help="with a speechzoo manifest")
    add("--folder", type=Path, required=True, help="to write, or to add to: one server for several artifacts")
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
        type=above_zero,
        nargs=2,
        metavar=("USUAL", "LONGEST"),
        help="of a speaker's recordings, for profiles and as the limit (default 2 60)",
    )
    add("--idle", type=above_zero, default=60.0, metavar="S", help="forget a stream after (default 60 s)")
    add("--streams", type=positive, default=1024, metavar="N", help="that an instance holds (default 1024)")
    add("--container", metavar="IMAGE", help="of the server")
    add("--force", action="store_true", help="replace models of the same names; all others stay")


def run(args: argparse.Namespace) -> int:
    with extra("triton", "a model repository"):
        from converters.triton.repository import CONTAINER, SECONDS, Serving, write_repository
    with one_sentence():
        serving = Serving(
            device=args.device,
            instances=args.instances,
            max_batch_size=args.max_batch_size,
            queue_delay=args.queue_delay,
            tensorrt=args.tensorrt,
            fp16=args.fp16,
            engine=args.engine,
            seconds=tuple(args.seconds or SECONDS),
            idle=args.idle,
            streams=args.streams,
            container=args.container or CONTAINER,
        )
        models = write_repository(args.artifact, args.folder, serving, name=args.name, force=args.force)
    print(f"{args.folder}: {', '.join(models)}; see {args.folder / 'README.md'}")
    return 0
