"""List the models, a table for each task.

Parameters and multiply-adds a second of audio are those of the training form; latency is that of a stream
at the model's own rate; the real-time factor (RTF) was measured on the machine that the last line names.
A model that is offline takes whole recordings only.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from zoo.registry import get_spec, list_models
from zoo.spec import EnhancementSpec, ModelSpec, SpeakerSpec
from zoo.speeds import speeds

GROUP = "find and share models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", metavar="TASK", help="only models for this task, such as enhancement")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    specs = [get_spec(name) for name in list_models(args.task)]
    if args.json:
        print(json.dumps([summary(spec) for spec in specs], indent=2))
        return 0
    for task in dict.fromkeys(spec.task for spec in specs):
        _print_table([_cells(spec) for spec in specs if spec.task == task])
    if any(isinstance(spec, EnhancementSpec) for spec in specs):
        print(f"RTF: {speeds()}")
    return 0


def _print_table(records: list[dict[str, str]]) -> None:
    rows = [tuple(records[0]), *(tuple(record.values()) for record in records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:-1], widths[1:-1], strict=True))]
        print("  ".join([*cells, row[-1]]).rstrip())
    print()


def summary(spec: ModelSpec) -> dict[str, Any]:
    """What is known of a model in a few values; also part of ``speechzoo info``."""
    record = {
        "name": spec.name,
        "task": spec.task,
        "sample_rate": spec.front_end.sample_rate,
        "parameters": spec.parameters,
        "weights": [weights.tag for weights in spec.weights],
    }
    if isinstance(spec, EnhancementSpec):
        record |= {
            "n_fft": spec.front_end.n_fft,
            "hop_length": spec.front_end.hop_length,
            "macs_per_second": spec.macs_per_second,
            "streaming": spec.streaming,
            "latency_ms": round(latency_ms(spec), 2) if spec.streaming else None,
            "real_time_factor": speeds().real_time_factor.get(spec.name),
        }
    if isinstance(spec, SpeakerSpec):
        record |= {
            "embedding": spec.embedding,
            "least_seconds": least_seconds(spec),
            "macs_per_second": spec.macs_per_second,
        }
    return record


def latency_ms(spec: EnhancementSpec) -> float:
    """Most that a stream at the model's rate lags: window, look-ahead and the wait for a whole hop."""
    return 1e3 * (spec.latency + spec.front_end.hop_length - 1) / spec.front_end.sample_rate


def least_seconds(spec: SpeakerSpec) -> float:
    """The shortest recording that a speaker network embeds."""
    return spec.front_end.samples(spec.least_frames) / spec.front_end.sample_rate


def count(number: int) -> str:
    """A number in thousands, millions or billions: 22.5 k, 60 M, 1.7 G."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _cells(spec: ModelSpec) -> dict[str, str]:
    """A row of its task's table, by column; the name comes first and the weights last."""
    cells = {"name": spec.name, "rate": f"{spec.front_end.sample_rate / 1e3:g} kHz"}
    if isinstance(spec, EnhancementSpec):
        front_end = spec.front_end
        cells["hop"] = f"{1e3 * front_end.hop_length / front_end.sample_rate:.2f} ms"
    cells["parameters"] = count(spec.parameters)
    if isinstance(spec, EnhancementSpec):
        factor = speeds().real_time_factor.get(spec.name)
        cells["MACs/s"] = count(spec.macs_per_second)
        cells["latency"] = f"{latency_ms(spec):.1f} ms" if spec.streaming else "offline"
        cells["RTF"] = f"{factor:.3f}" if factor else "-"
    if isinstance(spec, SpeakerSpec):
        cells["MACs/s"] = count(spec.macs_per_second)
        cells["embedding"] = str(spec.embedding)
        cells["shortest"] = f"{least_seconds(spec):.3f} s"
    return cells | {"weights": ", ".join(weights.tag for weights in spec.weights) or "-"}
