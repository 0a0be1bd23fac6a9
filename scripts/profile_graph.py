"""Where a streaming graph's time goes, and what is the least: python -m scripts.profile_graph --help"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from zoo.benchmark.machine import processor
from zoo.errors import ArtifactError, SpeechZooError
from zoo.files import atomic
from zoo.registry import get_spec, list_models
from zoo.runtime.onnx import OnnxGraph

DESCRIPTION = """Times ONNX Runtime's operators in each graph, on one thread, and beside them two bounds: as
many operators that do nothing, and the model's multiply-adds at the speed of a large product of matrices.

  python -m scripts.profile_graph gtcrn.onnx fastenhancer_l.onnx --report profile.md
"""
CALLS, ROUNDS = 100, 12
MATRIX = 384  # rows and columns of the product that tells the processor's speed


@dataclass(frozen=True)
class Profile:
    """A graph's time, in microseconds a call.

    Attributes:
        name: of the file.
        total: of a call.
        operators: number and time by type, the profiler's own time taken out.
        idle: of a chain of as many operators that do nothing.
        arithmetic: of the model's multiply-adds at the processor's speed; None for a file without a manifest.
    """

    name: str
    total: float
    operators: dict[str, tuple[int, float]]
    idle: float
    arithmetic: float | None


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.profile_graph",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("graphs", nargs="+", type=Path, metavar="FILE", help="streaming ONNX files")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write Markdown")
    arguments = parser.parse_args(argv)
    try:
        speed = product_speed()
        text = report([profile(path, speed) for path in arguments.graphs], speed)
        if arguments.report:
            with atomic(arguments.report) as temporary:
                temporary.write_text(text)
        else:
            print(text)
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def profile(path: Path, speed: float) -> Profile:
    """Time a graph.

    Args:
        path: a streaming graph of fixed shapes.
        speed: multiply-adds a microsecond.

    Raises:
        ArtifactError: no graph, or one whose inputs are no float32 of fixed shapes.
    """
    graph = OnnxGraph(path)
    inputs = {tensor.name: (tensor.dtype, *tensor.shape) for tensor in graph.inputs}
    if any(kind != "float32" or any(isinstance(n, str) for n in shape) for kind, *shape in inputs.values()):
        raise ArtifactError(
            f"{path}: its inputs are {inputs}; a graph of float32 with one hop of one stream is expected"
        )
    total = _fastest(_session(str(path)))
    operators = _operators(str(path))
    together = [t for found in operators.values() for t in found]
    idle = _fastest(_session(_idle_chain(len(together))))
    # the profiler's own time: what the quickest operators seem to take longer than one that does nothing
    own = max(0.0, float(np.quantile(together, 0.1)) - idle / len(together))
    times = {kind: (len(found), sum(max(0.0, t - own) for t in found)) for kind, found in operators.items()}
    arithmetic = None
    if graph.manifest is not None and graph.manifest.model in list_models():
        spec = get_spec(graph.manifest.model)
        hop = spec.front_end.hop_length / spec.front_end.sample_rate
        arithmetic = spec.macs_per_second * hop / speed
    return Profile(
        path.name,
        total,
        times,
        idle,
        arithmetic,
    )


def product_speed() -> float:
    """Multiply-adds a microsecond of a large product of matrices in ONNX Runtime, on one thread."""
    shape = [MATRIX, MATRIX]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    weight = helper.make_tensor("w", TensorProto.FLOAT, shape, np.full(MATRIX**2, 0.01, np.float32))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "product", values[:1], values[1:]
    )
    graph.initializer.append(weight)
    return MATRIX**3 / _fastest(_session(_bytes(graph)), calls=5)


def report(profiles: list[Profile], speed: float) -> str:
    """Markdown."""
    lines = [
        f"{processor()}, one thread, ONNX Runtime {onnxruntime.__version__}; a large product of matrices "
        f"makes {speed / 1e3:.0f} thousand million multiply-adds a second. Microseconds a call.",
        "",
        "| graph | a call | operators | as many that do nothing | arithmetic at that speed | most time in |",
        "|---|---|---|---|---|---|",
    ]
    for item in profiles:
        nodes = sum(count for count, _ in item.operators.values())
        longest = sorted(item.operators.items(), key=lambda entry: -entry[1][1])[:6]
        parts = ", ".join(f"{count} {kind} {100 * t / item.total:.0f} %" for kind, (count, t) in longest)
        arithmetic = "" if item.arithmetic is None else f"{item.arithmetic:.0f}"
        lines.append(
            f"| {item.name} | {item.total:.0f} | {nodes} | {item.idle:.0f} | {arithmetic} | {parts} |"
        )
    return "\n".join(lines) + "\n"


def _session(graph: str | bytes, profile_to: str = "") -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if profile_to:
        options.enable_profiling, options.profile_file_prefix = True, profile_to
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _feed(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        value.name: 0.1 * random.standard_normal(value.shape, np.float32) for value in session.get_inputs()
    }


def _fastest(session: onnxruntime.InferenceSession, calls: int = CALLS) -> float:
    """Microseconds a call, of the fastest round."""
    feed, rounds = _feed(session), []
    for _ in range(ROUNDS):
        before = time.perf_counter()
        for _ in range(calls):
            session.run(None, feed)
        rounds.append(1e6 * (time.perf_counter() - before) / calls)
    return min(rounds)


def _operators(path: str) -> dict[str, list[float]]:
    """Times of the operators by type, the profiler's own time in each."""
    with tempfile.TemporaryDirectory() as folder:
        session = _session(path, f"{folder}/profile")
        feed = _feed(session)
        for _ in range(2 * CALLS):
            session.run(None, feed)
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
    found = defaultdict(list)
    kinds = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            found[event["name"]].append(event["dur"])
            kinds[event["name"]] = event["args"]["op_name"]
    by_type = defaultdict(list)
    for name, times in found.items():
        by_type[kinds[name]].append(float(np.mean(np.sort(times)[: len(times) * 3 // 4])))
    return dict(by_type)


def _idle_chain(nodes: int) -> bytes:
    """A graph of operators that ONNX Runtime neither merges nor skips, on one number each."""
    names = [f"t{i}" for i in range(nodes + 1)]
    kinds = ("Abs", "Sigmoid")
    chain = [helper.make_node(kinds[i % 2], [names[i]], [names[i + 1]]) for i in range(nodes)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in (names[0], names[-1])]
    return _bytes(helper.make_graph(chain, "idle", values[:1], values[1:]))


def _bytes(graph: onnx.GraphProto) -> bytes:
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


if __name__ == "__main__":
    sys.exit(main())
