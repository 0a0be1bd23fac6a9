"""Run a graph on a recording and time it.

It takes enhancers' files of every kind, public graphs too, and speaker models' ONNX files. Of a streaming
graph every block is timed by itself; any other graph is timed on the whole recording, --runs times.

examples:
  speechzoo test gtcrn.onnx --audio-path noisy.wav --save-output
  speechzoo test --onnx-path gtcrn_stream.onnx --hop-size 256 --win-type hann-sqrt
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np
from tqdm import tqdm

from zoo.artifact.manifest import SpeakerManifest, SynthesisManifest
from zoo.benchmark.audio import TimedSession, time_embedder
from zoo.cli._arguments import Misuse, add_threads, add_trust, one_sentence, positive
from zoo.cli._jobs import ENHANCED
from zoo.errors import ArtifactError
from zoo.runtime.artifact import load_artifact
from zoo.runtime.graph import Graph
from zoo.signal.audio import AudioReader, AudioWriter, output_format
from zoo.tasks.enhancement.enhancer import Enhancer
from zoo.tasks.enhancement.graph import session_over
from zoo.tasks.enhancement.open import open_session
from zoo.tasks.enhancement.session import Session
from zoo.tasks.public import WINDOWS, Told
from zoo.tasks.speaker.embedder import Embedder
from zoo.tasks.speaker.public_graph import is_public_embedder

GROUP = "measure"

RUNS, EMBEDDINGS = 1000, 100
RATE = 16000
BESIDE = ""  # what --save-output is without a name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("artifact", nargs="?", type=Path, metavar="FILE", help=".onnx, .ts, .pt2, .engine")
    add("--onnx-path", type=Path, metavar="FILE", help="the same")
    add("--audio-path", type=Path, metavar="FILE", help="default: a noisy utterance of the package")
    add(
        "--save-output", type=Path, nargs="?", const=BESIDE, metavar="FILE",
        help="write the enhanced audio (first channel); without FILE beside the recording, as x.enhanced.wav",
    )  # fmt: skip
    add_threads(parser)
    add_trust(parser)
    add(
        "--runs", type=positive, metavar="N",
        help=f"timed runs on whole recordings (default {RUNS}, of speaker models {EMBEDDINGS})",
    )  # fmt: skip
    add("--json", action="store_true", help="print the figures as JSON")
    foreign = parser.add_argument_group("for files without a speechzoo manifest")
    foreign.add_argument("--sample-rate", "--sr", type=positive, metavar="HZ", help=f"default {RATE}")
    foreign.add_argument("--hop-size", type=positive, metavar="N", help="default half the window")
    foreign.add_argument("--n-fft", type=positive, metavar="N", help="default: what the graph says")
    foreign.add_argument("--win-size", type=positive, metavar="N", help="as long as --n-fft")
    foreign.add_argument("--win-type", choices=tuple(WINDOWS), help="default hann")


def run(args: argparse.Namespace) -> int:
    if bool(args.artifact) == bool(args.onnx_path):
        raise Misuse("one graph is needed: FILE, or --onnx-path FILE")
    with one_sentence():
        path = args.artifact or args.onnx_path
        graph = load_artifact(path, threads=args.threads, trust=args.trust)
        if isinstance(graph.manifest, SynthesisManifest):
            raise ArtifactError(
                f"{path}: it takes text; speechzoo speak TEXT --artifact {path} --json -o OUT tells its speed"
            )
        package = resources.as_file(resources.files("zoo.artifact").joinpath("speech.flac"))
        with package as speech:
            source = args.audio_path or speech
            if isinstance(graph.manifest, SpeakerManifest) or is_public_embedder(graph):
                figures = _embed(args, path, graph, source)
            else:
                figures = _enhance(args, path, graph, source)
    if args.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:<40}{value:.5g}" for name, value in figures.items()))
    return 0


def _enhance(args: argparse.Namespace, path: Path, graph: Graph, source: Path) -> dict[str, float]:
    """Enhance the recording, write it if that is wanted, and give the figures."""
    session = TimedSession(_session(args, path, graph))
    with AudioReader(source) as reader:
        noisy = np.concatenate(list(reader.blocks(1 << 16)), axis=1)[0]
    rate = reader.format.sample_rate
    with tqdm(total=1.0, bar_format="{l_bar}{bar}", disable=not sys.stderr.isatty()) as bar:
        enhanced = Enhancer(session)(noisy, rate, lambda part: bar.update(part - bar.n))
    if not session.streaming:
        session.repeat(noisy[None], args.runs or RUNS)
    figures = session.figures(len(noisy) / rate)
    if args.save_output is not None:
        output = args.save_output
        if output == Path(BESIDE):
            beside = args.audio_path or Path(source.name)
            output = beside.with_stem(beside.stem + ENHANCED)
        with AudioWriter(output, output_format(reader, output, channels=1), force=True) as writer:
            writer.write(enhanced[None])
    return figures


def _embed(args: argparse.Namespace, path: Path, graph: Graph, source: Path) -> dict[str, float]:
    """Time a speaker model on the recording."""
    if args.save_output is not None:
        raise Misuse("--save-output is for enhancers; speechzoo embed writes embeddings")
    rate = args.sample_rate if graph.manifest is None else None
    embedder = Embedder(path, threads=args.threads, trust=args.trust, sample_rate=rate)
    _check_front_end(args, path, {"sample_rate": embedder.sample_rate})
    with AudioReader(source) as reader:
        wave = np.concatenate(list(reader.blocks(1 << 16)), axis=1)[0]
    return time_embedder(embedder, wave, reader.format.sample_rate, args.runs or EMBEDDINGS)


def _session(args: argparse.Namespace, path: Path, graph: Graph) -> Session:
    """The session over a graph of ours or of others."""
    session: Session
    if graph.manifest is None and path.suffix == ".onnx":
        told, assumed = Told(args.sample_rate, args.hop_size, args.win_type), Told(RATE, None, "hann")
        session = open_session(path, threads=args.threads, told=told, assumed=assumed)
    else:
        session = session_over(graph)
    front_end = session.front_end
    known = {
        "sample_rate": front_end.sample_rate,
        "hop_size": front_end.hop_length,
        "n_fft": front_end.n_fft,
        "win_size": front_end.n_fft,
        "win_type": front_end.window,
    }
    _check_front_end(args, path, known)
    return session


def _check_front_end(args: argparse.Namespace, path: Path, known: Mapping[str, object]) -> None:
    """Refuse options that contradict a graph."""
    for name in ("sample_rate", "hop_size", "n_fft", "win_size", "win_type"):
        given, option = getattr(args, name), f"--{name.replace('_', '-')}"
        if given is None:
            continue
        if name not in known:
            raise ArtifactError(f"{path}: it has no window and hop of that kind; leave {option} out")
        if WINDOWS.get(given, given) != known[name]:
            raise ArtifactError(f"{path}: {option} is {known[name]} in this graph, not {given}; leave it out")
