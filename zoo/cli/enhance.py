"""Remove the noise from recordings.

The output has the input's sample rate, length and format, and starts where the input starts.
Without --output, speech.wav becomes speech.enhanced.wav beside it; standard input goes to standard
output. Files are read and written in blocks, so their length does not matter. Ctrl-C while a pipe is
read ends the recording there: what came is kept.

Weights that their authors published as an ONNX graph run as they are; where PyTorch and the exporters are
installed, a faster graph is made of them once. The command says which of the two runs.

With --ray a recording whose output exists counts as done, so that the same command goes on where it was
interrupted, and tries again what failed. --force enhances all of them again.

examples:
  speechzoo enhance noisy.wav
  speechzoo enhance recordings/ --recursive -o clean/ --format flac
  speechzoo enhance noisy.wav --artifact mine.onnx -o clean.wav --plot before_and_after.png
  speechzoo enhance noisy.wav --artifact theirs.onnx --sample-rate 16000 --window hann-sqrt
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from zoo.arrays import Array
from zoo.cli._arguments import network, one_sentence, positive, readable, writable
from zoo.cli._enhancer import add_enhancer_arguments, add_limit, open_enhancer
from zoo.cli._jobs import Job, find_jobs
from zoo.cli._model import tell_what_runs, warn_of_weights
from zoo.cli._ray import add_ray_argument, work_on_ray
from zoo.cli._signals import Gently
from zoo.errors import AudioError, AudioWarning, SpeechZooError
from zoo.files import atomic
from zoo.registry import get_spec, list_models
from zoo.signal.audio import (
    PIPE,
    AudioFormat,
    AudioReader,
    AudioWriter,
    output_format,
)
from zoo.signal.plot import check_picture, plot_spectrograms
from zoo.signal.resample import HIGHEST_RATE, LOWEST_RATE
from zoo.signal.samples import SUSPECT
from zoo.tasks.enhancement.activity import Activity
from zoo.tasks.enhancement.enhancer import Enhancer
from zoo.tasks.enhancement.high_band import HighBand
from zoo.tasks.enhancement.limit import gain_of
from zoo.tasks.enhancement.stream import Latency

GROUP = "run models"

_RAW_FORMATS = {"s16le": "PCM_16", "s24le": "PCM_24", "s32le": "PCM_32", "f32le": "FLOAT"}
_PLOT_SECONDS = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    several = "a folder if there are several"
    add("input", type=readable, nargs="+", metavar="INPUT", help="audio files, folders, pipes, or -: stdin")
    add("-o", "--output", type=writable, metavar="OUT", help=f"file, or - for standard output; {several}")
    add("--recursive", action="store_true", help="take the folders inside a folder too")
    add("--force", action="store_true", help="replace files that exist")
    add_ray_argument(parser)

    add_enhancer_arguments(parser)
    audio = parser.add_argument_group("audio")
    add_limit(audio)
    audio.add_argument(
        "--keep-high-band",
        action="store_true",
        help="above the model's band keep the recording's own, as quiet as the top of the band became",
    )
    audio.add_argument("--mix-down", action="store_true", help="enhance the mean of all channels")
    audio.add_argument("--format", metavar="NAME", help="container to write: wav, flac, ogg, mp3, raw, ...")
    audio.add_argument("--subtype", metavar="NAME", help="encoding to write: pcm_16, pcm_24, float, ...")
    audio.add_argument("--raw-rate", type=_rate, metavar="HZ", help="standard input is bare samples")
    audio.add_argument(
        "--raw-channels", type=positive, default=1, metavar="N", help="interleaved (default 1)"
    )
    audio.add_argument("--raw-format", choices=_RAW_FORMATS, default="s16le", help="default s16le")

    report = parser.add_argument_group("report")
    report.add_argument("--json", action="store_true", help="print speed, latency and levels as JSON")
    report.add_argument(
        "--segments", metavar="TSV", help="where someone speaks: begin and end in seconds, and the recording"
    )
    report.add_argument("--plot", metavar="PNG", help="draw the spectrograms before and after")


def _rate(text: str) -> int:
    """Read a sample rate."""
    number = positive(text)
    if not LOWEST_RATE <= number <= HIGHEST_RATE:
        raise argparse.ArgumentTypeError(
            f"a number of Hz from {LOWEST_RATE} to {HIGHEST_RATE} is expected, got {text}"
        )
    return number


def run(args: argparse.Namespace) -> int:
    jobs = find_jobs(args)
    if args.plot and len(jobs) > 1:
        raise SpeechZooError(f"--plot draws one recording, but there are {len(jobs)}; name one of them")
    if args.plot:
        check_picture(args.plot, args.force)
    if args.segments and os.path.exists(args.segments) and not args.force:
        raise SpeechZooError(f"{args.segments} exists; pass another name, or --force to replace it")
    if args.ray and (args.plot or any(PIPE in (job.source, job.target) for job in jobs)):
        raise SpeechZooError("--ray takes files to files; leave --plot and - out")
    enhancer = tell_what_runs(open_enhancer(args))
    warn_of_weights(enhancer.session)
    waiting = [job for job in jobs if not (args.ray and os.path.exists(job.target)) or args.force]
    results = _on_ray(args, waiting) if args.ray else ((job, _attempt(enhancer, job, args)) for job in jobs)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    interrupted = None
    for job, result in results:
        interrupted = result.pop("interrupted", None)
        if "error" in result:
            failed.append(result)
            print(f"speechzoo: {result['error']}", file=sys.stderr)
        else:
            done.append(result)
            _tell(job, result, args)
        if interrupted:
            target = "standard output" if job.target == PIPE else job.target
            print(f"{target}: interrupted after {result['seconds']:.1f} s, which are kept", file=sys.stderr)
            break
    if args.segments and done:
        _write_segments(args.segments, done)
    if not (args.json or args.quiet or args.keep_high_band):
        _tell_of_band(done, enhancer)
    if len(waiting) < len(jobs) and not (args.json or args.quiet):
        print(f"{len(jobs) - len(waiting)} of {len(jobs)} recordings were done before")
    if failed and len(jobs) > 1:
        print(f"speechzoo: {len(failed)} of {len(jobs)} recordings failed:", file=sys.stderr)
        for failure in failed:
            print(f"  {failure['input']}", file=sys.stderr)
    if args.json:
        audio_on_stdout = any(job.target == PIPE for job in jobs)
        report = {"files": done, "failed": failed, "done_before": len(jobs) - len(waiting)}
        print(json.dumps(report, indent=2), file=sys.stderr if audio_on_stdout else sys.stdout)
    return 128 + interrupted if interrupted else 1 if failed else 0


def _on_ray(args: argparse.Namespace, jobs: list[Job]) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Jobs with what became of them, as they come."""
    if jobs:
        results = work_on_ray(partial(_open_work, args), jobs, address=args.ray, threads=args.threads)
        quiet = not sys.stderr.isatty()
        yield from tqdm(results, total=len(jobs), unit="file", disable=quiet, leave=False)


def _open_work(args: argparse.Namespace) -> Callable[[list[Job]], list[dict[str, Any]]]:
    """What enhances recordings in an actor."""
    with network(args):  # of an actor's own process
        enhancer = open_enhancer(args)
    # An output that is there by now is of an attempt that was lost.
    anew = argparse.Namespace(**{**vars(args), "force": True})
    return lambda jobs: [_attempt(enhancer, job, anew) for job in jobs]


def _attempt(enhancer: Enhancer, job: Job, args: argparse.Namespace) -> dict[str, Any]:
    """What ``_enhance`` gives; or ``input`` and ``error``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AudioWarning)  # told at the end, with the recording's name
            return _enhance(enhancer, job, args)
    except AudioError as error:
        source = "standard input" if job.source == PIPE else job.source
        message = str(error) if source in str(error) else f"{source}: {error}"
        return {"input": job.source, "error": message}


def _tell(job: Job, report: dict[str, Any], args: argparse.Namespace) -> None:
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
    if report["missing"]:
        print(
            f"{source}: cut short: its header promises {report['missing']:.3f} s more than the "
            f"{report['seconds']:.3f} s that are there; if they should be, get it again",
            file=sys.stderr,
        )
    if report["resets"]:
        print(
            f"{target}: resets of the network: {report['resets']} (it gave no finite values)", file=sys.stderr
        )
    if not (args.json or args.quiet) and job.target != PIPE:
        speed = 1 / max(report["real_time_factor"], 1e-9)
        print(f"{source} -> {target} ({report['seconds']:.1f} s, {speed:.0f} times faster than real time)")


def _tell_of_band(done: list[dict[str, Any]], enhancer: Enhancer) -> None:
    """Say once what the model's rate costs recordings of higher ones, and which models have a wider band."""
    rate = enhancer.sample_rate
    higher = [report for report in done if report["sample_rate"] > rate]
    if higher:
        first = higher[0]
        several = f" and {len(higher) - 1} more" if len(higher) > 1 else ""
        print(
            f"speechzoo: {first['input']}{several}: of {first['sample_rate']} Hz, and {enhancer.name} works "
            f"at {rate} Hz: what is above {rate // 2} Hz is not in the output. {_wider(rate)}, or "
            f"--keep-high-band for what the recording has there",
            file=sys.stderr,
        )


def _write_segments(path: str, done: list[dict[str, Any]]) -> None:
    """Write where someone speaks, a line a stretch, as Audacity reads labels."""
    lines = [
        f"{begin:.2f}\t{end:.2f}\t{report['input']}\n" for report in done for begin, end in report["segments"]
    ]
    with one_sentence(), atomic(Path(path)) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8", errors="surrogateescape")


def _wider(rate: int) -> str:
    """What to take for a wider band: weights that can be had, or else models."""
    specs = [s for s in map(get_spec, list_models("enhancement")) if s.front_end.sample_rate > rate]
    ready = [f"--model {spec.name} --weights {weights.tag}" for spec in specs for weights in spec.weights]
    return f"A wider band: {ready[0]}" if ready else "No model of a wider band has weights"


def _enhance(enhancer: Enhancer, job: Job, args: argparse.Namespace) -> dict[str, Any]:
    """One recording, block by block; gives what is to be told about it."""
    source, target, raw = job.source, job.target, None
    if args.raw_rate:
        raw = AudioFormat(args.raw_rate, args.raw_channels, "RAW", _RAW_FORMATS[args.raw_format])
    with AudioReader(source, raw) as reader:
        rate, channels = reader.format.sample_rate, 1 if args.mix_down else reader.format.channels
        stored = output_format(reader, target, channels, args.format, args.subtype)
        process = _Process(
            enhancer, rate, channels, high_band=args.keep_high_band, listen=bool(args.segments)
        )
        before, after = _Sketch(rate, bool(args.plot)), _Sketch(rate, bool(args.plot))
        if job.into_folder:
            _make_folder(Path(target).parent)
        with (
            Gently() if reader.frames is None else nullcontext() as gently,
            AudioWriter(target, stored, force=args.force, tags=reader.tags) as writer,
            _bar(reader) as bar,
        ):
            # On a pipe the next process may be listening: what has come goes on at once.
            frames = rate if reader.frames else max(1, rate // 100)
            peak, count = 0.0, 0
            blocks = reader.blocks(frames)
            for block in gently.until_asked(blocks) if gently else blocks:
                if args.mix_down:
                    block = block.mean(0, keepdims=True)
                peak, count = max(peak, float(np.abs(block).max())), count + block.shape[1]
                before.add(block)
                for enhanced in process.push(block):
                    writer.write(enhanced)
                    after.add(enhanced)
                bar.update(block.shape[1] / rate)
            if not count:  # nothing has come, so nothing is kept
                raise KeyboardInterrupt
            for enhanced in process.flush():
                writer.write(enhanced)
                after.add(enhanced)
    seconds = count / rate
    if args.plot:
        _plot(args, before, after, rate, seconds)
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
        "missing": reader.missing,
        "resets": process.resets,
        **({"segments": process.activity.segments()} if process.activity else {}),
        "interrupted": gently and gently.asked,
    }


def _plot(args: argparse.Namespace, before: _Sketch, after: _Sketch, rate: int, seconds: float) -> None:
    if seconds > _PLOT_SECONDS:
        print(f"{args.plot} shows the first {_PLOT_SECONDS} s of {seconds:.0f} s", file=sys.stderr)
    signals = [("Before", before.signal()), ("After", after.signal())]
    plot_spectrograms(args.plot, signals, rate, force=args.force)


def _bar(reader: AudioReader) -> tqdm:
    """Seconds that are done, on a terminal, where it is known how many there are."""
    return tqdm(
        total=(reader.frames or 0) / reader.format.sample_rate,
        desc=Path(reader.name).name,
        bar_format="{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]",
        leave=False,
        disable=reader.frames is None or not sys.stderr.isatty(),
    )


class _Process:
    """All channels of a recording through an enhancer, and the time that it takes.

    Args:
        enhancer: what enhances.
        rate, channels: of the recording.
        high_band: whether what lies above the model's band is kept.
        listen: whether it is asked where someone speaks.
    """

    def __init__(self, enhancer: Enhancer, rate: int, channels: int, high_band: bool, listen: bool) -> None:
        self._enhancer, self._rate = enhancer, rate
        self._streams = [enhancer.stream(rate) for _ in range(channels)] if enhancer.streaming else []
        self._kept: list[Array] = []  # an offline artifact needs the whole recording
        self._high_bands: list[HighBand] = []
        if high_band and rate > enhancer.sample_rate:
            share = gain_of(enhancer.attenuation_limit)
            self._high_bands = [HighBand(rate, enhancer.sample_rate, share) for _ in range(channels)]
        self.activity = Activity(rate) if listen else None
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
        output = self._widened(block, output)
        self.seconds += time.perf_counter() - started
        yield output

    def flush(self) -> Iterator[Array]:
        """The rest, (channels, m)."""
        started = time.perf_counter()
        if self._streams:
            output = np.stack([stream.flush() for stream in self._streams])
            output = self._widened(output[:, :0], output)
        else:
            block = np.concatenate(self._kept, axis=1)
            output = self._widened(block, self._enhancer(block, self._rate))
        yield output
        if self._high_bands:
            yield np.stack([band.flush() for band in self._high_bands])
        self.seconds += time.perf_counter() - started

    def _widened(self, block: Array, output: Array) -> Array:
        """What comes out of what came, (channels, m), with what lies above the model's band."""
        if self.activity:
            self.activity.add(block, output)
        if not self._high_bands:
            return output
        rows = zip(self._high_bands, block, output, strict=True)
        return np.stack([band.push(noisy, enhanced) for band, noisy, enhanced in rows])


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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioError(f"the folder {folder} cannot be made: {error.strerror}") from error
