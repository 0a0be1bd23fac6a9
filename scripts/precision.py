"""What graphs in reduced precision gain and lose: python -m scripts.precision --help"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from scripts.benchmarking.exports import Exports
from scripts.benchmarking.machine import describe_machine
from scripts.training.files import write_atomically
from zoo.errors import SpeechZooError

DESCRIPTION = """Makes reduced graphs of each model with ONNX Runtime's own tools, times them beside the
32-bit graph in one run, and tells what they do to speech: on mixtures, to their noise, and after minutes of
a stream. Each is kept or refused, with the reason. A model without WEIGHTS gets those of the package, or
random ones, with which only the time is measured.

  python -m scripts.precision fastenhancer_t gtcrn fastenhancer_48k_s=s.safetensors fastenhancer_l \\
      --speech speech/valid --noise noise/valid --report docs/precision.md

In a report that exists, all above its mark stays: the place for conclusions.
"""


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(words)
    try:
        from scripts.precision_study import report
        from scripts.precision_study.study import Settings, Subject, study
        from scripts.precision_study.variants import KINDS, check_kind

        _check_outputs(arguments)
        kinds = list(dict.fromkeys(arguments.kinds or KINDS))
        for kind in kinds:
            check_kind(kind)
        subjects = [Subject(word) for word in dict.fromkeys(arguments.models)]
        settings = Settings(
            arguments.speech, arguments.noise, arguments.count, arguments.minutes, rounds=arguments.rounds
        )
        machine, rows = describe_machine(), []
        with tempfile.TemporaryDirectory() as folder:
            exports = Exports(arguments.exports or Path(folder), _say)
            for subject in subjects:
                rows += study(subject, kinds, settings, exports, _say)
        print(report.text_table(rows))
        command = shlex.join(["python", "-m", "scripts.precision", *words])
        if arguments.json:
            record = {"command": command, "machine": machine, "rows": [_plain(asdict(row)) for row in rows]}
            text = json.dumps(record, indent=1, allow_nan=False)
            write_atomically(arguments.json, lambda part: Path(part).write_text(f"{text}\n"))
        if path := arguments.report:
            before = path.read_text() if path.is_file() else ""
            markdown = report.make_report(rows, machine, command, settings, before)
            write_atomically(path, lambda part: Path(part).write_text(markdown))
    except (SpeechZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f'error: this needs {error.name}: pip install ".[onnx,train]"', file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.precision",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="registered name, or NAME=WEIGHTS (tag or path)"
    )
    parser.add_argument("--speech", type=Path, required=True, metavar="DIR", help="speech to mix")
    parser.add_argument("--noise", type=Path, required=True, metavar="DIR", help="noise to mix it with")
    parser.add_argument("--kinds", nargs="+", metavar="KIND", help="of reduction (default: all)")
    parser.add_argument("--count", type=_from(1), default=20, metavar="N", help="mixtures (default 20)")
    parser.add_argument(
        "--minutes", type=_from(2), default=10, metavar="N", help="of the stream (default 10)"
    )
    parser.add_argument("--rounds", type=_from(1), default=20, metavar="N", help="of timing (default 20)")
    parser.add_argument(
        "--exports", type=Path, metavar="FOLDER",
        help="keep the 32-bit graphs here, and use those that this very code made before",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures and the machine")
    parser.add_argument("--report", type=Path, metavar="FILE", help="Markdown")
    return parser


def _from(least: int) -> Callable[[str], int]:
    """A type of arguments: whole numbers no less than ``least``."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return value

    number.__name__ = "number"  # in argparse's own message
    return number


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Find out before a long run whether its results can be written."""
    for path, suffix in ((arguments.json, ".json"), (arguments.report, ".md")):
        if path and path.suffix.lower() != suffix:
            raise SpeechZooError(f"{path}: a file ending in {suffix} is expected, got {path.suffix!r}")
        if path and not path.parent.is_dir():
            raise SpeechZooError(f"{path}: there is no folder {path.parent}; make it first")


def _plain(value: object) -> object:
    """For JSON, which has no NaN."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
