"""How every converter writes: under a temporary name that becomes the file's own once all is well."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import ArtifactError


@contextmanager
def gate(path: Path) -> Iterator[Path]:
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
