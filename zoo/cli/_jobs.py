"""Pairs recordings with the places of their enhanced copies."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import AudioError, SpeechZooError
from zoo.signal.audio import PIPE, find_audio, find_unreadable, is_pipe, suffixes

ENHANCED = ".enhanced"  # between stem and ending


@dataclass(frozen=True)
class Job:
    """A recording and the place of its output, each a path or "-"."""

    source: str
    target: str
    into_folder: bool  # which is made if it does not exist


def find_jobs(args: argparse.Namespace) -> list[Job]:
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
        elif is_pipe(source):
            raise SpeechZooError(f"{source} is a pipe; name the output with --output, - for standard output")
        else:
            target = path.with_stem(path.stem + ENHANCED)
        if args.format and (into_folder or not args.output) and os.fspath(target) != PIPE:
            target = target.with_suffix(f".{args.format.lower()}")
        if os.fspath(target) in jobs:
            raise SpeechZooError(
                f"{jobs[os.fspath(target)]} and {source} would both become {target}; enhance them one by one"
            )
        jobs[os.fspath(target)] = source
    return [Job(source, target, into_folder) for target, source in jobs.items()]


def _recordings(folder: str, args: argparse.Namespace) -> list[Path]:
    """The audio files of a folder, without those that this command wrote there before."""
    written = None if args.output is None else Path(args.output).resolve()
    inside = written is not None and written != Path(folder).resolve()
    paths = [
        path
        for path in find_audio(folder, args.recursive)
        if not path.stem.endswith(ENHANCED) and not (inside and written in path.resolve().parents)
    ]
    left_out = find_unreadable(folder, args.recursive)
    if left_out:
        print(
            f"{folder}: left out, since only other programs read them: {len(left_out)}, such as "
            f"{left_out[0].name}; convert them first, with `ffmpeg -i` for example, to wav or flac",
            file=sys.stderr,
        )
    if not paths:
        hint = "" if args.recursive else "; --recursive takes the folders inside it too"
        raise AudioError(f"the folder {folder} holds no audio files{hint}")
    return paths


def _is_file_name(name: str) -> bool:
    """Whether an output is meant as one recording: "-", a file that is there, or a name that ends as one."""
    if name == PIPE or os.path.isfile(name):
        return True
    return not _is_folder(name) and Path(name).suffix.lower() in suffixes()


def _is_folder(name: str) -> bool:
    return os.path.isdir(name) or name.endswith(("/", os.sep))
