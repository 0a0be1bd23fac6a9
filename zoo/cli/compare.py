"""Compare the speakers of two recordings.

Prints the cosine similarity of their embeddings, and with --threshold whether they are the same speaker. The
right threshold depends on model, mean and recordings: `speechzoo score` finds it on trials.

examples:
  speechzoo compare a.wav b.wav --artifact resnet34.onnx --threshold 0.4
"""

from __future__ import annotations

import argparse
import dataclasses
import json

from zoo.cli._model import tell_what_runs
from zoo.cli.embed import add_model_arguments, embedder
from zoo.errors import AudioError
from zoo.tasks.speaker.embedder import similarity

GROUP = "run models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help="audio file")
    parser.add_argument("b", metavar="B", help="audio file")
    parser.add_argument(
        "--threshold", type=float, metavar="X", help="similarity from which on they are the same"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> int:
    model = tell_what_runs(embedder(args))
    embeddings = []
    for result in model.files([args.a, args.b], mix_down=args.mix_down):
        if result.embedding is None:
            raise AudioError(result.error)
        if not result.speech:
            raise AudioError(
                f"{result.source}: no speech: all of its samples are alike, so its embedding is no one's; "
                f"pass a recording of a speaker"
            )
        embeddings.append(result.embedding)
    a, b = embeddings
    report: dict[str, object] = {"similarity": similarity(a, b)}
    if args.threshold is not None:
        report = dataclasses.asdict(model.compare(a, b, args.threshold))
    if args.json:
        print(json.dumps(report, indent=2))
        return 0
    verdict = ""
    if args.threshold is not None:
        verdict = f": {'the same speaker' if report['same'] else 'different speakers'} at {args.threshold:g}"
    print(f"similarity {report['similarity']:.4f}{verdict}")
    return 0
