"""List the models, a table for each task.

Parameters and multiply-adds a second of audio are those of the training form; latency is that of a stream
at the model's own rate; the real-time factor (RTF) was measured on the machine that the last line names.
A model that is offline takes whole recordings only. With --weights: all trained weights that can be had by
tag, of each model the one that it recommends first; what was not tried here is known by its hash alone.

examples:
  speechzoo list --task speaker
  speechzoo list --weights
"""

from __future__ import annotations

import argparse
import dataclasses
import json

from zoo.cli._arguments import print_table
from zoo.figures import explain_table
from zoo.registry import get_spec, list_models
from zoo.speeds import speeds
from zoo.tasks.describe import row, summary, weights_row

GROUP = "find and share models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", metavar="TASK", help="only models for this task, such as enhancement")
    parser.add_argument("--weights", action="store_true", help="trained weights in place of models")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    specs = [get_spec(name) for name in list_models(args.task)]
    if args.weights:
        found = [(spec, weights) for spec in specs for weights in spec.weights]
        if args.json:
            print(json.dumps([{"model": s.name, **dataclasses.asdict(w)} for s, w in found], indent=2))
        elif found:
            print_table([weights_row(spec, weights) for spec, weights in found], numbers=("size",))
        return 0
    if args.json:
        print(json.dumps([summary(spec) for spec in specs], indent=2))
        return 0
    tasks = dict.fromkeys(spec.task for spec in specs)
    tables = [[row(spec) for spec in specs if spec.task == task] for task in tasks]
    for table in tables:
        print_table(table, numbers=[*table[0]][1:-1])
    if any("RTF" in table[0] for table in tables):
        print(f"RTF: {speeds()}")
    explain_table(dict.fromkeys(heading for table in tables for heading in table[0]))
    return 0
