"""Build, run and time everything that wants an NVIDIA GPU, and write a report: python -m scripts.gpu_check"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

import converters
import zoo
from zoo.arrays import Array
from zoo.artifact.engine import TOLERANCES
from zoo.artifact.golden import parity_speech
from zoo.artifact.parity import measure_difference
from zoo.errors import MissingExtraError, ParityError, SpeechZooError
from zoo.networks.streaming import StreamingModule
from zoo.runtime.nvidia import find_gpu, load_library
from zoo.tasks.enhancement.graph import StreamingSession
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.synthesis.golden import parity_texts
from zoo.tasks.synthesis.session import Utterance

if TYPE_CHECKING:
    from zoo.networks.synthesis import SynthesisNetwork

Step = Callable[[Array], Array]  # a hop (1, hop) in, a hop out; states inside

MODELS = ("ulunas=speechzoo", "fastenhancer_t=speechzoo", "gtcrn=speechzoo", "fastspeech")
BUCKET = (32, 256)  # tokens and frames at which text to speech is checked
REPORT = Path(__file__).parent.parent / "docs" / "gpu.md"
# In the place of text to speech's layers between lengths, by flavour.
PLUGINS: dict[str, tuple[Any, ...]] = {"tensorrt": (None, "aot", "jit"), "tensorrt_rtx": (None,)}
WARM_UP = 20


@dataclass
class Row:
    """What was seen of one backend with one model.

    Attributes:
        model, backend: which.
        outcome: ``passed``, ``failed``, or ``not here``: what it needs is missing.
        reason: why, unless it passed.
        snr_db: of the whole speech, to ONNX Runtime on the CPU; of text to speech that of its frames, or of
            the layer that is furthest from PyTorch.
        limit_db: least that is allowed.
        median_ms, p99_ms: of a frame, audio in and out included; of text to speech, of a text.
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
    parser.add_argument(
        "--models", nargs="+", default=MODELS, metavar="MODEL=WEIGHTS", help="streaming ones, and fastspeech"
    )
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
    from zoo.networks.synthesis import SynthesisNetwork

    name, _, weights = word.partition("=")
    model = zoo.create_model(name, weights or None)
    if isinstance(model, SynthesisNetwork):
        return check_synthesis(model, frames)
    if not isinstance(model, StreamingModule) or not model.spec.streaming:
        raise SpeechZooError(f"{name} has no stream; name models that have one, or fastspeech")
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
            row = Row(name, backend, 100.0 if precision == "fp32" else TOLERANCES[precision].snr_db)
            rows.append(row)
            with judged(row):
                begin = time.perf_counter()
                step = make()
                row.build_seconds = time.perf_counter() - begin
                row.snr_db, _ = measure_difference(reference, run(step, blocks))
                row.median_ms, row.p99_ms = timed(step, blocks, frames)
    return rows


@contextmanager
def judged(row: Row) -> Iterator[None]:
    """What is done inside passes, or the row says why not."""
    try:
        yield
    except MissingExtraError as error:
        row.outcome, row.reason = "not here", str(error)
    except Exception as error:  # one backend's fault is no reason not to see the others
        row.reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    else:
        row.outcome = "passed" if row.snr_db >= row.limit_db else "failed"
        row.reason = "" if row.outcome == "passed" else f"SNR below {row.limit_db:g} dB"


def check_synthesis(model: SynthesisNetwork, calls: int) -> list[Row]:
    """Text to speech: engines through ``zoo.Synthesizer``, and every layer; durations are forced."""
    rows: list[Row] = []
    texts = parity_texts(model.spec.symbols, 3, *BUCKET)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.onnx"
        converters.export_synthesis(model, graph, tokens=BUCKET[0], frames=BUCKET[1])
        reference = np.concatenate([frames.mel for frames in zoo.Synthesizer(graph).frames(texts)])
        for flavour in ("", "tensorrt", "tensorrt_rtx"):
            for precision in ("fp32", "fp16"):
                name = f"{flavour or 'ONNX Runtime, CPU'}, {precision}"
                for plugins in PLUGINS.get(flavour, ()):
                    title = f"{name}, plugins {plugins}" if plugins else name
                    rows.append(row := Row(model.spec.name, title, TOLERANCES[precision].snr_db))
                    engine = Path(folder) / f"{flavour}-{precision}-{plugins}.engine"
                    built = partial(
                        converters.build_engine, graph, engine, flavour=flavour, precision=precision
                    )
                    with judged(row):
                        _speak(row, partial(built, plugins=plugins), engine, texts, reference, calls)
                rows.append(row := Row(model.spec.name, f"{name}, every layer", 0.0))
                with judged(row):
                    row.snr_db = _worst_layer(model, flavour, precision, texts)
    return rows


def _speak(
    row: Row,
    build: Callable[[], object],
    engine: Path,
    texts: list[Utterance],
    reference: Array,
    calls: int,
) -> None:
    """Build an engine, hold its frames against the graph's, and time it."""
    _need_gpu()
    begin = time.perf_counter()
    build()
    synthesizer = zoo.Synthesizer(engine)
    row.build_seconds = time.perf_counter() - begin
    found = np.concatenate([frames.mel for frames in synthesizer.frames(texts)])
    row.snr_db, _ = measure_difference(reference, found)
    row.median_ms, row.p99_ms = _milliseconds(lambda turn: synthesizer.session.run(texts[:1], 0), calls)


def _worst_layer(model: SynthesisNetwork, flavour: str, precision: Any, texts: list[Utterance]) -> float:
    """The least SNR of all layers, in ONNX Runtime or in an engine of a flavour.

    Raises:
        ParityError: a layer differs by more than its tolerance.
    """
    if flavour:
        _need_gpu()
    layers = converters.compare_layers(
        model,
        "engine" if flavour else "onnx",
        texts=texts,
        bucket=BUCKET,
        precision=precision,
        build=partial(converters.build_engine, flavour=flavour) if flavour else None,
    )
    failed = [layer.name for layer in layers if not layer.passed]
    if failed:
        raise ParityError(f"{len(failed)} of {len(layers)} layers differ, {failed[0]} first")
    return min(layer.snr_db for layer in layers)


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
    return _milliseconds(lambda turn: step(np.ascontiguousarray(blocks[turn % len(blocks)])), frames)


def _milliseconds(call: Callable[[int], object], calls: int) -> tuple[float, float]:
    """Median and 99th percentile of numbered calls."""
    seconds = []
    for turn in range(WARM_UP + calls):
        begin = time.perf_counter()
        call(turn)
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
    _need_gpu()
    return _stepping(open_session(graph, providers=[provider]))


def _engine(graph: Path, engine: Path, flavour: Any, precision: Any) -> Step:
    from zoo.runtime.tensorrt import Engine
    from zoo.tasks.enhancement.engine_loop import Loop

    _need_gpu()
    converters.build_engine(graph, engine, flavour=flavour, precision=precision)
    return Loop(Engine(engine)).step


def _need_gpu() -> None:
    """Before something is built for nothing."""
    if find_gpu() is None:
        raise MissingExtraError("there is no NVIDIA GPU, or no driver for it")


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
        f"Of text to speech it is that of log-mel frames at {BUCKET[0]} tokens to {BUCKET[1]} frames, with "
        "forced durations, and the time is a text's; of its layers that of the one furthest from PyTorch.",
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
        elif np.isfinite(row.snr_db):
            figures = f"{row.snr_db:.1f} dB | | "
        told = f"{row.outcome}: {row.reason}".replace("|", "/") if row.reason else row.outcome
        lines.append(f"| `{row.model}` | {row.backend} | {told} | {figures} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
