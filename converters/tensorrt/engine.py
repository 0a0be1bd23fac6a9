"""Builds engines of TensorRT 10 and 11 and of TensorRT for RTX from graphs that other converters export.

What is computed in how many bits stands in the graph (TensorRT 11 has no other way, and 10 knows it), so a
reduced precision is a change of the graph, and is held against the full one in ONNX Runtime before anything
is built. The engine only appears under its name with its record beside it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnx import load as load_graph
from onnx import save as save_graph

from converters.targets.onnx_passes import elus_in_parts
from converters.tensorrt.builder import Built, Job
from converters.tensorrt.plugin_nodes import insert_plugins
from converters.tensorrt.plugins import compile_kernels
from converters.tensorrt.precision import RECURRENT_LAYERS, reduce_precision
from converters.tensorrt.profiles import complete_profiles, parse_profiles
from zoo.artifact.engine import (
    PLUGIN_FLAGS,
    TITLES,
    EngineRecord,
    Flavour,
    Plugins,
    Precision,
    Shapes,
    record_path,
)
from zoo.artifact.parity import ParityReport
from zoo.artifact.target import system
from zoo.errors import ArtifactError, MissingExtraError
from zoo.files import atomic, sha256_of
from zoo.hub.client import cache_folder
from zoo.runtime.nvidia import find_gpu, load_library
from zoo.runtime.onnx import OnnxGraph
from zoo.runtime.tensorrt import Engine, load_torch
from zoo.spec import Tolerance
from zoo.tasks import task_of
from zoo.tasks.task import Feeds
from zoo.version import __version__

if TYPE_CHECKING:
    from zoo.networks.base import Network

Progress = Callable[[str], None]

ROOT = Path(__file__).resolve().parents[2]
CHECKED_CALLS = 16
RTX_TARGETS = ("8.0", "8.6", "8.9", "12.0")  # Ampere, Ada and Blackwell; NVIDIA's own choice too


@dataclass(frozen=True)
class EngineReport:
    """What was built.

    Attributes:
        path: the engine.
        record: what lies beside it.
        layers: of the network that was compiled.
        seconds: of parsing and compiling.
        warnings: what the library said.
        command: the same by NVIDIA's own command line; empty with plugins, which it does not know.
        parity: how close the engine comes to the graph where it ran on a GPU; else how close a reduced graph
            does, and nothing for fp32.
    """

    path: Path
    record: EngineRecord
    layers: int
    seconds: float
    warnings: tuple[str, ...]
    command: str
    parity: str = ""

    def __str__(self) -> str:
        parity = f"; {self.parity}" if self.parity else ""
        return f"{self.layers} layers, {self.seconds:.1f} s, {self.record.title}{parity}"


def build_engine(
    onnx: str | os.PathLike[str],
    engine: str | os.PathLike[str],
    *,
    keep: Sequence[str] = (),
    feeds: Feeds | None = None,
    tolerance: Tolerance | None = None,
    timing_cache: str | os.PathLike[str] | None = None,
    bar: bool = False,
    progress: Progress | None = None,
    **described: Any,
) -> EngineReport:
    """Build an engine, with its record beside it.

    TensorRT builds for the card at hand and needs it; TensorRT for RTX builds ahead of time for the cards of
    ``targets`` and needs none. Where a card is at hand, the engine of one of our graphs is then run on it and
    held against the graph.

    Args:
        onnx: the graph.
        engine: the file to write; its record is ``<engine>.json``.
        keep: parts of parameters' names; what reads those stays in 32 bits.
        feeds: inputs of some calls, to calibrate and compare on; by default the package's speech.
        tolerance: what a reduced graph may differ from the full one; by default that of the precision.
        timing_cache: file with what the builder has timed on this card; read, and written.
        bar: show the builder's progress on stderr.
        progress: called with a line for each step.
        described: what kind of engine, as ``describe``: flavour, precision, profiles, targets and so on.

    Raises:
        ArtifactError: the graph cannot be read, reduced or compiled; no file is left.
        MissingExtraError: the library is not installed, or needs a GPU that is not there.
        ParityError: the reduced graph, or the engine, differs by more than its tolerance; no file is left.
        ValueError: arguments that contradict each other or the graph.
    """
    source, out, say = Path(onnx), Path(engine), progress or (lambda line: None)
    record, plugins = describe(source, **described), described.get("plugins")
    _check_plugins(plugins, out)
    if out.suffix not in (".engine", ".plan", ".trt"):
        raise ValueError(f"{out}: the name of an engine ends in .engine, .plan or .trt")
    reduction = _Reduction(keep, feeds, tolerance, plugins)
    with (
        tempfile.TemporaryDirectory() as folder,
        atomic(out) as temporary,
        atomic(record_path(out)) as beside,
    ):
        job = _job(source, temporary, record, timing_cache, bar)
        built, kept, parity = _build(source, record, job, reduction, Path(folder), say)
        record = replace(record, kept=kept, engine_sha256=sha256_of(temporary))
        on_gpu = _check_on_gpu(source, temporary, record)
        if on_gpu:
            parity = str(on_gpu)
            say(f"{source.name}: on the GPU, {parity}")
        beside.write_text(record.to_json())
    command = command_line(record, source, out)
    return EngineReport(out, record, built.layers, built.seconds, built.warnings, command, parity)


def _check_plugins(plugins: Plugins | None, engine: Path) -> None:
    """What plugins need is told before anything is done.

    Raises:
        MissingExtraError: it is not there.
    """
    if plugins == "aot":
        for half in (False, True):
            compile_kernels(half=half)
    if plugins == "jit":
        load_torch(engine)


def _job(
    source: Path, plan: Path, record: EngineRecord, timing_cache: str | os.PathLike[str] | None, bar: bool
) -> Job:
    return Job(
        flavour=record.flavour,
        onnx=str(source),
        name=str(source),
        plan=str(plan),
        profiles=record.profiles,
        flags=record.flags,
        workspace=record.workspace,
        targets=record.targets,
        timing_cache="" if timing_cache is None else str(timing_cache),
        bar=bar,
    )


@dataclass(frozen=True)
class _Reduction:
    """How a graph is changed before it is built; see ``build_engine``."""

    keep: Sequence[str]
    feeds: Feeds | None
    tolerance: Tolerance | None
    plugins: Plugins | None


def _build(
    source: Path, record: EngineRecord, job: Job, how: _Reduction, folder: Path, say: Progress
) -> tuple[Built, tuple[str, ...], str]:
    """Reduce and compile a graph; what stays in 32 bits, and how close the reduced graph comes, go with it.

    Recurrent layers that a compiler does not take in 32 bits amid 16 are then reduced too.
    """
    full = _readable(source, folder, record.flavour)
    for recurrent in (True, False):
        graph, parity = full, ""
        kept: tuple[str, ...] = ()
        if record.precision != "fp32":
            say(f"{source.name}: making it {record.precision}")
            graph = folder / f"{record.precision}.onnx"
            kept, report = reduce_precision(
                full,
                graph,
                record.precision,
                keep=how.keep,
                recurrent=recurrent,
                feeds=how.feeds,
                tolerance=how.tolerance,
            )
            parity = str(report)
            say(f"{source.name}: {parity}; in 32 bits stay {', '.join(kept)}")
        if how.plugins:
            plain, graph = graph, folder / "plugins.onnx"
            seen = insert_plugins(plain, graph, how.plugins, tolerance=record.tolerance, feeds=how.feeds)
            say(f"{source.name}: with plugins, {seen}")
        say(f"{source.name}: building with {record.title}")
        try:
            return run_job(replace(job, onnx=str(graph)), folder), kept, parity
        except ArtifactError as error:
            if not recurrent or not any(RECURRENT_LAYERS in what for what in kept):
                raise ArtifactError(f"{error}{_advice(source, record)}") from error
            say(f"{error}; once more with recurrent layers in 16 bits")
    raise AssertionError("the second time returns or raises")


def export_engine(
    model: Network,
    out: str | os.PathLike[str],
    form: str | None = None,
    *,
    opset: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> EngineReport:
    """Build an engine of a network of any task; its graph is exported for that and not kept.

    Args:
        model, out, form, opset, progress: as ``export_onnx``.
        options: of ``build_engine``, and of the task's graphs.

    Raises:
        ArtifactError, MissingExtraError, ParityError, ValueError: as those two; no file is left.
    """
    from converters.targets.onnx import export_onnx

    own = {*inspect.signature(build_engine).parameters, *inspect.signature(describe).parameters}
    building = {name: value for name, value in options.items() if name in own}
    graph_options = {name: value for name, value in options.items() if name not in own}
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, f"{Path(out).stem}.onnx")
        export_onnx(model, graph, form, opset=opset, progress=progress, **graph_options)  # type: ignore[arg-type]
        return build_engine(graph, out, progress=progress, **building)


def cached_engine(onnx: str | os.PathLike[str], *, progress: Progress | None = None, **options: Any) -> Path:
    """Take an engine from the cache, or build it if none there is the same in all that decides.

    Args: as ``build_engine``.
    """
    decisive = inspect.signature(describe).parameters
    record = describe(Path(onnx), **{name: options[name] for name in options if name in decisive})
    extra = "".join(repr(options.get(name)) for name in ("keep", "tolerance"))
    key = hashlib.sha256(f"{record.key()} {extra}".encode()).hexdigest()
    path = cache_folder() / "engines" / f"{Path(onnx).stem}-{key[:24]}.engine"
    if not (path.is_file() and record_path(path).is_file()):
        build_engine(onnx, path, progress=progress, **options)
    return path


def record_engine(
    onnx: str | os.PathLike[str], engine: str | os.PathLike[str], **options: Any
) -> EngineRecord:
    """Write the record of an engine that trtexec built on this machine from one of our graphs.

    Args:
        onnx: what it was built from.
        engine: the engine.
        options: as ``describe``, and as trtexec was called.

    Raises:
        ArtifactError: one of the two cannot be read.
    """
    path = Path(engine)
    if not path.is_file():
        raise ArtifactError(f"{path}: there is no such file; expected an engine")
    record = replace(describe(Path(onnx), **options), engine_sha256=sha256_of(path))
    with atomic(record_path(path)) as temporary:
        temporary.write_text(record.to_json())
    return record


def describe(
    onnx: Path,
    *,
    flavour: Flavour = "tensorrt",
    precision: Precision = "fp32",
    profiles: Mapping[str, Shapes] | str | None = None,
    targets: Sequence[str] | None = None,
    workspace: int = 0,
    refit: bool = False,
    version_compatible: bool = False,
    tf32: bool = False,
    plugins: Plugins | None = None,
) -> EngineRecord:
    """All that decides what an engine of a graph would be on this machine, before it is built.

    Args:
        onnx: the graph.
        flavour: ``tensorrt`` or ``tensorrt_rtx``.
        precision: ``fp32``, ``fp16`` or ``int8``; see ``converters.tensorrt.precision``.
        profiles: least, best and most shape of inputs with free dimensions, as words or parsed; what is not
            given comes from what the model declares.
        targets: compute capabilities such as "8.9", for ``tensorrt_rtx``; by default those of Ampere, Ada and
            Blackwell.
        workspace: bytes that a layer may take; 0: the library's own limit.
        refit: weights can be replaced later.
        version_compatible: runs with later versions of the same major version too.
        tf32: let 32-bit products be computed with 10 bits of fraction; parity of fp32 is lost.
        plugins: put TensorRT's plugins in the place of the layers between lengths in a graph of text to
            speech, compiled ahead of time (``aot``) or called just in time (``jit``); by default there are
            none.

    Raises:
        ArtifactError, MissingExtraError, ValueError: as ``build_engine``.
    """
    graph, ahead = OnnxGraph(onnx), flavour == "tensorrt_rtx"
    if graph.manifest is not None and graph.manifest.no_engine:
        raise ArtifactError(f"{onnx}: {graph.manifest.no_engine}")
    given = parse_profiles(profiles) if isinstance(profiles, str) else profiles or {}
    flags = {"refit": refit, "version_compatible": version_compatible, "no_tf32": not tf32}
    _check_flavour(ahead, targets, plugins, version_compatible)
    if plugins:
        flags[PLUGIN_FLAGS[plugins]] = True
    library, gpu = load_library(flavour), find_gpu()
    return EngineRecord(
        flavour=flavour,
        library=library.__version__,
        onnx_sha256=sha256_of(onnx),
        precision=precision,
        profiles=complete_profiles(graph.inputs, given, graph.manifest.ranges if graph.manifest else {}),
        flags=tuple(name for name, is_set in flags.items() if is_set),
        workspace=workspace,
        targets=tuple(targets or RTX_TARGETS) if ahead else (),
        gpu=None if ahead else gpu,
        system="" if ahead else system(),
        manifest=json.loads(graph.manifest.to_json()) if graph.manifest else None,
        speechzoo=__version__,
    )


def _check_flavour(
    ahead: bool, targets: Sequence[str] | None, plugins: Plugins | None, version_compatible: bool
) -> None:
    """Refuse what one of the libraries does not have; ``ahead`` for TensorRT for RTX.

    Raises:
        ValueError: that.
    """
    if not ahead and targets:
        raise ValueError("targets are for TensorRT for RTX (--rtx); TensorRT builds for the card at hand")
    if ahead and plugins:
        raise ValueError("plugins are for TensorRT (without --rtx); TensorRT for RTX does not read them")
    if ahead and version_compatible:
        raise ValueError(
            "version_compatible is for TensorRT (without --rtx); TensorRT for RTX brings no library for it"
        )


def run_job(job: Job, folder: Path) -> Built:
    """Build in a process of its own, which may come to any end.

    Args:
        job: what.
        folder: for notes between the two.

    Raises:
        ArtifactError, MissingExtraError: as ``converters.tensorrt.builder.build``; or the process died.
    """
    asked, answer = folder / "job.json", folder / "result.json"
    asked.write_text(json.dumps(asdict(job)))
    answer.unlink(missing_ok=True)
    words = [sys.executable, "-m", "converters.tensorrt.builder", str(asked), str(answer)]
    search = os.pathsep.join(path for path in (str(ROOT), os.environ.get("PYTHONPATH")) if path)
    environment = {**os.environ, "PYTHONPATH": search}
    child = subprocess.Popen(
        words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        said = _pass_on(child, job.bar)
        status = child.wait()
    except KeyboardInterrupt:
        child.send_signal(signal.SIGINT)
        child.wait()
        raise
    if status == 130:
        raise KeyboardInterrupt
    if answer.is_file():
        result = json.loads(answer.read_text())
        if "built" in result:
            return Built(**{**result["built"], "warnings": tuple(result["built"]["warnings"])})
        raise {"MissingExtraError": MissingExtraError}.get(result["kind"], ArtifactError)(result["error"])
    cause = f"signal {-status}" if status < 0 else f"status {status}"
    raise ArtifactError(
        f"{job.name}: the compiler of {TITLES[job.flavour]} died ({cause}{said and ': ' + said}); it does so "
        f"for want of memory, and on some graphs with free dimensions: give smaller profiles, or export with "
        f"fixed ones"
    )


def _readable(source: Path, folder: Path, flavour: Flavour) -> Path:
    """The graph without operators on which a compiler is known to fail, the values being what they were."""
    if flavour != "tensorrt_rtx":
        return source
    proto = load_graph(source)
    if not elus_in_parts(proto.graph):  # TensorRT for RTX 1.7 cannot always infer the shape of Elu
        return source
    path = folder / "readable.onnx"
    save_graph(proto, path)
    return path


def _check_on_gpu(onnx: Path, engine: Path, record: EngineRecord) -> ParityReport | None:
    """Hold an engine against its graph in ONNX Runtime, as its task does, if it can run here.

    Raises:
        ParityError: it differs by more than its precision may.
    """
    graph, gpu = OnnxGraph(onnx), find_gpu()
    if gpu is None or record.refusal(record.library, gpu) or graph.manifest is None:
        return None
    if "no_tf32" not in record.flags:
        return None
    beside, task = record_path(engine), task_of(graph)
    beside.write_text(record.to_json())
    try:
        best = {name: shape for name, (_, shape, _) in record.profiles.items()}
        feeds = task.feeds(graph, CHECKED_CALLS, exact=True, shapes=best)
        return task.compare(
            graph, Engine(engine, register_plugins=task.register_plugins), feeds, record.tolerance
        )
    except MissingExtraError:  # no PyTorch with CUDA to run it with
        return None
    finally:
        beside.unlink(missing_ok=True)


def _advice(onnx: Path, record: EngineRecord) -> str:
    """A way out that is known in such a case."""
    if "refit" in record.flags and find_gpu() is None:
        return ". With TensorRT for RTX too, engines that can be refitted are built where there is a GPU"
    if record.profiles and any(node.op_type == "Attention" for node in load_graph(onnx).graph.node):
        return (
            ". Compilers of NVIDIA's are known to fail on the operator Attention where a dimension is free: "
            "export with opset 18 (--opset 18), or with fixed dimensions"
        )
    return ""


def command_line(record: EngineRecord, onnx: Path, engine: Path) -> str:
    """The same engine by NVIDIA's own program: ``trtexec``, or ``tensorrt_rtx``; fp32 graphs only.

    A reduced precision is a property of the graph, which ``reduce_precision`` writes. Plugins of Python it
    does not know: the command is empty then.
    """
    if not set(PLUGIN_FLAGS.values()).isdisjoint(record.flags):
        return ""
    words = ["tensorrt_rtx" if record.flavour == "tensorrt_rtx" else "trtexec"]
    words += [f"--onnx={onnx}", f"--saveEngine={engine}"]
    if record.flavour == "tensorrt":
        words.append("--stronglyTyped")
    flags = {"no_tf32": "--noTF32", "refit": "--refit", "version_compatible": "--versionCompatible"}
    words += [word for flag, word in flags.items() if flag in record.flags]
    if record.workspace:
        words.append(f"--memPoolSize=workspace:{record.workspace >> 20}M")
    for index, option in enumerate(("min", "opt", "max")):
        shapes = [f"{name}:{'x'.join(map(str, s[index]))}" for name, s in record.profiles.items()]
        words += [f"--{option}Shapes={','.join(shapes)}"] if shapes else []
    return shlex.join(words)


def _pass_on(child: subprocess.Popen[str], bar: bool) -> str:
    """Let the child's bar through to stderr; what it said last is for an error."""
    assert child.stderr
    last: list[str] = []
    while text := child.stderr.read(64):
        last = [*last[-20:], text]
        if bar:
            sys.stderr.write(text)
            sys.stderr.flush()
    lines = [] if bar else "".join(last).strip().splitlines()
    return lines[-1][:200] if lines else ""
