"""Check finished artifacts against the recordings inside them.

A model's name stands for the artifact that comes with the package.

examples:
  speechzoo verify gtcrn.onnx
  speechzoo verify gtcrn fastenhancer_t
  speechzoo verify gtcrn.c libgtcrn.so  # C is compiled first
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from zoo.builtin import packaged_artifact
from zoo.cli._arguments import add_trust
from zoo.errors import SpeechZooError
from zoo.registry import get_spec, list_models
from zoo.tasks import load, verify_graph

GROUP = "measure"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifact",
        nargs="+",
        metavar="FILE",
        help=".onnx, .ts, .pt2, .engine, .c or .so artifacts, or model names",
    )
    add_trust(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    results, failed = [], 0
    for path in args.artifact:
        try:
            graph = load(_packaged(path) or path, trust=args.trust)
            report = verify_graph(graph)
            warning = graph.manifest.warning if graph.manifest else ""
        except SpeechZooError as error:
            failed += 1
            results.append({"artifact": path, "passed": False, "error": str(error)})
            print(
                f"speechzoo: {error}" if path in str(error) else f"speechzoo: {path}: {error}",
                file=sys.stderr,
            )
            continue
        if warning:
            print(f"{path}: {warning}", file=sys.stderr)
        figures = {"snr_db": report.snr_db, "max_error": report.max_error, "samples": report.elements}
        results.append(
            {"artifact": path, "passed": True, **figures, **({"warning": warning} if warning else {})}
        )
        if not args.json:
            print(f"{path}: verified; {report}")
    if args.json:
        print(json.dumps(results, indent=2))
    return 1 if failed else 0


def _packaged(name: str) -> Path | None:
    """The packaged artifact of a model, if this is the name of one that has some."""
    return packaged_artifact(get_spec(name)) if name in list_models() else None
