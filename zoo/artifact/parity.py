"""Compares a candidate with its reference and raises when they differ by more than allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.arrays import Array
from zoo.errors import ParityError
from zoo.spec import Tolerance


@dataclass(frozen=True)
class ParityReport:
    """How far a candidate lies from its reference.

    Attributes:
        tensor: name of what was compared.
        snr_db: energy of the reference over energy of the difference, in dB; infinite when equal.
        max_error: largest difference over the reference's largest magnitude.
        frame: index along ``axis`` at which the largest difference lies.
        tolerance: what was allowed.
        elements: how many values were compared.
    """

    tensor: str
    snr_db: float
    max_error: float
    frame: int
    tolerance: Tolerance
    elements: int

    @property
    def passed(self) -> bool:
        return self.snr_db >= self.tolerance.snr_db and self.max_error <= self.tolerance.max_error

    def __str__(self) -> str:
        return f"{self.tensor}: SNR {self.snr_db:.1f} dB, largest difference {self.max_error:.2e} of the peak"


def compare(
    reference: Array,
    candidate: Array,
    *,
    tensor: str,
    tolerance: Tolerance,
    frame_length: int = 1,
    axis: int = -1,
    unit: str = "frame",
) -> ParityReport:
    """Measure a candidate against its reference.

    Args:
        reference, candidate: arrays of one shape; not silent, finite.
        tensor: name for the report.
        tolerance: what is allowed.
        frame_length: elements of ``axis`` that make one frame, for the report.
        axis: the axis that is time.
        unit: what an element of it is called.

    Raises:
        ParityError: other shape, values that are not finite, a silent reference, or a difference
            beyond the tolerance; the message names the frame and the tolerance that would have passed.
    """
    reference = np.asarray(reference, np.float64)
    candidate = np.asarray(candidate, np.float64)
    if reference.shape != candidate.shape:
        raise ParityError(f"{tensor}: expected shape {reference.shape}, got {candidate.shape}")
    if reference.size == 0 or not np.any(reference):
        raise ParityError(f"{tensor}: the reference is silent, so nothing can be compared with it")
    for name, values in (("reference", reference), ("candidate", candidate)):
        if not np.isfinite(values).all():
            first = int(np.argwhere(~np.isfinite(values))[0][axis]) // frame_length
            raise ParityError(f"{tensor}: the {name} is not finite from {unit} {first} on")
    error = np.abs(candidate - reference)
    snr_db, max_error = measure_difference(reference, candidate)
    report = ParityReport(
        tensor=tensor,
        snr_db=snr_db,
        max_error=max_error,
        frame=int(np.unravel_index(error.argmax(), error.shape)[axis]) // frame_length,
        tolerance=tolerance,
        elements=reference.size,
    )
    if not report.passed:
        raise ParityError(
            f"{report} at {unit} {report.frame}; allowed are SNR >= {tolerance.snr_db:g} dB and "
            f"{tolerance.max_error:.1e}; would pass with Tolerance(snr_db={np.floor(report.snr_db):g}, "
            f"max_error={report.max_error * 1.06:.1e})"  # two digits round down by less than that
        )
    return report


def measure_difference(reference: Array, candidate: Array) -> tuple[float, float]:
    """SNR in dB, and the largest difference over the reference's largest magnitude.

    Two silent arrays do not differ; beside a silent reference any difference is infinite, and so is a value
    that is not finite.
    """
    reference, candidate = np.asarray(reference, np.float64), np.asarray(candidate, np.float64)
    error = np.abs(candidate - reference)
    noise, energy = float(np.sum(error**2)), float(np.sum(reference**2))
    if not np.isfinite(noise) or (noise and not energy):
        return float("-inf"), float("inf")
    if not noise:
        return float("inf"), 0.0
    return float(10 * np.log10(energy / noise)), float(error.max() / np.abs(reference).max())
