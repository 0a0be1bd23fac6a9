"""Speak a text.

The text is written out in words, cut into sentences and spoken one after the other, with pauses between
them. ARPAbet may stand in braces: "turn {L EH1 F T}". "-" reads the text from standard input.

examples:
  speechzoo speak "It cost £20." -o spoken.wav
  speechzoo speak "Hello." --artifact graphs/ --vocoder waveglow.onnx -o hello.wav
  speechzoo speak "Hello." --vocoder vocos -o hello.wav    # a large one, which is downloaded
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings

import numpy as np
from tqdm import tqdm

from zoo.builtin import TAG
from zoo.cli._arguments import add_offline, add_threads, add_trust, writable
from zoo.errors import SpeechZooError
from zoo.signal.audio import PIPE, AudioWriter, new_format
from zoo.signal.plot import check_picture, plot_mel
from zoo.spec import DEFAULT
from zoo.tasks.synthesis.synthesizer import DEFAULT_MODEL, LEAST_ALPHA, MOST_ALPHA, Speech, Synthesizer

GROUP = "run models"
CHECKPOINTS = "fastspeech"  # the model of weights that are given without a name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("text", metavar="TEXT", help="what to say, or - for standard input")
    add(
        "-o",
        "--output",
        type=writable,
        metavar="OUT",
        required=True,
        help="file to write, or - for standard output",
    )
    add("--force", action="store_true", help="replace files that exist")
    add("--alpha", type=_alpha, default=1.0, metavar="A", help="how slowly: 1.2 takes 1.2 times as long")

    model = parser.add_argument_group("model")
    model.add_argument(
        "--model",
        metavar="NAME",
        help=f"see `speechzoo list` (default {DEFAULT_MODEL}, whose voice "
        f"comes with the package; {CHECKPOINTS} if --weights are given)",
    )
    model.add_argument("--weights", metavar="TAG|PATH", help="others, which run in PyTorch")
    model.add_argument(
        "--artifact",
        metavar="PATH",
        nargs="+",
        help="exported .onnx graphs or engines, their folder, or a trt.yaml, instead",
    )
    model.add_argument(
        "--vocoder", metavar="NAME|FILE", help="a vocoder's name, or .onnx file (default: Griffin-Lim)"
    )
    model.add_argument("--dictionary", metavar="FILE", help="words as phonemes, in the format of CMU's")
    model.add_argument(
        "--g2p", choices=("espeak",), help="phonemes of words that the dictionary lacks, by eSpeak NG's rules"
    )
    add_threads(model)
    add_trust(model)
    add_offline(model)

    report = parser.add_argument_group("report")
    report.add_argument("--json", action="store_true", help="print pieces, lengths and speed as JSON")
    report.add_argument("--plot", metavar="PNG", help="draw the log-mel frames")


def run(args: argparse.Namespace) -> int:
    if args.plot:
        check_picture(args.plot, args.force)
    text = sys.stdin.read() if args.text == PIPE else args.text
    synthesizer = _synthesizer(args)
    stored = new_format(args.output, synthesizer.sample_rate)
    with (
        AudioWriter(args.output, stored, force=args.force) as writer,
        tqdm(
            total=1.0,
            bar_format="{percentage:3.0f}% |{bar}| [{elapsed}<{remaining}]",
            leave=False,
            disable=not sys.stderr.isatty(),
        ) as bar,
    ):
        started = time.perf_counter()
        speech = synthesizer(text, alpha=args.alpha, progress=lambda part: bar.update(part - bar.n))
        seconds = time.perf_counter() - started
        writer.write(speech.waveform[None])
    if speech.unknown:
        print(f"speechzoo: left out, as no symbol stands for it: {' '.join(speech.unknown)}", file=sys.stderr)
    if speech.letters:
        print(
            f"speechzoo: not in the dictionary, read by their letters: {', '.join(speech.letters)}",
            file=sys.stderr,
        )
    if writer.clipped:
        print(f"{writer.name}: clipped samples: {writer.clipped}", file=sys.stderr)
    if args.plot:
        hop = synthesizer.session.front_end.hop_length / speech.sample_rate
        plot_mel(args.plot, speech.mel, hop, force=args.force)
    _report(args, synthesizer, speech, seconds)
    return 0


def _synthesizer(args: argparse.Namespace) -> Synthesizer:
    options = {
        "vocoder": args.vocoder,
        "dictionary": args.dictionary,
        "g2p": args.g2p,
        "threads": args.threads,
        "trust": args.trust,
    }
    if args.artifact:
        if args.model or args.weights:
            raise SpeechZooError(
                "--artifact has its model and weights inside; leave --model and --weights out"
            )
        paths = args.artifact[0] if len(args.artifact) == 1 else args.artifact
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            synthesizer = Synthesizer(paths, **options)
        for warning in told:
            if warning.category is UserWarning:
                print(f"speechzoo: {warning.message}", file=sys.stderr)
        return synthesizer
    name = args.model or (DEFAULT_MODEL if args.weights in (None, TAG, DEFAULT) else CHECKPOINTS)
    return Synthesizer(name, args.weights, **options)


def _report(args: argparse.Namespace, synthesizer: Synthesizer, speech: Speech, seconds: float) -> None:
    length = len(speech.waveform) / speech.sample_rate
    if args.json:
        record = {
            "output": args.output,
            "model": synthesizer.name,
            "backend": synthesizer.backend,
            "vocoder": synthesizer.vocoder.name,
            "sample_rate": speech.sample_rate,
            "alpha": args.alpha,
            "seconds": length,
            "frames": len(speech.mel),
            "real_time_factor": seconds / length if length else None,
            "peak": float(np.abs(speech.waveform).max(initial=0)),
            "unknown": list(speech.unknown),
            "pieces": [
                {"text": piece.text, "pause": piece.pause, "frames": float(durations.sum())}
                for piece, durations in zip(speech.pieces, speech.durations, strict=True)
            ],
        }
        print(json.dumps(record, indent=2), file=sys.stderr if args.output == PIPE else sys.stdout)
    elif args.output != PIPE:
        print(f"{args.output}: {length:.1f} s of speech in {seconds:.1f} s")


def _alpha(text: str) -> float:
    value = float(text)
    if not LEAST_ALPHA <= value <= MOST_ALPHA:
        raise argparse.ArgumentTypeError(f"expected from {LEAST_ALPHA:g} to {MOST_ALPHA:g}, got {text}")
    return value
