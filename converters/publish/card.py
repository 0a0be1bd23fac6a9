"""The model card of an artifact repository: README.md with the header that the Hub reads."""

from __future__ import annotations

import re

from huggingface_hub import EvalResult, ModelCardData

from converters.subjects import get_subject
from zoo.hub.index import Index
from zoo.spec import ModelSpec, Weights

# Identifiers of the Hub for licences that weights come under; what is not here is "other" with a name.
_LICENCES = {
    "MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0",
    "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "GPL-3.0", "LGPL-3.0", "MPL-2.0", "Unlicense",
}  # fmt: skip
_METRICS = (
    "SI-SDR", "PESQ", "STOI", "DNSMOS", "clean", "noise", "steady", "log-mel L1", "durations", "word errors",
)  # fmt: skip


def card(spec: ModelSpec, index: Index, weights: Weights | None, repo: str) -> str:
    """Markdown: what the model is, how to use it, what is in the repository, how good, and from what.

    Args:
        spec: of the model.
        index: of the repository, without the card itself.
        weights: descriptor of the weights, if they have one.
        repo: its name on the Hub.
    """
    subject = get_subject(spec.task)
    licence = index.weights["licence"]
    trained_on = index.weights.get("training_data", "")
    parts = [
        header(spec, licence, weights),
        f"# {spec.title}",
        f"{subject.purpose(spec)} {spec.parameters:,} parameters. {spec.paper} ({spec.url}).",
        "Every file here was checked against the network in PyTorch before it was published. "
        "`speechzoo pull` checks it again where it will run, by a recording that comes with it.",
        "## Use",
        subject.use(spec.name, repo, index.find("onnx", repo).name),
        "## Files",
        _files(index),
        "## Weights",
        f"- Source: {index.weights['source']}{_address(weights)}\n"
        f"- Licence: {licence}\n"
        f"- Trained on: {trained_on or 'not stated'}\n{_restriction(index)}"
        f"- SHA-256 of the parameters: `{index.weights['sha256']}`",
    ]
    if weights and weights.metrics:
        rows = "\n".join(f"| {name} | {value:g} |" for name, value in weights.metrics.items())
        parts += ["## Figures", f"| | |\n|---|---|\n{rows}"]
    made = ", ".join(f"{package} {version}" for package, version in index.toolchain.items())
    parts += [f"Made with {made}. This card was written by `speechzoo publish`."]
    return "\n\n".join(parts) + "\n"


def _restriction(index: Index) -> str:
    """What the weights may not be used for, if that is known."""
    told = index.weights.get("restriction")
    return f"- Restriction: {told}\n" if told else ""


def header(spec: ModelSpec, licence: str, weights: Weights | None) -> str:
    """The YAML header, between its lines of dashes."""
    subject = get_subject(spec.task)
    metrics = {name: _parts(name) for name in (weights.metrics if weights else ())}
    results = [
        EvalResult(
            task_type=subject.pipeline,
            dataset_type=_slug(data) or "unknown",
            dataset_name=data or "unknown",
            metric_type=_slug(metric),
            metric_name=metric,
            metric_value=weights.metrics[name],
        )
        for name, (metric, data) in metrics.items()
        if weights
    ]
    known = licence in _LICENCES
    data = ModelCardData(
        license=licence.lower() if known else "other",
        license_name=None if known else licence.lower(),
        library_name="speechzoo",
        pipeline_tag=subject.pipeline,
        tags=[
            "speech",
            *subject.tags,
            "onnx",
            *(["streaming"] if getattr(spec, "streaming", False) else []),
            spec.family,
        ],
        datasets=list(weights.datasets) if weights and weights.datasets else None,
        metrics=list(dict.fromkeys(_slug(metric) for metric, _ in metrics.values())) or None,
        eval_results=results or None,
        model_name=spec.name,
    )
    return f"---\n{data.to_yaml()}\n---"


def _files(index: Index) -> str:
    lines = ["| file | what | kB | SHA-256 |", "|---|---|---|---|"]
    for file in sorted(index.files, key=lambda file: file.path):
        about = "" if file.streaming is None else "streaming " if file.streaming else "offline "
        lines.append(
            f"| `{file.path}` | {about}{file.form} {file.format} | {file.size / 1e3:.0f} | `{file.sha256}` |"
        )
    return "\n".join(lines)


def _address(weights: Weights | None) -> str:
    return f", {weights.url}" if weights and "://" in weights.url else ""


def _parts(name: str) -> tuple[str, str]:
    """Metric and data set of a figure's name, in whichever order it has them."""
    parts = name.split(", ")
    metric = next((part for part in parts if part.startswith(_METRICS)), parts[-1])
    return metric, ", ".join(part for part in parts if part != metric)


def _slug(text: str) -> str:
    """Lower case with dashes, without what is in brackets and without units."""
    text = re.sub(r"\(.*?\)|\bdB$", "", re.sub(r"dB \(", "(", text)).strip()
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
