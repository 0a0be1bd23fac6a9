"""Build an engine of TensorRT, or of TensorRT for RTX, from a graph: python -m scripts.build_engine --help"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ArtifactError, SpeechZooError

if TYPE_CHECKING:
    from converters.tensorrt.engine import EngineReport

EXAMPLES = """examples:
  python -m scripts.build_engine --onnx gtcrn.onnx --engine gtcrn.engine --fp16   # for the GPU at hand
  python -m scripts.build_engine --onnx gtcrn.onnx --engine gtcrn.engine --rtx    # for RTX cards, without one
  python -m scripts.build_engine --onnx speaker.onnx --engine speaker.engine \\
      --profile feats:1x200x80/64x200x80/128x3000x80
  python -m scripts.build_engine --onnx fastspeech.i128.o1024.onnx --engine speech.engine --plugins
  python -m scripts.build_engine --onnx gtcrn.onnx --engine mine.engine --record  # trtexec built it
  python -m scripts.build_engine --config trt_multi_engine.yaml --weights checkpoint_012000.pt

A configuration file as the public implementation of FastSpeech has it names the engines, with their sizes,
batch, precision and workspace. Each is built from the graph beside it (.onnx), which is exported if it is not
there. What is there already is kept if it is the same in all that decides.
"""
# What such a file says itself; given beside it they are an error.
CONFIGURED = ("onnx", "engine", "keep", "calibration", "profile", "workspace", "record")
ONLY_CONFIGURED = ("weights", "model", "force")


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    _check(parser, arguments)
    try:
        from converters.tensorrt.engine import build_engine, record_engine
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("converters", "zoo"):
            raise
        print(f'error: engines need {error.name}: pip install ".[onnx]"', file=sys.stderr)
        return 1
    described = {
        "flavour": "tensorrt_rtx" if arguments.rtx or arguments.target else "tensorrt",
        "targets": arguments.target or None,
        "refit": arguments.refit,
        "version_compatible": arguments.version_compatible,
        "tf32": arguments.tf32,
        "plugins": arguments.plugins,
    }
    shown = {
        "timing_cache": arguments.timing_cache,
        "bar": sys.stderr.isatty(),
        "progress": lambda line: print(line, file=sys.stderr),
    }
    try:
        if arguments.config:
            return _build_configured(arguments, described, shown)
        described |= {
            "precision": arguments.precision,
            "profiles": ",".join(arguments.profile) or None,
            "workspace": arguments.workspace << 20,
        }
        if arguments.record:
            record = record_engine(arguments.onnx, arguments.engine, **described)
            print(f"{arguments.engine}: recorded as an engine of {record.title}")
            return 0
        report = build_engine(
            arguments.onnx,
            arguments.engine,
            keep=arguments.keep,
            feeds=_calibration(arguments),
            **shown,
            **described,
        )
    except (SpeechZooError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing is left", file=sys.stderr)
        return 130
    _tell(report)
    if report.command:
        print(f"the same by NVIDIA's own program:\n  {report.command}")
    return 0


def _build_configured(arguments: argparse.Namespace, described: dict[str, Any], shown: dict[str, Any]) -> int:
    """Every engine of a configuration file."""
    import zoo
    from converters.tensorrt.from_config import build_from_config
    from zoo.tasks.synthesis.engine_config import read_engine_config

    model = None
    if arguments.weights:
        model = zoo.create_model(arguments.model or "fastspeech", arguments.weights)
    config = read_engine_config(arguments.config)
    reports = build_from_config(config, model=model, force=arguments.force, described=described, **shown)
    for path, report in reports.items():
        if report is None:
            print(f"{path}: there already, the same")
        else:
            _tell(report)
    return 0


def _tell(report: EngineReport) -> None:
    for warning in report.warnings:
        print(f"warning: {' '.join(warning.split())}", file=sys.stderr)
    size = report.path.stat().st_size / 1e6
    print(
        f"{report.path}: {size:.1f} MB, {report.layers} layers, {report.seconds:.1f} s, "
        f"{report.record.title}{'; ' + report.parity if report.parity else ''}"
    )


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Options that do not go together end the program."""
    unfit = CONFIGURED if arguments.config else ONLY_CONFIGURED
    given = [name for name in unfit if getattr(arguments, name)]
    if arguments.config and arguments.precision != "fp32":
        given.append(arguments.precision)
    if given:
        where = "the file of --config says that" if arguments.config else "it goes with --config"
        parser.error(f"--{given[0]}: {where}; leave it out")
    if not arguments.config and not (arguments.onnx and arguments.engine):
        parser.error("either --onnx GRAPH and --engine FILE or --config YAML is needed")


def _calibration(arguments: argparse.Namespace) -> list[dict[str, Any]] | None:
    """Inputs made of the recordings of a folder, if one is named."""
    if arguments.calibration is None:
        return None
    from converters.tensorrt.precision import own_feeds
    from scripts.training.recordings import read_folder
    from zoo.runtime.onnx import OnnxGraph

    graph = OnnxGraph(arguments.onnx)
    front_end = getattr(graph.manifest, "front_end", None)
    if front_end is None:
        raise ArtifactError(f"{graph.path}: it has no speechzoo manifest and cannot be fed with recordings")
    read = read_folder(arguments.calibration, front_end.sample_rate)
    return own_feeds(graph, recordings=[wave for _, wave in read])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.build_engine",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--onnx", type=Path, help="the graph")
    add("--engine", type=Path, help="the file to write; its record lies beside it")
    add("--config", type=Path, metavar="YAML", help="engines, sizes, batch and precision from such a file")
    add("--weights", help="with --config: of the graphs that are not there; a tag, or a checkpoint's path")
    add("--model", help="with --config: registered name (default fastspeech)")
    add("--force", action="store_true", help="with --config: replace files that exist")
    add("--rtx", action="store_true", help="TensorRT for RTX: ahead of time, no GPU needed")
    add("--target", nargs="+", metavar="8.9", help="compute capabilities of the RTX cards (default all)")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--fp16", dest="precision", action="store_const", const="fp16")
    precision.add_argument("--int8", dest="precision", action="store_const", const="int8")
    parser.set_defaults(precision="fp32")
    add(
        "--keep",
        nargs="+",
        default=(),
        metavar="NAME",
        help="parts of names of parameters that stay in 32 bits",
    )
    add(
        "--calibration",
        type=Path,
        metavar="FOLDER",
        help="recordings that fp16 and int8 are calibrated and compared on; by default the package's own",
    )
    add(
        "--profile",
        action="append",
        default=[],
        metavar="NAME:MIN/OPT/MAX",
        help="shapes of an input with free dimensions; by default what the model declares",
    )
    add(
        "--workspace",
        type=int,
        default=0,
        metavar="MIB",
        help="a layer may take",
    )
    add("--timing-cache", type=Path, help="what was timed before on this GPU; read and written")
    add("--refit", action="store_true", help="weights can be replaced later")
    add("--version-compatible", action="store_true", help="runs with later minor versions too")
    add("--tf32", action="store_true", help="32-bit products with 10 bits of fraction; parity is lost")
    add(
        "--plugins",
        nargs="?",
        choices=("aot", "jit"),
        const="aot",
        help="of text to speech, the layers between lengths as plugins: compiled ahead of time (default), or "
        "called just in time",
    )
    add("--record", action="store_true", help="write the record of an engine that is there already")
    return parser


if __name__ == "__main__":
    sys.exit(main())
