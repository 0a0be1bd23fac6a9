"""Check finished artifacts against the recordings inside them.

A model's name stands for the artifact that comes with the package. A graph that others published has no
recording inside; it passes if its bytes are those that the registry pins. Each other file is run in a process
of its own, with a limit of time and memory.

examples:
  speechzoo verify gtcrn.onnx
  speechzoo verify gtcrn fastenhancer_t
  speechzoo verify gtcrn.c libgtcrn.so  # C is compiled first
  speechzoo verify gtcrn.wasm            # in Node.js
  speechzoo verify libgtcrn.so --weights-file gtcrn.weights
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from zoo.builtin import packaged_artifact
from zoo.cli._arguments import add_trust
from zoo.errors import SpeechZooError
from zoo.hub.recognition import recognise
from zoo.registry import get_spec, list_models
from zoo.tasks.apart import verify_apart

GROUP = "measure"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifact",
        nargs="+",
        metavar="FILE",
        help=".onnx, .ts, .pt2, .engine, .c or .so artifacts, or model names",
    )
    parser.add_argument(
        "--weights-file", type=Path, metavar="FILE", help="of native code without weights inside"
    )
    add_trust(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    results, failed = [], 0
    for path in args.artifact:
        try:
            known = recognise(Path(path)) if os.path.isfile(path) else None
            if known is not None:
                results.append({"artifact": path, "passed": True, "public_graph": known.name})
                if not args.json:
                    print(f"{path}: no speechzoo manifest; its bytes are those of {known.name}, as pinned")
                continue
            report, manifest = verify_apart(
                _packaged(path) or Path(path), trust=args.trust, weights=args.weights_file
            )
            warning = manifest.warning
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
