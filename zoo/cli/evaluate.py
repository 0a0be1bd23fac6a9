"""Measure enhancement models and artifacts side by side.

Every row is measured on the same recordings, in this order; the first row is the noisy input.
With --corpus, voices and noises are those that the corpus keeps apart from training, suite by suite. Each
table has the mean of every figure and, for the first figure, the mean of the worst tenth of the files and the
share of files that are worse than their input.

examples:
  speechzoo evaluate --speech speech/valid --noise noise/valid \\
      gtcrn=dns3 fastenhancer_t=out/fastenhancer_t/best.safetensors mine.onnx --alone --json figures.json
  speechzoo evaluate --noisy noisy/ --clean clean/ mine.onnx
  speechzoo evaluate fastenhancer_t gtcrn=dns3 --corpus corpus/ --suites unseen clean telephone
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from zoo.arrays import Array
from zoo.cli._arguments import add_offline, add_threads, one_sentence, positive
from zoo.errors import AudioError
from zoo.evaluation.comparison import Row, evaluate, kinds_table, open_row, suite_table, table
from zoo.evaluation.metrics import HEADINGS
from zoo.evaluation.pairs import Pair, folder_pairs, mixed_pairs
from zoo.evaluation.suites import SUITES, make
from zoo.figures import explain_table
from zoo.files import atomic
from zoo.signal.audio import AudioFormat, AudioWriter
from zoo.signal.plot import check_picture, plot_spectrograms

GROUP = "measure"
OF_PAIRS = (
    "noisy",
    "clean",
    "speech",
    "noise",
    "snr_db",
    "seed",
    "count",
    "metrics",
    "alone",
    "pictures",
    "save",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
        "--corpus", type=Path, metavar="DIR", help="with speech/judging and noise/judging, for --suites"
    )
    parser.add_argument(
        "--suites", nargs="+", choices=SUITES, metavar="NAME", help=f"of {', '.join(SUITES)} (default all)"
    )
    parser.add_argument(
        "--snr-db", type=float, nargs=2, default=(-5.0, 15.0), metavar=("LOW", "HIGH"), help="default -5 15"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the mixtures (default 0)")
    parser.add_argument("--count", type=positive, metavar="N", help="recordings (default all)")
    parser.add_argument(
        "--sample-rate", type=positive, default=16000, help="of the comparison (default 16000)"
    )
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
    parser.add_argument("--cases", type=positive, default=5, metavar="N", help="for the next two (default 5)")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="spectrograms of the first cases")
    parser.add_argument("--save", type=Path, metavar="DIR", help="recordings of the first cases, row by row")
    add_threads(parser)
    add_offline(parser)
    parser.add_argument("--jobs", type=positive, default=1, help="processes that measure (default 1)")


def run(args: argparse.Namespace) -> int:
    with one_sentence():
        if args.corpus:
            return _judge(args)
        pairs = _pairs(args)
        if args.pictures:
            args.pictures.mkdir(parents=True, exist_ok=True)
            check_picture(args.pictures / "1.png", force=True)
        enhancers = [(name, open_row(name, args.threads)) for name in args.rows]
        with _workers(args.jobs) as jobs:
            rows, kept = evaluate(
                enhancers,
                pairs,
                args.sample_rate,
                args.metrics,
                by_themselves=args.alone,
                keep=args.cases,
                jobs=jobs,
            )
        for case, pair in enumerate(pairs[: args.cases]):
            signals = [(row.name, own[case]) for row, own in zip(rows, kept, strict=True)]
            _keep(args, case, [*signals, ("clean", pair.clean)])
        print(table(rows))
        explain_table(HEADINGS[name] for name in HEADINGS if any(name in row.means for row in rows))
        if args.json:
            _write_json(args.json, _record(rows, args))
    return 0


def _judge(args: argparse.Namespace) -> int:
    """Measure suite by suite; a table for each, and one record of all.

    Raises:
        AudioError: options that suites have no use for, or a corpus without what is kept apart.
    """
    add_arguments(parser := argparse.ArgumentParser())
    given = [name for name in OF_PAIRS if getattr(args, name) != parser.get_default(name)]
    if given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise AudioError(f"--corpus has its own recordings and figures; leave {options} out")
    suites = make(args.corpus, args.suites or (), args.sample_rate)
    enhancers = [(name, open_row(name, args.threads)) for name in args.rows]
    records = []
    with _workers(args.jobs) as jobs:
        for suite in suites:
            rows, _ = evaluate(enhancers, suite.pairs, args.sample_rate, suite.metrics, jobs=jobs)
            print(f"{suite.name}: {suite.title}, {len(suite.pairs)} files", flush=True)
            print(f"{suite_table(rows, suite)}\n", flush=True)
            if suite.metrics == ("reduction",):
                shown = kinds_table(rows[1:] or rows, "reduction")
                print(f"{HEADINGS['reduction']}, by kind\n{shown}\n", flush=True)
            records.append({"suite": suite.name, "title": suite.title, "rows": _plain(rows)})
    measured = dict.fromkeys(HEADINGS[name] for suite in suites for name in suite.metrics)
    explain_table([*measured, "worst tenth", "got worse"])
    if args.json:
        _write_json(args.json, {"suites": records})
    return 0


def _pairs(args: argparse.Namespace) -> list[Pair]:
    if args.suites:
        raise AudioError("--suites are made from a corpus; pass --corpus too")
    folders = (args.noisy, args.clean), (args.speech, args.noise)
    complete = [all(pair) for pair in folders]
    if sum(complete) != 1 or any(any(pair) != all(pair) for pair in folders):
        raise AudioError(
            "pass either --noisy and --clean, or --speech and --noise, or --corpus: folders of recordings"
        )
    rate = args.sample_rate
    if complete[0]:
        return folder_pairs(args.noisy, args.clean, rate)[: args.count]
    low, high = sorted(args.snr_db)
    return mixed_pairs(
        args.speech,
        args.noise,
        rate,
        snr_db=(low, high),
        seed=args.seed,
        count=args.count,
    )


@contextmanager
def _workers(count: int) -> Iterator[ProcessPoolExecutor | None]:
    """Processes that measure; none for one."""
    if count < 2:
        yield None
        return
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        yield pool


def _keep(args: argparse.Namespace, case: int, signals: list[tuple[str, Array]]) -> None:
    """Write one case's recordings and spectrograms, as far as they are wanted."""
    rate = args.sample_rate
    if args.pictures:
        plot_spectrograms(args.pictures / f"{case + 1}.png", signals, rate, force=True)
    if args.save:
        args.save.mkdir(parents=True, exist_ok=True)
        for turn, (_, wave) in enumerate(signals):
            path = args.save / f"{case + 1}-{turn}.wav"
            with AudioWriter(path, AudioFormat(rate, 1, "WAV", "PCM_16"), force=True) as writer:
                writer.write(wave[None])


def _record(rows: Sequence[Row], args: argparse.Namespace) -> dict[str, object]:
    names = ("sample_rate", "snr_db", "seed", "count") if args.speech else ("sample_rate", "count")
    return {"set": {name: getattr(args, name) for name in names}, "rows": _plain(rows)}


def _plain(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Rows for JSON, which has no NaN."""

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


def _write_json(path: Path, record: dict[str, object]) -> None:
    text = json.dumps(record, indent=1, allow_nan=False)
    with atomic(path) as temporary:
        temporary.write_text(f"{text}\n")
