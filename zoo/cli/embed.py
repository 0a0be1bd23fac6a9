"""Embed the speakers of recordings.

INPUT is an audio file, a folder of them, or a Kaldi wav.scp ("name path" a line). OUT is a NumPy archive
(.npz), a Kaldi archive with its index (.ark or .scp, both are written), or a folder, which gets --shards
Kaldi archives. An embedding has the recording's name: that in the wav.scp, the path inside the folder, or the
path that was given. Recordings that cannot be embedded are listed; the others are done, and the exit status
is 1.

With --ray results are kept in OUT.partial until all recordings are done. The same command then goes on where
it was interrupted, and tries again what failed; with --force it begins anew.

examples:
  speechzoo embed recordings/ --artifact resnet34.onnx -o embeddings.npz
  speechzoo embed wav.scp --weights exp/resnet34 -o embeddings/ --shards 8 --ray
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from tqdm import tqdm

from zoo.cli._arguments import above_zero, add_offline, add_threads, add_trust, network, positive
from zoo.cli._model import tell_what_runs
from zoo.cli._ray import Record, add_ray_argument, file_state, work_on_ray
from zoo.errors import ArtifactError, AudioError, SpeechZooError
from zoo.runtime.artifact import SUFFIXES as ARTIFACTS
from zoo.runtime.artifact import is_artifact
from zoo.signal.audio import find_audio
from zoo.tasks.speaker.embedder import BATCH, WINDOW, Embedder, FileEmbedding
from zoo.tasks.speaker.embeddings import SUFFIXES, Origin, check_kaldi_names, output_files, write_embeddings

GROUP = "run models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file_arguments(parser)
    add_ray_argument(parser)
    add_model_arguments(parser)


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """What to embed and where to write it, wherever the model is."""
    add = parser.add_argument
    add("input", nargs="+", metavar="INPUT", help="audio files, folders of them, or wav.scp lists")
    add("-o", "--output", metavar="OUT", type=Path, required=True, help=".npz, .ark, .scp, or a folder")
    add("--recursive", action="store_true", help="take the folders inside a folder too")
    add("--force", action="store_true", help="replace files that exist")
    add("--shards", type=positive, default=1, metavar="N", help="archives in an output folder (default 1)")
    add("--json", action="store_true", help="print what was done and what failed as JSON")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that name a speaker model, for every command that needs one."""
    model = parser.add_argument_group("model")
    model.add_argument("--artifact", metavar="FILE", help=".onnx, .ts, .pt2, .engine; or a public .onnx")
    model.add_argument("--model", metavar="NAME", help="see `speechzoo list --task speaker`")
    model.add_argument(
        "--weights",
        metavar="TAG|PATH|ORG/NAME",
        help="training folder, checkpoint or repository of the Hub; default: those that the model recommends",
    )
    model.add_argument(
        "--sample-rate", type=positive, metavar="HZ", help="of a public graph that does not tell its own"
    )
    model.add_argument("--mean", metavar="NPY", help="vector to subtract from every embedding")
    model.add_argument("--mix-down", action="store_true", help="take the mean of all channels, not the first")
    model.add_argument(
        "--window", type=above_zero, default=WINDOW, metavar="S", help=f"longest piece (default {WINDOW:g} s)"
    )
    model.add_argument("--batch", type=positive, default=BATCH, metavar="N", help=f"default {BATCH}")
    add_threads(model)
    add_trust(model)
    add_offline(model)


def embedder(args: argparse.Namespace) -> Embedder:
    """The model that the options name.

    Raises:
        SpeechZooError: they name none, or contradict each other.
    """
    if bool(args.artifact) == bool(args.model or args.weights):
        raise SpeechZooError(
            "a model is missing: pass --artifact FILE, --weights FOLDER, or --model NAME --weights "
            "PATH, and only one of them; no speaker weights come with the package"
        )
    source, weights = args.artifact or args.model or args.weights, args.weights if args.model else None
    if args.artifact and not is_artifact(args.artifact):
        raise SpeechZooError(f"--artifact {args.artifact}: a file in {', '.join(ARTIFACTS)} is expected")
    try:
        return Embedder(
            source,
            weights,
            mean=args.mean,
            window=args.window,
            batch=args.batch,
            threads=args.threads,
            trust=args.trust,
            sample_rate=args.sample_rate,
        )
    except ValueError as error:
        raise error if isinstance(error, SpeechZooError) else SpeechZooError(str(error)) from error


def run(args: argparse.Namespace, open_model: Callable[[argparse.Namespace], Embedder] = embedder) -> int:
    recordings = _recordings(args)
    going_on = bool(args.ray) and _partial(args.output).exists()
    _check_output(args, recordings, going_on)
    model = tell_what_runs(open_model(args))
    record = Record(_partial(args.output), _origin(args), force=args.force) if args.ray else None
    embeddings = record.read(recordings) if record else {}
    resumed = len(embeddings)
    started, seconds = time.perf_counter(), 0.0
    failed = []
    if record:
        results = _on_ray(args, {n: path for n, path in recordings.items() if n not in embeddings}, record)
    else:
        results = zip(recordings, model.files(recordings.values(), mix_down=args.mix_down), strict=True)
    quiet = not sys.stderr.isatty()
    bar = tqdm(results, total=len(recordings), initial=resumed, unit="file", disable=quiet, leave=False)
    for name, result in bar:
        if result.embedding is None:
            message = result.error if result.source in result.error else f"{result.source}: {result.error}"
            failed.append({"name": name, "input": result.source, "error": message})
            print(f"speechzoo: {message}", file=sys.stderr)
        else:
            if not result.speech:
                print(f"{result.source}: no speech: all of its samples are alike", file=sys.stderr)
            embeddings[name] = result.embedding
            seconds += result.seconds
    elapsed = time.perf_counter() - started
    files: list[Path] = []
    if embeddings:
        origin = Origin(model.name, model.mean_subtracted, model.session.weights)
        embeddings = {name: embeddings[name] for name in recordings if name in embeddings}
        force = args.force or going_on
        files = write_embeddings(args.output, embeddings, origin, shards=args.shards, force=force)
    if record and not (failed and embeddings):
        record.remove()
    if failed:
        print(f"speechzoo: {len(failed)} of {len(recordings)} recordings failed:", file=sys.stderr)
        for failure in failed:
            print(f"  {failure['input']}", file=sys.stderr)
    if args.json:
        report = {
            "files": [os.fspath(path) for path in files],
            "model": model.name,
            "backend": model.backend,
            "mean_subtracted": model.mean_subtracted,
            "embedded": len(embeddings),
            "done_before": resumed,
            "seconds": seconds,
            "real_time_factor": elapsed / seconds if seconds else None,
            "failed": failed,
        }
        print(json.dumps(report, indent=2))
    elif resumed:
        print(f"{len(embeddings)} recordings, {resumed} of them done before -> {files[0]}")
    elif embeddings:
        print(
            f"{len(embeddings)} recordings, {seconds:.1f} s -> {files[0]} "
            f"({seconds / elapsed:.0f} times faster than real time)"
        )
    return 1 if failed else 0


def _check_output(args: argparse.Namespace, recordings: Iterable[str], going_on: bool) -> None:
    """Find out before the work whether its results can be written.

    Raises:
        SpeechZooError: not where --output says, or not under these names.
    """
    if args.output.suffix and args.output.suffix not in SUFFIXES and not args.output.is_dir():
        raise SpeechZooError(f"--output {args.output}: expected .npz, .ark, .scp, or a folder")
    if args.shards > 1 and args.output.suffix in SUFFIXES:
        raise SpeechZooError(f"--output {args.output}: --shards goes with a folder")
    if args.output.suffix != ".npz":
        check_kaldi_names(recordings)
    taken = [path for path in output_files(args.output, args.shards) if path.exists()]
    if taken and not (args.force or going_on):
        raise SpeechZooError(f"{taken[0]} exists; pass another name, or --force to replace it")


def _on_ray(
    args: argparse.Namespace, recordings: dict[str, str], record: Record
) -> Iterator[tuple[str, FileEmbedding]]:
    """Names and results of recordings (paths by name) as they come; each goes into the record first."""
    if not recordings:
        return
    work, items = partial(_open_work, args), list(recordings.items())
    for (name, path), result in work_on_ray(
        work, items, address=args.ray, threads=args.threads, batch=args.batch
    ):
        if result.embedding is not None:
            record.add(name, path, result.embedding)
        yield name, result


def _open_work(args: argparse.Namespace) -> Callable[[list[tuple[str, str]]], list[FileEmbedding]]:
    """What embeds recordings (name and path) in an actor."""
    with network(args):  # of an actor's own process
        model = embedder(args)
    return lambda items: list(model.files((path for _, path in items), mix_down=args.mix_down))


def _partial(output: Path) -> Path:
    return output.with_name(f"{output.name}.partial")


def _origin(args: argparse.Namespace) -> dict[str, object]:
    """All that embeddings depend on beside the recordings."""
    files = {name: getattr(args, name) for name in ("artifact", "weights", "mean")}
    states = {name: path and file_state(path) for name, path in files.items()}
    told = {} if args.sample_rate is None else {"sample_rate": args.sample_rate}
    return {**states, **told, "model": args.model, "window": args.window, "mix_down": args.mix_down}


def _recordings(args: argparse.Namespace) -> dict[str, str]:
    """Paths of the recordings by name, in the order given.

    Raises:
        SpeechZooError: two of one name, or a list that cannot be read.
    """
    found: dict[str, str] = {}
    for name, path in _named(args):
        if name in found:
            raise SpeechZooError(
                f"{found[name]} and {path} would both be called {name}; embed them one by one"
            )
        found[name] = path
    if not found:
        raise AudioError("there are no recordings in what was given")
    return found


def _named(args: argparse.Namespace) -> list[tuple[str, str]]:
    named: list[tuple[str, str]] = []
    for given in args.input:
        if os.path.isdir(given):
            folder = Path(given)
            paths = find_audio(folder, args.recursive)
            if not paths:
                hint = "" if args.recursive else "; --recursive takes the folders inside it too"
                raise AudioError(f"the folder {folder} holds no audio files{hint}")
            named += [(path.relative_to(folder).as_posix(), os.fspath(path)) for path in paths]
        elif given.endswith(".scp"):
            named += _listed(Path(given))
        else:
            named.append((Path(given).as_posix(), given))
    return named


def _listed(path: Path) -> list[tuple[str, str]]:
    """The entries of a wav.scp; a path may hold spaces."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: it cannot be read as a list of recordings ({error})") from error
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, *rest = line.split(None, 1)
        source = rest[0].strip() if rest else ""
        if not source:
            raise ArtifactError(f'{path}, line {number}: expected "name path", got {line!r}')
        if source.endswith("|"):
            raise ArtifactError(
                f"{path}, line {number}: it is a command, which is not run; write its output to a file and "
                f"list that"
            )
        entries.append((name, source))
    return entries
