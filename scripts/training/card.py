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

UNCHANGED = 100.0  # the SI-SDR in dB of what equals its target


@dataclass(frozen=True)
class Evaluation:
    """Figures that ``speechzoo evaluate --json`` wrote.

    Attributes:
        title: what was measured on.
        rows: means by metric, by row.
        files: how many recordings.
        worse: by row, in how many of them the SI-SDR, or the first metric of a suite, is below that of the
            input; empty if that is not known or the input is what is wanted.
        suite: its name, if it is one: of voices and noises that training has not heard.
        worst: of a suite, by row, the mean of the worst tenth of the recordings by the first metric.
        kinds: of a suite of noises, by row, the figure of each.
    """

    title: str
    rows: dict[str, dict[str, float]]
    files: int
    worse: dict[str, int] = field(default_factory=dict)
    suite: str = ""
    worst: dict[str, float] = field(default_factory=dict)
    kinds: dict[str, dict[str, float]] = field(default_factory=dict)

    def figures(self, row: str) -> dict[str, float]:
        """The means of a row, by heading.

        Raises:
            AudioError: there is no such row.
        """
        if row not in self.rows:
            raise AudioError(f"figures for {self.title}: no row {row}, only {', '.join(self.rows)}")
        return {HEADINGS[name]: value for name, value in self.rows[row].items()}


def read_evaluations(path: Path) -> list[Evaluation]:
    """Read what ``speechzoo evaluate --json`` wrote: one evaluation of mixtures, or one a suite.

    Raises:
        AudioError: it is something else.
    """
    try:
        record = json.loads(path.read_text())
        if "suites" in record:
            return [_suite(suite) for suite in record["suites"]]
        low, high = record["set"]["snr_db"]
        rows, files = _means(record["rows"]), {row["name"]: row["files"] for row in record["rows"]}
        count = len(record["rows"][0]["files"])
        noisy = files.pop("noisy", {})
        worse = {name: _worse(noisy, found, "si_sdr") for name, found in files.items() if noisy}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise AudioError(
            f"{path}: expected mixtures' figures from speechzoo evaluate --json ({error!r})"
        ) from error
    return [Evaluation(f"mixtures at {low:g} to {high:g} dB", rows, count, worse)]


def _suite(record: dict[str, Any]) -> Evaluation:
    rows, noisy = record["rows"], record["rows"][0]["files"]
    first = next(iter(rows[0]["means"]))
    worst = {}
    for found in rows:
        values = sorted(figures[first] for figures in found["files"].values())
        lowest = values[: max(1, len(values) // 10)]
        worst[found["name"]] = round(sum(lowest) / len(lowest), 3)
    changed = rows[0]["means"][first] != UNCHANGED
    worse = {found["name"]: _worse(noisy, found["files"], first) for found in rows[1:] if changed}
    kinds = {}
    if first == "reduction":
        kinds = {
            found["name"]: {name: round(figures[first], 1) for name, figures in found["files"].items()}
            for found in rows[1:]
        }
    return Evaluation(record["title"], _means(rows), len(noisy), worse, record["suite"], worst, kinds)


def _means(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {
        row["name"]: {name: round(value, 3) for name, value in row["means"].items() if value is not None}
        for row in rows
    }


def _worse(noisy: dict[str, Any], enhanced: dict[str, Any], metric: str) -> int:
    pairs = [(noisy[name].get(metric), figures.get(metric)) for name, figures in enhanced.items()]
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
        parts += _figures(made.evaluations)
    parts += [
        "## Training data",
        f"{sentence}.",
        table.replace("](training.md)", "](../../../../docs/training.md)").replace("\n## ", "\n### "),
        "## Limits",
        _limits(spec.name, made.evaluations),
        "## Made by",
        "In a clone of the project, with the recordings above in the folders that are named:",
        *(_run(settings, number, len(made.history)) for number, settings in enumerate(made.history, 1)),
    ]
    return "\n\n".join(parts) + "\n"


_FIGURES = (
    "Measured by `speechzoo evaluate`; means, all rows on the same files. `MODEL=TAG` is that model's "
    "released weights."
)
_HEARD = (
    "Recordings that training never saw, of voices and microphones that it heard, mixed with noise; `clean` "
    "is the SI-SDR of clean speech after enhancement, `noise` and `steady` by how many dB the set's noise "
    "and pink noise get weaker without speech."
)
_UNHEARD = (
    "The suites of `speechzoo evaluate --corpus` ([what they are](../../../../docs/training.md#evaluate)). "
    "`worst tenth` is the mean of the tenth of the files that is worst by the first figure, `got worse` the "
    "share of the files that by it is below the input. `seen` alone has voices of the training. What others "
    "trained on is what they say: weights of the DNS challenges, and what began with them, may have heard "
    "LibriSpeech's readers, who read for LibriVox."
)


def _figures(evaluations: list[Evaluation]) -> list[str]:
    """Tables of voices that training has heard, and of those that it has not."""
    heard, unheard = ([e for e in evaluations if bool(e.suite) is told] for told in (False, True))
    parts = ["## Figures", _FIGURES]
    if heard:
        parts += ["### Voices that training has heard", _HEARD, *map(_table, heard)]
    if unheard:
        parts += ["### Voices and noises that training has not heard", _UNHEARD, _suites_table(unheard)]
        parts += [_kinds_table(evaluation) for evaluation in unheard if evaluation.kinds]
    return parts


def _limits(own: str, evaluations: list[Evaluation]) -> str:
    """What the figures themselves say against the weights, and where they end."""
    if not evaluations:
        return "These weights were not measured."
    suites = [e for e in evaluations if e.suite]
    sets = [f"{e.files} {e.title}" for e in evaluations if not e.suite]
    if suites:
        sets.append(f"{len(suites)} suites of voices and noises that training has not heard")
    lines = [f"Measured on {' and '.join(sets)}, and on nothing else."]
    clean = [e.rows[own]["clean"] for e in evaluations if "clean" in e.rows[own]]
    if clean:
        lines.append(f"Clean speech does not come back unchanged: its SI-SDR is {min(clean):.1f} dB.")
    strange = {e.title: e.rows[own]["si_sdr"] for e in suites if e.rows["noisy"].get("si_sdr") == UNCHANGED}
    if strange:
        told = ", ".join(f"{value:.1f} dB ({title})" for title, value in strange.items())
        lines.append(f"Clean speech of voices that training has not heard: {told}.")
    for evaluation in evaluations:
        lines += _worse_than(own, evaluation)
    for other in dict.fromkeys(other for e in suites if e.suite == "unseen" for other in _better(own, e)):
        model, _, tag = other.partition("=")
        if tag:
            lines.append(
                f"Of voices that training has not heard, {other} removes noise better, as the figures say: "
                f"`speechzoo enhance noisy.wav --model {model} --weights {tag}`."
            )
    return "\n".join(f"- {line}" for line in lines)


def _worse_than(own: str, evaluation: Evaluation) -> list[str]:
    """What an evaluation says against a row: files below their input, and rows that are better."""
    lines, mixtures = [], evaluation.title.removeprefix("mixtures at ")
    if own in evaluation.worse and not evaluation.suite:
        lines.append(
            f"Of {evaluation.files} {evaluation.title}, the SI-SDR of {evaluation.worse[own]} is below that "
            "of the noisy one."
        )
    where = f"On {evaluation.suite} ({evaluation.title})" if evaluation.suite else f"At {mixtures}"
    means = evaluation.rows[own]
    for other, better in _better(own, evaluation).items():
        others = evaluation.rows[other]
        told = ", ".join(f"{HEADINGS[n]} {_shown(n, others)} against {_shown(n, means)}" for n in better)
        lines.append(f"{where}, {other} is better: {told}.")
    return lines


def _better(own: str, evaluation: Evaluation) -> dict[str, list[str]]:
    """By row that is better than one's own, the metrics in which it is; clean input counts for nothing."""
    means = evaluation.rows[own]
    found = {
        other: [
            n
            for n in ("si_sdr", "pesq", "stoi", "reduction")
            if others.get(n, 0) > means.get(n, float("inf"))
        ]
        for other, others in evaluation.rows.items()
        if others.get("si_sdr") != UNCHANGED
    }
    return {other: names for other, names in found.items() if names}


def _suites_table(suites: list[Evaluation]) -> str:
    metrics = ("si_sdr", "pesq", "stoi", "reduction")
    headings = [*(HEADINGS[metric] for metric in metrics), "worst tenth", "got worse"]
    lines = [f"| suite | | {' | '.join(headings)} |", "|---" * (len(headings) + 2) + "|"]
    for suite in suites:
        label = f"**{suite.suite}**: {suite.title}, {suite.files} files"
        for name, means in suite.rows.items():
            if name == "noisy" and not suite.worse:
                continue
            cells = [*(_shown(metric, means) for metric in metrics), f"{suite.worst[name]:.1f}"]
            share = f"{100 * suite.worse[name] / suite.files:.0f} %" if name in suite.worse else ""
            lines.append(f"| {label} | {name} | {' | '.join([*cells, share])} |")
            label = ""
    return "\n".join(lines)


def _kinds_table(evaluation: Evaluation) -> str:
    """One figure of every noise, a line each, the rows in columns."""
    rows, names = list(evaluation.kinds), list(next(iter(evaluation.kinds.values())))
    lines = [f"{HEADINGS['reduction']}, {evaluation.suite}, by kind:", "", f"| | {' | '.join(rows)} |"]
    lines.append("|---" * (len(rows) + 1) + "|")
    for name in names:
        lines.append(f"| {name} | {' | '.join(f'{evaluation.kinds[row][name]:.1f}' for row in rows)} |")
    return "\n".join(lines)


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


_DIGITS = {"stoi": 3, "clean": 1, "noise": 1, "steady": 1, "reduction": 1}
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
    if settings.get("teacher"):
        lines.append(f"    --teacher {settings['teacher']} --teach {settings['teach']:g}")
    if number > 1:
        lines.append(f"    --weights out/{settings['model']}_{number - 1}/best.safetensors")
    elif settings.get("weights"):
        lines.append(f"    --weights {settings['weights']}")
    command = " \\\n".join(lines)
    notes = f" It was stopped after {settings['last']}." if settings["last"] < settings["steps"] else ""
    for name, option in options.items():
        if name not in settings:
            notes += f" This run was made before the trainer had `{option}`."
    if "recipe" not in settings:
        notes += " It did not record its recipe of mixtures, which is another now."
    else:
        record = f"../../../../docs/weights/{settings['model']}.json"
        notes += f" Its recipe of mixtures is on [record]({record}); that of the trainer may be another now."
    return (
        f"```sh\n{command}\n```\n\nBest in validation: after step {settings['best']} of {settings['steps']}."
        f"{notes}"
    )
