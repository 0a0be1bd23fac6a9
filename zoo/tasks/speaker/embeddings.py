"""Embeddings in files: NumPy's archives, and Kaldi's with an index.

Beside a Kaldi archive, which holds nothing but names and vectors, lies a JSON file of the same stem that says
what they are; inside NumPy's it is an entry.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.arrays import Array
from zoo.errors import ArtifactError
from zoo.files import atomic
from zoo.limits import check_fields, parse_json
from zoo.tasks.speaker.kaldi import read_ark, read_scp, write_ark

SUFFIXES = (".npz", ".ark", ".scp")
_SHARD = "xvector_{:03d}.ark"


@dataclass(frozen=True)
class Origin:
    """What some embeddings were made by.

    Attributes:
        model: name of the model or artifact.
        mean_subtracted: whether the mean of a cohort is subtracted from them already.
        sha256: of the network's parameters; empty if it is not known, as in files of earlier versions.
    """

    model: str
    mean_subtracted: bool
    sha256: str = field(default="", compare=False)

    def is_like(self, other: Origin) -> bool:
        """Whether embeddings of both can be compared: by the parameters, else by the name."""
        known = bool(self.sha256 and other.sha256)
        network = self.sha256 == other.sha256 if known else self.model == other.model
        return network and self.mean_subtracted == other.mean_subtracted


def write_embeddings(
    path: Path,
    embeddings: Mapping[str, Array],
    origin: Origin,
    *,
    shards: int = 1,
    force: bool = False,
) -> list[Path]:
    """Write embeddings; every file appears whole or not at all.

    Args:
        path: ``.npz``; or ``.ark`` or ``.scp``, which go together; or a folder for ``shards`` archives.
        embeddings: (E,) by name, at least one.
        origin: what they are.
        shards: archives to spread them over, if ``path`` is a folder; no more than there are embeddings.
        force: replace files that exist.

    Returns:
        the files, with the index files first.

    Raises:
        ArtifactError: a file exists or cannot be written, or names that Kaldi's archives cannot hold.
    """
    names = list(embeddings)
    if path.suffix == ".npz":
        return _write([(path, names)], embeddings, origin, force, _write_npz)
    check_kaldi_names(names)
    if path.suffix in (".ark", ".scp"):
        return _write([(path.with_suffix(".ark"), names)], embeddings, origin, force, _write_ark)
    count = min(shards, len(names))
    parts = [(path / _SHARD.format(index), names[index::count]) for index in range(count)]
    return _write(parts, embeddings, origin, force, _write_ark)


def output_files(path: Path, shards: int = 1) -> list[Path]:
    """The files that ``write_embeddings`` would write at most."""
    if path.suffix == ".npz":
        return [path]
    archives = [path.with_suffix(".ark")]
    if path.suffix not in (".ark", ".scp"):
        archives = [path / _SHARD.format(index) for index in range(shards)]
    return [archive.with_suffix(suffix) for archive in archives for suffix in (".scp", ".json", ".ark")]


def check_kaldi_names(names: Iterable[str]) -> None:
    """Refuse names that Kaldi's archives cannot hold.

    Raises:
        ArtifactError: one of them is empty or holds white space.
    """
    for name in names:
        if not name or re.search(r"\s", name):
            raise ArtifactError(
                f"{name!r}: Kaldi's archives cannot hold a name with white space; rename the recording, list "
                f"it under another name in a wav.scp, or write .npz"
            )


def read_embeddings(path: str | os.PathLike[str]) -> tuple[dict[str, Array], Origin | None]:
    """Embeddings by name, and what they are if that is known.

    Args:
        path: ``.npz`` of ours; ``.ark``; ``.scp``; or a folder with several ``.scp``.

    Raises:
        ArtifactError: none there, damaged, something else than numbers, or vectors of several lengths.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    if path.suffix not in SUFFIXES or not path.is_file():
        raise ArtifactError(f"{path}: expected a file {', '.join(SUFFIXES)}, or a folder with .scp files")
    try:
        found, origin = _read_npz(path) if path.suffix == ".npz" else _read_kaldi(path)
    except Exception as error:  # NumPy's reader and those of archives fail in many ways on damaged files
        raise ArtifactError(f"{path}: it cannot be read as embeddings ({error}); make it again") from error
    _check(found, path)
    return found, origin


def _read_folder(path: Path) -> tuple[dict[str, Array], Origin | None]:
    found: dict[str, Array] = {}
    origins = []
    for index in sorted(path.glob("[!.]*.scp")):
        part, origin = read_embeddings(index)
        twice = found.keys() & part.keys()
        if twice:
            raise ArtifactError(f"{index}: {sorted(twice)[0]} is in another file of {path} as well")
        found |= part
        origins.append(origin)
    if not found:
        raise ArtifactError(f"{path}: the folder holds no .scp files with embeddings")
    first = origins[0]
    if not all(first.is_like(origin) if first and origin else first is origin for origin in origins):
        raise ArtifactError(f"{path}: its files come from several models ({', '.join(map(str, origins))})")
    _check(found, path)
    return found, first


def _check(found: Mapping[str, Array], path: Path) -> None:
    shapes = {value.shape for value in found.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise ArtifactError(f"{path}: expected vectors of one length, got shapes {sorted(shapes)[:4]}")
    for name, value in found.items():
        if not np.isfinite(value).all():
            raise ArtifactError(f"{path}: the embedding of {name} holds values that are not finite")


def _write(
    parts: Sequence[tuple[Path, list[str]]],
    embeddings: Mapping[str, Array],
    origin: Origin,
    force: bool,
    write: Any,
) -> list[Path]:
    """Make all files under temporary names, then move each to its place."""
    made = []
    with ExitStack() as stack:
        for path, names in parts:
            targets = (
                [path] if path.suffix == ".npz" else [path.with_suffix(s) for s in (".scp", ".json", ".ark")]
            )
            taken = [target for target in targets if target.exists()]
            if taken and not force:
                raise ArtifactError(f"{taken[0]} exists; pass another name, or --force to replace it")
            temporary = {target: stack.enter_context(atomic(target)) for target in targets}
            write(temporary, {name: embeddings[name] for name in names}, origin)
            made += targets
    return made


def _write_npz(files: Mapping[Path, Path], embeddings: Mapping[str, Array], origin: Origin) -> None:
    (part,) = files.values()
    with open(part, "wb") as file:
        np.savez(
            file,
            names=np.array(list(embeddings)),
            embeddings=np.stack(list(embeddings.values())).astype(np.float32),
            origin=np.array(json.dumps(asdict(origin), sort_keys=True)),
        )


def _write_ark(files: Mapping[Path, Path], embeddings: Mapping[str, Array], origin: Origin) -> None:
    parts = {target.suffix: part for target, part in files.items()}
    target = next(target for target in files if target.suffix == ".ark").absolute()
    write_ark(parts[".ark"], parts[".scp"], embeddings, target)
    parts[".json"].write_text(json.dumps(asdict(origin), sort_keys=True) + "\n")


def _read_npz(path: Path) -> tuple[dict[str, Array], Origin | None]:
    _check_archive(path)
    with np.load(path, allow_pickle=False) as content:
        names, embeddings = content["names"].tolist(), np.asarray(content["embeddings"], np.float32)
        origin = _origin(str(content["origin"]))
    if not all(isinstance(name, str) for name in names):
        raise ValueError("its names are no texts")
    if len(set(names)) != len(embeddings) or len(names) != len(embeddings):
        raise ValueError(f"{len(names)} names for {len(embeddings)} embeddings, or one twice")
    return dict(zip(names, embeddings, strict=True)), origin


def _read_kaldi(path: Path) -> tuple[dict[str, Array], Origin | None]:
    found: dict[str, Array] = {}
    for name, value in read_ark(path) if path.suffix == ".ark" else read_scp(path):
        if name in found:
            raise ValueError(f"{name} is in it twice")
        found[name] = value
    record = path.with_suffix(".json")
    return found, _origin(record.read_text()) if record.is_file() else None


def _origin(text: str) -> Origin:
    """What some embeddings were made by, as JSON says it.

    Raises:
        ValueError, TypeError: it says something else.
    """
    origin = Origin(**parse_json(text))
    check_fields(origin)
    return origin


def _check_archive(path: Path) -> None:
    """Refuse an archive that is small as a file and large once it is unpacked.

    Raises:
        ValueError: it is.
    """
    with zipfile.ZipFile(path) as archive:
        inside = sum(info.file_size for info in archive.infolist())
    if inside > 20 * path.stat().st_size + (1 << 20):
        raise ValueError(f"it would unpack to {inside:,} bytes, more than 20 times its own")
