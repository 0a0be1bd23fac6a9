"""Whether a graph in reduced precision is worth having."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a graph in reduced precision must keep to.

    Attributes:
        ratio: at most, of its time a frame to that of the 32-bit graph; runs differ by a few per cent.
        si_sdr: dB that it may lose.
        pesq: that it may lose.
        drift_si_sdr: dB that it may lose more in the last minute of a stream than in the first.
        drift_snr: dB by which its output may be further from the 32-bit graph's in the last minute.
    """

    ratio: float = 0.95
    si_sdr: float = 0.1
    pesq: float = 0.02
    drift_si_sdr: float = 0.1
    drift_snr: float = 3.0


@dataclass(frozen=True)
class Comparison:
    """A graph in reduced precision beside the 32-bit one. NaN where it was not measured.

    Attributes:
        ratio: of the times a frame.
        heard: whether its output for speech was judged, which takes trained weights.
        finite: whether that output is numbers.
        si_sdr, pesq, stoi, noise: changes of the means over mixtures; the last of the dB of noise removed.
        snr_db: of its output for mixtures to the 32-bit graph's.
        first_snr_db, last_snr_db: the same of the first and the last minute of a stream.
        first_si_sdr, last_si_sdr: changes in those minutes, in dB.
    """

    ratio: float
    heard: bool = False
    finite: bool = True
    si_sdr: float = float("nan")
    pesq: float = float("nan")
    stoi: float = float("nan")
    noise: float = float("nan")
    snr_db: float = float("nan")
    first_snr_db: float = float("nan")
    last_snr_db: float = float("nan")
    first_si_sdr: float = float("nan")
    last_si_sdr: float = float("nan")


LIMITS = Limits()


def objections(found: Comparison, limits: Limits = LIMITS) -> list[str]:
    """Why to refuse a graph, with the numbers; empty if there is no reason among what was measured.

    A figure that should be there and is not a number is a reason by itself.
    """
    reasons = []
    if not found.ratio <= limits.ratio:
        word = "slower" if found.ratio > 1 else "not faster"
        reasons.append(f"{word} ({found.ratio:.2f} of the time)")
    if not found.heard:
        return reasons
    if not found.finite:
        return [*reasons, "its output is not finite"]
    if not found.si_sdr >= -limits.si_sdr:
        reasons.append(f"SI-SDR {found.si_sdr:+.2f} dB")
    if not found.pesq >= -limits.pesq:
        reasons.append(f"PESQ {found.pesq:+.3f}")
    worse = found.last_si_sdr - found.first_si_sdr
    apart = found.first_snr_db - found.last_snr_db
    if not (worse >= -limits.drift_si_sdr and apart <= limits.drift_snr):
        reasons.append(
            f"drifting (from the first to the last minute: SI-SDR {worse:+.2f} dB, SNR {-apart:+.1f} dB)"
        )
    return reasons


def verdict(found: Comparison, limits: Limits = LIMITS) -> str:
    """In words: kept, or refused and why."""
    reasons = objections(found, limits)
    if reasons:
        return f"refused: {', '.join(reasons)}"
    return "kept" if found.heard else "faster; its weights are random, so nothing is said of speech"
