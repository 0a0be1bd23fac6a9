"""Show all that is known of a model, and what its figures mean.

examples:
  speechzoo info gtcrn
"""

from __future__ import annotations

import argparse
import json

from zoo.figures import explain
from zoo.registry import get_spec
from zoo.tasks.describe import lines, record, weights_lines

GROUP = "find and share models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="registered model, see `speechzoo list`")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    spec = get_spec(args.name)
    if args.json:
        print(json.dumps(record(spec), indent=2))
        return 0
    known = lines(spec)
    width = max(map(len, known))
    for name, value in known.items():
        print(f"{name:<{width}}  {value}")
    for weights in spec.weights:
        print("\n" + "\n".join(weights_lines(weights)))
    if not spec.weights:
        print("\nweights: none known by tag; pass the path of a checkpoint")
    metrics = [metric for weights in spec.weights for metric in weights.metrics]
    print("\nwhat the figures mean:")
    for word, meaning in explain([*known, *metrics]).items():
        print(f"  {word}: {meaning}")
    return 0
