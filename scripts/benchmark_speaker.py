"""Time speaker graphs side by side: python -m scripts.benchmark_speaker --help"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from zoo.artifact.golden import parity_speech
from zoo.benchmark.machine import processor
from zoo.errors import ArtifactError, SpeechZooError
from zoo.runtime.onnx import OnnxGraph
from zoo.spec import Filterbank
from zoo.tasks.speaker.features import filterbank
from zoo.tasks.speaker.session import padded

DESCRIPTION = """Graphs of other makers can be among them, if they take features "feats" (B, T, 80) as the
public exports do. One call of each graph after the other, many times over, so that whatever else the machine
does meets all of them alike; what is told is the processor time of a call, the median of all."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmark_speaker",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("graphs", nargs="+", type=Path, metavar="ONNX", help="the first is the standard")
    parser.add_argument("--seconds", type=float, default=2.0, help="of speech (default 2)")
    parser.add_argument("--batch", type=int, default=1, help="recordings of a call (default 1)")
    parser.add_argument("--runs", type=int, default=50, help="timed calls of each graph (default 50)")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime (default 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    try:
        report = benchmark(
            arguments.graphs, arguments.seconds, arguments.batch, arguments.runs, arguments.threads
        )
    except (SpeechZooError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(report, indent=2))
        return 0
    print(f"{report['machine']}, {arguments.batch} x {arguments.seconds:g} s, {arguments.runs} calls of each")
    for row in report["graphs"]:
        print(
            f"{row['graph']}: {row['milliseconds']:.1f} ms, {row['ratio']:.2f} of the first, "
            f"real-time factor {row['real_time_factor']:.4f}"
        )
    return 0


def benchmark(paths: list[Path], seconds: float, batch: int, runs: int, threads: int = 1) -> dict:
    """Processor time of a call of each graph, in the order given."""
    if seconds <= 0 or min(batch, runs, threads) < 1:
        raise ValueError("seconds, batch, runs and threads must be positive")
    graphs = [OnnxGraph(path, threads=threads) for path in paths]
    feeds = [_feed(graph, seconds, batch) for graph in graphs]
    for graph, feed in zip(graphs, feeds, strict=True):
        graph(*feed)  # the first call allocates
    times: list[list[float]] = [[] for _ in graphs]
    for _ in range(runs):
        for graph, feed, taken in zip(graphs, feeds, times, strict=True):
            started = time.process_time()
            graph(*feed)
            taken.append(time.process_time() - started)
    first = times[0]
    rows = [
        {
            "graph": str(path),
            "milliseconds": 1e3 * statistics.median(taken),
            "ratio": statistics.median(a / b for a, b in zip(taken, first, strict=True)),
            "real_time_factor": statistics.median(taken) / (seconds * batch),
        }
        for path, taken in zip(paths, times, strict=True)
    ]
    machine = f"ONNX Runtime {onnxruntime.__version__}, {threads} thread(s) of {processor()}"
    return {"machine": machine, "seconds": seconds, "batch": batch, "runs": runs, "graphs": rows}


def _feed(graph: OnnxGraph, seconds: float, batch: int) -> tuple[NDArray, ...]:
    """Speech as a graph takes it."""
    rate = 16000
    speech = parity_speech(rate)
    length = round(seconds * rate)
    rows = [np.resize(np.roll(speech, -index * rate // 2), length) for index in range(batch)]
    names = [value.name for value in graph.inputs]
    if names == ["wav", "lengths"]:
        return padded(rows)
    if names != ["feats"] or not graph.inputs[0].fits(("B", "T", 80)):
        raise ArtifactError(
            f"{graph.path}: expected the inputs feats (B, T, 80), or wav and lengths, got {names}"
        )
    return (np.stack([filterbank(row, Filterbank()) for row in rows]),)


if __name__ == "__main__":
    sys.exit(main())
