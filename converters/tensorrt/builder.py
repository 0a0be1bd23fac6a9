"""Runs NVIDIA's parser and builder over one graph; by ``python -m`` in a process of its own.

Their compilers can end a process without a word, and they take a lot of memory; in a child that is one clear
error. TensorRT 10 and 11 and TensorRT for RTX have one interface here: networks are strongly typed, so what
is computed in how many bits is the graph's own affair.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from converters.tensorrt.plugins import register_for_building
from zoo.artifact.engine import PLUGIN_FLAGS, TITLES, Flavour, Shapes
from zoo.errors import ArtifactError, MissingExtraError
from zoo.runtime.nvidia import load_library, make_logger

BUILDER_FLAGS = {"refit": "REFIT", "version_compatible": "VERSION_COMPATIBLE"}


@dataclass(frozen=True)
class Job:
    """What is to be built.

    Attributes:
        flavour: ``tensorrt`` or ``tensorrt_rtx``.
        onnx: the graph.
        name: what errors call it.
        plan: the file to write; nothing is written if it fails.
        profiles: of every input with a free dimension.
        flags: of ``BUILDER_FLAGS`` and ``PLUGIN_FLAGS``, and ``no_tf32``.
        workspace: bytes; 0: no limit of ours.
        targets: compute capabilities, "8.6"; none: the library's own choice.
        timing_cache: file to read and write, or empty.
        bar: show progress on stderr.
    """

    flavour: Flavour
    onnx: str
    name: str
    plan: str
    profiles: Mapping[str, Shapes]
    flags: tuple[str, ...] = ()
    workspace: int = 0
    targets: tuple[str, ...] = ()
    timing_cache: str = ""
    bar: bool = False


@dataclass(frozen=True)
class Built:
    """What came of it.

    Attributes:
        library: its version.
        layers: of the parsed network.
        bytes: of the engine.
        seconds: of parsing and building.
        warnings: what the library said, each once.
    """

    library: str
    layers: int
    bytes: int
    seconds: float
    warnings: tuple[str, ...]


def build(job: Job, trt: Any = None) -> Built:
    """Parse, compile and write.

    Args:
        job: what.
        trt: the library's module; by default the flavour's.

    Raises:
        ArtifactError: the parser or the compiler refuses the graph, or memory runs out.
        MissingExtraError: the library is not installed, or has no GPU where it needs one.
        KeyboardInterrupt: it was interrupted.
    """
    trt = trt or load_library(job.flavour)
    title = f"{TITLES[job.flavour]} {trt.__version__}"
    begin, log = time.perf_counter(), make_logger(trt)
    try:
        builder = trt.Builder(log)
    except TypeError as error:  # what pybind11 makes of a null pointer
        raise MissingExtraError(
            f"{title} cannot start ({log.told() or error}); its builder needs an NVIDIA GPU and a driver "
            f"that is new enough. TensorRT for RTX builds without one: --rtx"
        ) from error
    if not set(PLUGIN_FLAGS.values()).isdisjoint(job.flags):
        register_for_building(PLUGIN_FLAGS["aot"] in job.flags)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(job.onnx):
        raise ArtifactError(f"{job.name}: the parser of {title} refuses it: {_refusals(parser)}")
    config = _configure(trt, builder, network, job)
    cache = _timing_cache(trt, config, job)
    monitor = make_monitor(trt, job.bar)
    config.progress_monitor = monitor
    try:
        plan = builder.build_serialized_network(network, config)
    except MemoryError as error:
        raise ArtifactError(_out_of_memory(job, title, str(error))) from error
    finally:
        monitor.close()
    if monitor.interrupted:
        raise KeyboardInterrupt
    if plan is None:
        reason = log.told() or "it does not say why"
        if "memory" in reason.lower() and ("out of" in reason.lower() or "insufficient" in reason.lower()):
            raise ArtifactError(_out_of_memory(job, title, reason))
        raise ArtifactError(f"{job.name}: the compiler of {title} refuses it: {reason}")
    Path(job.plan).write_bytes(memoryview(plan))
    if cache is not None:
        Path(job.timing_cache).write_bytes(memoryview(cache.serialize()))
    return Built(
        trt.__version__,
        network.num_layers,
        Path(job.plan).stat().st_size,
        time.perf_counter() - begin,
        tuple(dict.fromkeys(log.warnings)),
    )


def make_monitor(trt: Any, shown: bool) -> Any:
    """What follows the builder's phases and shows a bar; Ctrl-C stops the builder at its next step."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.interrupted = False
            self._phases: dict[str, tuple[str | None, int, int]] = {}  # parent, steps, steps done
            self._bar = tqdm(total=1.0, bar_format="{desc:40}{bar}{percentage:4.0f} %", disable=not shown)

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._phases[phase] = (parent, max(1, steps), 0)
            self._show(phase)

        def step_complete(self, phase: str, step: int) -> bool:
            try:
                parent, steps, _ = self._phases.get(phase, (None, 1, 0))
                self._phases[phase] = (parent, steps, min(steps, step + 1))
                self._show(phase)
            except KeyboardInterrupt:
                self.interrupted = True
            return not self.interrupted

        def phase_finish(self, phase: str) -> None:
            self._phases.pop(phase, None)

        def close(self) -> None:
            self._bar.close()

        def _show(self, phase: str) -> None:
            part, at = 0.0, phase
            while at in self._phases:
                parent, steps, done = self._phases[at]
                part = min(1.0, (done + part) / steps)
                if parent is None:
                    break
                at = parent
            self._bar.set_description_str(phase[:38], refresh=False)
            self._bar.update(max(0.0, part - self._bar.n))

    return Monitor()


def _configure(trt: Any, builder: Any, network: Any, job: Job) -> Any:
    config = builder.create_builder_config()
    if "no_tf32" in job.flags:
        config.clear_flag(trt.BuilderFlag.TF32)
    for flag in job.flags:
        if flag in BUILDER_FLAGS:
            if not hasattr(trt.BuilderFlag, BUILDER_FLAGS[flag]):
                raise ArtifactError(f"{TITLES[job.flavour]} {trt.__version__} has no flag for {flag}")
            config.set_flag(getattr(trt.BuilderFlag, BUILDER_FLAGS[flag]))
    if job.workspace:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, job.workspace)
    if job.targets:
        config.num_compute_capabilities = len(job.targets)
        for index, target in enumerate(job.targets):
            config.set_compute_capability(_capability(trt, target), index)
    if job.profiles:
        profile = builder.create_optimization_profile()
        for name, shapes in job.profiles.items():
            profile.set_shape(name, *shapes)
        if config.add_optimization_profile(profile) < 0:
            raise ArtifactError(f"{job.name}: the profiles {dict(job.profiles)} do not fit its inputs")
    return config


def _capability(trt: Any, target: str) -> Any:
    name = f"SM{target.replace('.', '')}"
    if not hasattr(trt.ComputeCapability, name):
        known = sorted(n.removeprefix("SM") for n in trt.ComputeCapability.__members__ if n.startswith("SM"))
        raise ArtifactError(
            f"compute capability {target} is none that TensorRT for RTX {trt.__version__} builds for: "
            f"{', '.join(f'{n[:-1]}.{n[-1]}' for n in known)}"
        )
    return getattr(trt.ComputeCapability, name)


def _timing_cache(trt: Any, config: Any, job: Job) -> Any:
    """What the builder has timed before, on the same GPU; a file of another one is put aside."""
    if not job.timing_cache:
        return None
    path = Path(job.timing_cache)
    known = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(known)
    if not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return config.get_timing_cache() or cache


def _refusals(parser: Any) -> str:
    """Which nodes were refused, and why."""
    told = []
    for index in range(min(parser.num_errors, 5)):
        error = parser.get_error(index)
        node = f"{error.node_operator()} {error.node_name()}".strip()
        told.append(f"{node}: {error.desc()}" if node else error.desc())
    return "; ".join(dict.fromkeys(told))[:800] or "it does not say why"


def _out_of_memory(job: Job, title: str, reason: str) -> str:
    return (
        f"{job.name}: {title} runs out of memory ({reason}); give a smaller workspace or smaller "
        f"profiles, or free memory on the GPU"
    )


def main(argv: list[str] | None = None) -> int:
    """Build the job in the file that is named; its result or its error goes into the other one."""
    job_path, result_path = sys.argv[1:] if argv is None else argv
    data = json.loads(Path(job_path).read_text())
    job = Job(**{**data, "flags": tuple(data["flags"]), "targets": tuple(data["targets"])})
    result: dict[str, Any]
    try:
        result = {"built": asdict(build(job))}
    except (ArtifactError, MissingExtraError) as error:
        result = {"error": str(error), "kind": type(error).__name__}
    except KeyboardInterrupt:
        return 130
    Path(result_path).write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
