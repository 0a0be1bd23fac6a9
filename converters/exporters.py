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
        write: makes files of a model; takes it, the place (a file, or for text to speech a folder), the
            options that were given by name, and what is called with a line for each step.
        options: names of those that it knows.
        forms: what the option ``form`` may be, the default first; none: it has no forms.
    """

    write: Callable[[Network, Path | None, Mapping[str, Any], Progress], Reports]
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


def _speaker(model: Network, out: Path | None, options: Mapping[str, Any], progress: Progress) -> Reports:
    from zoo.tasks.speaker.embedder import read_mean

    assert out is not None, "--config is for text to speech"
    given = dict(options)
    mean = given.pop("mean_vec", None)
    form = given.pop("form", SPEAKER_FORMS[0])
    vector = None if mean is None else read_mean(mean)
    export = converters.export_speaker
    return {out: export(model, out, form, mean=vector, **given, progress=progress)}


def _synthesis(model: Network, out: Path | None, options: Mapping[str, Any], progress: Progress) -> Reports:
    with extra("onnx", "exporting text to speech"):
        from converters.subjects.synthesis import default_buckets, export_or_keep, file_name
    from zoo.networks.synthesis import SynthesisNetwork
    from zoo.tasks.synthesis.engine_config import read_engine_config

    assert isinstance(model, SynthesisNetwork), "what a SynthesisSpec builds"
    batch, force = options.get("batch", 1), options.get("force", False)
    if out is None:
        wanted = read_engine_config(options["config"])
        sizes = dict(zip(wanted.graphs, wanted.buckets, strict=True))
        batch, force = wanted.batch, wanted.force_build or force
    else:
        buckets = options.get("buckets") or default_buckets(model)
        sizes = {out / file_name(model, *size): size for size in buckets}
    return {
        path: export_or_keep(
            model,
            path,
            tokens=tokens,
            frames=frames,
            batch=_free(batch, "batch"),
            force=force,
            progress=progress,
        )
        for path, (tokens, frames) in sizes.items()
    }


def _engine(graphs: Callable[..., Reports]) -> Callable[..., Reports]:
    """What builds engines from graphs that are exported for them and not kept."""

    def write(model: Network, out: Path | None, options: Mapping[str, Any], progress: Progress) -> Reports:
        given = dict(options)
        reduced = [name for name in ("fp16", "int8") if given.pop(name, False)]
        if len(reduced) > 1:
            raise ValueError("--fp16 and --int8 contradict each other; leave one out")
        described: dict[str, Any] = {"flavour": "tensorrt_rtx" if given.pop("rtx", False) else "tensorrt"}
        profiles = given.pop("profile", None)
        if out is None and (reduced or profiles):
            option = [*reduced, "profile"][0]
            raise ValueError(f"--{option}: the file of --config says that; leave it out")
        if out is None:
            return _configured_engines(model, given, described, progress)
        described |= {"precision": (reduced or ["fp32"])[0], "progress": progress}
        described |= {"profiles": ",".join(profiles)} if profiles else {}
        build = converters.build_engine
        several = model.spec.task == "synthesis"
        force = given.pop("force", False)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) if several else Path(folder, "graph.onnx")
            reports: Reports = {}
            for graph in graphs(model, place, given, progress):
                engine = out / graph.with_suffix(".engine").name if several else out
                if several and engine.exists() and not force:
                    raise ValueError(f"{engine}: it is there; --force replaces it")
                reports[engine] = build(graph, engine, **described)
        return reports

    return write


def _configured_engines(
    model: Network, options: Mapping[str, Any], described: Mapping[str, Any], progress: Progress
) -> Reports:
    with extra("onnx", "an engine"):
        from converters.tensorrt.from_config import build_from_config
    from zoo.networks.synthesis import SynthesisNetwork
    from zoo.tasks.synthesis.engine_config import read_engine_config

    assert isinstance(model, SynthesisNetwork), "what a SynthesisSpec builds"
    config, force = read_engine_config(options["config"]), options.get("force", False)
    return dict(build_from_config(config, model=model, force=force, described=described, progress=progress))


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
    ("synthesis", "engine"): Exporter(_engine(_synthesis), _SYNTHESIS | _BUILT),
}
