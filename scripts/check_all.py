"""Export, check and time every model in every form, and write the report: python -m scripts.check_all"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from tqdm import tqdm

import zoo
from converters.subjects.enhancement import Reference
from converters.targets.onnx import export_onnx
from zoo.artifact.golden import parity_speech
from zoo.artifact.manifest import Form
from zoo.benchmark.machine import processor
from zoo.benchmark.measure import time_round, warm_up
from zoo.benchmark.runners import NativeRunner, OnnxRunner
from zoo.errors import SpeechZooError
from zoo.networks.streaming import StreamingModule
from zoo.runtime.native_cache import compiled_graph
from zoo.speeds import FILE, Speeds
from zoo.streaming.conversion import to_deployment
from zoo.tasks.describe import count
from zoo.tasks.enhancement.graph import session_over
from zoo.tasks.enhancement.open import open_session

OFFLINE_CALLS = 3
REPORT = Path(__file__).parent.parent / "docs" / "checks.md"
CASES: tuple[tuple[Form, bool], ...] = (
    ("wav2wav", True),
    ("spec2spec", True),
    ("wav2wav", False),
    ("spec2spec", False),
)


@dataclass
class Check:
    """What was seen of one exported file, or the error that it failed with.

    Attributes:
        model, form, streaming: which file.
        snr_db, max_error: of the graph in ONNX Runtime against the training form in PyTorch, on speech.
        golden_snr_db: of the file against the recording inside it.
        nodes, kilobytes: of the file.
        median_ms, p99_ms: a frame, one thread, of streaming files.
        native_snr_db, native_ms: of the file as C, against the training form; the median of a frame.
        real_time_factor: of streaming files the median over the hop, of others computing time over duration.
        error: what went wrong, or empty.
    """

    model: str
    form: Form
    streaming: bool
    snr_db: float = float("nan")
    max_error: float = float("nan")
    golden_snr_db: float = float("nan")
    nodes: int = 0
    kilobytes: float = 0.0
    median_ms: float = float("nan")
    p99_ms: float = float("nan")
    native_snr_db: float = float("nan")
    native_ms: float = float("nan")
    real_time_factor: float = float("nan")
    error: str = ""

    @property
    def graph(self) -> str:
        return f"{self.form}, {'streaming' if self.streaming else 'offline'}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.check_all", description=__doc__.split(":")[0])
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default all; speech enhancement")
    parser.add_argument("--report", type=Path, default=REPORT, help="Markdown to write")
    parser.add_argument("--calls", type=int, default=400, help="timed calls of each streaming file")
    parser.add_argument(
        "--speed", action="store_true", help="only the real-time factors that speechzoo list shows; no report"
    )
    arguments = parser.parse_args(argv)
    everything = zoo.list_models("enhancement")
    models = arguments.models or everything
    checks, converted_snr = [], {}
    progress = tqdm(total=len(models), disable=not sys.stderr.isatty(), unit="model")
    with tempfile.TemporaryDirectory() as folder:
        for name in models:
            progress.set_description(name)
            model = random_model(name)
            own_cases = [case for case in CASES if model.spec.streaming or not case[1]]
            if arguments.speed:
                own_cases = [("wav2wav", model.spec.streaming)]
            else:
                reference = Reference(model)
                converted_snr[name] = reference.check_converted(to_deployment(model, "wav2wav")).snr_db
            checks += [check(model, *case, Path(folder), arguments.calls) for case in own_cases]
            progress.update()
    progress.close()
    failed = [c for c in checks if c.error]
    if models == everything and not failed:
        FILE.write_text(json.dumps(asdict(speed(checks)), indent=1) + "\n")
    for c in failed:
        print(f"FAILED {c.model} {c.graph}: {c.error}", file=sys.stderr)
    print(f"{len(checks) - len(failed)} graphs passed, {len(failed)} failed")
    if not arguments.speed:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(report(checks, converted_snr))
        print(arguments.report)
    return 1 if failed else 0


def random_model(name: str) -> StreamingModule:
    """A model with seeded random weights and batch norms that matter, so that a slip in folding shows."""
    torch.manual_seed(0)
    model = zoo.create_model(name, None)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
                nn.init.uniform_(module.weight, 0.8, 1.2)
                nn.init.normal_(module.bias, std=0.1)
    return model


def check(model: StreamingModule, form: Form, streaming: bool, folder: Path, calls: int) -> Check:
    """Export one file, verify it and time it."""
    result = Check(model.spec.name, form, streaming)
    path = folder / f"{model.spec.name}_{form}_{'streaming' if streaming else 'offline'}.onnx"
    try:
        parity = export_onnx(model, path, form, streaming=streaming)
        result.golden_snr_db = zoo.verify(path).snr_db
    except SpeechZooError as error:
        result.error = str(error)
        return result
    result.snr_db, result.max_error = parity.snr_db, parity.max_error
    result.nodes, result.kilobytes = len(onnx.load(path).graph.node), path.stat().st_size / 1e3
    if streaming:
        runner = OnnxRunner(path)
        warm_up(runner)
        milliseconds = 1e3 * time_round(runner, calls)
        result.median_ms = float(np.median(milliseconds))
        result.p99_ms = float(np.percentile(milliseconds, 99))
        check_native(result, model, path, calls)
        hop_ms = 1e3 * model.spec.front_end.hop_length / model.spec.front_end.sample_rate
        result.real_time_factor = result.median_ms / hop_ms
    else:
        session, speech = open_session(path), parity_speech(model.spec.front_end.sample_rate)[None]
        seconds = []
        for _ in range(OFFLINE_CALLS):
            before = time.perf_counter()
            session.whole(speech)
            seconds.append(time.perf_counter() - before)
        duration = speech.shape[1] / model.spec.front_end.sample_rate
        result.real_time_factor = float(np.median(seconds)) / duration
    return result


def check_native(result: Check, model: StreamingModule, path: Path, calls: int) -> None:
    """Make C of a streaming file, hold it against the training form and time it."""
    try:
        native = compiled_graph(path)
        tensor = "waveform of the compiled C"
        result.native_snr_db = Reference(model).check(session_over(native), tensor).snr_db
    except SpeechZooError as error:
        result.error = str(error)
        return
    runner = NativeRunner(path)
    warm_up(runner)
    result.native_ms = float(1e3 * np.median(time_round(runner, calls)))


def report(checks: list[Check], converted_snr: dict[str, float]) -> str:
    """The whole matrix as Markdown."""
    lines = [
        "# Checks of the whole zoo",
        "",
        f"Written by `python -m scripts.check_all` on {date.today()}: speechzoo {zoo.__version__}, PyTorch "
        f"{torch.__version__}, ONNX Runtime {onnxruntime.__version__}, {processor()}, one thread. Weights "
        "are random, with batch norms that matter. SNR is the energy of the training form's output for the "
        "package's own noisy speech over that of the difference to it.",
        "",
        "| model | parameters | MACs / s | streaming form, SNR | graph | ONNX, SNR | largest difference "
        "| nodes | kB | ms a frame (99 %) | real-time factor | C, SNR | C, ms a frame |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for c in checks:
        spec = zoo.get_spec(c.model)
        if c.error:
            lines.append(f"| `{c.model}` | | | | {c.graph} | FAILED: {c.error} | | | | | | | |")
            continue
        speed = f"{c.median_ms:.3f} ({c.p99_ms:.3f})" if c.streaming else ""
        native = f"{c.native_snr_db:.0f} dB | {c.native_ms:.3f}" if c.streaming else "|"
        lines.append(
            f"| `{c.model}` | {count(spec.parameters)} | {count(spec.macs_per_second)} "
            f"| {converted_snr[c.model]:.0f} dB | {c.graph} | {c.snr_db:.0f} dB | {c.max_error:.1e} "
            f"| {c.nodes} | {c.kilobytes:.0f} | {speed} | {c.real_time_factor:.3f} | {native} |"
        )
    return "\n".join(lines) + "\n"


def speed(checks: list[Check]) -> Speeds:
    """What ``speechzoo list`` shows."""
    factors = {
        c.model: round(c.real_time_factor, 4)
        for c in checks
        if c.form == "wav2wav" and c.streaming == zoo.get_spec(c.model).streaming
    }
    return Speeds(processor(), onnxruntime.__version__, 1, factors)


if __name__ == "__main__":
    sys.exit(main())
