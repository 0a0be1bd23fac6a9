"""Speaker verification: scores of trials, their normalisation, and error rates.

Every figure is a function of the scores as a set: the order of trials, and that of equal scores, does not
matter. A trial is accepted if its score is at least the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]

_ROWS, _COLUMNS = 512, 4096  # of a score matrix at once


@dataclass(frozen=True)
class OperatingPoints:
    """Error rates at every threshold that makes a difference, the lowest first.

    Attributes:
        thresholds: the distinct scores, and infinity.
        misses: targets with a score below the threshold, of all targets.
        false_alarms: non-targets with a score of at least the threshold, of all non-targets.
    """

    thresholds: Vector
    misses: Vector
    false_alarms: Vector


@dataclass(frozen=True)
class EqualErrorRate:
    """Where misses and false alarms are equally frequent.

    Attributes:
        rate: of both, 0 to 1, between the two operating points around it.
        threshold: the score there.
    """

    rate: float
    threshold: float


@dataclass(frozen=True)
class DetectionCost:
    """The least cost over all thresholds, over that of always giving the better one answer.

    Attributes:
        cost: 0 to 1.
        threshold: where.
    """

    cost: float
    threshold: float


@dataclass(frozen=True)
class CohortStatistics:
    """What the scores of some embeddings against a cohort are like, (rows,) each."""

    mean: Vector
    deviation: Vector


def operating_points(targets: ArrayLike, nontargets: ArrayLike) -> OperatingPoints:
    """Error rates of two sets of scores.

    Args:
        targets, nontargets: (N,) scores of trials of the same speaker and of different ones.

    Raises:
        ValueError: none of either, or scores that are not finite.
    """
    same, other = _scores(targets, "targets"), _scores(nontargets, "non-targets")
    thresholds = np.append(np.unique(np.concatenate([same, other])), np.inf)
    misses = np.searchsorted(same, thresholds, side="left") / len(same)
    false_alarms = 1 - np.searchsorted(other, thresholds, side="left") / len(other)
    return OperatingPoints(thresholds, misses, false_alarms)


def equal_error_rate(targets: ArrayLike, nontargets: ArrayLike) -> EqualErrorRate:
    """The equal error rate of two sets of scores.

    Raises:
        ValueError: as ``operating_points``.
    """
    points = operating_points(targets, nontargets)
    gap = points.misses - points.false_alarms  # from -1 up to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1  # there is one: at the lowest threshold nothing is missed and all accepted
    part = float(-gap[before] / (gap[after] - gap[before]))
    rate = points.misses[before] + part * (points.misses[after] - points.misses[before])
    low, high = points.thresholds[before], points.thresholds[after]
    threshold = low + part * (high - low) if np.isfinite(high) else low
    return EqualErrorRate(float(rate), float(threshold))


def detection_cost(
    targets: ArrayLike,
    nontargets: ArrayLike,
    prior: float = 0.01,
    *,
    miss: float = 1.0,
    false_alarm: float = 1.0,
) -> DetectionCost:
    """The normalised minimum of the detection cost function.

    Args:
        targets, nontargets: as ``operating_points``.
        prior: probability of a target, between 0 and 1.
        miss, false_alarm: what an error of each kind costs.

    Raises:
        ValueError: as ``operating_points``, or a prior that is no probability.
    """
    if not 0 < prior < 1:
        raise ValueError(f"a prior between 0 and 1 is expected, got {prior}")
    points = operating_points(targets, nontargets)
    costs = miss * prior * points.misses + false_alarm * (1 - prior) * points.false_alarms
    least = int(np.argmin(costs))
    default = min(miss * prior, false_alarm * (1 - prior))
    return DetectionCost(float(costs[least] / default), float(points.thresholds[least]))


def normalised(
    embeddings: ArrayLike, mean: ArrayLike | None = None, names: Sequence[str] | None = None
) -> Vector:
    """Embeddings of unit length, after the mean was subtracted: (rows, E) -> (rows, E) float64

    Args:
        embeddings: (rows, E).
        mean: (E,), or None to subtract nothing.
        names: of the rows, for errors.

    Raises:
        ValueError: an embedding without length.
    """
    rows = np.array(embeddings, np.float64)
    if mean is not None:
        rows -= np.asarray(mean, np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        at = int(np.argmin(lengths))
        which = f"embedding {at}" if names is None else f"the embedding of {names[at]}"
        raise ValueError(f"{which} is zero{'' if mean is None else ' less the mean'} and has no direction")
    rows /= lengths
    return rows


def cohort_statistics(
    embeddings: Vector,
    cohort: NDArray[np.floating],
    top: int | None = None,
    names: Sequence[str] | None = None,
) -> CohortStatistics:
    """Mean and deviation of the cosines between embeddings and a cohort, in little memory beside theirs.

    Args:
        embeddings: (rows, E) of unit length.
        cohort: (M, E) of unit length, float64 or float32.
        top: only the so many highest of each row (adaptive); None: all of them.
        names: of the embeddings, for errors.

    Raises:
        ValueError: more than there are in the cohort, or a row whose scores are all the same.
    """
    if top is not None and not 2 <= top <= len(cohort):
        raise ValueError(
            f"the top {top} of {len(cohort)} cohort scores are asked for; at least 2 and at most all can be"
        )
    means, deviations = [], []
    for start in range(0, len(embeddings), _ROWS):
        rows = embeddings[start : start + _ROWS]
        mean, deviation = _top_statistics(rows, cohort, top) if top else _all_statistics(rows, cohort)
        means.append(mean)
        deviations.append(deviation)
    deviation = np.concatenate(deviations)
    if not deviation.all():
        at = int(np.argmin(deviation))
        which = "an embedding" if names is None else f"the embedding of {names[at]}"
        raise ValueError(f"{which} has the same score with all of the cohort; use a larger cohort")
    return CohortStatistics(np.concatenate(means), deviation)


def _top_statistics(embeddings: Vector, cohort: NDArray[np.floating], top: int) -> tuple[Vector, Vector]:
    """Mean and deviation of each row's highest scores, (rows,) each."""
    best = np.empty((len(embeddings), 0))
    for start in range(0, len(cohort), _COLUMNS):
        scores = embeddings @ cohort[start : start + _COLUMNS].T.astype(np.float64)
        best = np.concatenate([best, scores], axis=1)
        if best.shape[1] > top:
            best = np.partition(best, best.shape[1] - top, axis=1)[:, best.shape[1] - top :]
    return best.mean(1), best.std(1)


def _all_statistics(embeddings: Vector, cohort: NDArray[np.floating]) -> tuple[Vector, Vector]:
    """Mean and deviation of each row's scores, (rows,) each: of parts, joined without cancellation."""
    count, mean, squares = 0, np.zeros(len(embeddings)), np.zeros(len(embeddings))
    for start in range(0, len(cohort), _COLUMNS):
        scores = embeddings @ cohort[start : start + _COLUMNS].T.astype(np.float64)
        size, own = scores.shape[1], scores.mean(1)
        gap = own - mean
        mean += gap * size / (count + size)
        squares += scores.var(1) * size + gap * gap * count * size / (count + size)
        count += size
    return mean, np.sqrt(squares / count)


def normalise_scores(scores: ArrayLike, enrol: CohortStatistics, test: CohortStatistics) -> Vector:
    """Symmetric normalisation: the mean of the scores as seen from either side, (N,).

    Args:
        scores: (N,) of trials.
        enrol, test: statistics of each trial's two sides, (N,) each. Over the whole cohort that is S-norm,
            over the top scores AS-norm.
    """
    raw = np.asarray(scores, np.float64)
    return np.asarray(0.5 * ((raw - enrol.mean) / enrol.deviation + (raw - test.mean) / test.deviation))


def _scores(values: ArrayLike, what: str) -> Vector:
    scores = np.sort(np.asarray(values, np.float64).ravel())
    if not len(scores):
        raise ValueError(f"there are no {what}, so there is no error rate")
    if not np.isfinite(scores).all():
        raise ValueError(f"the scores of the {what} are not all finite")
    return scores
