"""The model card of packaged weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.training.metrics import HEADINGS
from zoo.artifact.parity import ParityReport
from zoo.cli.list import count, latency_ms
from zoo.errors import AudioError
from zoo.packaged import TAG
from zoo.spec import EnhancementSpec, Weights


@dataclass(frozen=True)
class Evaluation:
    """Figures that ``scripts.evaluate --json`` wrote.

    Attributes:
        title: what was measured on.
        rows: means by metric, by row.
        files: how many recordings.
    """

    title: str
    rows: dict[str, dict[str, float]]
    files: int

    def figures(self, row: str) -> dict[str, float]:
        """The means of a row, by heading.

        Raises:
            AudioError: there is no such row.
        """
        if row not in self.rows:
            raise AudioError(f"figures for {self.title}: no row {row}, only {', '.join(self.rows)}")
        return {HEADINGS[name]: value for name, value in self.rows[row].items()}


def read_evaluation(path: Path) -> Evaluation:
    """Read what ``scripts.evaluate --json`` wrote.

    Raises:
        AudioError: it is something else.
    """
    try:
        record = json.loads(path.read_text())
        low, high = record["set"]["snr_db"]
        rows = {row["name"]: row["means"] for row in record["rows"]}
        files = len(record["rows"][0]["files"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise AudioError(
            f"{path}: expected mixtures' figures from scripts.evaluate --json ({error!r})"
        ) from error
    return Evaluation(f"mixtures at {low:g} to {high:g} dB", rows, files)


def card(
    spec: EnhancementSpec,
    weights: Weights,
    history: list[dict[str, Any]],
    evaluations: list[Evaluation],
    training_data: str,
    digest: str,
    report: ParityReport,
) -> str:
    """Markdown: what the weights are, how good, from what, and how to make them again."""
    title, sentence, table = training_data.strip().split("\n\n", 2)
    hop = 1e3 * spec.front_end.hop_length / spec.front_end.sample_rate
    parts = [
        f"# {spec.title}, trained by speechzoo",
        f"Speech enhancement for a stream at {spec.front_end.sample_rate} Hz: removes noise, keeps the "
        f"voice. This card was written by `scripts/package_weights.py`.",
        "\n".join(
            (
                f"- **Architecture**: {spec.paper} ({spec.url}). {count(spec.parameters)} parameters, "
                f"{count(spec.macs_per_second)} multiply-adds a second, frames of {hop:g} ms, at most "
                f"{latency_ms(spec):.1f} ms behind its input. [The model](../README.md).",
                f"- **Use**: `speechzoo enhance noisy.wav --model {spec.name}`, or "
                f'`zoo.Enhancer("{spec.name}")`, without PyTorch; `zoo.create_model("{spec.name}", '
                f'"{TAG}")` for the network.',
                f"- **Licence**: {weights.licence}; attribution to the recordings below.",
                f"- **Graph**: streaming wav2wav; against the training form on speech, SNR "
                f"{report.snr_db:.1f} dB, largest difference {report.max_error:.1e} of the peak.",
                f"- **SHA-256**: `{weights.sha256}` ({spec.name}.safetensors), `{weights.artifact_sha256}` "
                f"({spec.name}.onnx), `{digest}` (parameters).",
            )
        ),
    ]
    if evaluations:
        parts += ["## Figures", _FIGURES, *(_table(evaluation) for evaluation in evaluations)]
    parts += [
        "## Training data",
        f"{sentence}.",
        table.replace("](training.md)", "](../../../../docs/training.md)"),
        "## Limits",
        _LIMITS,
        "## Made by",
        *(_run(settings, number, len(history)) for number, settings in enumerate(history, 1)),
    ]
    return "\n\n".join(parts) + "\n"


_FIGURES = (
    "Whole recordings of speech and noise that training never saw, mixed by `scripts/evaluate.py`; means, "
    "all rows on the same files in one run. `MODEL=TAG` is that model's released weights; `clean` is the "
    "SI-SDR of clean speech after enhancement, `noise` and `steady` by how many dB the set's noise and pink "
    "noise get weaker without speech."
)
_LIMITS = (
    "Trained on an hour of recordings: English read from prompts, close to the microphone, and few kinds of "
    "noise. Other languages, far microphones, music, and noise that is itself speech were not measured. "
    "Voices in the background are kept or removed as it happens."
)


def _table(evaluation: Evaluation) -> str:
    names = [name for name in HEADINGS if any(name in means for means in evaluation.rows.values())]
    lines = [
        f"{evaluation.files} {evaluation.title}:",
        "",
        "| | " + " | ".join(HEADINGS[name] for name in names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for row, means in evaluation.rows.items():
        cells = (f"{means[name]:.{_DIGITS.get(name, 2)}f}" if name in means else "" for name in names)
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


_DIGITS = {"stoi": 3, "clean": 1, "noise": 1, "steady": 1}


# Where the recordings of runs were that did not record it.
_UNRECORDED = {
    option: [f"../shared/data/{kind}/{part}"]
    for kind in ("speech", "noise")
    for option, part in ((kind, "train"), (f"valid_{kind}", "valid"))
}


def _run(settings: dict[str, Any], number: int, count: int) -> str:
    """The command line that repeats one run of several, and where its weights are from."""
    name = settings["model"] + (f"_{number}" if count > 1 else "")
    folders = settings.get("folders") or _UNRECORDED
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
    command = " \\\n".join(lines)
    notes = f" It was stopped after {settings['last']}." if settings["last"] < settings["steps"] else ""
    for name, option in options.items():
        if name not in settings:
            notes += f" This run was made before the trainer had `{option}`."
    return (
        f"```sh\n{command}\n```\n\nBest in validation: after step {settings['best']} of {settings['steps']}."
        f"{notes}"
    )
