"""What is exported to what: one entry for every task and target.

Importing this imports no converter; those are imported when they are used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import converters
from zoo.extras import extra
from zoo.runtime.artifact import ENGINES

if TYPE_CHECKING:
    from zoo.networks.base import Network
    from zoo.networks.synthesis import SynthesisNetwork

Progress = Callable[[str], None]
Reports = dict[Path, object]  # what each file came to; None: it was there, and is the same

# Targets with the endings of their files; what has none of its own is chosen by name only.
TARGETS: dict[str, tuple[str, ...]] = {
    "onnx": (".onnx",),
    "torchscript": (".ts",),
    "exported": (".pt2",),
    "torch-tensorrt": (),
    "engine": ENGINES,
}


@dataclass(frozen=True)
class Exporter:
    """The way from a task's networks to a target's files.

    Attributes:
        write: makes files of a model; takes it, the place (a file, for text to speech a folder or None with
            the option ``config``), the options that were given by name, and what is called with a line for
            each step.
        options: names of those that it knows.
        forms: what the option ``form`` may be, the default first; none: it has no forms.
    """

    write: Callable[..., Reports]
    options: frozenset[str]
    forms: tuple[str, ...] = ()


def find_exporter(task: str, target: str) -> Exporter:
    """Look up the way from a task to a target.

    Raises:
        ValueError: there is none.
    """
    if (task, target) not in EXPORTERS:
        ready = [other for of, other in EXPORTERS if of == task]
        raise ValueError(f"models for {task} are exported to {' or '.join(ready)}, not to {target}")
    return EXPORTERS[task, target]


def takers(option: str) -> list[tuple[str, str]]:
    """Tasks and targets that know an option."""
    return [pair for pair, exporter in EXPORTERS.items() if option in exporter.options]


def _enhancer(function: str, *free: str) -> Callable[..., Reports]:
    """What exports enhancers by a function of ``converters``; ``free``: sizes that it can leave so."""

    def write(model: Network, out: Path, options: Mapping[str, Any], progress: Progress) -> Reports:
        given = dict(options)
        for name in free:
            given[name] = _free(given.get(name, 1), name)
        streaming = not given.pop("offline", False)
        if given.pop("fp16", False):
            given["precision"] = "fp16"
        form = given.pop("form", ENHANCER_FORMS[0])
        export = getattr(converters, function)
        return {out: export(model, out, form, streaming=streaming, **given, progress=progress)}

    return write


def _speaker(model: Network, out: Path, options: Mapping[str, Any], progress: Progress) -> Reports:
    from zoo.tasks.speaker.embedder import read_mean

    given = dict(options)
    mean = given.pop("mean_vec", None)
    form = given.pop("form", SPEAKER_FORMS[0])
    vector = None if mean is None else read_mean(mean)
    export = converters.export_speaker
    return {out: export(model, out, form, mean=vector, **given, progress=progress)}


def _synthesis(model: Network, out: Path | None, options: Mapping[str, Any], progress: Progress) -> Reports:
    with extra("onnx", "exporting text to speech"):
        from converters.subjects.synthesis import export_or_keep
    from zoo.tasks.synthesis.engine_config import read_engine_config

    batch, force = options.get("batch", 1), options.get("force", False)
    if out is None:
        wanted = read_engine_config(options["config"])
        sizes = dict(zip(wanted.graphs, wanted.buckets, strict=True))
        batch, force = wanted.batch, wanted.force_build or force
    else:
        sizes = _sized(model, out, ".onnx", options)
    given = {"batch": _free(batch, "batch"), "force": force, "progress": progress}
    return {
        path: export_or_keep(_synthesis_network(model), path, tokens=tokens, frames=frames, **given)
        for path, (tokens, frames) in sizes.items()
    }


def _sized(model: Network, out: Path, ending: str, options: Mapping[str, Any]) -> dict[Path, tuple[int, int]]:
    """A file's path for each size that is wanted: ``out`` itself, or in the folder of that name."""
    from converters.subjects.synthesis import default_buckets, file_name

    network = _synthesis_network(model)
    buckets = options.get("buckets") or default_buckets(network)
    if not out.suffix or out.is_dir():
        return {(out / file_name(network, *size)).with_suffix(ending): size for size in buckets}
    if len(buckets) > 1:
        raise ValueError(f"{out}: a folder is expected for {len(buckets)} sizes; or name one with --buckets")
    return {out: buckets[0]}


def _synthesis_network(model: Network) -> SynthesisNetwork:
    from zoo.networks.synthesis import SynthesisNetwork

    assert isinstance(model, SynthesisNetwork), "what a SynthesisSpec builds"
    return model


def _engine(graph: Callable[..., Reports]) -> Callable[..., Reports]:
    """What builds an engine from a graph that is exported for it and not kept."""

    def write(model: Network, out: Path, options: Mapping[str, Any], progress: Progress) -> Reports:
        described, given = _described(options)
        build = converters.build_engine
        with tempfile.TemporaryDirectory() as folder:
            (onnx,) = graph(model, Path(folder, "graph.onnx"), given, progress)
            return {out: build(onnx, out, **described, progress=progress)}

    return write


def _synthesis_engines(
    model: Network, out: Path | None, options: Mapping[str, Any], progress: Progress
) -> Reports:
    """Engines of a configuration file, or one a size."""
    described, given = _described(options)
    build, force = converters.build_engine, given.get("force", False)
    if out is None:
        with extra("onnx", "an engine"):
            from converters.tensorrt.from_config import build_from_config
        from zoo.tasks.synthesis.engine_config import read_engine_config

        for name in ("precision", "profiles"):
            if name in described:
                raise ValueError(f"the file of --config says the {name}; leave them out here")
        config, network = read_engine_config(given["config"]), _synthesis_network(model)
        return dict(
            build_from_config(config, model=network, force=force, described=described, progress=progress)
        )
    sizes = _sized(model, out, ".engine", given)
    for engine in sizes:
        if engine.exists() and not force:
            raise ValueError(f"{engine}: it is there; --force replaces it")
    reports: Reports = {}
    with tempfile.TemporaryDirectory() as folder:
        for engine, size in sizes.items():
            onnx = Path(folder, engine.name).with_suffix(".onnx")
            _synthesis(model, onnx, {**given, "buckets": [size]}, progress)
            reports[engine] = build(onnx, engine, **described, progress=progress)
    return reports


def _described(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``build_engine`` is to be told, and the options of the graph.

    Raises:
        ValueError: two precisions.
    """
    given = dict(options)
    described = {"flavour": "tensorrt_rtx" if given.pop("rtx", False) else "tensorrt"}
    reduced = [name for name in ("fp16", "int8") if given.pop(name, False)]
    if len(reduced) > 1:
        raise ValueError("--fp16 and --int8 contradict each other; leave one out")
    if reduced:
        described["precision"] = reduced[0]
    if profiles := given.pop("profile", None):
        described["profiles"] = ",".join(profiles)
    return described, given


def _free(number: Any, name: str) -> Any:
    """0 leaves a size free, which is called by its name."""
    return name if number == 0 else number


ENHANCER_FORMS, SPEAKER_FORMS = ("wav2wav", "spec2spec"), ("feats", "wav")
_SIZES = frozenset({"form", "streams", "hops", "offline", "frames"})
_SPEAKER = frozenset({"form", "mean_vec", "language", "opset"})
_SYNTHESIS = frozenset({"buckets", "batch", "config", "force"})
_BUILT = frozenset({"fp16", "int8", "rtx", "profile"})
_ONNX = _enhancer("export_onnx", "streams", "hops")

EXPORTERS: dict[tuple[str, str], Exporter] = {
    ("enhancement", target): Exporter(write, _SIZES | more, ENHANCER_FORMS)
    for target, write, more in (
        ("onnx", _ONNX, {"opset"}),
        ("torchscript", _enhancer("export_torchscript", "streams"), set()),
        ("exported", _enhancer("export_program", "streams"), {"compiled"}),
        ("torch-tensorrt", _enhancer("compile_torch_tensorrt", "streams"), {"fp16"}),
        ("engine", _engine(_ONNX), _BUILT | {"opset"}),
    )
} | {
    ("speaker", "onnx"): Exporter(_speaker, _SPEAKER, SPEAKER_FORMS),
    ("speaker", "engine"): Exporter(_engine(_speaker), _SPEAKER | _BUILT, SPEAKER_FORMS),
    ("synthesis", "onnx"): Exporter(_synthesis, _SYNTHESIS),
    ("synthesis", "engine"): Exporter(_synthesis_engines, _SYNTHESIS | _BUILT),
}
