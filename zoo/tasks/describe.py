"""What is told of a model: by ``speechzoo list`` and ``speechzoo info``, to people and to programs."""

from __future__ import annotations

import dataclasses
from typing import Any

from zoo.spec import ModelSpec, Weights
from zoo.tasks import get_task


def row(spec: ModelSpec) -> dict[str, str]:
    """Cells of a model's row in its task's table, by heading; the name comes first and the weights last."""
    return {
        "name": spec.name,
        "rate": f"{spec.front_end.sample_rate / 1e3:g} kHz",
        "parameters": count(spec.parameters),
        "MACs/s": count(spec.macs_per_second),
        **get_task(spec.task).columns(spec),
        "weights": ", ".join(weights.tag for weights in spec.weights) or "-",
    }


def lines(spec: ModelSpec) -> dict[str, str]:
    """All that is known of a model but its weights, by heading."""
    task = get_task(spec.task)
    return {
        "model": f"{spec.title} ({spec.name}), {spec.task}",
        "paper": spec.paper,
        "project": f"{spec.url} ({spec.licence})",
        "sample rate": f"{spec.front_end.sample_rate} Hz",
        "parameters": f"{spec.parameters:,}",
        "multiply-adds": f"{count(spec.macs_per_second)} a second of audio",
        **task.facts(spec),
        "forms": ", ".join(task.forms(spec)),
    }


def summary(spec: ModelSpec) -> dict[str, Any]:
    """What a row has, for programs."""
    return {
        "name": spec.name,
        "task": spec.task,
        "sample_rate": spec.front_end.sample_rate,
        "parameters": spec.parameters,
        "macs_per_second": spec.macs_per_second,
        "weights": [weights.tag for weights in spec.weights],
        **get_task(spec.task).record(spec),
    }


def record(spec: ModelSpec) -> dict[str, Any]:
    """All that is known of a model, for programs."""
    return {
        **summary(spec),
        "title": spec.title,
        "paper": spec.paper,
        "url": spec.url,
        "licence": spec.licence,
        "forms": get_task(spec.task).forms(spec),
        "weights": [dataclasses.asdict(weights) for weights in spec.weights],
    }


def weights_row(spec: ModelSpec, weights: Weights) -> dict[str, str]:
    """Cells of a tag's row in the table of all weights, by heading; the restriction comes last."""
    return {
        "model": spec.name,
        "tag": weights.tag,
        "kind": weights.kind,
        "size": "?" if weights.size is None else f"{weights.size / 1e6:.1f} MB",
        "licence": weights.licence,
        "tried": "yes" if weights.seen else "no",
        "trained on": shortened(weights.training_data),
        "restriction": weights.restriction.partition(":")[0] or "-",
    }


def weights_lines(weights: Weights) -> list[str]:
    """All that is known of a tag, in lines of which the first names it."""
    told = [f"weights {weights.tag}: {weights.licence}, trained on {weights.training_data}"]
    if weights.restriction:
        told.append(f"  restriction: {weights.restriction}")
    if not weights.seen:
        told.append("  not tried: this project has its hash from others and never had the file")
    for file in weights.files:
        kind = _KINDS["graph" if file == weights.graph else weights.kind]
        size = "size not known" if file.size is None else f"{file.size:,} bytes"
        told += [f"  {file.url}", f"  {kind}, {size}, sha256 {file.sha256}"]
    return told + [f"  {metric}: {figure:g}" for metric, figure in weights.metrics.items()]


_KINDS = {
    "checkpoint": "a checkpoint",
    "folder": "a zip of a training folder",
    "graph": "an ONNX graph",
    "binary": "a file of another port",
}


def shortened(text: str, most: int = 60) -> str:
    """A text that fits a table, cut behind a word."""
    return text if len(text) <= most else f"{text[: most - 3].rpartition(' ')[0].rstrip(',;')} ..."


def count(number: int) -> str:
    """A number in thousands, millions or billions: 22.5 k, 60 M, 1.7 G."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
