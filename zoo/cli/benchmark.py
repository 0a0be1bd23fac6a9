"""Time streaming models and graphs side by side, in one run.

Every row is fed noise, and its own states as in a stream. A round times every row once, so that a change of
the machine's speed meets them all. A model is exported for the streams and hops of its calls, with random
weights unless some are named. A ratio is a row's time a frame over that of the file that --against names for
it, or without --against over that of the first row. Networks for text to speech, by name or as a folder of
graphs, are timed among themselves: at each of their sizes, with --streams texts a call.

examples:
  speechzoo benchmark theirs.onnx ours.onnx
  speechzoo benchmark gtcrn fastenhancer_t --forms wav2wav spec2spec --backends onnxruntime torch \\
      --threads 1 2 --streams 1 8 32 --hops 1 16 --against gtcrn=gtcrn_stream.onnx fastenhancer_t=fe_t.onnx \\
      --json times.json --plot times.png --report times.md
  speechzoo benchmark fastspeech_small --streams 1 4
  speechzoo benchmark --from times.json others.json --report both.md
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from zoo.benchmark.cases import Sizes, make_cases
from zoo.benchmark.exports import Export, Exports
from zoo.benchmark.machine import describe_machine
from zoo.benchmark.measure import measure
from zoo.benchmark.picture import plot_runs
from zoo.benchmark.report import make_report
from zoo.benchmark.rows import Row, Run, read_run, to_json
from zoo.benchmark.synthesis import (
    check_synthesis_options,
    is_synthesis,
    measure_synthesis,
    synthesis_record,
    synthesis_table,
)
from zoo.benchmark.tables import FIGURES, text_table, warning
from zoo.cli._arguments import Misuse, above_zero, add_offline, positive, threads
from zoo.errors import SpeechZooError
from zoo.figures import explain_table
from zoo.files import atomic
from zoo.signal.plot import check_picture

GROUP = "measure"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subjects",
        nargs="*",
        metavar="SUBJECT",
        help="registered model, MODEL=WEIGHTS, or a streaming ONNX file",
    )
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="[SUBJECT=]FILE",
        help="streaming ONNX file to compare with: that subject, or the ones with its form, window and hop",
    )  # fmt: skip
    models = parser.add_argument_group("what of a model (a file has its own form, and sizes unless free)")
    models.add_argument("--forms", nargs="+", choices=("wav2wav", "spec2spec"), default=["wav2wav"])
    models.add_argument(
        "--backends", nargs="+", choices=("onnxruntime", "torch", "native"), default=["onnxruntime"],
        help="torch: the streaming form, not compiled; native: C of the graph, compiled",
    )  # fmt: skip
    for name, kind, what in (
        ("threads", threads, "threads of a call"),
        ("streams", positive, "streams of a call"),
        ("hops", positive, "frames of a call"),
    ):
        models.add_argument(
            f"--{name}", nargs="+", type=kind, default=[1], metavar="N", help=f"{what} (default 1)"
        )
    models.add_argument(
        "--exports", type=Path, metavar="FOLDER",
        help="keep the exported graphs here, and use those that this very code made before",
    )  # fmt: skip
    models.add_argument(
        "--sample-rate", type=positive, default=16000, metavar="HZ",
        help="of files without a manifest that are compared with nothing (default 16000)",
    )  # fmt: skip
    add_offline(models)
    timing = parser.add_argument_group("timing")
    timing.add_argument("--rounds", type=positive, default=20, metavar="N", help="default 20")
    timing.add_argument("--calls", type=positive, default=100, metavar="N", help="of a round (default 100)")
    timing.add_argument(
        "--seconds", type=above_zero, default=0.5, metavar="S",
        help="after which a row's turn in a round ends early (default 0.5)",
    )  # fmt: skip
    output = parser.add_argument_group("output, besides the table")
    output.add_argument(
        "--json", type=Path, metavar="FILE", help="all figures and the machine; ends in .json"
    )
    output.add_argument("--plot", type=Path, metavar="FILE", help="bars; ends in .png, .svg or .pdf")
    output.add_argument("--report", type=Path, metavar="FILE", help="Markdown; ends in .md")
    output.add_argument(
        "--from", dest="records", nargs="+", type=Path, metavar="FILE",
        help="measure nothing: plot and report what --json wrote in earlier runs",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    if bool(args.subjects) == bool(args.records):
        raise Misuse("either models or ONNX files are needed, or --from with records of earlier runs")
    _check_outputs(args)
    if args.subjects and all(map(is_synthesis, args.subjects)):
        return _time_synthesis(args)
    if args.records:
        runs = [read_run(path) for path in args.records]
    else:
        machine = describe_machine()
        runs = [Run(shlex.join(["speechzoo", *args.words]), machine, _measure(args))]
    _write(args, runs)
    for run in runs:
        named = ("ONNX Runtime", "processor", "load before the run")
        print(", ".join(f"{name} {run.machine[name]}" for name in named if name in run.machine))
        print(text_table(run.rows))
        if busy := warning(run):
            print(f"warning: {busy}", file=sys.stderr)
    explain_table(heading for heading, _ in FIGURES)
    return 0


def _time_synthesis(args: argparse.Namespace) -> int:
    """The same of networks from text to frames, which have sizes in place of forms and hops."""
    check_synthesis_options(
        against=bool(args.against),
        forms=args.forms != ["wav2wav"],
        backends=args.backends != ["onnxruntime"],
        hops=args.hops != [1],
        report=bool(args.report),
        plot=bool(args.plot),
    )
    rows = measure_synthesis(
        args.subjects,
        threads=args.threads,
        texts=args.streams,
        rounds=args.rounds,
        calls=args.calls,
        seconds=args.seconds,
    )
    if args.json:
        with atomic(args.json) as temporary:
            temporary.write_text(synthesis_record(rows))
    print(synthesis_table(rows))
    return 0


def _measure(args: argparse.Namespace) -> list[Row]:
    import converters

    def export() -> Export:
        return converters.export_onnx

    with tempfile.TemporaryDirectory() as folder:
        exports = Exports(
            args.exports or Path(folder), export, [converters], lambda line: print(line, file=sys.stderr)
        )
        sizes = Sizes(args.forms, args.backends, args.threads, args.streams, args.hops)
        cases = make_cases(args.subjects, args.against, sizes, exports, args.sample_rate)
        return measure(cases, rounds=args.rounds, calls=args.calls, seconds=args.seconds)


def _check_outputs(args: argparse.Namespace) -> None:
    """Find out before a long run whether its results can be written."""
    for path, suffix in ((args.json, ".json"), (args.report, ".md")):
        if path and path.suffix.lower() != suffix:
            raise SpeechZooError(f"{path}: a file ending in {suffix} is expected, got {path.suffix!r}")
    for path in filter(None, (args.json, args.plot, args.report)):
        if not path.parent.is_dir():
            raise SpeechZooError(f"{path}: there is no folder {path.parent}; make it first")
    if args.plot:
        check_picture(args.plot, force=True)
    if args.records and args.json:
        raise SpeechZooError("--json writes what was measured, and --from measures nothing; leave one out")


def _write(args: argparse.Namespace, runs: list[Run]) -> None:
    """Write what was asked for; the record first, which the others can be made from again."""
    if args.json:
        with atomic(args.json) as temporary:
            temporary.write_text(to_json(runs[0]))
    if args.plot:
        plot_runs(runs, args.plot)
    if args.report:
        with atomic(args.report) as temporary:
            temporary.write_text(make_report(runs, args.report, args.plot))
