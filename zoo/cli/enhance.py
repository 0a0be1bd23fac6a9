"""Remove the noise from recordings.

The output has the input's sample rate, length and format, and is aligned with it to the sample.
Without --output, speech.wav becomes speech.enhanced.wav beside it; standard input goes to standard
output. Files are read and written in blocks, so their length does not matter.

With --ray a recording whose output exists counts as done, so that the same command goes on where it was
interrupted, and tries again what failed. --force does all of them anew.

examples:
  speechzoo enhance noisy.wav
  speechzoo enhance recordings/ --recursive -o clean/ --format flac
  speechzoo enhance noisy.wav --artifact mine.onnx -o clean.wav --plot before_and_after.png
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from zoo.arrays import Array
from zoo.builtin import packaged_artifact
from zoo.cli._arguments import add_threads, add_trust, positive
from zoo.cli._model import warn_of_weights
from zoo.cli._ray import add_ray_argument, work_on_ray
from zoo.errors import AudioError, SpeechZooError
from zoo.hub.weights import weights_advice
from zoo.registry import get_spec
from zoo.runtime.artifact import NATIVE, SUFFIXES, is_artifact
from zoo.signal.audio import PIPE, AudioFormat, AudioReader, AudioWriter, find_audio, output_format, suffixes
from zoo.signal.plot import check_picture, plot_spectrograms
from zoo.signal.samples import SUSPECT
from zoo.spec import EnhancementSpec
from zoo.tasks.enhancement.enhancer import DEFAULT_MODEL, Enhancer
from zoo.tasks.enhancement.stream import Latency

GROUP = "run models"

ENHANCED = ".enhanced"  # between stem and ending
_RAW_FORMATS = {"s16le": "PCM_16", "f32le": "FLOAT"}
_PLOT_SECONDS = 60


@dataclass(frozen=True)
class _Job:
    """A recording and the place of its output, each a path or "-"."""

    source: str
    target: str
    into_folder: bool  # which is made if it does not exist


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("input", nargs="+", metavar="INPUT", help="audio files, folders of them, or - for standard input")
    add("-o", "--output", metavar="OUT", help="file, or - for standard output; a folder if there are several")
    add("--recursive", action="store_true", help="take the folders inside a folder too")
    add("--force", action="store_true", help="replace files that exist")
    add_ray_argument(parser)

    model = parser.add_argument_group("model")
    model.add_argument("--model", metavar="NAME", help=f"see `speechzoo list` (default {DEFAULT_MODEL})")
    model.add_argument("--weights", metavar="TAG|PATH", help="default: those in the package")
    model.add_argument("--artifact", metavar="FILE", help="exported: .onnx, .ts, .pt2, .engine, .c, .so")
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

    audio = parser.add_argument_group("audio")
    audio.add_argument("--mix-down", action="store_true", help="enhance the mean of all channels")
    audio.add_argument("--format", metavar="NAME", help="container to write: wav, flac, ogg, mp3, raw, ...")
    audio.add_argument("--subtype", metavar="NAME", help="encoding to write: pcm_16, pcm_24, float, ...")
    audio.add_argument("--raw-rate", type=positive, metavar="HZ", help="standard input is bare samples")
    audio.add_argument(
        "--raw-channels", type=positive, default=1, metavar="N", help="interleaved (default 1)"
    )
    audio.add_argument("--raw-format", choices=_RAW_FORMATS, default="s16le", help="default s16le")

    report = parser.add_argument_group("report")
    report.add_argument("--json", action="store_true", help="print speed, latency and levels as JSON")
    report.add_argument("--plot", metavar="PNG", help="draw the spectrograms before and after")


def run(args: argparse.Namespace) -> int:
    jobs = _jobs(args)
    if args.plot and len(jobs) > 1:
        raise SpeechZooError(f"--plot draws one recording, but there are {len(jobs)}; name one of them")
    if args.plot:
        check_picture(args.plot, args.force)
    if args.ray and (args.plot or any(PIPE in (job.source, job.target) for job in jobs)):
        raise SpeechZooError("--ray takes files to files; leave --plot and - out")
    enhancer = _enhancer(args)
    warn_of_weights(enhancer.session)
    waiting = [job for job in jobs if not (args.ray and os.path.exists(job.target)) or args.force]
    results = _on_ray(args, waiting) if args.ray else ((job, _attempt(enhancer, job, args)) for job in jobs)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    for job, result in results:
        if "error" in result:
            failed.append(result)
            print(f"speechzoo: {result['error']}", file=sys.stderr)
        else:
            done.append(result)
            _tell(job, result, args)
    if len(waiting) < len(jobs) and not args.json:
        print(f"{len(jobs) - len(waiting)} of {len(jobs)} recordings were done before")
    if failed and len(jobs) > 1:
        print(f"speechzoo: {len(failed)} of {len(jobs)} recordings failed:", file=sys.stderr)
        for failure in failed:
            print(f"  {failure['input']}", file=sys.stderr)
    if args.json:
        audio_on_stdout = any(job.target == PIPE for job in jobs)
        report = {"files": done, "failed": failed, "done_before": len(jobs) - len(waiting)}
        print(json.dumps(report, indent=2), file=sys.stderr if audio_on_stdout else sys.stdout)
    return 1 if failed else 0


def _on_ray(args: argparse.Namespace, jobs: list[_Job]) -> Iterator[tuple[_Job, dict[str, Any]]]:
    """Jobs with what became of them, as they come."""
    if jobs:
        results = work_on_ray(partial(_open_work, args), jobs, address=args.ray, threads=args.threads)
        quiet = not sys.stderr.isatty()
        yield from tqdm(results, total=len(jobs), unit="file", disable=quiet, leave=False)


def _open_work(args: argparse.Namespace) -> Callable[[list[_Job]], list[dict[str, Any]]]:
    """What enhances recordings in an actor."""
    enhancer = _enhancer(args)
    # An output that is there by now is of an attempt that was lost.
    anew = argparse.Namespace(**{**vars(args), "force": True})
    return lambda jobs: [_attempt(enhancer, job, anew) for job in jobs]


def _attempt(enhancer: Enhancer, job: _Job, args: argparse.Namespace) -> dict[str, Any]:
    """What ``_enhance`` gives; or ``input`` and ``error``."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "samples beyond")  # told at the end, with the recording's name
            return _enhance(enhancer, job, args)
    except AudioError as error:
        message = str(error) if job.source in str(error) else f"{job.source}: {error}"
        return {"input": job.source, "error": message}


def _tell(job: _Job, report: dict[str, Any], args: argparse.Namespace) -> None:
    """Say what was done, and what is to be known of it."""
    source = "standard input" if job.source == PIPE else job.source
    target = "standard output" if job.target == PIPE else job.target
    if report["clipped"]:
        print(f"{target}: clipped samples: {report['clipped']} (--subtype float keeps them)", file=sys.stderr)
    if report["peak_in"] > SUSPECT:
        print(
            f"{source}: its largest sample is {report['peak_in']:.0f}, where 1 is full scale; if these are "
            f"integers in floats, divide them by the integers' largest value",
            file=sys.stderr,
        )
    if report["resets"]:
        print(
            f"{target}: resets of the network: {report['resets']} (it gave no finite values)", file=sys.stderr
        )
    if not args.json and job.target != PIPE:
        speed = 1 / max(report["real_time_factor"], 1e-9)
        print(f"{source} -> {target} ({report['seconds']:.1f} s, {speed:.0f} times faster than real time)")


def _enhancer(args: argparse.Namespace) -> Enhancer:
    """The model that the options name, in ONNX Runtime or as native code."""
    options: dict[str, Any] = {"threads": args.threads, "providers": args.providers, "backend": args.backend}
    if args.backend and args.providers:
        raise SpeechZooError("--providers are ONNX Runtime's; native code has no use for them")
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
        return Enhancer(args.artifact, trust=args.trust, **options)
    if args.weights and not args.model:
        raise SpeechZooError(f"--model is missing: whose weights are {args.weights}? See `speechzoo list`")
    name = args.model or DEFAULT_MODEL
    spec = get_spec(name, EnhancementSpec)
    if packaged_artifact(spec, args.weights):
        return Enhancer(name, args.weights, **options)
    if not args.weights:
        raise SpeechZooError(
            f"--weights is missing: none of {name} come with the package. {weights_advice(spec)}"
        )
    from converters.cache import cached_export

    path = cached_export(name, args.weights, progress=lambda line: print(line, file=sys.stderr))
    return Enhancer(path, **options)


def _jobs(args: argparse.Namespace) -> list[_Job]:
    """Every recording that the options name, with the place of its output.

    Raises:
        SpeechZooError: options that contradict each other, or two recordings with one output.
        AudioError: a folder that cannot be read or holds no audio.
    """
    found: list[tuple[str, Path | None]] = []  # with the folder that was named, if one was
    for name in args.input:
        if name != PIPE and os.path.isdir(name):
            found += [(os.fspath(path), Path(name)) for path in _recordings(name, args)]
        else:
            found.append((name, None))
    several = len(found) > 1 or any(folder for _, folder in found)
    if args.raw_rate and args.input != [PIPE]:
        raise SpeechZooError("--raw-rate describes standard input; pass - as the only input with it")
    if several and args.output and _is_file_name(args.output):
        raise SpeechZooError(f"--output {args.output}: a folder is expected for several recordings")

    into_folder = bool(args.output) and args.output != PIPE and (several or _is_folder(args.output))
    jobs: dict[str, str] = {}  # source by target
    for source, folder in found:
        path = Path("stdin.wav" if source == PIPE else source)
        if into_folder:
            target = Path(args.output) / (path.relative_to(folder) if folder else path.name)
        elif args.output or source == PIPE:
            target = Path(args.output or PIPE)
        else:
            target = path.with_stem(path.stem + ENHANCED)
        if args.format and (into_folder or not args.output) and os.fspath(target) != PIPE:
            target = target.with_suffix(f".{args.format.lower()}")
        if os.fspath(target) in jobs:
            raise SpeechZooError(
                f"{jobs[os.fspath(target)]} and {source} would both become {target}; enhance them one by one"
            )
        jobs[os.fspath(target)] = source
    return [_Job(source, target, into_folder) for target, source in jobs.items()]


def _recordings(folder: str, args: argparse.Namespace) -> list[Path]:
    """The audio files of a folder, without those that this command wrote there before."""
    written = None if args.output is None else Path(args.output).resolve()
    inside = written is not None and written != Path(folder).resolve()
    paths = [
        path
        for path in find_audio(folder, args.recursive)
        if not path.stem.endswith(ENHANCED) and not (inside and written in path.resolve().parents)
    ]
    if not paths:
        hint = "" if args.recursive else "; --recursive takes the folders inside it too"
        raise AudioError(f"the folder {folder} holds no audio files{hint}")
    return paths


def _enhance(enhancer: Enhancer, job: _Job, args: argparse.Namespace) -> dict[str, Any]:
    """One recording, block by block; gives what is to be told about it."""
    source, target, raw = job.source, job.target, None
    if args.raw_rate:
        raw = AudioFormat(args.raw_rate, args.raw_channels, "RAW", _RAW_FORMATS[args.raw_format])
    with AudioReader(source, raw) as reader:
        rate, channels = reader.format.sample_rate, 1 if args.mix_down else reader.format.channels
        stored = output_format(reader, target, channels, args.format, args.subtype)
        process = _Process(enhancer, rate, channels)
        before, after = _Sketch(rate, bool(args.plot)), _Sketch(rate, bool(args.plot))
        quiet = reader.frames is None or not sys.stderr.isatty()
        if job.into_folder:
            _make_folder(Path(target).parent)
        with (
            AudioWriter(target, stored, force=args.force) as writer,
            tqdm(
                total=(reader.frames or 0) / rate,
                desc=Path(reader.name).name,
                bar_format="{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]",
                leave=False,
                disable=quiet,
            ) as bar,
        ):
            # On a pipe the next process may be listening: what has come goes on at once.
            frames = rate if reader.frames else max(1, rate // 100)
            peak, count = 0.0, 0
            for block in reader.blocks(frames):
                if args.mix_down:
                    block = block.mean(0, keepdims=True)
                peak, count = max(peak, float(np.abs(block).max())), count + block.shape[1]
                before.add(block)
                for enhanced in process.push(block):
                    writer.write(enhanced)
                    after.add(enhanced)
                bar.update(block.shape[1] / rate)
            for enhanced in process.flush():
                writer.write(enhanced)
                after.add(enhanced)
    seconds = count / rate
    if args.plot:
        if seconds > _PLOT_SECONDS:
            print(f"{args.plot} shows the first {_PLOT_SECONDS} s of {seconds:.0f} s", file=sys.stderr)
        signals = [("Before", before.signal()), ("After", after.signal())]
        plot_spectrograms(args.plot, signals, rate, force=args.force)
    return {
        "input": source,
        "output": target,
        "model": enhancer.name,
        "backend": enhancer.backend,
        "sample_rate": rate,
        "channels": channels,
        "seconds": seconds,
        "real_time_factor": process.seconds / seconds,
        "latency": process.latency and _latency(process.latency),
        "peak_in": peak,
        "peak_out": writer.peak,
        "clipped": writer.clipped,
        "resets": process.resets,
    }


class _Process:
    """All channels of a recording through an enhancer, and the time that it takes."""

    def __init__(self, enhancer: Enhancer, rate: int, channels: int) -> None:
        self._enhancer, self._rate = enhancer, rate
        self._streams = [enhancer.stream(rate) for _ in range(channels)] if enhancer.streaming else []
        self._kept: list[Array] = []  # an offline artifact needs the whole recording
        self.latency = self._streams[0].latency if self._streams else None
        self.seconds = 0.0

    @property
    def resets(self) -> int:
        """How often a channel's network began anew."""
        return sum(stream.resets for stream in self._streams)

    def push(self, block: Array) -> Iterator[Array]:
        """(channels, n) -> (channels, m), if there is any yet."""
        if not self._streams:
            self._kept.append(block)
            return
        started = time.perf_counter()
        output = np.stack([stream.push(row) for stream, row in zip(self._streams, block, strict=True)])
        self.seconds += time.perf_counter() - started
        yield output

    def flush(self) -> Iterator[Array]:
        """The rest, (channels, m)."""
        started = time.perf_counter()
        if self._streams:
            output = np.stack([stream.flush() for stream in self._streams])
        else:
            output = self._enhancer(np.concatenate(self._kept, axis=1), self._rate)
        self.seconds += time.perf_counter() - started
        yield output


class _Sketch:
    """The beginning of a recording's first channel, for a picture."""

    def __init__(self, rate: int, wanted: bool) -> None:
        self._missing = _PLOT_SECONDS * rate if wanted else 0
        self._pieces: list[Array] = []

    def add(self, block: Array) -> None:
        if self._missing:
            self._pieces.append(block[0, : self._missing].copy())
            self._missing -= len(self._pieces[-1])

    def signal(self) -> Array:
        return np.concatenate(self._pieces)


def _latency(latency: Latency) -> dict[str, Any]:
    return {"samples": latency.samples, "milliseconds": latency.milliseconds}


def _is_file_name(name: str) -> bool:
    """Whether an output is meant as one recording: "-", a file that is there, or a name that ends as one."""
    if name == PIPE or os.path.isfile(name):
        return True
    return not _is_folder(name) and Path(name).suffix.lower() in suffixes()


def _is_folder(name: str) -> bool:
    return os.path.isdir(name) or name.endswith(("/", os.sep))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioError(f"the folder {folder} cannot be made: {error.strerror}") from error
