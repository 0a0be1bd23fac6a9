"""Unpacks zips of training folders into the cache, whole or not at all."""

from __future__ import annotations

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath, PureWindowsPath

from zoo.errors import ArtifactError, CheckpointError
from zoo.files import atomic_folder

LARGEST = 1 << 30  # bytes that a zip may become
MOST = 10_000  # files in it
_DAMAGE = (  # what a zip that is none, or not whole, makes Python's reader raise
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip


def unpacked(path: Path, target: Path, where: str, alone: Callable[[], AbstractContextManager[None]]) -> Path:
    """The training folder in a zip, unpacked once.

    The files may lie in the zip's root or in one folder inside it. What is there already and as it was
    packed, by sizes and checksums, is used again.

    Args:
        path: the zip.
        target: the folder to make.
        where: its name, for messages.
        alone: makes a block in which no other process unpacks it.

    Raises:
        CheckpointError: no zip, cut short, too large, or with a path that leads out of it, a link or a
            password; nothing is left then.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check(files, where)
            if not _is_there(target, files):
                with alone():
                    if not _is_there(target, files):
                        _unpack(archive, files, target)
    except ArtifactError as error:  # of the disk
        raise CheckpointError(f"{where}: {error}; make room there, or set SPEECHZOO_CACHE") from error
    except _DAMAGE as error:
        raise CheckpointError(f"{where}: it is no whole zip ({error}); fetch it again") from error
    while len(inside := list(target.iterdir())) == 1 and inside[0].is_dir():
        target = inside[0]
    return target


def _check(files: list[zipfile.ZipInfo], where: str) -> None:
    """Refuse a zip whose files would not lie in its folder, or not fit there."""
    for entry in files:
        name = PurePosixPath(entry.filename)
        inside = name.parts and ".." not in name.parts and "\\" not in entry.filename
        if not inside or name.is_absolute() or PureWindowsPath(name).drive:
            raise CheckpointError(f"{where}: its file {entry.filename!r} leads out of it; it is not used")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise CheckpointError(f"{where}: its file {entry.filename!r} is a link; it is not used")
        if entry.flag_bits & 1:
            raise CheckpointError(f"{where}: its file {entry.filename!r} takes a password; it is not used")
    size = sum(entry.file_size for entry in files)
    if not files or size > LARGEST or len(files) > MOST:
        raise CheckpointError(
            f"{where}: it holds {len(files):,} files of {size:,} bytes; from 1 to {MOST:,} files of at most "
            f"{LARGEST:,} bytes are expected"
        )


def _is_there(folder: Path, files: list[zipfile.ZipInfo]) -> bool:
    """Whether a folder holds the files as they were packed."""
    return all(_as_packed(folder / entry.filename, entry) for entry in files)


def _unpack(archive: zipfile.ZipFile, files: list[zipfile.ZipInfo], folder: Path) -> None:
    """Write a folder of these files, or none."""
    with atomic_folder(folder, force=True) as temporary:
        for entry in files:
            path = temporary / entry.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, path.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)


def _as_packed(path: Path, entry: zipfile.ZipInfo) -> bool:
    """Whether a file is there, with the size and checksum that the zip has for it."""
    try:
        return path.stat().st_size == entry.file_size and zlib.crc32(path.read_bytes()) == entry.CRC
    except OSError:
        return False
