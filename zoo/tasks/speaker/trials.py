"""Trial lists of speaker verification: reading, scoring, and what a report says of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import ArtifactError
from zoo.files import atomic
from zoo.tasks.speaker.embedder import read_mean
from zoo.tasks.speaker.embeddings import Origin, read_embeddings
from zoo.tasks.speaker.score_plots import plot_scores
from zoo.tasks.speaker.scoring import (
    CohortStatistics,
    cohort_statistics,
    detection_cost,
    equal_error_rate,
    normalise_scores,
    normalised,
)

Vector = NDArray[np.float64]
Norm = Literal["none", "snorm", "asnorm"]

LABELS = {"target": True, "1": True, "nontarget": False, "0": False}
PRIORS = (0.01, 0.05)
TOP = 300


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


def score_trials(
    embeddings: Path,
    lists: Sequence[Path],
    output: Path,
    *,
    cohort: Path | None = None,
    mean: Path | None = None,
    centre: bool = True,
    norm: Norm = "none",
    top: int = TOP,
    priors: Sequence[float] = PRIORS,
    plots: bool = True,
) -> dict[str, Any]:
    """Score trial lists; write the scores, ``report.json`` and plots.

    Args:
        embeddings: .npz, .ark, .scp, or a folder of .scp files.
        lists: files, see ``read_trials``.
        output: folder, made if it is not there: ``<list>.score`` and what the report says.
        cohort: embeddings for the mean and for normalisation.
        mean: .npy file with the vector to subtract; by default the cohort's mean, if there is a cohort.
        centre: whether anything is subtracted.
        norm, top: of the scores, and how many of the cohort's a side of ``asnorm`` takes.
        priors: of a target, for the detection costs.
        plots: draw a DET plot and histograms.

    Raises:
        ValueError: options that contradict each other, or trials of one kind only.
        ArtifactError: a file that cannot be read or written, recordings without embeddings, or a mean that
            would be subtracted twice.
        MissingExtraError: matplotlib is not installed.
    """
    trial_lists = _lists(lists)
    if norm != "none" and cohort is None:
        raise ValueError(f"--norm {norm} needs --cohort")
    found, origin = read_embeddings(embeddings)
    length = len(next(iter(found.values())))
    others, offset, described = _cohort(embeddings, length, origin, cohort, mean, centre)
    wanted = _wanted(trial_lists, found, embeddings)
    rows = {name: index for index, name in enumerate(wanted)}
    units = normalised(np.stack([found[name] for name in wanted]), offset)
    most = top if norm == "asnorm" else None
    statistics = cohort_statistics(units, others, most) if norm != "none" else None
    rates, curves = {}, {}
    for trials in trial_lists:
        scores = _scores(trials, rows, units, statistics)
        _write(output / f"{trials.name}.score", _lines(trials, scores))
        rates[trials.name] = error_rates(trials, scores, priors)
        if trials.targets is not None:
            curves[trials.name] = (scores[trials.targets], scores[~trials.targets])
    if curves and plots:
        plot_scores(output, curves)
    known = {"embeddings": str(embeddings), "origin": None if origin is None else vars(origin)}
    report = {**known, "mean": described, "norm": norm, "top": most, "trials": rates}
    _write(output / "report.json", json.dumps(report, indent=2) + "\n")
    return report


def read_trials(path: Path) -> Trials:
    """Read a trial list: "enrol test target", "enrol test nontarget" or "enrol test" a line.

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


def error_rates(trials: Trials, scores: Vector, priors: Sequence[float]) -> dict[str, Any]:
    """Give the error rates of a list, or how many trials it has if it has no labels."""
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


def _lists(paths: Sequence[Path]) -> list[Trials]:
    lists = [read_trials(path) for path in paths]
    if len({trials.name for trials in lists}) < len(lists):
        raise ValueError("two trial lists have one name, so their scores would be one file; rename one")
    return lists


def _scores(
    trials: Trials, rows: Mapping[str, int], units: Vector, statistics: CohortStatistics | None
) -> Vector:
    """Cosine similarities of the trials, (N,), normalised if there are statistics of a cohort."""
    enrol = np.array([rows[name] for name in trials.enrol])
    test = np.array([rows[name] for name in trials.test])
    scores: Vector = np.einsum("ne,ne->n", units[enrol], units[test])
    if statistics is None:
        return scores
    sides = [CohortStatistics(statistics.mean[side], statistics.deviation[side]) for side in (enrol, test)]
    return normalise_scores(scores, *sides)


def _cohort(
    embeddings: Path,
    length: int,
    origin: Origin | None,
    cohort: Path | None,
    given: Path | None,
    centre: bool,
) -> tuple[Vector, Vector | None, str]:
    """The cohort's embeddings of unit length, the mean to subtract, and what that is in words.

    Raises:
        ValueError: a mean is given, and none is wanted.
        ArtifactError: a mean would be subtracted twice, the cohort was embedded in another way, or either has
            another length than the embeddings.
    """
    if given is not None and not centre:
        raise ValueError("--mean and --no-mean contradict each other")
    subtracted = origin if origin is not None and origin.mean_subtracted else None
    if subtracted and given is not None:
        raise ArtifactError(
            f"{embeddings}: the mean is subtracted from them already, by {subtracted.model}; leave --mean "
            f"out, or it would be subtracted twice"
        )
    rows = None
    if cohort is not None:
        found, of_cohort = read_embeddings(cohort)
        rows = np.stack(list(found.values())).astype(np.float64)
        _check_length(cohort, rows[0], embeddings, length)
        if origin is not None and of_cohort is not None and not origin.is_like(of_cohort):
            raise ArtifactError(
                f"{cohort}: these are by {of_cohort}, and {embeddings} by {origin}; "
                f"embed both in the same way"
            )
    mean, described = None, "none"
    if subtracted:
        described = f"subtracted already, by {subtracted.model}"
    elif given is not None:
        mean, described = read_mean(given).astype(np.float64), str(given)
        _check_length(given, mean, embeddings, length)
    elif rows is not None and centre:
        mean, described = rows.mean(0), f"of {cohort}"
    return (np.empty((0, 0)) if rows is None else normalised(rows, mean)), mean, described


def _check_length(path: Path, vector: Vector, embeddings: Path, length: int) -> None:
    """Refuse a vector of a file that is not of the embeddings' length, or no vector.

    Raises:
        ArtifactError: that.
    """
    if vector.shape != (length,):
        raise ArtifactError(
            f"{path}: it has the shape {vector.shape}, where {embeddings} has vectors of {length}; pass "
            f"what the same model made"
        )


def _wanted(lists: Sequence[Trials], found: Mapping[str, Array], where: Path) -> list[str]:
    """Names of all recordings in the trials, each once."""
    wanted = dict.fromkeys(name for trials in lists for name in (*trials.enrol, *trials.test))
    missing = [name for name in wanted if name not in found]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise ArtifactError(f"{where}: no embeddings of {len(missing)} recordings in the trials: {shown}")
    return list(wanted)


def _lines(trials: Trials, scores: Vector) -> str:
    labels = [""] * len(scores)
    if trials.targets is not None:
        labels = [" target" if target else " nontarget" for target in trials.targets]
    rows = zip(trials.enrol, trials.test, scores, labels, strict=True)
    return "".join(f"{enrol} {test} {value:.5f}{label}\n" for enrol, test, value, label in rows)


def _write(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
