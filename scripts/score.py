"""Score speaker verification trials: python -m scripts.score --help"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import ArtifactError, SpeechZooError
from zoo.extras import extra
from zoo.files import atomic
from zoo.tasks.speaker.embedder import read_mean
from zoo.tasks.speaker.embeddings import Origin, read_embeddings
from zoo.tasks.speaker.scoring import (
    cohort_statistics,
    detection_cost,
    equal_error_rate,
    normalise_scores,
    normalised,
    operating_points,
)

Vector = NDArray[np.float64]

LABELS = {"target": True, "1": True, "nontarget": False, "0": False}
PRIORS = (0.01, 0.05)
TOP = 300
_DET_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)

EXAMPLES = """A line of a trial list is "enrol test target" or "enrol test nontarget" (1 and 0 do as well), or
"enrol test" alone, for scores without error rates.

examples:
  python -m scripts.score --embeddings vox1.npz --trials vox1_O --cohort vox2.npz --output scores/
  python -m scripts.score --embeddings vox1/ --trials vox1_O vox1_H --cohort vox2/ --norm asnorm --output s/
"""


@dataclass(frozen=True)
class Trials:
    """A trial list.

    Attributes:
        name: of its file.
        enrol, test: names of the recordings.
        targets: whether they are of one speaker; None if the list does not say.
    """

    name: str
    enrol: list[str]
    test: list[str]
    targets: NDArray[np.bool_] | None


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.score",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--embeddings", type=Path, required=True, help=".npz, .ark, .scp, or a folder of .scp files")
    add("--trials", type=Path, nargs="+", required=True, help="trial lists")
    add("--cohort", type=Path, help="embeddings of a cohort, for the mean and for normalisation")
    add("--mean", type=Path, help=".npy file with the mean to subtract (default: that of the cohort)")
    add("--no-mean", action="store_true", help="subtract no mean")
    add("--norm", choices=("none", "snorm", "asnorm"), default="none", help="of the scores (default none)")
    add("--top", type=int, default=TOP, help=f"cohort scores a side of asnorm (default {TOP})")
    add("--priors", type=float, nargs="+", default=PRIORS, help="of a target, for minDCF (default 0.01 0.05)")
    add("--output", type=Path, required=True, help="folder for scores, report.json and plots")
    add("--no-plots", action="store_true", help="draw nothing")
    arguments = parser.parse_args(argv)
    try:
        report = score(arguments)
    except (SpeechZooError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=2))
    return 0


def score(arguments: argparse.Namespace) -> dict[str, Any]:
    """Score all lists, write everything, and give the report."""
    lists = [read_trials(path) for path in arguments.trials]
    if len({trials.name for trials in lists}) < len(lists):
        raise ValueError("two trial lists have one name, so their scores would be one file; rename one")
    found, origin = read_embeddings(arguments.embeddings)
    cohort, mean, described = _cohort(arguments, origin)
    wanted = _wanted(lists, found, arguments.embeddings)
    rows = {name: index for index, name in enumerate(wanted)}
    embeddings = normalised(np.stack([found[name] for name in wanted]), mean)
    top = arguments.top if arguments.norm == "asnorm" else None
    statistics = cohort_statistics(embeddings, cohort, top) if arguments.norm != "none" else None
    arguments.output.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "embeddings": str(arguments.embeddings),
        "origin": None if origin is None else vars(origin),
        "mean": described,
        "norm": arguments.norm,
        "top": top,
        "trials": {},
    }
    curves = {}
    for trials in lists:
        enrol = np.array([rows[name] for name in trials.enrol])
        test = np.array([rows[name] for name in trials.test])
        scores = np.einsum("ne,ne->n", embeddings[enrol], embeddings[test])
        if statistics is not None:
            sides = [
                type(statistics)(statistics.mean[side], statistics.deviation[side]) for side in (enrol, test)
            ]
            scores = normalise_scores(scores, *sides)
        _write_scores(arguments.output / f"{trials.name}.score", trials, scores)
        report["trials"][trials.name] = rates(trials, scores, arguments.priors)
        if trials.targets is not None:
            curves[trials.name] = (scores[trials.targets], scores[~trials.targets])
    if curves and not arguments.no_plots:
        plot(arguments.output, curves)
    _write(arguments.output / "report.json", json.dumps(report, indent=2) + "\n")
    return report


def read_trials(path: Path) -> Trials:
    """Read a trial list.

    Raises:
        ArtifactError: it cannot be read, is empty, or a line is not one of a trial.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: it cannot be read as a trial list ({error})") from error
    enrol, test, labels = [], [], []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) not in (2, 3) or (len(words) == 3 and words[2] not in LABELS):
            raise ArtifactError(
                f'{path}, line {number}: expected "enrol test target", "... nontarget" or "enrol test", '
                f"got {line!r}"
            )
        enrol.append(words[0])
        test.append(words[1])
        labels += words[2:]
    if not enrol:
        raise ArtifactError(f"{path}: it holds no trials")
    if labels and len(labels) < len(enrol):
        raise ArtifactError(f"{path}: {len(enrol) - len(labels)} of {len(enrol)} trials have no label")
    targets = np.array([LABELS[label] for label in labels]) if labels else None
    return Trials(path.name, enrol, test, targets)


def rates(trials: Trials, scores: Vector, priors: Sequence[float]) -> dict[str, Any]:
    """The error rates of a list, or how many trials it has if it has no labels."""
    if trials.targets is None:
        return {"trials": len(scores)}
    same, other = scores[trials.targets], scores[~trials.targets]
    equal = equal_error_rate(same, other)
    costs = {f"{prior:g}": detection_cost(same, other, prior) for prior in priors}
    return {
        "trials": len(scores),
        "targets": len(same),
        "nontargets": len(other),
        "eer_percent": 100 * equal.rate,
        "eer_threshold": equal.threshold,
        "min_dcf": {
            prior: {
                "cost": found.cost,
                "threshold": found.threshold if np.isfinite(found.threshold) else None,
            }
            for prior, found in costs.items()
        },
    }


def plot(folder: Path, curves: Mapping[str, tuple[Vector, Vector]]) -> None:
    """Draw ``det.png``, all lists in one, and a histogram of the scores of each.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with extra("plot", "plots", "pass --no-plots", verb="need"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(5.5, 5.5), layout="constrained")
    axes = figure.subplots()
    for name, (same, other) in curves.items():
        points = operating_points(same, other)
        least = 0.5 / max(len(same), len(other))
        x, y = (np.clip(rate, least, 1 - least) for rate in (points.false_alarms, points.misses))
        label = f"{name}, EER {100 * equal_error_rate(same, other).rate:.2f} %"
        axes.plot(_deviate(x), _deviate(y), label=label)
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks(_deviate(np.array(_DET_TICKS)), [f"{100 * tick:g}" for tick in _DET_TICKS])
    low, high = _deviate(np.array([_DET_TICKS[0], 0.5]))
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="false alarms, %", ylabel="misses, %", aspect="equal")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, folder / "det.png")
    for name, (same, other) in curves.items():
        figure = Figure(figsize=(6, 3.5), layout="constrained")
        axes = figure.subplots()
        bins = np.linspace(min(same.min(), other.min()), max(same.max(), other.max()), 61)
        for values, label in ((other, "different speakers"), (same, "same speaker")):
            axes.hist(values, bins, density=True, alpha=0.6, label=label)
        axes.axvline(equal_error_rate(same, other).threshold, color="black", lw=1, ls="--", label="EER")
        axes.set(xlabel="score", ylabel="density", title=name)
        axes.legend()
        _save(figure, folder / f"{name}.histogram.png")


def _cohort(arguments: argparse.Namespace, origin: Origin | None) -> tuple[Vector, Vector | None, str]:
    """The cohort's embeddings of unit length, the mean to subtract, and what that is in words.

    Raises:
        ValueError: options that contradict each other.
        ArtifactError: a mean would be subtracted twice.
    """
    if arguments.norm != "none" and arguments.cohort is None:
        raise ValueError(f"--norm {arguments.norm} needs --cohort")
    if arguments.mean is not None and arguments.no_mean:
        raise ValueError("--mean and --no-mean contradict each other")
    subtracted = origin is not None and origin.mean_subtracted
    if subtracted and arguments.mean is not None:
        raise ArtifactError(
            f"{arguments.embeddings}: the mean is subtracted from them already, by {origin.model}; leave "
            f"--mean out, or it would be subtracted twice"
        )
    rows = None
    if arguments.cohort is not None:
        found, of_cohort = read_embeddings(arguments.cohort)
        rows = np.stack(list(found.values())).astype(np.float64)
        if origin is not None and of_cohort is not None and origin != of_cohort:
            raise ArtifactError(
                f"{arguments.cohort}: these are by {of_cohort}, and {arguments.embeddings} by {origin}; "
                f"embed both in the same way"
            )
    mean, described = None, "none"
    if subtracted:
        described = f"subtracted already, by {origin.model}"
    elif arguments.mean is not None:
        mean, described = read_mean(arguments.mean).astype(np.float64), str(arguments.mean)
    elif rows is not None and not arguments.no_mean:
        mean, described = rows.mean(0), f"of {arguments.cohort}"
    return (np.empty((0, 0)) if rows is None else normalised(rows, mean)), mean, described


def _wanted(lists: Sequence[Trials], found: Mapping[str, Array], where: Path) -> list[str]:
    """Names of all recordings in the trials, each once."""
    wanted = dict.fromkeys(name for trials in lists for name in (*trials.enrol, *trials.test))
    missing = [name for name in wanted if name not in found]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise ArtifactError(f"{where}: no embeddings of {len(missing)} recordings in the trials: {shown}")
    return list(wanted)


def _write_scores(path: Path, trials: Trials, scores: Vector) -> None:
    labels = [""] * len(scores)
    if trials.targets is not None:
        labels = [" target" if target else " nontarget" for target in trials.targets]
    rows = zip(trials.enrol, trials.test, scores, labels, strict=True)
    _write(path, "".join(f"{enrol} {test} {value:.5f}{label}\n" for enrol, test, value, label in rows))


def _write(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _save(figure: Any, path: Path) -> None:
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _deviate(rates: Vector) -> Vector:
    """Where rates lie on the axes of a DET plot: the normal distribution's quantiles."""
    from statistics import NormalDist

    inverse = NormalDist().inv_cdf
    return np.array([inverse(float(rate)) for rate in rates])


if __name__ == "__main__":
    sys.exit(main())
