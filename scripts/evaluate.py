"""Measure enhancement models and artifacts side by side: python -m scripts.evaluate --help"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import zoo
from scripts.training.files import write_atomically
from scripts.training.metrics import HEADINGS, level_db, measure, si_sdr
from scripts.training.pairs import Pair, folder_pairs, mixed_pairs
from scripts.training.suites import SUITES, Suite, make
from zoo.audio import AudioFormat, AudioWriter
from zoo.enhancer import Enhancer
from zoo.errors import AudioError, SpeechZooError
from zoo.plot import check_picture, plot_spectrograms

Array = NDArray[np.float32]

EXAMPLES = """Every row is measured on the same recordings, in this order; the first row is the noisy input.

  python -m scripts.evaluate --speech speech/valid --noise noise/valid \\
      gtcrn=dns3 fastenhancer_t=out/fastenhancer_t/best.safetensors mine.onnx --alone --json figures.json
  python -m scripts.evaluate --noisy noisy/ --clean clean/ mine.onnx
  python -m scripts.evaluate fastenhancer_t gtcrn=dns3 --corpus corpus --suites unseen clean telephone

With --corpus, voices and noises are those that scripts.prepare_corpus keeps apart, and each suite's table
has the mean of every figure, the mean of the worst tenth of the files by the first, and the share of the
files that by it got worse than the input.
"""
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


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        if arguments.corpus:
            return _judge(arguments)
        pairs = _pairs(arguments)
        if arguments.pictures:
            check_picture(arguments.pictures / "1.png", force=True)
        enhancers = [(name, open_row(name, arguments.threads)) for name in arguments.rows]
        with _workers(arguments.jobs) as jobs:
            rows = evaluate(enhancers, pairs, arguments, jobs)
        print(table(rows))
        if arguments.json:
            text = json.dumps(_record(rows, arguments), indent=1, allow_nan=False)
            write_atomically(arguments.json, lambda part: Path(part).write_text(f"{text}\n"))
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def open_row(text: str, threads: int = 1) -> Enhancer:
    """What a row names: an artifact's path, a model of which weights are packaged, or MODEL=WEIGHTS.

    Raises:
        SpeechZooError: neither, or it cannot be opened.
    """
    name, _, weights = text.partition("=")
    if not weights:
        return Enhancer(text, threads=threads)
    from zoo.streaming.session import TorchSession

    return Enhancer(TorchSession(zoo.create_model(name, weights), hops=HOPS))


def evaluate(
    enhancers: list[tuple[str, Enhancer]],
    pairs: list[Pair],
    arguments: argparse.Namespace,
    jobs: ProcessPoolExecutor | None,
    metrics: Sequence[str] | None = None,
) -> list[Row]:
    """Figures of the noisy input and of every enhancer: ``metrics``, else those of the command line."""
    metrics = tuple(arguments.metrics if metrics is None else metrics)
    rate, rows = arguments.sample_rate, [Row("noisy"), *(Row(name) for name, _ in enhancers)]
    bar = tqdm(total=len(pairs) * len(rows), unit="file", disable=not sys.stderr.isatty())
    outputs: list[list[Array]] = []
    for row, run in zip(rows, [None, *(enhancer for _, enhancer in enhancers)], strict=True):
        bar.set_description(row.name[-30:])
        own = [pair.noisy if run is None else run(pair.noisy, rate) for pair in pairs]
        tasks = [(output, pair, rate, metrics) for output, pair in zip(own, pairs, strict=True)]
        found: Iterable[dict[str, float]] = (jobs.map if jobs else map)(_measure, tasks)
        for pair, figures in zip(pairs, found, strict=True):
            row.files[pair.name] = figures
            bar.update()
        outputs.append(own[: arguments.cases])
        if arguments.alone and run is not None:
            row.alone = alone(run, pairs, rate)
    bar.close()
    for case, pair in enumerate(pairs[: arguments.cases]):
        signals = [(row.name, own[case]) for row, own in zip(rows, outputs, strict=True)]
        _keep(arguments, case, pair, [*signals, ("clean", pair.clean)])
    return rows


def alone(enhancer: Enhancer, pairs: list[Pair], rate: int) -> dict[str, float]:
    """What is done to clean speech, to the pairs' noise, and to pink noise at -30 dB of full scale.

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
    """Noise with equal power in every octave from 20 Hz, (length,), at -30 dB of full scale."""
    rng = np.random.default_rng(0)
    frequency = np.fft.rfftfreq(length, 1 / rate)
    spectrum = rng.standard_normal((2, len(frequency))).T @ [1, 1j] / np.sqrt(np.maximum(frequency, 20))
    wave = np.fft.irfft(spectrum, length)
    return (wave * 10 ** (-30 / 20) / np.sqrt(np.mean(wave**2))).astype(np.float32)


def table(rows: list[Row]) -> str:
    """Means of all rows, in columns."""
    means = [row.means for row in rows]
    columns = [name for name in HEADINGS if any(name in m for m in means)]
    width = max(len(row.name) for row in rows)
    lines = [" " * width + "".join(f"{HEADINGS[name]:>13}" for name in columns)]
    for row, values in zip(rows, means, strict=True):
        cells = (f"{values[name]:.3f}" if name in values else "" for name in columns)
        lines.append(f"{row.name:<{width}}" + "".join(f"{cell:>13}" for cell in cells))
    return "\n".join(lines)


def _measure(task: tuple[Array, Pair, int, tuple[str, ...]]) -> dict[str, float]:
    output, pair, rate, metrics = task
    figures = measure(output, pair.clean, rate, metrics)
    if "reduction" in metrics:
        figures["reduction"] = level_db(pair.noisy) - level_db(output)
    return figures


def _judge(arguments: argparse.Namespace) -> int:
    """Measure suite by suite; a table for each, and one record of all.

    Raises:
        AudioError: folders or options that suites have no use for, or a corpus without what is kept apart.
    """
    names = ("noisy", "clean", "speech", "noise", "count", "alone", "pictures", "save")
    given = [f"--{name}" for name in names if getattr(arguments, name)]
    if given:
        raise AudioError(f"--corpus has its own recordings and figures; leave {', '.join(given)} out")
    suites = make(arguments.corpus, arguments.suites or (), arguments.sample_rate)
    enhancers = [(name, open_row(name, arguments.threads)) for name in arguments.rows]
    records = []
    with _workers(arguments.jobs) as jobs:
        for suite in suites:
            rows = evaluate(enhancers, suite.pairs, arguments, jobs, suite.metrics)
            print(
                f"{suite.name}: {suite.title}, {len(suite.pairs)} files\n{suite_table(rows, suite)}\n",
                flush=True,
            )
            records.append({"suite": suite.name, "title": suite.title, "rows": _rows(rows)})
    if arguments.json:
        text = json.dumps({"suites": records}, indent=1, allow_nan=False)
        write_atomically(arguments.json, lambda part: Path(part).write_text(f"{text}\n"))
    return 0


def suite_table(rows: list[Row], suite: Suite) -> str:
    """Means, the mean of the worst tenth by the first metric, and the share that got worse, in columns."""
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


def _pairs(arguments: argparse.Namespace) -> list[Pair]:
    folders = (arguments.noisy, arguments.clean), (arguments.speech, arguments.noise)
    complete = [all(pair) for pair in folders]
    if sum(complete) != 1 or any(any(pair) != all(pair) for pair in folders):
        raise AudioError("pass either --noisy and --clean, or --speech and --noise: folders of recordings")
    rate = arguments.sample_rate
    if complete[0]:
        return folder_pairs(arguments.noisy, arguments.clean, rate)[: arguments.count]
    low, high = sorted(arguments.snr_db)
    return mixed_pairs(
        arguments.speech,
        arguments.noise,
        rate,
        snr_db=(low, high),
        seed=arguments.seed,
        count=arguments.count,
    )


@contextmanager
def _workers(count: int) -> Iterator[ProcessPoolExecutor | None]:
    """Processes that measure; none for one."""
    if count < 2:
        yield None
        return
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        yield pool


def _keep(arguments: argparse.Namespace, case: int, pair: Pair, signals: list[tuple[str, Array]]) -> None:
    """Write one case's recordings and spectrograms, as far as they are wanted."""
    rate = arguments.sample_rate
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
        plot_spectrograms(arguments.pictures / f"{case + 1}.png", signals, rate, force=True)
    if arguments.save:
        arguments.save.mkdir(parents=True, exist_ok=True)
        for turn, (_, wave) in enumerate(signals):
            path = arguments.save / f"{case + 1}-{turn}.wav"
            with AudioWriter(path, AudioFormat(rate, 1, "WAV", "PCM_16"), force=True) as writer:
                writer.write(wave[None])


def _record(rows: list[Row], arguments: argparse.Namespace) -> dict[str, object]:
    names = ("sample_rate", "snr_db", "seed", "count") if arguments.speech else ("sample_rate", "count")
    return {"set": {name: getattr(arguments, name) for name in names}, "rows": _rows(rows)}


def _rows(rows: list[Row]) -> list[dict[str, object]]:
    """For JSON, which has no NaN."""

    def plain(figures: dict[str, float]) -> dict[str, float | None]:
        return {name: value if np.isfinite(value) else None for name, value in figures.items()}

    return [
        {
            "name": row.name,
            "means": plain(row.means),
            "files": {name: plain(figures) for name, figures in row.files.items()},
        }
        for row in rows
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.evaluate",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help="MODEL, MODEL=WEIGHTS (tag or path), or artifact.onnx"
    )
    parser.add_argument("--noisy", type=Path, metavar="DIR", help="noisy recordings, with --clean")
    parser.add_argument(
        "--clean", type=Path, metavar="DIR", help="the same without noise, under the same names"
    )
    parser.add_argument("--speech", type=Path, metavar="DIR", help="speech to mix, with --noise")
    parser.add_argument("--noise", type=Path, metavar="DIR", help="noise to mix it with")
    parser.add_argument(
        "--corpus", type=Path, metavar="DIR", help="that scripts.prepare_corpus made, for --suites"
    )
    parser.add_argument(
        "--suites", nargs="+", choices=SUITES, metavar="NAME", help=f"of {', '.join(SUITES)} (default all)"
    )
    parser.add_argument(
        "--snr-db", type=float, nargs=2, default=(-5.0, 15.0), metavar=("LOW", "HIGH"), help="default -5 15"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the mixtures (default 0)")
    parser.add_argument("--count", type=int, metavar="N", help="recordings (default all)")
    parser.add_argument("--sample-rate", type=int, default=16000, help="of the comparison (default 16000)")
    parser.add_argument(
        "--metrics",
        nargs="+",
        choices=("si_sdr", "pesq", "stoi", "dnsmos"),
        default=("si_sdr", "pesq", "stoi"),
        metavar="METRIC",
        help="of si_sdr, pesq, stoi, dnsmos (default: the first three)",
    )
    parser.add_argument("--alone", action="store_true", help="also clean speech and noise by themselves")
    parser.add_argument("--json", type=Path, metavar="FILE", help="figures of every recording")
    parser.add_argument("--cases", type=int, default=5, metavar="N", help="for the next two (default 5)")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="spectrograms of the first cases")
    parser.add_argument("--save", type=Path, metavar="DIR", help="recordings of the first cases, row by row")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime (default 1)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that measure (default 1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
