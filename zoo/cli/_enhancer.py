"""Opens the enhancer that a command's options name."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from typing import Any

from zoo.builtin import packaged_artifact
from zoo.cli._arguments import add_offline, add_threads, add_trust, decibels, positive
from zoo.errors import SpeechZooError
from zoo.hub.recognition import published
from zoo.hub.weights import default_tag, tell, weights_advice
from zoo.registry import get_spec
from zoo.runtime.artifact import NATIVE, SUFFIXES, is_artifact, load_artifact
from zoo.spec import DEFAULT, EnhancementSpec
from zoo.tasks.enhancement.enhancer import DEFAULT_MODEL, Enhancer
from zoo.tasks.public import WINDOWS, Told

EXPORTERS = ("torch", "onnx", "onnxscript", "onnxslim")  # packages that make a graph of ours


def add_enhancer_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that name an enhancer."""
    model = parser.add_argument_group("model")
    model.add_argument("--model", metavar="NAME", help=f"see `speechzoo list` (default {DEFAULT_MODEL})")
    model.add_argument(
        "--weights", metavar="TAG|PATH", help="default: those in the package, else the first tag"
    )
    model.add_argument(
        "--artifact", metavar="FILE", help=".onnx, .ts, .pt2, .engine, .c, .so; or a public .onnx"
    )
    model.add_argument("--weights-file", metavar="FILE", help="of native code that has no weights inside")
    model.add_argument(
        "--backend", choices=("native",), help="compile the graph to native code first, which is kept"
    )
    add_threads(model)
    model.add_argument(
        "--providers",
        nargs="+",
        default=(),
        metavar="NAME",
        help="of ONNX Runtime: cuda, tensorrt, ... (default cpu)",
    )
    add_trust(model)
    add_offline(model)

    public = parser.add_argument_group("public graphs, where neither their hash nor their metadata tell")
    public.add_argument("--sample-rate", type=positive, metavar="HZ", help="of the model")
    public.add_argument("--hop-size", type=positive, metavar="N", help="default half the window")
    public.add_argument("--window", choices=tuple(WINDOWS), help="of its transforms")


def add_limit(parser: argparse._ActionsContainer) -> None:
    """The option that leaves some of the noise in."""
    parser.add_argument(
        "--attenuation-limit",
        type=decibels,
        metavar="DB",
        help="make noise quieter by so much at the most (default: by what the model can)",
    )


def open_enhancer(args: argparse.Namespace) -> Enhancer:
    """The model that the options name, in ONNX Runtime or as native code."""
    if args.backend and args.providers:
        raise SpeechZooError("--providers are ONNX Runtime's; native code has no use for them")
    options: dict[str, Any] = {
        "threads": args.threads,
        "providers": args.providers,
        "trust": args.trust,
        "backend": args.backend,
        "attenuation_limit": args.attenuation_limit,
    }
    told = {"sample_rate": args.sample_rate, "hop_length": args.hop_size, "window": args.window}
    if args.artifact:
        if args.model or args.weights:
            raise SpeechZooError(
                "--artifact has its model and weights inside; leave --model and --weights out"
            )
        if not is_artifact(args.artifact):
            raise SpeechZooError(
                f"--artifact {args.artifact}: a file in {', '.join((*NATIVE, *SUFFIXES))} is expected; "
                f"a checkpoint goes with --model NAME --weights {args.artifact}"
            )
        return Enhancer(args.artifact, args.weights_file, **options, **told)
    if args.weights_file:
        raise SpeechZooError("--weights-file goes with --artifact, native code that has no weights inside")
    if args.weights and not args.model:
        raise SpeechZooError(f"--model is missing: whose weights are {args.weights}? See `speechzoo list`")
    name, weights = args.model or DEFAULT_MODEL, args.weights
    spec = get_spec(name, EnhancementSpec)
    if packaged_artifact(spec, weights):
        return Enhancer(name, weights, **options, **told)
    if not weights or weights == DEFAULT:
        weights = default_tag(spec)
    if not weights:
        raise SpeechZooError(
            f"--weights is missing: none of {name} come with the package. {weights_advice(spec)}"
        )
    if _runs_as_it_is(spec, weights):
        return Enhancer(name, weights, **options, **told)
    Told(**told).refuse_all(name)
    from converters.cache import cached_export

    path = cached_export(
        name,
        weights,
        hops=1 if args.backend else "hops",
        progress=lambda line: print(line, file=sys.stderr),
    )
    if is_artifact(weights) or published(spec, weights):
        tell(f"{name}, weights {weights}, runs as a graph of ours, {path}")
    return Enhancer(path, **options)


def _runs_as_it_is(spec: EnhancementSpec, weights: str) -> bool:
    """Whether weights are a graph, or a tag that has one, of which no graph of ours can be made here: it is
    one already, its parameters are not read, or what reads and exports them is not installed."""
    known, reader = published(spec, weights), spec.readers.get("graph", "")
    if is_artifact(weights):
        readable = bool(reader) and weights.endswith(".onnx") and load_artifact(weights).manifest is None
    elif known is None:
        return False
    else:
        readable = known.kind != "graph" or bool(known.reader or reader)
    return not (readable and all(map(find_spec, EXPORTERS)))
