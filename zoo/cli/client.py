"""Use the models on a Triton server: enhance, embed, and measure the server.

The server's models are those of speechzoo serve.

examples:
  speechzoo client enhance noisy.wav -o clean.wav --model gtcrn --url localhost:8001
  speechzoo client embed wav.scp -o embeddings.ark --model ecapa
  speechzoo client load recording.wav --model gtcrn --concurrency 1 8 32
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from zoo.arrays import Array
from zoo.cli._arguments import above_zero, one_sentence, positive
from zoo.cli.embed import add_file_arguments
from zoo.cli.embed import run as run_embed
from zoo.errors import AudioError, ServerError
from zoo.files import atomic
from zoo.signal.audio import AudioReader, find_audio
from zoo.signal.resample import Resampler
from zoo.tasks.speaker.embedder import Embedder
from zoo.triton.connection import TIMEOUT, URL, Connection, retrying
from zoo.triton.enhancement import RemoteEnhancer, enhance_file
from zoo.triton.load import HEADER, LoadReport, expected_answer, find_loadable, measure, perf_analyzer_input
from zoo.triton.speaker import CONCURRENCY, RemoteEmbedder, RemoteSpeakerSession

GROUP = "run models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    enhance = _command(commands, "enhance", _enhance, "recordings, every channel by itself")
    enhance.add_argument("input", nargs="+", metavar="INPUT", help="audio files, or folders of them")
    enhance.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="file, or a folder")
    enhance.add_argument("--recursive", action="store_true", help="take the folders inside a folder too")
    enhance.add_argument("--force", action="store_true", help="replace files that exist")
    enhance.add_argument("--jobs", type=positive, default=8, help="recordings at once (default 8)")

    embed = _command(commands, "embed", _embed, "recordings, or a Kaldi wav.scp, to .npz or Kaldi archives")
    add_file_arguments(embed)
    embed.set_defaults(ray=None)
    embed.add_argument("--mean", metavar="NPY", help="vector to subtract from every embedding")
    embed.add_argument("--mix-down", action="store_true", help="take the mean of all channels, not the first")
    embed.add_argument("--window", type=above_zero, help="longest piece (default: what the server takes)")
    embed.add_argument("--jobs", type=positive, default=CONCURRENCY, help="at once (default %(default)s)")

    load = _command(commands, "load", _load, "many clients at once: speed, and whether all answers are right")
    load.add_argument("audio", metavar="AUDIO", help="what they send: the first channel of a recording")
    load.add_argument("--seconds", type=above_zero, help="of the recording, from its start (default: all)")
    load.add_argument("--requests", type=positive, default=1000, help="at each concurrency (default 1000)")
    load.add_argument("--concurrency", type=positive, nargs="+", default=[1, 8, 32], help="default 1 8 32")
    load.add_argument(
        "--artifact",
        type=Path,
        metavar="FILE",
        help="what the model was made from: is it what the server runs?",
    )
    load.add_argument("--json", type=Path, help="write the figures here")

    perf = _command(commands, "perf-input", _perf_input, "an input file for perf_analyzer")
    perf.add_argument("audio", metavar="AUDIO", help="a recording; its first channel is taken")
    perf.add_argument("--seconds", type=above_zero, help="of the recording, from its start (default: all)")
    perf.add_argument("-o", "--output", type=Path, required=True, metavar="JSON")


def run(args: argparse.Namespace) -> int:
    with one_sentence():
        return int(args.act(args))


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Callable, help: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help, description=help)
    command.set_defaults(parser=command, act=run)
    command.add_argument("--model", required=True, help="its name on the server")
    command.add_argument("--url", default=URL, help=f"host and port for gRPC (default {URL})")
    command.add_argument(
        "--timeout", type=float, default=TIMEOUT, help=f"of an answer (default {TIMEOUT:g} s)"
    )
    command.add_argument("--retries", type=int, default=3, help="of what fails for now (default 3)")
    return command


def _enhance(args: argparse.Namespace) -> int:
    return asyncio.run(_enhance_all(args, _jobs(args)))


async def _enhance_all(args: argparse.Namespace, jobs: dict[Path, Path]) -> int:
    failed: list[str] = []
    async with Connection(args.url, timeout=args.timeout) as connection:
        enhancer = await RemoteEnhancer.find(connection, args.model)
        turns = asyncio.Semaphore(args.jobs)
        with _bar(sum(map(_seconds, jobs)), "s of audio") as bar:

            async def one(source: Path, target: Path) -> None:
                done = 0.0

                def progress(seconds: float) -> None:
                    nonlocal done
                    done += seconds
                    bar.update(seconds)

                async def attempt() -> float:
                    progress(-done)  # of the attempt before
                    return await enhance_file(enhancer, source, target, force=args.force, progress=progress)

                async with turns:
                    try:
                        seconds = await retrying(attempt, args.retries)
                    except (AudioError, ServerError) as error:
                        failed.append(os.fspath(source))
                        message = str(error) if str(source) in str(error) else f"{source}: {error}"
                        bar.write(f"speechzoo: {message}", file=sys.stderr)
                    else:
                        bar.write(f"{source} -> {target} ({seconds:.1f} s)", file=sys.stdout)

            await asyncio.gather(*(one(source, target) for source, target in jobs.items()))
    if failed:
        print(f"{len(failed)} of {len(jobs)} recordings failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _jobs(args: argparse.Namespace) -> dict[Path, Path]:
    """Every recording with the place of its output.

    Raises:
        AudioError: a folder without audio, or outputs of the same name.
    """
    targets: dict[Path, Path] = {}
    output, given = args.output, [Path(name) for name in args.input]
    several = len(given) > 1 or given[0].is_dir() or output.is_dir()
    for name in given:
        found = find_audio(name, args.recursive) if name.is_dir() else [name]
        if not found:
            raise AudioError(f"the folder {name} holds no audio files; --recursive takes the folders inside")
        for source in found:
            relative = source.relative_to(name) if name.is_dir() else Path(source.name)
            target = output / relative if several else output
            if target in targets.values():
                raise AudioError(f"two recordings would both become {target}; enhance them one by one")
            targets[source] = target
    for target in targets.values() if several else ():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AudioError(f"the folder {target.parent} cannot be made: {error.strerror}") from error
    return targets


def _embed(args: argparse.Namespace) -> int:
    with ExitStack() as stack:

        def open_model(args: argparse.Namespace) -> Embedder:
            session = RemoteSpeakerSession(args.model, args.url, timeout=args.timeout, retries=args.retries)
            stack.enter_context(session)
            return RemoteEmbedder(session, mean=args.mean, window=args.window, concurrency=args.jobs)

        return run_embed(args, open_model)


def _load(args: argparse.Namespace) -> int:
    reports = asyncio.run(_loads(args))
    errors = [report.error for report in reports if report.error]
    if errors:
        print(f"speechzoo: {errors[0]}", file=sys.stderr)
    if args.json:
        figures = [{**asdict(report), "throughput": report.throughput} for report in reports]
        with atomic(args.json) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if any(report.failed or report.wrong for report in reports) else 0


async def _loads(args: argparse.Namespace) -> list[LoadReport]:
    reports = []
    async with Connection(args.url, timeout=args.timeout) as connection:
        model = await find_loadable(connection, args.model)
        wave = _recording(args, model.sample_rate)
        expected, report = await expected_answer(model, wave, args.artifact)
        if report is not None:
            print(f"{args.model}: as {args.artifact}; {report}")
        answers = model.answers(wave, expected)
        print(HEADER)
        for concurrency in args.concurrency:
            reports.append(await measure(answers, args.requests, concurrency))
            print(reports[-1], flush=True)
    return reports


def _perf_input(args: argparse.Namespace) -> int:
    requests, sequence = asyncio.run(_perf_requests(args))
    with atomic(args.output) as temporary:
        temporary.write_text(perf_analyzer_input(requests, sequence=sequence))
    print(f"{args.output}: {len(requests)} request(s){' of one sequence' if sequence else ''}")
    return 0


async def _perf_requests(args: argparse.Namespace) -> tuple[list[dict[str, NDArray[Any]]], bool]:
    """Tensors of each request, without the axis of the batch, and whether they are one sequence."""
    async with Connection(args.url, timeout=args.timeout) as connection:
        model = await find_loadable(connection, args.model)
    return model.requests(_recording(args, model.sample_rate)), model.sequence


def _recording(args: argparse.Namespace, rate: int) -> Array:
    """The first channel of the recording at a rate: (N,)

    Raises:
        AudioError: it cannot be read.
    """
    with AudioReader(args.audio) as reader:
        own = reader.format.sample_rate
        resampler = Resampler(own, rate)
        parts = [resampler.push(block[:1]) for block in reader.blocks(10 * own)]
    wave: Array = np.concatenate([*parts, resampler.flush()], axis=1)[0]
    return wave if args.seconds is None else wave[: round(args.seconds * rate)]


def _seconds(source: Path) -> float:
    """Of a recording; 0 if it cannot be read, which is told later."""
    try:
        if not source.is_file():  # what a pipe gives can be read once
            return 0.0
        with AudioReader(source) as reader:
            return (reader.frames or 0) / reader.format.sample_rate
    except AudioError:
        return 0.0


def _bar(total: float, unit: str) -> tqdm:
    return tqdm(total=total, unit=unit, disable=not sys.stderr.isatty(), leave=False)
