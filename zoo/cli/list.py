"""List the models.

Parameters and multiply-adds a second of audio are those of the training form; latency is that of a stream
at the model's own rate; the real-time factor (RTF) was measured on the machine that the last line names.
A model that is offline takes whole recordings only.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from zoo.measured import measured
from zoo.registry import get_spec, list_models
from zoo.spec import ModelSpec

_COLUMNS = ("name", "rate", "hop", "parameters", "MACs/s", "latency", "RTF", "weights")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", metavar="TASK", help="only models for this task, such as enhancement")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    specs = [get_spec(name) for name in list_models(args.task)]
    if args.json:
        print(json.dumps([summary(spec) for spec in specs], indent=2))
        return 0
    rows = [_COLUMNS, *(_row(spec) for spec in specs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:-1], widths[1:-1], strict=True))]
        print("  ".join([*cells, row[-1]]).rstrip())
    print(f"\nRTF: {measured()}")
    return 0


def summary(spec: ModelSpec) -> dict[str, Any]:
    """What is known of a model in a few values; also part of ``speechzoo info``."""
    return {
        "name": spec.name,
        "task": spec.task,
        "sample_rate": spec.front_end.sample_rate,
        "n_fft": spec.front_end.n_fft,
        "hop_length": spec.front_end.hop_length,
        "parameters": spec.parameters,
        "macs_per_second": spec.macs_per_second,
        "streaming": spec.streaming,
        "latency_ms": round(latency_ms(spec), 2) if spec.streaming else None,
        "real_time_factor": measured().real_time_factor.get(spec.name),
        "weights": [weights.tag for weights in spec.weights],
    }


def latency_ms(spec: ModelSpec) -> float:
    """Most that a stream at the model's rate lags: window, look-ahead and the wait for a whole hop."""
    return 1e3 * (spec.latency + spec.front_end.hop_length - 1) / spec.front_end.sample_rate


def count(number: int) -> str:
    """A number in thousands, millions or billions: 22.5 k, 60 M, 1.7 G."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _row(spec: ModelSpec) -> tuple[str, ...]:
    front_end = spec.front_end
    return (
        spec.name,
        f"{front_end.sample_rate / 1e3:g} kHz",
        f"{1e3 * front_end.hop_length / front_end.sample_rate:.2f} ms",
        count(spec.parameters),
        count(spec.macs_per_second),
        f"{latency_ms(spec):.1f} ms" if spec.streaming else "offline",
        f"{factor:.3f}" if (factor := measured().real_time_factor.get(spec.name)) else "-",
        ", ".join(weights.tag for weights in spec.weights) or "-",
    )
