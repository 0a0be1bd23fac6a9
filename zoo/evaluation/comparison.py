"""Measures ways to enhance side by side, on the same recordings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from zoo.arrays import Array
from zoo.evaluation.metrics import HEADINGS, level_db, measure, si_sdr
from zoo.evaluation.pairs import Pair
from zoo.evaluation.suites import Suite
from zoo.extras import extra
from zoo.registry import get_spec
from zoo.spec import EnhancementSpec
from zoo.tasks.enhancement.enhancer import Enhancer

STEADY_SECONDS = 10
HOPS = 32  # of a call, where PyTorch computes


@dataclass
class Row:
    """What was measured of one way to enhance.

    Attributes:
        name: as given on the command line.
        files: figures by recording, then by metric.
        alone: figures of clean speech and of noise by themselves.
    """

    name: str
    files: dict[str, dict[str, float]] = field(default_factory=dict)
    alone: dict[str, float] = field(default_factory=dict)

    @property
    def means(self) -> dict[str, float]:
        """Means over the recordings that have a figure, and ``alone``."""
        names = {name: None for figures in self.files.values() for name in figures}
        columns = {name: np.array([f[name] for f in self.files.values() if name in f]) for name in names}
        means = {
            n: float(np.nanmean(c)) if np.isfinite(c).any() else float("nan") for n, c in columns.items()
        }
        return {**means, **self.alone}


def open_row(text: str, threads: int = 1) -> Enhancer:
    """Open what a row names: an artifact's path, a model of which weights are packaged, or MODEL=WEIGHTS.

    Raises:
        SpeechZooError: neither, or it cannot be opened.
    """
    name, _, weights = text.partition("=")
    if not weights:
        return Enhancer(text, threads=threads)
    with extra("torch", f"the row {text}"):
        from zoo.create import create_model
        from zoo.networks.streaming import StreamingModule
        from zoo.tasks.enhancement.torch import TorchSession
    get_spec(name, EnhancementSpec)
    model = create_model(name, weights)
    assert isinstance(model, StreamingModule), "what an EnhancementSpec builds"
    return Enhancer(TorchSession(model, hops=HOPS))


def evaluate(
    enhancers: Sequence[tuple[str, Enhancer]],
    pairs: Sequence[Pair],
    rate: int,
    metrics: Sequence[str],
    *,
    by_themselves: bool = False,
    keep: int = 0,
    jobs: ProcessPoolExecutor | None = None,
) -> tuple[list[Row], list[list[Array]]]:
    """Measure the noisy input and every enhancer.

    Args:
        enhancers: with the names of their rows.
        pairs: noisy and clean recordings at ``rate``.
        rate: in Hz.
        metrics: as ``measure`` takes them, and ``reduction``: by how many dB an output is weaker than the
            noisy input.
        by_themselves: also clean speech and noise by themselves, see ``alone``.
        keep: outputs of so many of the first pairs are given back.
        jobs: processes that measure; none: this one.

    Returns:
        the rows, ``noisy`` first, and for each of them the kept outputs, (N,) each.
    """
    rows = [Row("noisy"), *(Row(name) for name, _ in enhancers)]
    bar = tqdm(total=len(pairs) * len(rows), unit="file", disable=not sys.stderr.isatty())
    kept: list[list[Array]] = []
    for row, run in zip(rows, [None, *(enhancer for _, enhancer in enhancers)], strict=True):
        bar.set_description(row.name[-30:])
        own = [pair.noisy if run is None else run(pair.noisy, rate) for pair in pairs]
        tasks = [(output, pair, rate, tuple(metrics)) for output, pair in zip(own, pairs, strict=True)]
        found: Iterable[dict[str, float]] = (jobs.map if jobs else map)(_measure, tasks)
        for pair, figures in zip(pairs, found, strict=True):
            row.files[pair.name] = figures
            bar.update()
        kept.append(own[:keep])
        if by_themselves and run is not None:
            row.alone = alone(run, pairs, rate)
    bar.close()
    return rows, kept


def alone(enhancer: Enhancer, pairs: Sequence[Pair], rate: int) -> dict[str, float]:
    """Measure what is done to clean speech, to the pairs' noise, and to pink noise at -30 dB of full scale.

    Returns:
        ``clean``: SI-SDR in dB; ``noise``, ``steady``: by how many dB they get weaker. The first second of
        the pink noise is not counted.
    """
    noises = [pair.noisy - pair.clean for pair in pairs]
    steady = pink_noise(STEADY_SECONDS * rate, rate)
    return {
        "clean": float(np.mean([si_sdr(enhancer(pair.clean, rate), pair.clean) for pair in pairs])),
        "noise": float(np.mean([level_db(noise) - level_db(enhancer(noise, rate)) for noise in noises])),
        "steady": level_db(steady[rate:]) - level_db(enhancer(steady, rate)[rate:]),
    }


def pink_noise(length: int, rate: int) -> Array:
    """Make noise with equal power in every octave from 20 Hz, (length,), at -30 dB of full scale."""
    rng = np.random.default_rng(0)
    frequency = np.fft.rfftfreq(length, 1 / rate)
    spectrum = rng.standard_normal((2, len(frequency))).T @ [1, 1j] / np.sqrt(np.maximum(frequency, 20))
    wave = np.fft.irfft(spectrum, length)
    return (wave * 10 ** (-30 / 20) / np.sqrt(np.mean(wave**2))).astype(np.float32)


def table(rows: Sequence[Row]) -> str:
    """Write the means of all rows in columns."""
    means = [row.means for row in rows]
    columns = [name for name in HEADINGS if any(name in m for m in means)]
    width = max(len(row.name) for row in rows)
    lines = [" " * width + "".join(f"{HEADINGS[name]:>13}" for name in columns)]
    for row, values in zip(rows, means, strict=True):
        cells = (f"{values[name]:.3f}" if name in values else "" for name in columns)
        lines.append(f"{row.name:<{width}}" + "".join(f"{cell:>13}" for cell in cells))
    return "\n".join(lines)


def suite_table(rows: Sequence[Row], suite: Suite) -> str:
    """Write the means, the mean of the worst tenth by the first metric, and the share that got worse."""
    first, width = suite.metrics[0], max(len(row.name) for row in rows)
    headings = [*(HEADINGS[name] for name in suite.metrics), "worst tenth", *["got worse"] * suite.changed]
    lines = [" " * width + "".join(f"{heading:>16}" for heading in headings)]
    before = np.array([figures[first] for figures in rows[0].files.values()])
    for row in rows:
        values = np.array([figures[first] for figures in row.files.values()])
        worst = float(np.sort(values)[: max(1, len(values) // 10)].mean())
        cells = [f"{row.means[name]:.3f}" for name in suite.metrics] + [f"{worst:.3f}"]
        cells += [f"{100 * np.mean(values < before):.0f} %"] * suite.changed
        lines.append(f"{row.name:<{width}}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def kinds_table(rows: Sequence[Row], metric: str) -> str:
    """Write one figure of every recording, a line each, and the rows in columns."""
    names = list(rows[0].files)
    width, columns = max(map(len, names)), [max(10, len(row.name) + 2) for row in rows]
    heads = "".join(f"{row.name:>{column}}" for row, column in zip(rows, columns, strict=True))
    lines = [" " * width + heads]
    for name in names:
        cells = (f"{row.files[name][metric]:>{c}.1f}" for row, c in zip(rows, columns, strict=True))
        lines.append(f"{name:<{width}}" + "".join(cells))
    return "\n".join(lines)


def _measure(task: tuple[Array, Pair, int, tuple[str, ...]]) -> dict[str, float]:
    output, pair, rate, metrics = task
    figures = measure(output, pair.clean, rate, metrics)
    if "reduction" in metrics:
        figures["reduction"] = level_db(pair.noisy) - level_db(output)
    return figures
