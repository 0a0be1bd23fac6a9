"""Files and folders that are either whole or not there, and the hash by which they are known."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from zoo.errors import ArtifactError, SpeechZooError


def sha256_of(content: Path | bytes) -> str:
    """sha256 of a file or of bytes, 64 hex digits."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    sha = hashlib.sha256()
    with content.open("rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


@contextmanager
def atomic(path: Path, error: Callable[[OSError], SpeechZooError] | None = None) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place if the block ends well, else disappears.

    Args:
        path: the file to write; its folder is made if there is none.
        error: what to raise where nothing can be written, if not ``ArtifactError``.

    Raises:
        ArtifactError: there or under that name nothing can be written.
    """
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as reason:
        raise (error or _unwritable(path))(reason) from reason
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """A new folder beside ``beside`` that is gone behind the block: what is made in it moves by renaming.

    Raises:
        ArtifactError: there nothing can be written; told of ``beside``.
    """
    temporary = _beside(beside)
    try:
        temporary.mkdir(parents=True)
        yield temporary
    except OSError as reason:
        raise _unwritable(beside)(reason) from reason
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def atomic_folder(folder: Path, *, force: bool = False) -> Iterator[Path]:
    """A new folder beside ``folder`` that takes its place if the block ends well, else disappears.

    Args:
        folder: the folder to write; there may be an empty one.
        force: there may be a full one, which goes.

    Raises:
        ArtifactError: there or under that name nothing can be written.
    """
    with temporary_folder(folder) as temporary:
        yield temporary
        if folder.is_dir():
            shutil.rmtree(folder) if force else folder.rmdir()
        temporary.replace(folder)


@contextmanager
def atomic_entries(folder: Path, gone: Iterable[Path] = ()) -> Iterator[Path]:
    """A new folder beside ``folder`` whose files and folders move into it if the block ends well.

    Args:
        folder: to add to; all else in it stays. It is made if there is none.
        gone: folders in it, as relative paths, that make place first.

    Raises:
        ArtifactError: there or under that name nothing can be written.
    """
    with temporary_folder(folder) as temporary:
        yield temporary
        for path in gone:
            shutil.rmtree(folder / path)
        _move(temporary, folder)


def _move(source: Path, target: Path) -> None:
    """A file or folder to its place; of a folder that is there, what is in it."""
    if source.is_dir() and target.is_dir():
        for path in source.iterdir():
            _move(path, target / path.name)
    else:
        source.replace(target)


def _beside(path: Path) -> Path:
    """A name that nothing else uses, with the same ending: some writers choose the format by it.

    What killed processes left under such names goes.
    """
    _sweep(path)
    return path.with_name(f".{path.stem}.{_machine()}-{os.getpid()}-{secrets.token_hex(6)}{path.suffix}")


def _sweep(path: Path) -> None:
    """Remove what processes that are no more left beside a file or folder."""
    name = re.compile(
        rf"\.{re.escape(path.stem)}\.([0-9a-f]{{8}})-(\d+)-[0-9a-f]{{12}}{re.escape(path.suffix)}"
    )
    with suppress(OSError):
        for left in path.parent.iterdir():
            if (found := name.fullmatch(left.name)) and found[1] == _machine() and not _runs(int(found[2])):
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """Whether a process of this machine runs; True where that cannot be asked, as on Windows."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


@cache
def _machine() -> str:
    """What tells the processes numbered here from those of other machines that share a disk, 8 hex digits."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid") + Path("/proc/sys/kernel/random/boot_id").read_text()
    return sha256_of(f"{platform.node()} {space}".encode())[:8]


def _unwritable(path: Path) -> Callable[[OSError], SpeechZooError]:
    return lambda reason: ArtifactError(f"{path}: it cannot be written ({reason.strerror or reason})")
