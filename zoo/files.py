"""Files that are either whole or not there, and the hash by which they are known."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import ArtifactError


def sha256_of(path: Path) -> str:
    """sha256 of a file, 64 hex digits."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place if the block ends well, else disappears.

    Raises:
        ArtifactError: there or under that name nothing can be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path}: it cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[str], object]) -> None:
    """Have a file written under a temporary name beside its own, then moved there."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        write(os.fspath(part))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
