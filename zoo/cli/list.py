"""List the models, a table for each task.

Parameters and multiply-adds a second of audio are those of the training form; latency is that of a stream
at the model's own rate; the real-time factor (RTF) was measured on the machine that the last line names.
A model that is offline takes whole recordings only.

examples:
  speechzoo list --task speaker
"""

from __future__ import annotations

import argparse
import json

from zoo.registry import get_spec, list_models
from zoo.speeds import speeds
from zoo.tasks.describe import row, summary

GROUP = "find and share models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", metavar="TASK", help="only models for this task, such as enhancement")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    specs = [get_spec(name) for name in list_models(args.task)]
    if args.json:
        print(json.dumps([summary(spec) for spec in specs], indent=2))
        return 0
    tasks = dict.fromkeys(spec.task for spec in specs)
    tables = [[row(spec) for spec in specs if spec.task == task] for task in tasks]
    for table in tables:
        _print_table(table)
    if any("RTF" in table[0] for table in tables):
        print(f"RTF: {speeds()}")
    return 0


def _print_table(records: list[dict[str, str]]) -> None:
    rows = [tuple(records[0]), *(tuple(record.values()) for record in records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *middle, last in rows:
        cells = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(middle, widths[1:-1], strict=True))]
        print("  ".join([*cells, last]).rstrip())
    print()
