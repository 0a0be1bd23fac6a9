"""Speak a text.

The text is written out in words and cut into sentences, which are spoken one after the other, with pauses
between them. Each is written as soon as it is made. Phonemes may stand in braces, in ARPAbet: "turn {L EH1 F
T}". The text "-" is read from standard input.

examples:
  speechzoo speak "It cost £20." -o spoken.wav
  speechzoo speak - -o book.flac --srt book.srt    # what standard input holds
  speechzoo speak "Hello." --artifact graphs/ --vocoder waveglow.onnx -o hello.wav
  speechzoo speak "Hello." --vocoder vocos -o hello.wav    # a large one, which is downloaded
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from tqdm import tqdm

from zoo.arrays import Array
from zoo.builtin import TAG
from zoo.cli._arguments import add_offline, add_threads, add_trust, writable
from zoo.errors import SpeechZooError
from zoo.signal.audio import PIPE, AudioWriter, new_format
from zoo.signal.plot import check_picture, plot_mel
from zoo.spec import DEFAULT
from zoo.tasks.synthesis.subtitles import Cue, check_subtitles, write_subtitles
from zoo.tasks.synthesis.synthesizer import DEFAULT_MODEL, LEAST_ALPHA, MOST_ALPHA, Spoken, Synthesizer
from zoo.text.sentences import LONGEST_PAUSE, Pauses

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

    add("--srt", metavar="FILE", help="write subtitles too: each sentence with its times")
    pauses = Pauses()
    for name, what in (
        ("sentence", "a sentence"),
        ("clause", "a part of a sentence that is too long for the model"),
        ("paragraph", "a paragraph, a heading or an item of a list"),
    ):
        default = getattr(pauses, name)
        add(
            f"--{name}-pause",
            type=_pause,
            default=default,
            metavar="S",
            help=f"seconds of silence behind {what} (default {default:g})",
        )

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
        "--vocoder",
        metavar="NAME|FILE",
        help="a vocoder's name, griffin-lim, or .onnx file (default: the model's own)",
    )
    model.add_argument("--dictionary", metavar="FILE", help="more words as phonemes, in the format of CMU's")
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
    started = time.perf_counter()
    if args.plot:
        check_picture(args.plot, args.force)
    if args.srt:
        check_subtitles(args.srt, args.force)
    pauses = Pauses(args.sentence_pause, args.clause_pause, args.paragraph_pause)
    text = _read_text() if args.text == PIPE else args.text
    synthesizer = _synthesizer(args)
    told = _Told(loaded=time.perf_counter() - started)
    stored = new_format(args.output, synthesizer.sample_rate)
    with (
        AudioWriter(args.output, stored, force=args.force) as writer,
        tqdm(
            bar_format="{n:.0f} s of speech [{elapsed}]", leave=False, disable=not sys.stderr.isatty()
        ) as bar,
    ):
        for spoken in synthesizer.stream(text, alpha=args.alpha, pauses=pauses):
            writer.write(spoken.waveform[None])
            told.first = told.first or time.perf_counter() - started
            told.add(spoken, keep_mel=bool(args.plot))
            bar.update(len(spoken.waveform) / synthesizer.sample_rate)
    told.seconds = time.perf_counter() - started
    if told.unknown:
        print(f"speechzoo: left out, as no symbol stands for it: {' '.join(told.unknown)}", file=sys.stderr)
    if told.letters:
        print(
            f"speechzoo: not in the dictionary, read by their letters: {', '.join(told.letters)}",
            file=sys.stderr,
        )
    if writer.clipped:
        print(f"{writer.name}: clipped samples: {writer.clipped}", file=sys.stderr)
    if args.srt:
        write_subtitles(args.srt, told.cues)
    if args.plot:
        hop = synthesizer.session.front_end.hop_length / synthesizer.sample_rate
        plot_mel(args.plot, np.concatenate(told.mel), hop, force=args.force)
    _report(args, synthesizer, told, writer)
    return 0


@dataclass
class _Told:
    """What is told of a text once it is spoken; its waveform is written by then, and gone.

    Attributes:
        loaded: seconds until the model was there.
        first: seconds until the first sound was written.
        seconds: until the last.
    """

    loaded: float
    first: float = 0.0
    seconds: float = 0.0
    unknown: dict[str, None] = field(default_factory=dict)
    letters: dict[str, None] = field(default_factory=dict)
    pieces: list[dict[str, object]] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    mel: list[Array] = field(default_factory=list)
    frames: int = 0
    sentence: int = -1

    def add(self, spoken: Spoken, *, keep_mel: bool) -> None:
        self.unknown.update(dict.fromkeys(spoken.unknown))
        self.letters.update(dict.fromkeys(spoken.letters))
        frames = float(spoken.durations.sum())
        self.pieces.append({"text": spoken.piece.text, "pause": spoken.piece.pause, "frames": frames})
        self.frames += len(spoken.mel)
        if keep_mel:
            self.mel.append(spoken.mel)
        if spoken.sentence == self.sentence:
            self.cues[-1] = replace(self.cues[-1], end=spoken.end)
        else:
            self.cues.append(Cue(spoken.begin, spoken.end, spoken.written))
        self.sentence = spoken.sentence


def _read_text() -> str:
    """Standard input, as UTF-8 whatever the locale; what is none becomes a character that nothing reads."""
    data = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read() if data is None else data.read().decode("utf-8-sig", errors="replace")


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


def _report(args: argparse.Namespace, synthesizer: Synthesizer, told: _Told, writer: AudioWriter) -> None:
    length = writer.frames / synthesizer.sample_rate
    if args.json:
        record = {
            "output": args.output,
            "model": synthesizer.name,
            "backend": synthesizer.backend,
            "vocoder": synthesizer.vocoder.name,
            "sample_rate": synthesizer.sample_rate,
            "alpha": args.alpha,
            "seconds": length,
            "frames": told.frames,
            "real_time_factor": (told.seconds - told.loaded) / length if length else None,
            "load_seconds": told.loaded,
            "first_sound_seconds": told.first,
            "total_seconds": told.seconds,
            "peak": writer.peak,
            "unknown": list(told.unknown),
            "letters": list(told.letters),
            "pieces": told.pieces,
        }
        print(json.dumps(record, indent=2), file=sys.stderr if args.output == PIPE else sys.stdout)
    elif args.output != PIPE:
        print(
            f"{args.output}: {length:.1f} s of speech in {told.seconds:.1f} s, the first of it after "
            f"{told.first:.1f} s ({told.loaded:.1f} s to load)"
        )


def _alpha(text: str) -> float:
    value = float(text)
    if not LEAST_ALPHA <= value <= MOST_ALPHA:
        raise argparse.ArgumentTypeError(f"expected from {LEAST_ALPHA:g} to {MOST_ALPHA:g}, got {text}")
    return value


def _pause(text: str) -> float:
    value = float(text)
    if not 0 <= value <= LONGEST_PAUSE:
        raise argparse.ArgumentTypeError(f"expected from 0 to {LONGEST_PAUSE:g} seconds, got {text}")
    return value
