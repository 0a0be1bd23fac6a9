"""Scoring of trial lists, and what a report says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zoo.arrays import Array
from zoo.errors import ArtifactError
from zoo.files import atomic
from zoo.tasks.speaker.cohort import Cohort, read_cohort
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
from zoo.tasks.speaker.trial_lists import Trials, read_groups, read_trials

Vector = NDArray[np.float64]
Norm = Literal["none", "snorm", "asnorm"]
Side = tuple[bool, str]  # whether it is enrolled from several recordings, and its name

PRIORS = (0.01, 0.05)
TOP = 300


def score_trials(
    embeddings: Path,
    lists: Sequence[Path],
    output: Path,
    *,
    enrol: Path | None = None,
    cohort: Path | None = None,
    cohort_speakers: Path | None = None,
    mean: Path | None = None,
    centre: bool = True,
    norm: Norm = "none",
    top: int = TOP,
    priors: Sequence[float] = PRIORS,
    skip_missing: bool = False,
    plots: bool = True,
) -> dict[str, Any]:
    """Score trial lists; write the scores, ``report.json`` and plots.

    Args:
        embeddings: .npz, .ark, .scp, or a folder of .scp files.
        lists: files, see ``read_trials``.
        output: folder, made if it is not there: ``<list>.score`` and what the report says.
        enrol: "name recording recording ..." a line, for names that stand first in trials; each is the mean
            of its recordings. A name that is not in it is a recording.
        cohort: embeddings for the mean and for normalisation.
        cohort_speakers: "recording speaker" a line: scores are then normalised by one embedding a speaker.
        mean: .npy file with the vector to subtract; by default the cohort's mean, if there is a cohort.
        centre: whether anything is subtracted.
        norm, top: of the scores, and how many of the cohort's a side of ``asnorm`` takes.
        priors: of a target, for the detection costs.
        skip_missing: leave out trials of recordings without an embedding, and count them.
        plots: draw a DET plot and histograms.

    Raises:
        ValueError: options that contradict each other, or trials of one kind only.
        ArtifactError: a file that cannot be read or written, recordings without embeddings, or a mean that
            would be subtracted twice.
        MissingExtraError: matplotlib is not installed.
    """
    trial_lists = _lists(lists)
    _check_options(norm, cohort, cohort_speakers)
    found, origin = read_embeddings(embeddings)
    vectors = _Vectors(found, read_groups(enrol) if enrol else {}, embeddings, skip_missing)
    others = None if cohort is None else read_cohort(cohort, cohort_speakers)
    offset, described = _mean(embeddings, vectors.length, origin, cohort, others, mean, centre)
    rates, curves, most = {}, {}, top if norm == "asnorm" else None
    normed_by = others.units(offset) if norm != "none" and others is not None else None
    for trials, kept, scores in _scored(vectors, trial_lists, offset, normed_by, most):
        _write(output / f"{trials.name}.score", _lines(kept, scores))
        skipped = {"skipped": len(trials.enrol) - len(kept.enrol)} if skip_missing else {}
        rates[trials.name] = {**error_rates(kept, scores, priors), **skipped}
        if kept.targets is not None:
            curves[trials.name] = (scores[kept.targets], scores[~kept.targets])
    if curves and plots:
        plot_scores(output, curves)
    known = {"embeddings": str(embeddings), "origin": None if origin is None else vars(origin)}
    missing = {"missing": vectors.missing(trial_lists)} if skip_missing else {}
    report = {**known, "mean": described, "norm": norm, "top": most, **missing, "trials": rates}
    _write(output / "report.json", json.dumps(report, indent=2) + "\n")
    return report


@dataclass(frozen=True)
class _Vectors:
    """Embeddings of the two sides of trials.

    Attributes:
        found: by recording.
        groups: recordings by the name that is enrolled from them.
        where: the file, for errors.
        skip: whether a recording may be missing.
    """

    found: Mapping[str, Array]
    groups: Mapping[str, list[str]]
    where: Path
    skip: bool

    @property
    def length(self) -> int:
        """Elements of an embedding."""
        return len(next(iter(self.found.values())))

    def sides(self, trials: Trials) -> tuple[list[Side], list[Side]]:
        """What is enrolled, and what is tested, of each trial."""
        return [(name in self.groups, name) for name in trials.enrol], [(False, n) for n in trials.test]

    def recordings(self, side: Side) -> list[str]:
        """Names of the recordings that make a side."""
        enrolled, name = side
        return self.groups[name] if enrolled else [name]

    def of(self, side: Side) -> Array:
        """The mean of a side's embeddings, of those that are there: (E,)"""
        rows = [self.found[name] for name in self.recordings(side) if name in self.found]
        return rows[0] if len(rows) == 1 else np.mean(rows, axis=0, dtype=np.float64)

    def has(self, side: Side) -> bool:
        """Whether there is an embedding of a side."""
        return any(name in self.found for name in self.recordings(side))

    def missing(self, lists: Sequence[Trials]) -> list[str]:
        """Recordings in the trials without an embedding, each once."""
        sides = dict.fromkeys(side for trials in lists for both in self.sides(trials) for side in both)
        names = dict.fromkeys(name for side in sides for name in self.recordings(side))
        return [name for name in names if name not in self.found]

    def wanted(self, lists: Sequence[Trials]) -> list[Side]:
        """All sides of the trials that have an embedding, each once.

        Raises:
            ArtifactError: recordings are missing and must not be, or of no trial both are there.
        """
        missing = self.missing(lists)
        if missing and not self.skip:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise ArtifactError(
                f"{self.where}: no embeddings of {len(missing)} recordings in the trials: {shown}; "
                f"--skip-missing leaves their trials out"
            )
        kept = [self.present(trials) for trials in lists]
        for trials in kept:
            if not trials.enrol:
                raise ArtifactError(f"{self.where}: it has both embeddings of no trial in {trials.name}")
        sides = (side for trials in kept for both in self.sides(trials) for side in both)
        return list(dict.fromkeys(sides))

    def present(self, trials: Trials) -> Trials:
        """The trials of which both embeddings are there."""
        there = [self.has(a) and self.has(b) for a, b in zip(*self.sides(trials), strict=True)]
        return trials if all(there) else trials.only(np.flatnonzero(there))


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


def _check_options(norm: Norm, cohort: Path | None, speakers: Path | None) -> None:
    for option, value in (("--norm", norm if norm != "none" else None), ("--cohort-speakers", speakers)):
        if value and cohort is None:
            raise ValueError(f"{option} {value} needs --cohort")


def _scored(
    vectors: _Vectors, lists: Sequence[Trials], mean: Vector | None, cohort: Array | None, top: int | None
) -> Iterator[tuple[Trials, Trials, Vector]]:
    """Each list, its trials that have both embeddings, and their scores.

    These are cosines (N,), normalised if there is a cohort (M, E) of unit length.
    """
    wanted = vectors.wanted(lists)
    names = [name for _, name in wanted]
    units = normalised(np.stack([vectors.of(side) for side in wanted]), mean, names)
    statistics = None if cohort is None else cohort_statistics(units, cohort, top, names)
    rows = {side: index for index, side in enumerate(wanted)}
    for trials in lists:
        kept = vectors.present(trials)
        enrol, test = (np.array([rows[side] for side in sides]) for sides in vectors.sides(kept))
        scores: Vector = np.einsum("ne,ne->n", units[enrol], units[test])
        if statistics is not None:
            sides = [CohortStatistics(statistics.mean[at], statistics.deviation[at]) for at in (enrol, test)]
            scores = normalise_scores(scores, *sides)
        yield trials, kept, scores


def _mean(
    embeddings: Path,
    length: int,
    origin: Origin | None,
    cohort: Path | None,
    others: Cohort | None,
    given: Path | None,
    centre: bool,
) -> tuple[Vector | None, str]:
    """The mean to subtract, and what that is in words.

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
    if cohort is not None and others is not None:
        _check_length(cohort, others.mean, embeddings, length)
        if origin is not None and others.origin is not None and not origin.is_like(others.origin):
            raise ArtifactError(
                f"{cohort}: these are by {others.origin}, and {embeddings} by {origin}; "
                f"embed both in the same way"
            )
    if subtracted:
        return None, f"subtracted already, by {subtracted.model}"
    if given is not None:
        mean = read_mean(given).astype(np.float64)
        _check_length(given, mean, embeddings, length)
        return mean, str(given)
    if others is not None and centre:
        return others.mean, f"of {cohort}"
    return None, "none"


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


def _lines(trials: Trials, scores: Vector) -> str:
    labels = [""] * len(scores)
    if trials.targets is not None:
        labels = [" target" if target else " nontarget" for target in trials.targets]
    rows = zip(trials.enrol, trials.test, scores, labels, strict=True)
    return "".join(f"{enrol} {test} {value:.5f}{label}\n" for enrol, test, value, label in rows)


def _write(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
