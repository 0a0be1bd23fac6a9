"""The model card of packaged weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zoo.builtin import TAG
from zoo.errors import ArtifactError, AudioError
from zoo.evaluation.metrics import HEADINGS
from zoo.spec import EnhancementSpec, Weights
from zoo.tasks.describe import count, row


@dataclass(frozen=True)
class Evaluation:
    """Figures that ``speechzoo evaluate --json`` wrote.

    Attributes:
        title: what was measured on.
        rows: means by metric, by row.
        files: how many recordings.
        worse: by row, in how many of them the SI-SDR is below that of the noisy recording; empty if that is
            not known.
    """

    title: str
    rows: dict[str, dict[str, float]]
    files: int
    worse: dict[str, int] = field(default_factory=dict)

    def figures(self, row: str) -> dict[str, float]:
        """The means of a row, by heading.

        Raises:
            AudioError: there is no such row.
        """
        if row not in self.rows:
            raise AudioError(f"figures for {self.title}: no row {row}, only {', '.join(self.rows)}")
        return {HEADINGS[name]: value for name, value in self.rows[row].items()}


def read_evaluation(path: Path) -> Evaluation:
    """Read what ``speechzoo evaluate --json`` wrote.

    Raises:
        AudioError: it is something else.
    """
    try:
        record = json.loads(path.read_text())
        low, high = record["set"]["snr_db"]
        rows = {
            row["name"]: {name: value for name, value in row["means"].items() if value is not None}
            for row in record["rows"]
        }
        files = {row["name"]: row["files"] for row in record["rows"]}
        count = len(record["rows"][0]["files"])
        noisy = files.pop("noisy", {})
        worse = {name: _worse(noisy, found) for name, found in files.items() if noisy}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise AudioError(
            f"{path}: expected mixtures' figures from speechzoo evaluate --json ({error!r})"
        ) from error
    return Evaluation(f"mixtures at {low:g} to {high:g} dB", rows, count, worse)


def _worse(noisy: dict[str, Any], enhanced: dict[str, Any]) -> int:
    pairs = [(noisy[name].get("si_sdr"), figures.get("si_sdr")) for name, figures in enhanced.items()]
    return sum(b < a for a, b in pairs if a is not None and b is not None)


@dataclass(frozen=True)
class Made:
    """What a card is written from, besides the weights' descriptor: the record of how they were made.

    Attributes:
        history: the settings of each training run, its last step and the one of its best weights.
        evaluations: of these weights.
        training_data: a heading, a sentence and a table.
        parameters: sha256 of the parameters.
        snr_db, max_error: of the graph against the training form.
    """

    history: list[dict[str, Any]]
    evaluations: list[Evaluation]
    training_data: str
    parameters: str
    snr_db: float
    max_error: float

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def read_made(path: Path) -> Made:
    """Read what ``Made.to_json`` wrote.

    Raises:
        ArtifactError: it is something else.
    """
    try:
        data = json.loads(path.read_text())
        return Made(**{**data, "evaluations": [Evaluation(**one) for one in data["evaluations"]]})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path}: expected the record of packaged weights ({error}); package them again"
        ) from error


def card(spec: EnhancementSpec, weights: Weights, made: Made) -> str:
    """Markdown: what the weights are, how good, from what, and how to make them again."""
    title, sentence, table = made.training_data.strip().split("\n\n", 2)
    hop, latency = 1e3 * spec.front_end.hop_length / spec.front_end.sample_rate, row(spec)["latency"]
    parts = [
        f"# {spec.title}, trained by speechzoo",
        f"Speech enhancement for a stream at {spec.front_end.sample_rate} Hz: removes noise, keeps the "
        f"voice. This card was written from the record of its own training and figures.",
        "\n".join(
            (
                f"- **Architecture**: {spec.paper} ({spec.url}). {count(spec.parameters)} parameters, "
                f"{count(spec.macs_per_second)} multiply-adds a second, frames of {hop:g} ms, at most "
                f"{latency} behind its input. [The model](../README.md).",
                f"- **Use**: `speechzoo enhance noisy.wav --model {spec.name}`, or "
                f'`zoo.Enhancer("{spec.name}")`, without PyTorch; `zoo.create_model("{spec.name}", '
                f'"{TAG}")` for the network.',
                f"- **Licence**: {weights.licence}; attribution to the recordings below.",
                f"- **Graph**: streaming wav2wav; against the training form on speech, SNR "
                f"{made.snr_db:.1f} dB, largest difference {made.max_error:.1e} of the peak.",
                f"- **SHA-256**: `{weights.sha256}` ({spec.name}.safetensors), `{weights.artifact_sha256}` "
                f"({spec.name}.onnx), `{made.parameters}` (parameters).",
            )
        ),
    ]
    if made.evaluations:
        parts += ["## Figures", _FIGURES, *(_table(evaluation) for evaluation in made.evaluations)]
    parts += [
        "## Training data",
        f"{sentence}.",
        table.replace("](training.md)", "](../../../../docs/training.md)"),
        "## Limits",
        _limits(spec.name, made.evaluations),
        "## Made by",
        "In a clone of the project, with the recordings above in the folders that are named:",
        *(_run(settings, number, len(made.history)) for number, settings in enumerate(made.history, 1)),
    ]
    return "\n\n".join(parts) + "\n"


_FIGURES = (
    "Recordings of speech and noise, mixed by `speechzoo evaluate`; means, all rows on the same "
    "files in one run. `MODEL=TAG` is that model's released weights; `clean` is the SI-SDR of clean speech "
    "after enhancement, `noise` and `steady` by how many dB the set's noise and pink noise get weaker "
    "without speech."
)


def _limits(own: str, evaluations: list[Evaluation]) -> str:
    """What the figures themselves say against the weights, and where they end."""
    if not evaluations:
        return "These weights were not measured."
    sets = " and ".join(f"{evaluation.files} {evaluation.title}" for evaluation in evaluations)
    lines = [f"Measured on {sets}, and on nothing else."]
    clean = [means["clean"] for e in evaluations if "clean" in (means := e.rows[own])]
    if clean:
        lines.append(f"Clean speech does not come back unchanged: its SI-SDR is {min(clean):.1f} dB.")
    for evaluation in evaluations:
        where = f"Of {evaluation.files} {evaluation.title}"
        if own in evaluation.worse:
            lines.append(f"{where}, the SI-SDR of {evaluation.worse[own]} is below that of the noisy one.")
        means = evaluation.rows[own]
        for other, others in evaluation.rows.items():
            better = [n for n in ("si_sdr", "pesq", "stoi") if others.get(n, 0) > means.get(n, float("inf"))]
            if better:
                told = ", ".join(
                    f"{HEADINGS[n]} {_shown(n, others)} against {_shown(n, means)}" for n in better
                )
                lines.append(
                    f"At {evaluation.title.removeprefix('mixtures at ')}, {other} is better: {told}."
                )
    return "\n".join(f"- {line}" for line in lines)


def _table(evaluation: Evaluation) -> str:
    names = [name for name in HEADINGS if any(name in means for means in evaluation.rows.values())]
    lines = [
        f"{evaluation.files} {evaluation.title}:",
        "",
        "| | " + " | ".join(HEADINGS[name] for name in names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for enhancer, means in evaluation.rows.items():
        cells = (_shown(name, means) for name in names)
        lines.append(f"| {enhancer} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


_DIGITS = {"stoi": 3, "clean": 1, "noise": 1, "steady": 1}
# What stands for the folders of runs that did not record them.
_UNRECORDED = {
    option: [f"{kind}/{part}"]
    for kind in ("speech", "noise")
    for option, part in ((kind, "train"), (f"valid_{kind}", "valid"))
}


def _shown(name: str, means: dict[str, float]) -> str:
    return f"{means[name]:.{_DIGITS.get(name, 2)}f}" if name in means else ""


def _run(settings: dict[str, Any], number: int, count: int) -> str:
    """The command line that repeats one run of several, and where its weights are from."""
    name = settings["model"] + (f"_{number}" if count > 1 else "")
    folders = settings.get("folders", _UNRECORDED)
    lines = [f"python -m scripts.train {settings['model']} --out out/{name}"]
    for kind in ("speech", "noise"):
        train, valid = (" ".join(folders[option]) for option in (kind, f"valid_{kind}"))
        lines.append(f"    --{kind} {train} --valid-{kind} {valid}")
    names = ("steps", "batch", "seconds", "lr", "warm_up", "perceptual", "intelligibility", "seed")
    options = {name: f"--{name.replace('_', '-')}" for name in names}
    known = [f"{option} {settings[name]:g}" for name, option in options.items() if name in settings]
    lines.append(f"    {' '.join(known)}")
    if number > 1:
        lines.append(f"    --weights out/{settings['model']}_{number - 1}/best.safetensors")
    elif settings.get("weights"):
        lines.append(f"    --weights {settings['weights']}")
    command = " \\\n".join(lines)
    notes = f" It was stopped after {settings['last']}." if settings["last"] < settings["steps"] else ""
    for name, option in options.items():
        if name not in settings:
            notes += f" This run was made before the trainer had `{option}`."
    if "recipe" in settings:
        notes += f" Its recipe of mixtures is in `docs/weights/{settings['model']}.json`."
    else:
        notes += " It did not record its recipe of mixtures, which is another now."
    return (
        f"```sh\n{command}\n```\n\nBest in validation: after step {settings['best']} of {settings['steps']}."
        f"{notes}"
    )
