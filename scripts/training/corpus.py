"""A corpus for training, made from checkouts of public repositories.

Below the corpus are ``speech/train``, ``speech/valid``, ``noise/train`` and ``noise/valid``, and, for what is
kept apart to judge weights, ``speech/judging`` and ``noise/judging``. In each of them a recording is at
``SOURCE/SPEAKER/NAME.flac``, or at ``SOURCE/NAME.flac`` where nobody says who speaks.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile
from tqdm import tqdm

from scripts.training.recordings import trimmed
from scripts.training.sources import Source
from zoo.arrays import Array
from zoo.errors import AudioError, SpeechZooError
from zoo.files import atomic
from zoo.signal.audio import find_audio
from zoo.signal.recordings import read

SAMPLE_RATE = 16000
RECORD = "corpus.json"
SHORTEST = 0.3  # seconds that are left of a recording without its silence
SILENT = 10 ** (-60 / 20)  # largest sample
FULL, MOST_CLIPPED = 0.99, 0.002  # of the largest sample, and the share of samples that may be at it


class CorpusError(SpeechZooError):
    """A corpus that cannot be made."""


@dataclass
class Count:
    """What became of one source's recordings.

    Attributes:
        seconds: kept, by split.
        files: kept, by split.
        speakers: of them, by split; recordings whose speaker is unknown are not counted.
        dropped: number of recordings left out, by reason.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    speakers: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


def prepare(sources: Sequence[Source], checkouts: Path, out: Path) -> dict[str, Count]:
    """Make a corpus: 16 kHz, one channel, 16-bit FLAC, and a record of what was kept.

    Args:
        sources: what to take.
        checkouts: folder with one folder a repository, named as it is, with or without its owner.
        out: the corpus; an empty folder, or none yet.

    Returns:
        what became of each source, by name.

    Raises:
        CorpusError: a repository that is not there or is at another commit, or a corpus that is.
        AudioError: a repository without recordings.
    """
    if out.exists() and any(out.iterdir()):
        raise CorpusError(f"{out} is not empty; name another folder, or delete it")
    folders = {source.name: find_checkout(checkouts, source) for source in sources}
    counts: dict[str, Count] = {}
    for source in sources:
        counts[source.name] = _prepare_source(source, folders[source.name], out)
    text = json.dumps({name: count.__dict__ for name, count in counts.items()}, indent=1)
    with atomic(out / RECORD) as part:
        part.write_text(f"{text}\n")
    return counts


def find_checkout(checkouts: Path, source: Source) -> Path:
    """The folder of a source's repository.

    Raises:
        CorpusError: it is not there, has not the source's folder, or is a git checkout of another commit.
    """
    owner, name = source.repository.split("/")
    for folder in (checkouts / owner / name, checkouts / name):
        if (folder / source.folder).is_dir():
            break
    else:
        raise CorpusError(
            f"{checkouts}: there is no {name} with a folder {source.folder}; get it with --fetch, or check "
            f"out https://github.com/{source.repository} at {source.commit} there"
        )
    if (folder / ".git").exists():
        commit = _git("-C", str(folder), "rev-parse", "HEAD")
        if commit != source.commit:
            raise CorpusError(
                f"{folder} is at commit {commit}; the corpus is made from {source.commit}: "
                f"git -C {folder} checkout {source.commit}"
            )
    return folder


def fetch(source: Source, checkouts: Path, server: str = "https://github.com") -> None:
    """Check out a source's repository at its commit, if it is not there.

    Raises:
        CorpusError: it cannot be got.
    """
    folder = checkouts / source.repository
    if (folder / source.folder).is_dir() or (checkouts / folder.name / source.folder).is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    _git("-C", str(folder), "init", "--quiet")
    address = f"{server}/{source.repository}"
    _git("-C", str(folder), "fetch", "--quiet", "--depth", "1", address, source.commit)
    _git("-C", str(folder), "checkout", "--quiet", source.commit)


def split_of(source: Source, unit: str) -> str:
    """Where a speaker, or a recording of noise, belongs: always to the same side, whatever else is there."""
    if source.judging:
        return "judging"
    digest = hashlib.sha256(f"{source.repository} {unit}".encode()).digest()
    return "valid" if int.from_bytes(digest[:4], "big") < source.validation * 2**32 else "train"


def fault(wave: Array, source: Source) -> str | None:
    """Why a recording is left out: silent, clipped, noisy or short; None if it is good.

    Args:
        wave: (N,) at 16 kHz, in [-1, 1].
        source: that it is from.
    """
    peak = float(np.abs(wave).max(initial=0))
    if peak < SILENT:
        return "silent"
    if peak > 0.5 and float(np.mean(np.abs(wave) > FULL * peak)) > MOST_CLIPPED:
        return "clipped"
    if source.kind == "speech":
        if level_range_db(wave) < source.least_range_db:
            return "noisy"
        if len(trimmed(wave, SAMPLE_RATE)) < SHORTEST * SAMPLE_RATE:
            return "short"
    return None


def level_range_db(wave: Array) -> float:
    """From the level that 10 % of the frames of 20 ms are below to that which 5 % are above, in dB.

    Args:
        wave: (N,) at 16 kHz; shorter than a frame, it has no range.
    """
    size = SAMPLE_RATE // 50
    frames = wave[: len(wave) // size * size].reshape(-1, size).astype(np.float64)
    if not len(frames):
        return 0.0
    low, high = np.percentile(10 * np.log10((frames**2).mean(1) + 1e-12), [10, 95])
    return float(high - low)


def _prepare_source(source: Source, checkout: Path, out: Path) -> Count:
    """Convert what is good of a source."""
    folder = checkout / source.folder
    paths = [path for path in find_audio(folder, recursive=True) if _wanted(source, path.relative_to(folder))]
    if not paths:
        raise AudioError(f"{folder}: there are no recordings of {source.name} in it")
    count, dropped, speakers = Count(), Counter[str](), dict[str, set[str]]()
    heard: dict[str, float] = {}
    for path in tqdm(paths, desc=source.name, unit="file", disable=not sys.stderr.isatty(), leave=False):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        speaker = source.speaker(relative) if source.kind == "speech" else None
        if speaker is not None and heard.get(speaker, 0.0) >= source.most_seconds:
            dropped["more of a speaker than is wanted"] += 1
            continue
        try:
            wave = read(path, SAMPLE_RATE)
        except AudioError:
            dropped["damaged"] += 1
            continue
        reason = fault(wave, source)
        if reason is not None:
            dropped[reason] += 1
            continue
        split, seconds = split_of(source, speaker or str(relative)), len(wave) / SAMPLE_RATE
        name = "-".join(relative.with_suffix("").parts).replace(" ", "_") + ".flac"
        target = out / source.kind / split / source.name / (speaker or "") / name
        _write(target, wave)
        count.seconds[split] = count.seconds.get(split, 0.0) + seconds
        count.files[split] = count.files.get(split, 0) + 1
        if speaker is not None:
            heard[speaker] = heard.get(speaker, 0.0) + seconds
            speakers.setdefault(split, set()).add(speaker)
    count.speakers = {split: len(names) for split, names in speakers.items()}
    count.seconds = {split: round(seconds, 1) for split, seconds in count.seconds.items()}
    count.dropped = dict(dropped)
    return count


def _wanted(source: Source, path: Path) -> bool:
    names = {path.stem, *path.parts[:-1]}
    return (not source.only or not names.isdisjoint(source.only)) and names.isdisjoint(source.left_out)


def _write(path: Path, wave: Array) -> None:
    wave = wave / max(1.0, float(np.abs(wave).max()))
    with atomic(path) as part:
        soundfile.write(part, wave, SAMPLE_RATE, "PCM_16", format="FLAC")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise CorpusError("there is no git; install it") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise CorpusError(f"git {' '.join(arguments)} failed: {lines[-1]}")
    return done.stdout.strip()
