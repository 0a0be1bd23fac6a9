"""Time streaming models and graphs side by side, in one run: python -m scripts.benchmark --help"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from scripts.benchmarking.cases import Sizes, make_cases
from scripts.benchmarking.exports import Exports
from scripts.benchmarking.machine import describe_machine
from scripts.benchmarking.measure import measure
from scripts.benchmarking.picture import plot_runs
from scripts.benchmarking.report import make_report
from scripts.benchmarking.rows import Run, read_run, to_json
from scripts.benchmarking.tables import text_table, warning
from zoo.errors import SpeechZooError
from zoo.files import atomic
from zoo.signal.plot import check_picture

EXAMPLES = """\
Every row gets noise and its own states back, as in a stream. The rounds go through all rows in turn, so
that a change of the machine's speed meets them all. A model is exported as the sizes of its calls need it,
with random weights unless some are named. Ratios are of the times a frame, to the file that --against has
for the row, or without --against to the first row.

  python -m scripts.benchmark theirs.onnx ours.onnx
  python -m scripts.benchmark gtcrn fastenhancer_t --forms wav2wav spec2spec --backends onnxruntime torch \\
      --threads 1 2 --streams 1 8 32 --hops 1 16 --against gtcrn=gtcrn_stream.onnx fastenhancer_t=fe_t.onnx \\
      --json times.json --plot times.png --report times.md
  python -m scripts.benchmark --from times.json others.json --report both.md
"""


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    parser = _parser()
    arguments = parser.parse_args(words)
    if bool(arguments.subjects) == bool(arguments.records):
        parser.error("either models or ONNX files are needed, or --from with records of earlier runs")
    try:
        _check_outputs(arguments)
        if arguments.records:
            runs = [read_run(path) for path in arguments.records]
        else:
            machine = describe_machine()
            with tempfile.TemporaryDirectory() as folder:
                exports = Exports(
                    arguments.exports or Path(folder), lambda line: print(line, file=sys.stderr)
                )
                sizes = Sizes(
                    arguments.forms, arguments.backends, arguments.threads, arguments.streams, arguments.hops
                )
                cases = make_cases(
                    arguments.subjects, arguments.against, sizes, exports, arguments.sample_rate
                )
                rows = measure(
                    cases, rounds=arguments.rounds, calls=arguments.calls, seconds=arguments.seconds
                )
            runs = [Run(shlex.join(["python", "-m", "scripts.benchmark", *words]), machine, rows)]
        _write(arguments, runs)
    except SpeechZooError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for run in runs:
        named = ("ONNX Runtime", "processor", "load before the run")
        print(", ".join(f"{name} {run.machine[name]}" for name in named if name in run.machine))
        print(text_table(run.rows))
        if busy := warning(run):
            print(f"warning: {busy}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmark",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
        "--backends", nargs="+", choices=("onnxruntime", "torch"), default=["onnxruntime"],
        help="torch: the streaming form, not compiled",
    )  # fmt: skip
    for name, what in (
        ("threads", "threads of a call"), ("streams", "streams of a call"), ("hops", "frames of a call"),
    ):  # fmt: skip
        models.add_argument(
            f"--{name}", nargs="+", type=_positive(int), default=[1], metavar="N", help=f"{what} (default 1)"
        )
    models.add_argument(
        "--exports", type=Path, metavar="FOLDER",
        help="keep the exported graphs here, and use those that this very code made before",
    )  # fmt: skip
    models.add_argument(
        "--sample-rate", type=_positive(int), default=16000, metavar="HZ",
        help="of files without a manifest that are compared with nothing (default 16000)",
    )  # fmt: skip
    timing = parser.add_argument_group("timing")
    timing.add_argument("--rounds", type=_positive(int), default=20, metavar="N", help="default 20")
    timing.add_argument(
        "--calls", type=_positive(int), default=100, metavar="N", help="of a round (default 100)"
    )
    timing.add_argument(
        "--seconds", type=_positive(float), default=0.5, metavar="S",
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
    return parser


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    """A type of arguments above zero."""

    def number(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    number.__name__ = "number"  # in argparse's own message
    return number


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Find out before a long run whether its results can be written."""
    for path, suffix in ((arguments.json, ".json"), (arguments.report, ".md")):
        if path and path.suffix.lower() != suffix:
            raise SpeechZooError(f"{path}: a file ending in {suffix} is expected, got {path.suffix!r}")
    if arguments.plot:
        check_picture(arguments.plot, force=True)
    for path in filter(None, (arguments.json, arguments.plot, arguments.report)):
        if not path.parent.is_dir():
            raise SpeechZooError(f"{path}: there is no folder {path.parent}; make it first")
    if arguments.records and arguments.json:
        raise SpeechZooError("--json writes what was measured, and --from measures nothing; leave one out")


def _write(arguments: argparse.Namespace, runs: list[Run]) -> None:
    """Write what was asked for; the record first, which the others can be made from again."""
    if arguments.json:
        with atomic(arguments.json) as temporary:
            temporary.write_text(to_json(runs[0]))
    if arguments.plot:
        plot_runs(runs, arguments.plot)
    if arguments.report:
        with atomic(arguments.report) as temporary:
            temporary.write_text(make_report(runs, arguments.report, arguments.plot))


if __name__ == "__main__":
    sys.exit(main())
