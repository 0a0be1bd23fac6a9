"""Figures of enhanced speech. The packages pesq and pystoi do the arithmetic of theirs."""

from __future__ import annotations

import warnings

import numpy as np

from zoo.arrays import Array
from zoo.errors import MissingExtraError
from zoo.extras import extra
from zoo.signal.resample import resample

RATE = 16000  # that PESQ, wide band, and DNSMOS are defined at
HEADINGS = {
    "si_sdr": "SI-SDR (dB)",
    "pesq": "PESQ",
    "stoi": "STOI",
    "dnsmos_ovrl": "DNSMOS OVRL",
    "dnsmos_sig": "DNSMOS SIG",
    "dnsmos_bak": "DNSMOS BAK",
    "clean": "clean (dB)",
    "noise": "noise (dB)",
    "steady": "steady (dB)",
    "reduction": "reduction (dB)",
}


def measure(estimate: Array, target: Array, sample_rate: int, metrics: tuple[str, ...]) -> dict[str, float]:
    """Figures of (N,) against a target (N,), by name.

    Args:
        metrics: of ``si_sdr``, ``pesq``, ``stoi`` and ``dnsmos``; the last gives three figures.

    Raises:
        MissingExtraError: a package is not installed.
    """
    figures: dict[str, float] = {}
    if "si_sdr" in metrics:
        figures["si_sdr"] = si_sdr(estimate, target)
    if "pesq" in metrics:
        figures["pesq"] = pesq_wide(estimate, target, sample_rate)
    if "stoi" in metrics:
        figures["stoi"] = stoi(estimate, target, sample_rate)
    if "dnsmos" in metrics:
        figures |= dnsmos(estimate, sample_rate)
    return figures


def si_sdr(estimate: Array, target: Array) -> float:
    """Scale-invariant signal to distortion ratio in dB of (N,) signals.

    J. Le Roux et al.: SDR - half-baked or well done? ICASSP 2019. At most 100 dB; silence gives -100 dB.
    """
    e, t = estimate.astype(np.float64), target.astype(np.float64)
    part = t * (e @ t / max(float(t @ t), 1e-12))
    ratio = (part @ part + 1e-12) / (np.sum((e - part) ** 2) + 1e-12)
    return float(np.clip(10 * np.log10(ratio), -100, 100)) if part.any() else -100.0


def pesq_wide(estimate: Array, target: Array, sample_rate: int) -> float:
    """PESQ, wide band (ITU-T P.862.2), of (N,) signals; NaN where it finds no speech.

    Raises:
        MissingExtraError: the package pesq is not installed.
    """
    with extra("train", "PESQ", package="the package pesq"):
        from pesq import PesqError, pesq
    if not (estimate.any() and target.any()):
        return float("nan")
    signals = (resample(wave, sample_rate, RATE) for wave in (target, estimate))
    value = pesq(RATE, *signals, "wb", on_error=PesqError.RETURN_VALUES)
    return float(value) if value > 0 else float("nan")


def stoi(estimate: Array, target: Array, sample_rate: int) -> float:
    """Short-time objective intelligibility of (N,) signals; NaN where there is too little speech.

    C. H. Taal et al.: An algorithm for intelligibility prediction of time-frequency weighted noisy speech,
    TASLP 2011.

    Raises:
        MissingExtraError: the package pystoi is not installed.
    """
    with extra("train", "STOI", package="the package pystoi"):
        from pystoi import stoi as measure
    if not target.any():
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # it warns of too few frames, and returns 1e-5
        try:
            return float(measure(target, estimate, sample_rate))
        except (RuntimeWarning, ValueError):  # the latter where there is not one frame
            return float("nan")


def dnsmos(estimate: Array, sample_rate: int) -> dict[str, float]:
    """What listeners would say of (N,), estimated without a clean signal: overall, of speech, of background.

    C. K. A. Reddy et al.: DNSMOS P.835, ICASSP 2022.

    Raises:
        MissingExtraError: the package speechmos is not installed.
    """
    try:
        from speechmos import dnsmos as measure_dnsmos
    except ImportError as error:
        raise MissingExtraError("DNSMOS needs packages of its own: pip install speechmos librosa") from error
    found = measure_dnsmos.run(resample(estimate, sample_rate, RATE).clip(-1, 1), sr=RATE)
    return {f"dnsmos_{name}": float(found[f"{name}_mos"]) for name in ("ovrl", "sig", "bak")}


def level_db(wave: Array) -> float:
    """Power of (N,) in dB of full scale, no less than -120."""
    return float(10 * np.log10(np.mean(wave.astype(np.float64) ** 2) + 1e-12))
