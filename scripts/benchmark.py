"""Time streaming graphs against others, interleaved in one run: python -m scripts.benchmark --help"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from tqdm import tqdm

from zoo.errors import SpeechZooError
from zoo.runtime.onnx import Graph

EXAMPLE = """Every graph gets noise and its own states back, as in a stream. The rounds go through all graphs
in turn, so that a change of the machine's speed meets them all; ratios are of medians, to the first graph.

  python -m scripts.benchmark ours.onnx theirs.onnx
"""


class Subject:
    """A streaming graph that is fed with its own states.

    Args:
        path: an ONNX file whose first input is the signal and whose other inputs are states.
        threads: of a call.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self.path, self.graph = path, Graph(path, threads=threads)
        random = np.random.default_rng(0)
        shapes = [[1 if isinstance(n, str) else n for n in spec.shape] for spec in self.graph.inputs]
        self.signals = [0.1 * random.standard_normal(shapes[0], np.float32) for _ in range(16)]
        self.states = [np.zeros(shape, np.float32) for shape in shapes[1:]]
        self.rounds: list[np.ndarray] = []

    def round(self, calls: int) -> None:
        """Time so many calls."""
        seconds = []
        for call in range(calls):
            signal = self.signals[call % len(self.signals)]
            before = time.perf_counter()
            _, *self.states = self.graph(signal, *self.states)
            seconds.append(time.perf_counter() - before)
        self.rounds.append(np.array(seconds))

    def figures(self) -> dict[str, float]:
        """Milliseconds a call: median and 99th percentile of all, median of the best round."""
        together = 1e3 * np.concatenate(self.rounds)
        return {
            "median": float(np.median(together)),
            "p99": float(np.percentile(together, 99)),
            "best_round": float(min(np.median(seconds) for seconds in self.rounds) * 1e3),
        }


def compare(paths: list[Path], *, rounds: int, calls: int, threads: int) -> list[dict[str, float | str]]:
    """Time graphs side by side; the first is what the others are measured against."""
    subjects = [Subject(path, threads) for path in paths]
    for subject in subjects:
        subject.round(50)
        subject.rounds.clear()
    for _ in tqdm(range(rounds), disable=not sys.stderr.isatty(), unit="round"):
        for subject in subjects:
            subject.round(calls)
    rows: list[dict[str, float | str]] = []
    for subject in subjects:
        figures = subject.figures()
        first = rows[0]["median"] if rows else figures["median"]
        rows.append({"graph": subject.path.name, **figures, "ratio": figures["median"] / float(first)})
    return rows


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmark",
        description=__doc__.split(":")[0],
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("graphs", nargs="+", type=Path, metavar="FILE", help="streaming ONNX files")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=100, help="of a round (default 100)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    if min(arguments.rounds, arguments.calls) < 1:
        parser.error("--rounds and --calls: at least 1 is needed")
    try:
        rows = compare(
            arguments.graphs, rounds=arguments.rounds, calls=arguments.calls, threads=arguments.threads
        )
    except SpeechZooError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    print(f"ONNX Runtime {onnxruntime.__version__} on {platform.machine()}, {arguments.threads} thread(s)")
    print("milliseconds a call")
    print(f"{'graph':<44}{'median':>9}{'p99':>9}{'best':>9}{'ratio':>8}")
    for row in rows:
        print("{graph:<44}{median:>9.3f}{p99:>9.3f}{best_round:>9.3f}{ratio:>8.2f}".format(**row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
