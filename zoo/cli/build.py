"""Build an engine of TensorRT from a graph, or a library from generated C.

--config takes a configuration file of the public implementation of FastSpeech, which names the engines with
their sizes, batch, precision and workspace. Each is built from the graph beside it (.onnx), which is exported
if it is not there. An engine that is there already is kept if all of this is the same for it.

examples:
  speechzoo build gtcrn.c -o libgtcrn.so --march portable
  speechzoo build gtcrn.c -o libgtcrn.so --target aarch64-linux-gnu      # for another machine
  speechzoo build gtcrn.c -o gtcrn.wasm                                   # for browsers, see docs/native.md
  speechzoo build --onnx gtcrn.onnx --engine gtcrn.engine --fp16          # for the GPU at hand
  speechzoo build --onnx gtcrn.onnx --engine gtcrn.engine --rtx           # for RTX cards, without one
  speechzoo build --onnx speaker.onnx --engine speaker.engine --profile feats:1x200x80/64x200x80/128x3000x80
  speechzoo build --onnx fastspeech.i128.o1024.onnx --engine speech.engine --plugins
  speechzoo build --onnx gtcrn.onnx --engine mine.engine --record         # trtexec built it
  speechzoo build --config trt_multi_engine.yaml --weights checkpoint_012000.pt
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from zoo.cli._arguments import Misuse, one_sentence, positive
from zoo.errors import ArtifactError
from zoo.extras import extra
from zoo.registry import get_spec
from zoo.runtime.compiler import build, find_compiler, has_no_weights
from zoo.runtime.webassembly_compiler import ENDING, build_webassembly
from zoo.signal.recordings import read_folder
from zoo.spec import SynthesisSpec
from zoo.tasks import verify
from zoo.tasks.apart import verify_apart

if TYPE_CHECKING:
    from converters.tensorrt.engine import EngineReport

GROUP = "make artifacts"
# What such a file says itself; given beside it they are an error.
CONFIGURED = ("onnx", "engine", "keep", "calibration", "profile", "workspace", "record")
ONLY_CONFIGURED = ("weights", "model", "force")
OF_ENGINES = ("config", "rtx", "timing_cache", "refit", "version_compatible", "tf32", "plugins")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", nargs="?", type=Path, metavar="C", help="a file that speechzoo export --target c wrote")
    add("-o", "--output", type=Path, metavar="LIB", help="of C: the shared library to write, or a .wasm")
    add("--weights-file", type=Path, metavar="FILE", help="of C without weights inside: to verify it with")
    add("--bare", action="store_true", help="of WebAssembly: without its record, which verify needs")
    add(
        "--march",
        metavar="NAME",
        help="of C: native (default), portable, or as the compiler has it: x86-64-v3, armv8-a, ...",
    )
    add("--onnx", type=Path, help="the graph")
    add("--engine", type=Path, help="the file to write; its record lies beside it")
    add("--config", type=Path, metavar="YAML", help="engines, sizes, batch and precision from such a file")
    add("--weights", help="with --config: of the graphs that are not there; a tag, or a checkpoint's path")
    add("--model", help="with --config: registered name (default fastspeech)")
    add("--force", action="store_true", help="with --config: replace files that exist")
    add("--rtx", action="store_true", help="TensorRT for RTX: ahead of time, no GPU needed")
    add("--target", nargs="+", metavar="8.9", help="RTX cards, by compute capability; of C: another machine")
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
    add("--workspace", type=positive, metavar="MIB", help="a layer may take")
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


def run(args: argparse.Namespace) -> int:
    if args.source or args.output or args.march or args.bare or args.weights_file:
        return _build_library(args)
    _check(args)
    with extra("onnx", "an engine"):
        from converters.tensorrt.engine import build_engine, record_engine
    described = {
        "flavour": "tensorrt_rtx" if args.rtx or args.target else "tensorrt",
        "targets": args.target or None,
        "refit": args.refit,
        "version_compatible": args.version_compatible,
        "tf32": args.tf32,
        "plugins": args.plugins,
    }
    shown = {
        "timing_cache": args.timing_cache,
        "bar": sys.stderr.isatty(),
        "progress": lambda line: print(line, file=sys.stderr),
    }
    with one_sentence():
        if args.config:
            return _build_configured(args, described, shown)
        described |= {
            "precision": args.precision,
            "profiles": ",".join(args.profile) or None,
            "workspace": (args.workspace or 0) << 20,
        }
        if args.record:
            record = record_engine(args.onnx, args.engine, **described)
            print(f"{args.engine}: recorded as an engine of {record.title}")
            return 0
        feeds = _calibration(args)
        report = build_engine(args.onnx, args.engine, keep=args.keep, feeds=feeds, **shown, **described)
    _tell(report)
    if report.command:
        print(f"the same by NVIDIA's own program:\n  {report.command}")
    return 0


def _build_library(args: argparse.Namespace) -> int:
    """A shared library, verified with the recording inside."""
    if not (args.source and args.output):
        raise Misuse("of C both the file and -o LIBRARY are needed")
    given = [name for name in (*CONFIGURED, *ONLY_CONFIGURED, *OF_ENGINES) if getattr(args, name)]
    if args.precision != "fp32":
        given.append(args.precision)
    if given:
        raise Misuse(f"--{given[0].replace('_', '-')}: it is for engines; leave it out")
    if args.output.suffix == ENDING:
        return _build_webassembly(args)
    if args.bare:
        raise Misuse("--bare: it is for WebAssembly, -o MODULE.wasm; leave it out")
    if len(args.target or ()) > 1:
        raise Misuse(f"--target {' '.join(args.target)}: a library is for one machine; name one")
    target = args.target[0] if args.target else None
    march = args.march or ("portable" if target else "native")
    with one_sentence():
        stack = _compile(args, march, target)
        size = f"{args.output.stat().st_size / 1e3:.0f} kB"
        print(f"{args.output}: {size}" + (f", stack of a call {stack} B" if stack is not None else ""))
        if target:
            print(f"{args.output}: for {target}; speechzoo verify it there")
        elif has_no_weights(args.source) and not args.weights_file:
            print(f"{args.output}: not verified, which needs its weights: --weights-file FILE")
        else:
            print(f"{args.output}: {_verified(args.output, args.weights_file, march)}")
    return 0


def _compile(args: argparse.Namespace, march: str, target: str | None) -> int | None:
    """Compile the C; the stack that a call takes in bytes, if the compiler tells."""
    from converters.c.footprint import stack_in, stack_words

    with TemporaryDirectory() as folder:
        command = find_compiler(target)
        words = stack_words(command, Path(folder))
        build(args.source, args.output, march, compiler=command, target=target, flags=words)
        return stack_in(Path(folder), args.source) if words else None


def _verified(library: Path, weights: Path | None, march: str) -> str:
    """What verifying a library came to; one for a processor that is not here is no error.

    Raises:
        SpeechZooError: it does not compute what it should, or cannot be loaded.
    """
    if march in ("native", "portable"):
        return f"verified; {verify(library, weights=weights)}"
    try:
        report, _ = verify_apart(library, weights=weights)
    except ArtifactError as error:
        if f"({-signal.SIGILL})" not in str(error):
            raise
        return f"not verified: the processor here does not run code for {march}; speechzoo verify it there"
    return f"verified; {report}"


def _build_webassembly(args: argparse.Namespace) -> int:
    """A module for browsers, verified where Node.js is."""
    for name in ("march", "target", "weights_file"):
        if getattr(args, name):
            why = (
                "a module has its weights"
                if name == "weights_file"
                else "WebAssembly has no other processors"
            )
            raise Misuse(f"--{name.replace('_', '-')}: {why}; leave it out")
    with one_sentence():
        build_webassembly(args.source, args.output, bare=args.bare)
        data = args.output.read_bytes()
        print(f"{args.output}: {len(data) / 1e3:.0f} kB, compressed {len(gzip.compress(data)) / 1e3:.0f} kB")
        if args.bare:
            print(f"{args.output}: bare, which cannot be verified")
        elif shutil.which("node"):
            print(f"{args.output}: verified in Node.js; {verify(args.output)}")
        else:
            print(f"{args.output}: not verified, which needs Node.js")
    return 0


def _build_configured(args: argparse.Namespace, described: dict[str, Any], shown: dict[str, Any]) -> int:
    """Every engine of a configuration file."""
    from converters.tensorrt.from_config import build_from_config
    from zoo.tasks.synthesis.engine_config import read_engine_config

    model = None
    if args.weights:
        with extra("torch", "exporting the graphs"):
            from zoo.create import create_model
            from zoo.networks.synthesis import SynthesisNetwork
        name = args.model or "fastspeech"
        get_spec(name, SynthesisSpec)
        network = create_model(name, args.weights)
        assert isinstance(network, SynthesisNetwork), "what a SynthesisSpec builds"
        model = network
    config = read_engine_config(args.config)
    reports = build_from_config(config, model=model, force=args.force, described=described, **shown)
    for path, report in reports.items():
        if report is None:
            print(f"{path}: there already, the same")
        else:
            _tell(report)
    return 0


def _tell(report: EngineReport) -> None:
    for warning in report.warnings:
        print(f"warning: {' '.join(warning.split())}", file=sys.stderr)
    print(f"{report.path}: {report.path.stat().st_size / 1e6:.1f} MB, {report}")


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    unfit = CONFIGURED if args.config else ONLY_CONFIGURED
    given = [name for name in unfit if getattr(args, name)]
    if args.config and args.precision != "fp32":
        given.append(args.precision)
    if given:
        where = "the file of --config says that" if args.config else "it goes with --config"
        raise Misuse(f"--{given[0]}: {where}; leave it out")
    if not args.config and not (args.onnx and args.engine):
        raise Misuse("either --onnx GRAPH and --engine FILE or --config YAML is needed")


def _calibration(args: argparse.Namespace) -> list[dict[str, Any]] | None:
    """Inputs made of the recordings of a folder, if one is named."""
    if args.calibration is None:
        return None
    from converters.tensorrt.precision import own_feeds
    from zoo.runtime.onnx import OnnxGraph

    graph = OnnxGraph(args.onnx)
    front_end = getattr(graph.manifest, "front_end", None)
    if front_end is None:
        raise ArtifactError(f"{graph.path}: it has no speechzoo manifest and cannot be fed with recordings")
    read = read_folder(args.calibration, front_end.sample_rate)
    return own_feeds(graph, recordings=[wave for _, wave in read])
