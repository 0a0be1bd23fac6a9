"""Build, run and time everything that wants an NVIDIA GPU, and write a report: python -m scripts.gpu_check"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import converters
import zoo
from zoo.artifact.engine import TOLERANCES
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import measure_difference
from zoo.errors import MissingExtraError, SpeechZooError
from zoo.runtime.enhancement import StreamingSession
from zoo.runtime.gpu import find_gpu
from zoo.runtime.graph import Graph
from zoo.runtime.nvidia import load_library
from zoo.runtime.onnx import open_session
from zoo.runtime.synthesis import inputs, parity_texts
from zoo.runtime.tensorrt import Engine, Loop
from zoo.streaming.state import StreamingModule

Array = NDArray[np.float32]
Step = Callable[[Array], Array]  # a hop (1, hop) in, a hop out; states inside

MODELS = ("fastenhancer_t=speechzoo", "gtcrn=speechzoo")
REPORT = Path(__file__).parent.parent / "docs" / "gpu.md"
WARM_UP = 20
NO_GPU = "there is no NVIDIA GPU, or no driver for it"


@dataclass
class Row:
    """What was seen of one backend with one model.

    Attributes:
        model, backend: which.
        outcome: ``passed``, ``failed``, or ``not here``: what it needs is missing.
        reason: why, unless it passed.
        snr_db: of the whole speech, to ONNX Runtime on the CPU.
        limit_db: least that is allowed.
        median_ms, p99_ms: of a frame, audio in and out included.
        build_seconds: until it could run.
    """

    model: str
    backend: str
    limit_db: float
    outcome: str = "failed"
    reason: str = ""
    snr_db: float = float("nan")
    median_ms: float = float("nan")
    p99_ms: float = float("nan")
    build_seconds: float = float("nan")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.gpu_check", description=__doc__.split(":")[0])
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="MODEL=WEIGHTS", help="streaming ones")
    parser.add_argument("--frames", type=int, default=500, help="timed frames of each (default 500)")
    parser.add_argument("--report", type=Path, default=REPORT, help="Markdown; JSON lies beside it")
    parser.add_argument(
        "--without-gpu", action="store_true", help="only what runs without one; no success is claimed"
    )
    arguments = parser.parse_args(argv)
    gpu = find_gpu()
    if gpu is None and not arguments.without_gpu:
        print(
            "error: there is no NVIDIA GPU, or no driver for it; --without-gpu runs what needs none",
            file=sys.stderr,
        )
        return 1
    rows: list[Row] = []
    try:
        for word in arguments.models:
            rows += check_model(word, arguments.frames)
        rows += check_synthesis(arguments.frames)
    except SpeechZooError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    machine = describe()
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(report(rows, machine))
    record = {"machine": machine, "date": str(date.today()), "rows": [asdict(row) for row in rows]}
    arguments.report.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    counts = {o: sum(row.outcome == o for row in rows) for o in ("passed", "failed", "not here")}
    print(f"{', '.join(f'{n} {o}' for o, n in counts.items())}; {arguments.report}")
    return 1 if counts["failed"] else 0


def check_model(word: str, frames: int) -> list[Row]:
    """Every backend with one model."""
    name, _, weights = word.partition("=")
    model = zoo.create_model(name, weights or None)
    if not isinstance(model, StreamingModule) or not model.spec.streaming:
        raise SpeechZooError(f"{name} has no stream; name models that have one")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / f"{name}.onnx"
        converters.export_onnx(model, graph, "wav2wav")
        session = open_session(graph)
        assert isinstance(session, StreamingSession)
        front_end = session.front_end
        speech = parity_speech(front_end.sample_rate)
        hops = speech[: len(speech) // front_end.hop_length * front_end.hop_length]
        blocks = hops.reshape(-1, 1, front_end.hop_length)
        reference = run(_stepping(session), blocks)
        backends = list(backends_of(model, graph, Path(folder)))
        for backend, precision, make in tqdm(backends, desc=name, disable=not sys.stderr.isatty()):
            rows.append(Row(name, backend, TOLERANCES[precision].snr_db))
            judge(rows[-1], make, reference, blocks, frames)
    return rows


def check_synthesis(frames: int) -> list[Row]:
    """Engines of text to speech without plugins and with them, on a text at three speeds."""
    name, rows = "fastspeech", []
    if find_gpu() is None:
        return [Row(name, "tensorrt, with and without plugins", 100.0, "not here", NO_GPU)]
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / f"{name}.onnx"
        converters.export_synthesis(zoo.create_model(name), graph, tokens=128, frames=1024)
        ids, lengths, _, forced = inputs(parity_texts(1, 128, 1024), 128)

        def speaking(loaded: Callable[..., list[Any]]) -> Step:
            return lambda alpha: np.asarray(loaded(ids, lengths, alpha, forced)[0])

        def build(precision: Any, plugins: Any) -> Step:
            engine = Path(folder) / f"{precision}-{plugins}.engine"
            converters.build_engine(graph, engine, precision=precision, plugins=plugins)
            return speaking(Engine(engine))

        alphas = np.array([[0.8], [1.0], [1.25]], np.float32)
        reference = run(speaking(Graph(graph)), alphas)
        for precision in ("fp32", "fp16"):
            for plugins in (None, "aot", "jit"):
                backend = f"tensorrt, {precision}" + (f", plugins {plugins}" if plugins else "")
                rows.append(Row(name, backend, TOLERANCES[precision].snr_db))
                judge(rows[-1], partial(build, precision, plugins), reference, alphas, frames)
    return rows


def judge(row: Row, make: Callable[[], Step], reference: Array, blocks: Array, frames: int) -> None:
    """Make a backend, hold it against the reference, and time it; a fault is its outcome."""
    try:
        begin = time.perf_counter()
        step = make()
        row.build_seconds = time.perf_counter() - begin
        row.snr_db, _ = measure_difference(reference, run(step, blocks))
        row.median_ms, row.p99_ms = timed(step, blocks, frames)
    except MissingExtraError as error:
        row.outcome, row.reason = "not here", str(error)
    except Exception as error:  # one backend's fault is no reason not to see the others
        row.reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    else:
        row.outcome = "passed" if row.snr_db >= row.limit_db else "failed"
        row.reason = "" if row.outcome == "passed" else f"SNR below {row.limit_db:g} dB"


def backends_of(
    model: StreamingModule, graph: Path, folder: Path
) -> Iterator[tuple[str, str, Callable[[], Step]]]:
    """Name, precision, and what makes each backend."""
    yield "ONNX Runtime, CPU", "fp32", lambda: _stepping(open_session(graph))
    for provider in ("cuda", "tensorrt"):
        yield f"ONNX Runtime, {provider}", "fp32", lambda p=provider: _provider(graph, p)
    for device in ("cpu", "cuda"):
        yield f"PyTorch, {device}", "fp32", lambda d=device: eager(model, d)
    yield "PyTorch, CUDA graph", "fp32", lambda: eager(model, "cuda", captured=True)
    for flavour in ("tensorrt", "tensorrt_rtx"):
        for precision in ("fp32", "fp16"):
            path = folder / f"{flavour}-{precision}.engine"
            yield (
                f"{flavour}, {precision}",
                precision,
                lambda f=flavour, p=precision, e=path: _engine(graph, e, f, p),
            )
    for precision in ("fp32", "fp16"):
        path = folder / f"torch_tensorrt-{precision}.pt2"
        yield (
            f"torch-tensorrt, {precision}",
            precision,
            lambda p=precision, e=path: _torch_tensorrt(model, e, p),
        )


def eager(model: StreamingModule, device: str, *, captured: bool = False) -> Step:
    """The streaming form in PyTorch, its states on the device; in one CUDA graph if captured."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise MissingExtraError("there is no NVIDIA GPU, or this PyTorch is without CUDA")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    form = zoo.to_streaming(model, "wav2wav").to(device)
    state = form.initial_state(1)
    block = torch.zeros(1, model.spec.front_end.hop_length, device=device)
    graph, output = None, block
    if captured:
        with torch.inference_mode():
            side = torch.cuda.Stream()
            with torch.cuda.stream(side):
                for _ in range(3):
                    form(block, state)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                output, after = form(block, state)
                for name, value in after.items():
                    state[name].copy_(value)

    def step(hop: Array) -> Array:
        nonlocal state, output
        with torch.inference_mode():
            if graph is None:
                output, state = form(torch.from_numpy(hop).to(device), state)
            else:
                block.copy_(torch.from_numpy(hop))
                graph.replay()
            return output.cpu().numpy().copy()

    return step


def run(step: Step, blocks: Array) -> Array:
    """All of the speech, hop by hop."""
    return np.concatenate([step(np.ascontiguousarray(block)) for block in blocks], axis=1)


def timed(step: Step, blocks: Array, frames: int) -> tuple[float, float]:
    """Median and 99th percentile of a frame, in milliseconds."""
    seconds = []
    for turn in range(WARM_UP + frames):
        block = np.ascontiguousarray(blocks[turn % len(blocks)])
        begin = time.perf_counter()
        step(block)
        seconds.append(time.perf_counter() - begin)
    milliseconds = 1e3 * np.array(seconds[WARM_UP:])
    return float(np.median(milliseconds)), float(np.percentile(milliseconds, 99))


def _stepping(session: Any) -> Step:
    state = session.initial_state()

    def step(hop: Array) -> Array:
        nonlocal state
        output, state = session.run(hop, state)
        return output

    return step


def _provider(graph: Path, provider: str) -> Step:
    import onnxruntime

    names = [n.removesuffix("ExecutionProvider").lower() for n in onnxruntime.get_available_providers()]
    if provider not in names:
        raise MissingExtraError(f"this ONNX Runtime has {', '.join(names)}; onnxruntime-gpu has {provider}")
    if find_gpu() is None:
        raise MissingExtraError(NO_GPU)
    return _stepping(open_session(graph, providers=[provider]))


def _engine(graph: Path, engine: Path, flavour: Any, precision: Any) -> Step:
    if find_gpu() is None:  # before it is built for nothing
        raise MissingExtraError(NO_GPU)
    converters.build_engine(graph, engine, flavour=flavour, precision=precision)
    return Loop(Engine(engine)).step


def _torch_tensorrt(model: StreamingModule, path: Path, precision: Any) -> Step:
    converters.compile_torch_tensorrt(model, path, "wav2wav", precision=precision)
    return _stepping(zoo.Enhancer(path).session)


def describe() -> dict[str, str]:
    """The card and the packages."""
    import onnxruntime
    import torch

    gpu = find_gpu()
    found = {
        "GPU": f"{gpu.name}, compute capability {gpu.capability}" if gpu else "none",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "speechzoo": zoo.__version__,
        "PyTorch": f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}",
        "ONNX Runtime": f"{onnxruntime.__version__}: {', '.join(onnxruntime.get_available_providers())}",
    }
    for flavour, title in (("tensorrt", "TensorRT"), ("tensorrt_rtx", "TensorRT for RTX")):
        try:
            found[title] = load_library(flavour).__version__
        except MissingExtraError:
            found[title] = "not installed"
    return found


def report(rows: list[Row], machine: dict[str, str]) -> str:
    """Markdown: the machine and the table."""
    lines = [
        "# Everything that wants a GPU",
        "",
        f"Written by `python -m scripts.gpu_check` on {date.today()}. SNR is to ONNX Runtime on the CPU, on "
        "the package's own speech, frame by frame; a frame's time has audio going in and coming out in it. "
        "Text to speech has random weights; its SNR is that of mel spectra, and its frame a call, of 128 "
        "tokens to 1024 frames.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in machine.items()),
        "",
        "| model | backend | outcome | SNR | ms a frame (99 %) | built in |",
        "|---|---|---|--:|--:|--:|",
    ]
    for row in rows:
        figures = " | | "
        if row.outcome != "not here" and np.isfinite(row.median_ms):
            figures = (
                f"{row.snr_db:.1f} dB | {row.median_ms:.3f} ({row.p99_ms:.3f}) | {row.build_seconds:.1f} s"
            )
        told = f"{row.outcome}: {row.reason}".replace("|", "/") if row.reason else row.outcome
        lines.append(f"| `{row.model}` | {row.backend} | {told} | {figures} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
