"""Export every model in every form and compile it with TensorRT for RTX: python -m scripts.check_rtx"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from tqdm import tqdm

import zoo
from converters.targets.onnx import export_onnx
from converters.tensorrt.engine import RTX_TARGETS, build_engine
from scripts.check_all import CASES, random_model
from zoo.artifact.manifest import Form
from zoo.errors import SpeechZooError
from zoo.runtime.nvidia import load_library

REPORT = Path(__file__).parent.parent / "docs" / "tensorrt.md"
FREE_OPSET = 18  # the compiler dies of the operator Attention where a dimension is free (1.7.1)
PRECISIONS = ("fp32", "fp16")


@dataclass(frozen=True)
class Row:
    """What became of one graph.

    Attributes:
        model, form, streaming, precision: which.
        layers, megabytes, seconds: of the engine for all targets.
        error: why it was refused, or empty.
    """

    model: str
    form: Form
    streaming: bool
    precision: str
    layers: int = 0
    megabytes: float = 0.0
    seconds: float = 0.0
    error: str = ""

    @property
    def key(self) -> tuple[str, str, bool, str]:
        return self.model, self.form, self.streaming, self.precision


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.check_rtx", description=__doc__.split(":")[0])
    parser.add_argument("--models", nargs="+", metavar="NAME", help="default all; speech enhancement")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--json", type=Path, help="results so far; what is in it is not done again")
    parser.add_argument("--report", type=Path, default=REPORT, help="Markdown to write")
    arguments = parser.parse_args(argv)
    models = arguments.models or zoo.list_models("enhancement")
    rows = _read(arguments.json)
    done = {row.key for row in rows}
    for name in tqdm(models, unit="model", disable=not sys.stderr.isatty()):
        cases = [case for case in CASES if zoo.get_spec(name).streaming or not case[1]]
        for form, streaming in cases:
            missing = [p for p in arguments.precisions if (name, form, streaming, p) not in done]
            if missing:
                rows += check(name, form, streaming, missing)
                if arguments.json:
                    arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    rows = [row for row in rows if row.model in models]
    rows.sort(key=lambda row: models.index(row.model))
    arguments.report.write_text(report(rows, load_library("tensorrt_rtx").__version__))
    failed = [row for row in rows if row.error]
    for row in failed:
        print(f"REFUSED {row.model} {graph(row)} {row.precision}: {row.error}", file=sys.stderr)
    print(f"{len(rows) - len(failed)} graphs compiled, {len(failed)} refused; {arguments.report}")
    return 1 if any(row.precision == "fp32" for row in failed) else 0


def check(name: str, form: Form, streaming: bool, precisions: Sequence[str]) -> list[Row]:
    """Export one graph and compile it in some precisions."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        onnx, engine = Path(folder) / f"{name}.onnx", Path(folder) / f"{name}.engine"
        try:
            opset = None if streaming else FREE_OPSET
            export_onnx(random_model(name), onnx, form, streaming=streaming, opset=opset)
        except SpeechZooError as error:
            return [Row(name, form, streaming, p, error=f"not exported: {error}") for p in precisions]
        for precision in precisions:
            try:
                built = build_engine(onnx, engine, flavour="tensorrt_rtx", precision=precision)
            except SpeechZooError as error:
                rows.append(Row(name, form, streaming, precision, error=str(error).replace(folder, "")))
                continue
            size = engine.stat().st_size / 1e6
            rows.append(Row(name, form, streaming, precision, built.layers, size, built.seconds))
    return rows


def report(rows: Sequence[Row], version: str) -> str:
    """The table as Markdown."""
    lines = [
        "# TensorRT for RTX: what its compiler takes",
        "",
        f"Written by `python -m scripts.check_rtx` on {date.today()}: speechzoo {zoo.__version__}, TensorRT "
        f"for RTX {version}, without a GPU. Every graph is exported with random weights, parsed, and "
        f"compiled for compute capability {', '.join(RTX_TARGETS)} at once; offline graphs take any length. "
        f"These are in opset {FREE_OPSET}: of Attention with a free dimension the compiler dies. "
        "What an engine computes is not verified here: that takes a card, and `python -m scripts.gpu_check`.",
        "",
        "| model | graph | precision | layers | MB | seconds | refused |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    for row in rows:
        figures = f"{row.layers} | {row.megabytes:.1f} | {row.seconds:.1f} | "
        if row.error:
            figures = f" | | | {row.error[:200].replace('|', '/')}"
        lines.append(f"| `{row.model}` | {graph(row)} | {row.precision} | {figures} |")
    return "\n".join(lines) + "\n"


def graph(row: Row) -> str:
    return f"{row.form}, {'streaming' if row.streaming else 'offline'}"


def _read(path: Path | None) -> list[Row]:
    return [Row(**row) for row in json.loads(path.read_text())] if path and path.is_file() else []


if __name__ == "__main__":
    sys.exit(main())
